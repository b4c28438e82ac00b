//! Worker 1: audit feeds, and files of audit records and flow runs, become events.
//!
//! [`sources`] cut what they read into records and hand them over in portions ([`portion`]), [`decode`] turns one record into one event, [`seen`] knows which have
//! arrived, [`worker`] writes events, dead letters and the ledger in steps. Every record found is counted once:
//! `read = emitted + deduplicated + skipped + rejected`, in every ledger entry and so in every sum.
//!
//! It does not enrich, judge or send anything; it knows no rule.

pub mod config;
pub mod decode;
pub mod error;
pub mod metrics;
mod ours;
pub mod portion;
pub mod progress;
pub mod seen;
pub mod sources;
pub mod worker;

pub use error::IngestError;
pub use progress::Progress;
pub use sources::Source;
pub use sources::files::{AtEnd, FilesConfig, Watch};
pub use sources::management_api::ManagementConfig;
pub use worker::{AllRead, Context, Summary, group, run};
