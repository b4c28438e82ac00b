//! The contracts, held to what they promise: bytes that do not change, schemas that stay compatible both ways, and
//! foreign bytes that end in an error.
//!
//! The crate is one test program; each module states its laws in its header.

#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod samples;
