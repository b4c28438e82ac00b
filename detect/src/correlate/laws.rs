//! The laws of detection, over the registry of detectors, and over one kind that closes findings (which none of the
//! registered ones does: their counts only grow).
//!
//! In any order that keeps within the lateness, in any batches, with restarts from the changelog and with signals that
//! come twice, the findings that stand at the end are the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::{
    EventId, FindingId, Micros,
    finding::Change::{Close, Create},
    time::{DAY, HOUR, MINUTE},
};

use super::{Fate, LATENESS, driver::Open, state::RuleState};
use crate::{
    detectors::{Detector, Reading, Slots, distinct},
    rules::RuleSet,
};

mod far_back;
mod machine;
mod oracle;

use machine::{
    Choice, Fresh, Happening, Machine, Message, arrivals, end_of_time, happenings, mark, reference, registry,
};

const CASES: u32 = 64;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    /// Order, batches, restarts and doubled signals do not change what stands at the end; once all is frozen nothing
    /// is kept.
    #[test]
    fn what_stands_is_a_function_of_the_set_of_events(events in happenings(), seed in 1_u64..) {
        let rules = RuleSet::of_detectors(registry());
        let expected = reference(&rules, &events);
        let mut choice = Choice(seed);
        let messages = arrivals(&rules, &events, &mut choice);
        let mut machine = Machine::default();
        let mut at = 0;
        while at < messages.len() {
            let many = [1, 2, 7, 50][usize::try_from(choice.below(4)).unwrap()];
            let batch = &messages[at..messages.len().min(at + many)];
            let fates = machine.batch(&rules, batch);
            prop_assert!(fates.iter().all(|fate| *fate == Fate::Folded), "{fates:?}");
            at += batch.len();
            if choice.below(3) == 0 {
                let before: Vec<Message> = messages[..at].to_vec();
                let from = usize::try_from(choice.below(at as u64)).unwrap();
                let again: Vec<Message> =
                    before[from..].iter().filter(|message| matches!(message, Message::Signal(_))).cloned().collect();
                let fates = machine.batch(&rules, &again);
                prop_assert!(fates.iter().all(|fate| *fate == Fate::Replayed), "{fates:?}");
            }
            if choice.below(4) == 0 {
                machine.restart(&rules);
            }
        }
        prop_assert_eq!(machine.standing(), expected);
        prop_assert_eq!(machine.partition.memory(), (0, 0));
        prop_assert_eq!(machine.changelog.len(), 1, "only the partition's own state is left");
    }

    /// Threshold and distinct equal a reading of the bare list of events, which knows no slots of state.
    #[test]
    fn thresholds_equal_the_oracle(events in happenings(), least in 1_usize..7) {
        let many = u64::try_from(least).unwrap();
        let rules = RuleSet::of_detectors(vec![
            ("count", Box::new(crate::detectors::threshold::Threshold::events(HOUR, many))),
            ("distinct", Box::new(crate::detectors::threshold::Threshold::values(HOUR, many))),
        ]);
        let found = reference(&rules, &events);
        let found: BTreeMap<FindingId, (String, Vec<EventId>)> =
            found.into_iter().map(|finding| (finding.id, (finding.facts["count"].clone(), finding.event_ids))).collect();
        let expected: BTreeMap<_, _> = oracle::on_fire(&events, HOUR, least, false, "count")
            .into_iter()
            .chain(oracle::on_fire(&events, HOUR, least, true, "distinct"))
            .collect();
        prop_assert_eq!(found, expected);
    }

    /// A state is a function of the set: folding in another order gives the same.
    #[test]
    fn folding_commutes(events in happenings(), seed in 1_u64..) {
        let mut choice = Choice(seed);
        let mut shuffled: Vec<&Happening> = events.iter().collect();
        shuffled.sort_by_cached_key(|_| choice.below(u64::MAX));
        for (name, detector) in registry() {
            let (mut one, mut other) = (Slots::default(), Slots::default());
            events.iter().for_each(|event| detector.fold(&mut one, &event.occurrence(&event.value.to_string())));
            shuffled.iter().for_each(|event| detector.fold(&mut other, &event.occurrence(&event.value.to_string())));
            prop_assert_eq!(one, other, "{}", name);
        }
    }

    /// Reading only the buckets in reach of an event equals the full reading.
    #[test]
    fn an_event_changes_no_bucket_out_of_its_reach(events in happenings()) {
        for (name, detector) in registry() {
            let mut state = Slots::default();
            for event in &events {
                let before = full(&*detector, &state);
                detector.fold(&mut state, &event.occurrence(&event.value.to_string()));
                let reach = detector.reach(Micros(event.time));
                let changed = |bucket: &i64| before.get(bucket) != detector.read(&state, *bucket).as_ref();
                let all: BTreeSet<i64> = buckets(&*detector, &state).into_iter().chain(before.keys().copied()).collect();
                let outside: Vec<i64> = all.into_iter().filter(changed).filter(|bucket| !reach.contains(bucket)).collect();
                prop_assert!(outside.is_empty(), "{name}: {outside:?} outside {reach:?}");
            }
        }
    }

    /// A bucket that a kind does not name as a candidate has nothing to say.
    #[test]
    fn what_is_no_candidate_is_silent(events in happenings()) {
        for (name, detector) in registry() {
            let mut state = Slots::default();
            events.iter().for_each(|event| detector.fold(&mut state, &event.occurrence(&event.value.to_string())));
            let all = detector.bucket_of(Micros(-3 * DAY))..=detector.bucket_of(Micros(7 * DAY));
            let named: BTreeSet<i64> = detector.candidates(&state, all.clone()).into_iter().collect();
            let silent = all.filter(|bucket| !named.contains(bucket));
            let said: Vec<i64> = silent.filter(|bucket| detector.read(&state, *bucket).is_some()).collect();
            prop_assert!(said.is_empty(), "{}: {:?}", name, said);
        }
    }

    /// Dropping what the horizon lets go changes no reading of a bucket that is not frozen.
    #[test]
    fn dropping_old_state_changes_no_open_bucket(events in happenings(), minute in -1440_i64..4 * 1440) {
        let floor = Micros(minute * MINUTE);
        for (name, detector) in registry() {
            let mut state = RuleState { rule: 0, slots: Slots::default(), open: Open::default(), due: None };
            events.iter().for_each(|event| detector.fold(&mut state.slots, &event.occurrence(&event.value.to_string())));
            let open = |state: &RuleState| -> BTreeMap<i64, Reading> {
                full(&*detector, &state.slots).into_iter().filter(|(bucket, _)| detector.bucket_end(*bucket) > floor).collect()
            };
            let before = open(&state);
            state.freeze(&*detector, floor);
            prop_assert_eq!(open(&state), before, "{}", name);
        }
    }

    /// What is frozen stays as it is, whatever comes after it against the law: silent buckets stay silent, findings
    /// get no further revision.
    #[test]
    fn what_is_frozen_never_changes(events in happenings(), late in happenings(), minute in 0_i64..80 * 60) {
        let rules = RuleSet::of_detectors(registry());
        let mut machine = Machine::default();
        let signals = |events: &[Happening], from: i64| -> Vec<Message> {
            events.iter().zip(from..).map(|(event, offset)| Message::Signal(event.signal(&rules, offset))).collect()
        };
        machine.batch(&rules, &signals(&events, 0));
        let floor = Micros(minute * MINUTE - LATENESS);
        machine.batch(&rules, &[mark(0, floor.plus(LATENESS)), mark(1, floor.plus(LATENESS))]);
        let said = machine.said.len();
        let fates = machine.batch(&rules, &signals(&late, 1_000_000));
        let detectors = registry();
        for (event, fate) in late.iter().zip(fates) {
            // An event in a frozen bucket of all kinds is late.
            let time = Micros(event.time);
            let is_late = detectors.iter().all(|(_, kind)| kind.bucket_end(kind.bucket_of(time)) <= floor);
            prop_assert_eq!(fate == Fate::Late, is_late);
        }
        let frozen: BTreeSet<FindingId> = detectors
            .iter()
            .flat_map(|(name, kind)| {
                let buckets = (-100..200_i64).filter(|bucket| kind.bucket_end(*bucket) <= floor);
                buckets.flat_map(|bucket| ids(name, bucket)).collect::<Vec<_>>()
            })
            .collect();
        prop_assert!(machine.said[said..].iter().all(|finding| !frozen.contains(&finding.id)));
    }
}

