//! Stage correlate.

use std::sync::Arc;

use detect::{CorrelateStage, MatchStage, RuleSet};
use futures_util::future::FutureExt;
use pipeline::{Clock, Incoming, Stage, Work};
use schemas::{
    Micros, Partition, Topic, TopicPartition,
    enriched::EnrichedEvent,
    finding::Change,
    time::{HOUR, MINUTE},
};

use crate::support::{
    Changelog, assign, batch, event, failure, findings, incoming, records, rules, watermark, words, work,
};

/// Both stages over one partition, with the changelog between restarts.
pub(crate) struct Machine {
    pub(crate) rules: Arc<RuleSet>,
    matching: MatchStage,
    correlate: CorrelateStage,
    pub(crate) changelog: Changelog,
    enriched: u64,
    signals: u64,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let (rules, changelog) = (rules(), Changelog::default());
        let mut correlate = CorrelateStage::new(rules.clone(), changelog.logs(), Clock::manual(Micros(5)));
        assign(&mut correlate, &[0]);
        let matching = MatchStage::new(rules.clone(), 1, Clock::manual(Micros(5)));
        Self { rules, matching, correlate, changelog, enriched: 0, signals: 0 }
    }

    /// What match makes of events, as records of the signal partition.
    pub(crate) fn signals(&mut self, events: &[EnrichedEvent]) -> Vec<Incoming> {
        let values = events.iter().map(|event| schemas::encode(event).unwrap()).collect();
        self.through_match(values)
    }

    fn through_match(&mut self, values: Vec<Vec<u8>>) -> Vec<Incoming> {
        let records = values.into_iter().map(|value| {
            self.enriched += 1;
            incoming(Topic::Enriched, 0, self.enriched, value)
        });
        let records: Vec<Incoming> = records.collect();
        let made = work(&mut self.matching, records);
        let signals = records_of_signals(&made).into_iter().map(|value| {
            self.signals += 1;
            incoming(Topic::Signal, 0, self.signals, value)
        });
        signals.collect()
    }

    pub(crate) fn step(&mut self, records: Vec<Incoming>) -> Work {
        let done = work(&mut self.correlate, records);
        self.changelog.add(&done, 0);
        done
    }

    fn feed(&mut self, events: &[EnrichedEvent]) -> Work {
        let signals = self.signals(events);
        self.step(signals)
    }

    pub(crate) fn mark(&mut self, time: Micros) -> Work {
        let mark = schemas::encode(&watermark(time, None, None)).unwrap();
        let marks = self.through_match(vec![mark]);
        self.step(marks)
    }

    pub(crate) fn restart(&mut self) {
        self.correlate =
            CorrelateStage::new(self.rules.clone(), self.changelog.logs(), Clock::manual(Micros(5)));
        assign(&mut self.correlate, &[0]);
    }
}

fn records_of_signals(work: &Work) -> Vec<Vec<u8>> {
    let signals = records(work).into_iter().filter(|record| record.topic == Topic::Signal);
    signals.map(|record| record.value.as_ref().unwrap().to_vec()).collect()
}

#[test]
fn a_threshold_is_created_and_updated_with_all_its_evidence() {
    let mut machine = Machine::new();
    let events: Vec<EnrichedEvent> = (0..4).map(|n| failure(&format!("u{n}@x"), n)).collect();
    assert!(findings(&machine.feed(&events[..2])).is_empty(), "two of three");
    let [created] = findings(&machine.feed(&events[2..3])).try_into().unwrap();
    assert_eq!((created.revision, created.change, created.event_count), (1, Change::Create, 3));
    assert_eq!(created.summary, "3 people failed from 198.51.100.7 within 10m: u0@x, u1@x, u2@x (unknown)");
    assert_eq!((created.entity.kind.as_str(), created.entity.id.as_str()), ("address", "198.51.100.7"));
    let [updated] = findings(&machine.feed(&events[3..])).try_into().unwrap();
    assert_eq!((updated.id, updated.revision, updated.change), (created.id, 2, Change::Update));
    assert_eq!(updated.event_ids, events.iter().map(|event| event.event.id).collect::<Vec<_>>());
    assert_eq!((updated.first_time, updated.last_time), (Micros(0), Micros(3 * MINUTE)));
    assert_eq!(updated.facts["count"], "4");
}

#[test]
fn a_restart_goes_on_where_the_changelog_ends() {
    let mut machine = Machine::new();
    machine.feed(&[failure("a@x", 0), failure("b@x", 1)]);
    machine.restart();
    let [created] = findings(&machine.feed(&[failure("c@x", 2)])).try_into().unwrap();
    machine.restart();
    let [updated] = findings(&machine.feed(&[failure("d@x", 3)])).try_into().unwrap();
    assert_eq!((created.revision, updated.revision, updated.event_count), (1, 2, 4));
}

#[test]
fn a_signal_that_comes_twice_counts_once_also_after_a_restart() {
    let mut machine = Machine::new();
    let signals = machine.signals(&[failure("a@x", 0), failure("b@x", 1)]);
    machine.step(signals.clone());
    assert_eq!(words(&machine.step(signals.clone())), ["replayed", "replayed"]);
    machine.restart();
    assert_eq!(words(&machine.step(signals)), ["replayed", "replayed"]);
    let [created] = findings(&machine.feed(&[failure("c@x", 2)])).try_into().unwrap();
    assert_eq!(created.event_count, 3);
}

