//! Worker 2: events become enriched events.
//!
//! Reads `weir.event.v1`, writes `weir.enriched.v1`, partition by partition: an event goes on in the partition it came
//! from, under its key, with blocks that say who and what is behind it; a watermark goes on as it is, in its place.
//! Every block says in its `status` whether its facts are known; what is not known is absent, never false.
//!
//! All lookups are maps in memory, filled at start from the configuration and from local files ([`config`]); no event
//! waits for anything. The event itself is never changed.

pub mod config;
pub mod error;
pub mod lookups;
pub mod metrics;
mod table;
pub mod worker;

pub use config::EnrichConfig;
pub use lookups::Lookups;
pub use worker::EnrichStage;
