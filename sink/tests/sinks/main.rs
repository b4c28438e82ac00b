//! The sinks over HTTP: against a receiver of these tests' own, whose habits differ from the simulator's, and against
//! the simulator's receivers.

#[cfg(test)]
mod azure;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod splunk;
#[cfg(test)]
mod stages;
#[cfg(test)]
mod support;
