//! The pure core of Weir: what a log is, what a stage does, how a worker runs one on the other. No I/O crate is named
//! here; the memory log and the conformance suite that every log must pass live here too.
#![warn(missing_docs)]

pub mod clock;
pub mod conformance;
mod coordinator;
pub mod counters;
pub mod dead_letter;
pub mod gap;
pub mod local;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod outcome;
pub mod retry;
pub mod stage;
pub mod worker;

pub use clock::{Clock, Scale};
pub use log::{Batch, Incoming, Log, LogError, Logs, Next, Outgoing, Reader, Route, Step};
pub use memory::{MemoryLog, MemoryOptions};
pub use outcome::{Outcome, Reason};
pub use stage::{Halt, Stage, Work};