fn ids(rule: &str, bucket: i64) -> Vec<FindingId> {
    (0..3).map(|group| FindingId::of_bucket("t", rule, 1, &format!("g{group}"), bucket)).collect()
}

/// Every bucket that may have something to say.
fn buckets(detector: &dyn Detector, state: &Slots) -> BTreeSet<i64> {
    let starts = state.iter().map(|slot| Micros(slot.index() * detector.slot()));
    starts.flat_map(|start| detector.candidates(state, detector.reach(start))).collect()
}

/// The full reading.
fn full(detector: &dyn Detector, state: &Slots) -> BTreeMap<i64, Reading> {
    let buckets = buckets(detector, state).into_iter();
    buckets.filter_map(|bucket| Some((bucket, detector.read(state, bucket)?))).collect()
}

/// The law would hold of a kind that never fires, too: each specimen fires on the reference's data at least once.
#[test]
fn every_specimen_fires() {
    let rules = RuleSet::of_detectors(registry());
    let mut events: Vec<Happening> = (0..9_u8)
        .map(|n| Happening { id: n.into(), time: i64::from(n) * MINUTE, group: 0, value: n % 5, role: n % 3 })
        .collect();
    events.push(Happening { id: 9, time: -30 * HOUR, group: 0, value: 9, role: 0 });
    let fired: BTreeSet<String> =
        reference(&rules, &events).into_iter().map(|finding| finding.rule_name).collect();
    let all: BTreeSet<String> = registry().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(fired, all);
}