#[test]
fn a_temporal_rule_wants_every_role_for_the_same_group() {
    let mut machine = Machine::new();
    let mut done = |operation: &str, resource: &str, minute| {
        let mut event = event(&format!(r#"{{"Operation":"{operation}"}}"#), minute);
        event.event.activity.resource.id = resource.to_owned();
        findings(&machine.feed(&[event])).into_iter().map(|finding| finding.summary).collect::<Vec<_>>()
    };
    assert!(done("First", "r1", 0).is_empty());
    assert!(done("First", "r1", 1).is_empty(), "twice the same role");
    assert!(done("Second", "r2", 2).is_empty(), "another resource");
    assert_eq!(done("Second", "r1", 30), ["ann@x did both to r1"]);
}

#[test]
fn off_hours_gives_a_finding_an_hour() {
    let mut machine = Machine::new();
    let night = |minute| {
        let mut event = event(r#"{"Operation":"EditFlow"}"#, minute);
        (event.working_time.within_hours, event.working_time.expected_place) = (Some(false), Some(false));
        event
    };
    let found = findings(&machine.feed(&[night(0), night(59), night(60)]));
    let found: Vec<_> =
        found.iter().map(|finding| (finding.summary.as_str(), finding.kind.as_str())).collect();
    let expected = [
        ("ann@x worked 2 times at night from IS", "off_hours"),
        ("ann@x worked 1 times at night from IS", "off_hours"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_frozen_bucket_counts_events_as_late_and_its_key_is_let_go() {
    let mut machine = Machine::new();
    machine.feed(&[failure("a@x", 0), failure("b@x", 1)]);
    // The bucket of ten minutes ends at minute 10: it is open until the watermark is a day beyond that.
    machine.mark(Micros(24 * HOUR + 10 * MINUTE - 1));
    let late = machine.signals(&[failure("c@x", 2)]);
    assert_eq!(words(&machine.step(late)), ["emit"], "in time");
    machine.mark(Micros(24 * HOUR + 10 * MINUTE));
    machine.restart();
    let late = machine.signals(&[failure("d@x", 3)]);
    let work = machine.step(late);
    assert_eq!((words(&work), findings(&work).len()), (vec!["late"], 0));
    assert_eq!(machine.correlate.memory().keys, 1, "the horizon is not over");
    assert!(machine.correlate.memory().bytes_per_key() > 100);
    machine.mark(Micros::END);
    assert_eq!(machine.correlate.memory().keys, 0);
    assert_eq!(machine.changelog.0.len(), 1, "only the partition's own state");
}

#[test]
fn a_partition_that_has_not_reported_holds_the_freeze() {
    let mut machine = Machine::new();
    machine.feed(&[failure("a@x", 0), failure("b@x", 1)]);
    let mark = |offset, through| {
        let mark = watermark(Micros::END, Some(through), Some(2));
        incoming(Topic::Signal, 0, offset, schemas::encode(&mark).unwrap())
    };
    machine.step(vec![mark(100, 0)]);
    assert_eq!(machine.correlate.memory().keys, 1);
    machine.step(vec![mark(101, 1)]);
    assert_eq!(machine.correlate.memory().keys, 0);
}

#[test]
fn what_is_not_ours_is_rejected_and_unknown_rules_are_skipped() {
    let mut machine = Machine::new();
    let [mut other] = machine.signals(&[failure("a@x", 0)]).try_into().unwrap();
    let mut signal: schemas::signal::Signal = schemas::decode(other.value.as_ref().unwrap()).unwrap();
    signal.rules[0].rule = "gone".to_owned();
    other.value = Some(schemas::encode(&signal).unwrap().into());
    let foreign = incoming(Topic::Signal, 0, 9, b"\0\0\0\0\x01".to_vec());
    assert_eq!(words(&machine.step(vec![foreign, other])), ["not_ours", "no_rule"]);
}

#[test]
fn a_lost_partition_leaves_no_trace_in_memory() {
    let mut machine = Machine::new();
    let signals = machine.signals(&[failure("a@x", 0), failure("b@x", 1), failure("c@x", 2)]);
    // Worked on, but never committed: nothing of it reaches the changelog.
    assert_eq!(findings(&work(&mut machine.correlate, signals.clone())).len(), 1);
    machine.correlate.dropped(&[TopicPartition::new(Topic::Signal, Partition(0))]);
    assert!(machine.correlate.work(&batch(signals.clone())).now_or_never().unwrap().is_err(), "not assigned");
    machine.restart();
    let [created] = findings(&machine.step(signals)).try_into().unwrap();
    assert_eq!((created.revision, created.event_count), (1, 3));
}

#[test]
fn a_changelog_of_another_version_stops_the_stage() {
    let mut machine = Machine::new();
    machine.feed(&[failure("a@x", 0)]);
    for value in machine.changelog.0.values_mut() {
        let mut state: schemas::state::DetectState = schemas::decode(value).unwrap();
        state.state[0] = 99;
        *value = schemas::encode(&state).unwrap().into();
    }
    let mut stage =
        CorrelateStage::new(machine.rules.clone(), machine.changelog.logs(), Clock::manual(Micros(0)));
    let gained = vec![(TopicPartition::new(Topic::Signal, Partition(0)), schemas::Offset(0))];
    let assignment = pipeline::log::Assignment { lease: pipeline::log::Lease { generation: 1 }, gained };
    let halt = stage.assigned(&assignment).now_or_never().unwrap().unwrap_err();
    assert!(halt.to_string().contains("version 99"), "{halt}");
}
