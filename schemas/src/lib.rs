//! The contracts of Weir: what travels on which topic, under which key, in which bytes.
//!
//! Every message has an Avro schema in `avro/` (one file a version), a Rust type here, a fixed schema id and golden
//! bytes. Nothing here does I/O or knows how a log works.
//!
//! Who reads what: [`event`] (ingest → enrich), [`enriched`] (enrich → detect), [`signal`] (match → correlate),
//! [`finding`] (detect → sink), [`receipt`], [`gap`], [`ledger`] and [`dead_letter`] (accounting).
#![warn(missing_docs)]

pub mod codec;
pub mod dead_letter;
pub mod enriched;
pub mod event;
pub mod finding;
pub mod gap;
pub mod id;
pub mod ids;
pub mod ledger;
pub mod partition;
pub mod receipt;
pub mod record;
pub mod signal;
pub mod state;
pub mod subject;
mod theirs;
pub mod time;
pub mod topic;
pub mod watermark;

pub use codec::{CodecError, Message, decode, encode};
pub use event::Event;
pub use id::{EventId, FindingId, Hash128};
pub use partition::{Offset, Partition, TopicPartition};
pub use time::Micros;
pub use topic::{FindingGroup, StageName, Topic};