/// A finding of a kind that closes is closed, and comes not back, when an earlier event arrives later.
#[test]
fn a_late_event_closes_what_it_makes_untrue() {
    let rules = RuleSet::of_detectors(vec![("fresh", Box::new(Fresh))]);
    let event = |id, hour: i64| Happening { id, time: hour * HOUR, group: 0, value: 0, role: 0 };
    let mut machine = Machine::default();
    machine.batch(&rules, &[Message::Signal(event(0, 10).signal(&rules, 0))]);
    machine.batch(&rules, &[Message::Signal(event(2, 8).signal(&rules, 1))]);
    let said: Vec<_> = machine.said.iter().map(|finding| (finding.revision, finding.change)).collect();
    assert_eq!(said, [(1, Create), (1, Create), (2, Close)], "the hour 8 opens, the hour 10 closes");
    assert_eq!(machine.standing().len(), 1);
}

/// A flood of one key takes no more than its slots may; with time passing, old slots go.
#[test]
fn the_state_of_a_key_is_bounded() {
    let rules = RuleSet::of_detectors(registry());
    let mut machine = Machine::default();
    let mut most = 0;
    for hour in 0..60_i64 {
        let flood = (0..100_u32).map(|n| {
            let id = u32::try_from(hour).unwrap() * 100 + n;
            let time = hour * HOUR + i64::from(n) * 36 * 1_000_000;
            let event = Happening { id, time, group: 0, value: u8::try_from(n).unwrap(), role: 0 };
            Message::Signal(event.signal(&rules, i64::from(id)))
        });
        let mut batch: Vec<Message> = flood.collect();
        batch.extend([mark(0, Micros(hour * HOUR)), mark(1, Micros(hour * HOUR))]);
        machine.batch(&rules, &batch);
        most = most.max(machine.partition.memory().1);
    }
    // 24 h of lateness, the current hour and a horizon of 2 h: 27 h with 60 slots each for three rules, and one an
    // hour for two. A full slot of an hour is here 64 events of evidence at most, 8 + 4 + 4 short texts and at most 100
    // hashes; one of a minute has two events, room for four of each of these and for twice as many slots.
    let hour = 200 + 64 * 24 * 2 + 17 * 48 + 100 * 8 * 2;
    let minute = 2 * 200 + 4 * (24 + 8 + 3 * 24) + 48;
    assert!(
        most < 28 * (2 * hour + 3 * 60 * minute),
        "{most} bytes of {}",
        28 * (2 * hour + 3 * 60 * minute)
    );
    machine.batch(&rules, &end_of_time());
    assert_eq!(machine.partition.memory(), (0, 0));
}

/// State that no rule wants any more is neither held in memory nor left in the changelog; the rest stays.
#[test]
fn what_changed_rules_leave_behind_goes_with_the_next_step() {
    let count = |least| -> Box<dyn Detector> {
        Box::new(crate::detectors::threshold::Threshold::events(HOUR, least))
    };
    let both = RuleSet::of_detectors(vec![("stays", count(2)), ("goes", Box::new(Fresh))]);
    let left = RuleSet::of_detectors(vec![("stays", count(2))]);
    let other = RuleSet::of_detectors(vec![("new", count(2))]);
    let event = Happening { id: 0, time: 0, group: 0, value: 0, role: 0 };
    let happened = |rules: &RuleSet| {
        let mut machine = Machine::default();
        machine.batch(rules, &[Message::Signal(event.signal(rules, 0))]);
        assert_eq!(machine.changelog.len(), 2, "a key's state and the partition's own");
        machine
    };

    let mut machine = happened(&both);
    machine.restart(&other);
    assert_eq!(machine.partition.memory(), (0, 0));
    machine.batch(&other, &[]);
    assert_eq!(machine.changelog.keys().collect::<Vec<_>>(), [b"\x1f".as_slice()]);

    let mut machine = happened(&both);
    machine.restart(&left);
    machine.batch(&left, &[]);
    assert_eq!((machine.partition.memory().0, machine.changelog.len()), (1, 2));

    // A key that is told to go and comes back in the same step stays.
    let mut machine = happened(&both);
    machine.restart(&other);
    machine.batch(&other, &[Message::Signal(Happening { id: 1, ..event.clone() }.signal(&other, 0))]);
    assert_eq!((machine.partition.memory().0, machine.changelog.len()), (1, 2));
}

/// Counting far beyond the exact sets stays the same in any order.
#[test]
fn sketches_are_as_order_free_as_sets() {
    let detector = crate::detectors::threshold::Threshold::values(HOUR, 1_000);
    let fold = |order: &mut dyn Iterator<Item = u32>| {
        let mut state = Slots::default();
        for n in order {
            let event = Happening { id: n, time: i64::from(n % 10) * MINUTE, group: 0, value: 0, role: 0 };
            detector.fold(&mut state, &event.occurrence(&n.to_string()));
        }
        state
    };
    let (forwards, backwards) = (fold(&mut (0..6_000)), fold(&mut (0..6_000).rev()));
    assert_eq!(forwards, backwards);
    let reading = detector.read(&forwards, 0).unwrap();
    assert!((5_700..6_300).contains(&reading.count), "{}", reading.count);
    assert!(matches!(forwards.iter().next().unwrap().distinct(), distinct::Distinct::Sketch(_)));
}
