//! The law of the whole flow over the logs that need no server: see `support/law.rs`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]

#[path = "support/embedded.rs"]
mod embedded;
#[path = "support/flows.rs"]
mod flows;
#[path = "support/law.rs"]
mod law;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/records.rs"]
mod records;
#[path = "support/six.rs"]
mod six;

use law::{Bounds, Breaks, Kind, MEMORY, holds};

const EMBEDDED: Kind =
    Kind { make: |partitions| Box::pin(async move { embedded::fresh(partitions) }), ..MEMORY };

const ONCE: Bounds = Bounds { cases: 8, records_max_from: 1, replicas: 1, breaks: Breaks::None };

#[test]
fn the_same_records_give_the_same_findings_on_the_memory_log() {
    holds(MEMORY, ONCE).unwrap();
}

#[test]
fn two_members_of_every_stage_find_the_same_on_the_memory_log() {
    holds(MEMORY, Bounds { cases: 4, replicas: 2, ..ONCE }).unwrap();
}

#[test]
fn a_flow_that_is_broken_off_finds_the_same_on_the_memory_log() {
    holds(MEMORY, Bounds { cases: 6, breaks: Breaks::Any, ..ONCE }).unwrap();
}

#[test]
fn two_members_of_every_stage_broken_off_find_the_same_on_the_memory_log() {
    holds(MEMORY, Bounds { cases: 3, replicas: 2, breaks: Breaks::Any, ..ONCE }).unwrap();
}

#[test]
fn the_same_records_give_the_same_findings_on_the_embedded_log() {
    holds(EMBEDDED, Bounds { cases: 2, ..ONCE }).unwrap();
}

#[test]
fn two_members_of_every_stage_find_the_same_on_the_embedded_log() {
    holds(EMBEDDED, Bounds { cases: 1, replicas: 2, ..ONCE }).unwrap();
}

#[test]
fn a_flow_that_is_broken_off_finds_the_same_on_the_embedded_log() {
    holds(EMBEDDED, Bounds { cases: 2, breaks: Breaks::Any, ..ONCE }).unwrap();
}
