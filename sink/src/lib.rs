//! Worker 4: findings reach their receivers.
//!
//! One configured sink is one consumer group over the finding topics, so that each keeps its own place and none waits
//! for another. `worker` is the stage; [`sinks`] are the receivers; [`ocsf`] and [`table`] are the two shapes in
//! which a finding leaves Weir; [`fold`] turns revisions into what holds.
//!
//! Towards a receiver a finding counts at least once: after a crash the same revision may be sent again. Receivers fold
//! by finding id and keep the highest revision.

mod config;
#[cfg(test)]
mod content;
mod error;
pub mod fold;
pub mod metrics;
pub mod ocsf;
#[cfg(test)]
mod sample;
pub mod sinks;
pub mod table;
mod worker;

pub use config::{SinkConfig, Target};
pub use error::SinkError;
pub use metrics::Metrics;
pub use worker::SinkStage;

/// Where the runbook of a finding's rule lies in the repository.
fn runbook(finding: &schemas::finding::Finding) -> String {
    format!("docs/runbooks/{}.md", finding.rule_name)
}
