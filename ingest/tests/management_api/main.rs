//! The source `management-api` against a tenant in a box, and against a service with other habits.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod content;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod habits;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod support;
