//! Worker 3: enriched events become findings.
//!
//! Two stages, each with its own log handle. *Match* ([`MatchStage`]) is stateless: it matches Sigma rules against one
//! event, writes the findings of single-event rules, and one signal per (event, group value) for stateful rules.
//! *Correlate* ([`CorrelateStage`]) keeps state per key and partition and writes the findings of stateful rules.
//!
//! Detection stays the same whatever the order of events: each kind is a fold, a reading and a reach
//! ([`detectors`]), and one driver turns readings into findings. Within the allowed lateness of 24 h the findings that
//! are frozen and not closed are a function of the set of events.

pub mod correlate;
pub mod detectors;
pub mod matching;
pub mod metrics;
pub mod rules;
pub mod view;

pub use correlate::CorrelateStage;
pub use matching::MatchStage;
pub use metrics::Metrics;
pub use rules::{Pack, RuleInfo, RuleProblem, RuleSet, testfile};
