//! The kinds that look far back: that they say what the model says, and where the model once failed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemas::{
    FindingId, Micros,
    finding::Finding,
    time::{DAY, HOUR, MINUTE},
};

use super::{
    CASES, Fate, Happening, LATENESS, Machine, Message, happenings, mark, oracle, oracle::Findings, reference,
};
use crate::{
    detectors::{
        Detector,
        first_seen::FirstSeen,
        sequence::Sequence,
        spike::{Settings, Spike, Zone},
    },
    rules::RuleSet,
};

fn only(name: &str, detector: impl Detector + 'static) -> RuleSet {
    RuleSet::of_detectors(vec![(name, Box::new(detector))])
}

fn by_id(found: Vec<Finding>) -> Findings {
    found
        .into_iter()
        .map(|finding| (finding.id, (finding.facts["count"].clone(), finding.event_ids)))
        .collect()
}

fn counts(found: Vec<Finding>) -> BTreeMap<FindingId, String> {
    found.into_iter().map(|finding| (finding.id, finding.facts["count"].clone())).collect()
}

fn settings(prior: Option<f64>, distinct: bool) -> Settings {
    Settings { ratio: 2.0, floor: 3, tail: 0.2, learn_days: 2, prior, distinct, zone: Zone::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is new is what the bare list of events says.
    #[test]
    fn first_sightings_equal_the_oracle(events in happenings(), days in 2_i64..4, learn_days in 1_i64..3) {
        let learn_days = learn_days.min(days - 1);
        let rules = only("first", FirstSeen::new(days, learn_days));
        prop_assert_eq!(by_id(reference(&rules, &events)), oracle::new_values(&events, days, learn_days, "first"));
    }

    /// What follows is what the bare list of events says.
    #[test]
    fn sequences_equal_the_oracle(events in happenings(), hours in 1_i64..60) {
        let rules = only("sequence", Sequence::new(hours * HOUR));
        prop_assert_eq!(by_id(reference(&rules, &events)), oracle::followed(&events, hours * HOUR, "sequence"));
    }

    /// What is far above normal is what the bare list of events says, also weeks later when most of it is shortened.
    #[test]
    fn spikes_equal_the_oracle(events in happenings(), weeks in 0_i64..7, distinct: bool, knows: bool) {
        let mut events = events;
        let again: Vec<Happening> = events
            .iter()
            .zip(100_000..)
            .map(|(event, id)| Happening { id, time: event.time + weeks * 7 * DAY, ..event.clone() })
            .filter(|_| weeks > 0)
            .collect();
        events.extend(again);
        let settings = settings(knows.then_some(0.5), distinct);
        let rules = only("spike", Spike::new(settings.clone()));
        let expected = oracle::spikes(&events, &settings, "spike");
        prop_assert_eq!(&counts(reference(&rules, &events)), &expected);
        prop_assert_eq!(&counts(live(&rules, events).standing()), &expected, "with watermarks close behind");
    }
}

/// In the order of time, with a watermark before each hour's first event.
fn live(rules: &RuleSet, mut events: Vec<Happening>) -> Machine {
    events.sort_by_key(|event| (event.time, event.id));
    let mut machine = Machine::default();
    let mut offset = 0;
    for events in events.chunk_by(|one, other| one.time.div_euclid(HOUR) == other.time.div_euclid(HOUR)) {
        let now = Micros(events[0].time);
        let mut batch = vec![mark(0, now), mark(1, now)];
        for event in events {
            offset += 1;
            batch.push(Message::Signal(event.signal(rules, offset)));
        }
        machine.batch(rules, &batch);
    }
    machine
}

/// So many events of one group in an hour, a minute apart or less.
fn many(events: &mut Vec<Happening>, hour: i64, count: i64, value: u8) {
    for n in 0..count {
        let id = u32::try_from(events.len()).unwrap();
        let time = hour * HOUR + n * (50 * MINUTE / count);
        events.push(Happening { id, time, group: 0, value, role: 0 });
    }
}

fn hours(machine: &Machine) -> Vec<i64> {
    let mut hours: Vec<i64> =
        machine.standing().iter().map(|finding| finding.first_time.0.div_euclid(HOUR)).collect();
    hours.sort_unstable();
    hours
}

/// The last time a value was seen counts on after its hour is frozen and its slot is gone, for as long as the rule
/// looks back and no longer.
#[test]
fn the_last_sighting_is_kept_as_long_as_it_matters() {
    let rules = only("first", FirstSeen::new(4, 1));
    let sightings = |last: i64| {
        let mut events = Vec::new();
        many(&mut events, 0, 1, 1);
        // The group goes on being there, so that only the value's own last time decides.
        (1..last).for_each(|hour| many(&mut events, hour, 1, 2));
        many(&mut events, last, 1, 1);
        hours(&live(&rules, events))
    };
    assert_eq!(sightings(4 * 24), [0_i64; 0], "four days are not over");
    assert_eq!(sightings(4 * 24 + 1), [4 * 24 + 1]);
}

/// A new person says nothing in the first days, and neither does one who comes back after the whole time.
#[test]
fn a_group_that_is_not_known_says_nothing() {
    let rules = only("first", FirstSeen::new(30, 3));
    let at = |hours: &[(i64, u8)]| {
        let mut events = Vec::new();
        hours.iter().for_each(|(hour, value)| many(&mut events, *hour, 1, *value));
        self::hours(&live(&rules, events))
    };
    assert_eq!(at(&[(0, 1), (1, 2), (47, 3)]), [0_i64; 0], "the third day");
    assert_eq!(at(&[(0, 1), (1, 2), (72, 3)]), [72], "the fourth day");
    assert_eq!(at(&[(0, 1), (31 * 24, 2)]), [0_i64; 0], "nothing is known any more");
}

/// A bucket that froze silent stays silent, though without the sightings that are dropped by now, what comes late in it
/// would be new.
#[test]
fn a_bucket_that_froze_silent_stays_silent() {
    let rules = only("first", FirstSeen::new(2, 1));
    let event = |id, hour: i64, value| Happening { id, time: hour * HOUR, group: 0, value, role: 0 };
    let signal = |event: &Happening| Message::Signal(event.signal(&rules, i64::from(event.id) + 1));
    let mut machine = Machine::default();
    let events = [event(0, 0, 1), event(2, 30, 2), event(4, 40, 1)];
    machine.batch(&rules, &events.each_ref().map(signal));
    assert_eq!(hours(&machine), [30], "at hour 40 the value of hour 0 is not new");
    let said = machine.said.len();
    // Hour 40 is frozen, and hour 0 is out of everybody's reach.
    let far = Micros(60 * HOUR + LATENESS);
    machine.batch(&rules, &[mark(0, far), mark(1, far)]);
    let late = [event(6, 40, 1), event(8, 41, 3)];
    assert_eq!(machine.batch(&rules, &late.each_ref().map(signal)), [Fate::Late, Fate::Late]);
    machine.restart(&rules);
    machine.batch(&rules, &[signal(&event(10, 61, 1))]);
    assert_eq!(machine.said.len(), said, "the value of hour 40 is known at hour 61");
    machine.batch(&rules, &[signal(&event(12, 62, 3))]);
    assert_eq!(machine.said.len(), said + 1, "that of hour 41 came too late to be");
}

fn tenfold() -> Settings {
    Settings {
        ratio: 10.0,
        floor: 50,
        tail: 4e-6,
        learn_days: 7,
        prior: None,
        distinct: false,
        zone: Zone::default(),
    }
}

/// Two weeks of six an hour.
fn two_weeks() -> Vec<Happening> {
    let mut events = Vec::new();
    (0..14 * 24).for_each(|hour| many(&mut events, hour, 6, 0));
    events
}

/// An attack that goes on for days is no baseline for itself.
#[test]
fn a_long_attack_does_not_become_normal() {
    let rules = only("spike", Spike::new(tenfold()));
    let mut events = two_weeks();
    let attack: Vec<i64> = (14 * 24..19 * 24).collect();
    attack.iter().for_each(|hour| many(&mut events, *hour, 150, 0));
    assert_eq!(hours(&live(&rules, events)), attack);
}

/// What happens the day before, or in the same day, teaches nothing: the answer does not depend on when it is asked.
#[test]
fn yesterday_teaches_nothing() {
    let rules = only("spike", Spike::new(tenfold()));
    let with = |hour: Option<i64>| {
        let mut events = two_weeks();
        many(&mut events, 15 * 24 + 3, 66, 0);
        hour.into_iter().for_each(|hour| many(&mut events, hour, 45, 0));
        let found = live(&rules, events).standing();
        let spike: Vec<&Finding> = found.iter().filter(|found| found.facts["count"] == "66").collect();
        spike.first().map(|finding| finding.facts["expected"].clone())
    };
    let alone = with(None);
    assert!(alone.is_some());
    assert_eq!(with(Some(14 * 24 + 5)), alone, "the day before");
    assert_eq!(with(Some(15 * 24 + 1)), alone, "the same day");
    assert_ne!(with(Some(13 * 24 + 5)), alone, "two days before");
}

/// A key below the floor, one below ten times its normal, and one that is new: none of these is a spike.
#[test]
fn all_three_conditions_must_hold() {
    let rules = only("spike", Spike::new(tenfold()));
    let with = |count: i64| {
        let mut events = two_weeks();
        many(&mut events, 15 * 24 + 3, count, 0);
        hours(&live(&rules, events))
    };
    assert_eq!((with(59), with(61)), (vec![], vec![15 * 24 + 3]), "about ten times six");
    let mut rare = Vec::new();
    (0..14).for_each(|day| many(&mut rare, day * 24 + 9, 1, 0));
    let at = |count: i64| {
        let mut events = rare.clone();
        many(&mut events, 15 * 24 + 9, count, 0);
        hours(&live(&rules, events))
    };
    assert_eq!((at(49), at(50)), (vec![], vec![15 * 24 + 9]), "the floor");
    let mut new = Vec::new();
    many(&mut new, 0, 400, 0);
    many(&mut new, 24, 4_000, 0);
    assert_eq!(hours(&live(&rules, new.clone())), [0_i64; 0], "nothing is normal yet");
    let believes = Spike::new(Settings { prior: Some(10.0), ..tenfold() });
    assert_eq!(hours(&live(&only("spike", believes), new)), [0, 24], "more than anybody does");
}

/// What is the same in every week is normal once it was so in most weeks; and beside its hour, too.
#[test]
fn a_weekly_peak_becomes_normal() {
    let rules = only("spike", Spike::new(tenfold()));
    let mut events = Vec::new();
    (0..35 * 24).for_each(|hour| many(&mut events, hour, 2, 0));
    (0..5).for_each(|week| many(&mut events, week * 168 + 33, 400, 0));
    many(&mut events, 5 * 168 + 34, 400, 0);
    let found = hours(&live(&rules, events));
    assert!(!found.contains(&(5 * 168 + 34)), "an hour later in the sixth week: {found:?}");
}

/// Work at a fixed hour of the local clock stays normal when the clock is put on, in that zone's hours and in UTC's.
#[test]
fn a_clock_that_is_put_on_makes_no_spike() {
    // 2026-03-29 is day 20541 of the epoch: from then on eight o'clock in Berlin is six in UTC, before it was seven.
    let mut events = Vec::new();
    for day in 20_541 - 35..20_541 + 3 {
        let hour = if day < 20_541 { 7 } else { 6 };
        many(&mut events, day * 24 + hour, 300, 0);
    }
    for zone in ["Europe/Berlin", "UTC"] {
        let settings = Settings { zone: Zone::named(zone).unwrap(), ..tenfold() };
        assert_eq!(hours(&live(&only("spike", Spike::new(settings)), events.clone())), [0_i64; 0], "{zone}");
    }
    let mut away = events.clone();
    many(&mut away, 20_543 * 24 + 15, 300, 0);
    let settings = Settings { zone: Zone::named("Europe/Berlin").unwrap(), ..tenfold() };
    assert_eq!(
        hours(&live(&only("spike", Spike::new(settings)), away)),
        [20_543 * 24 + 15],
        "in the afternoon"
    );
}

/// Weeks of a busy key are eight bytes an hour.
#[test]
fn a_frozen_hour_of_a_spike_is_eight_bytes() {
    let rules = only("spike", Spike::new(tenfold()));
    let mut events = Vec::new();
    (0..60 * 24).for_each(|hour| many(&mut events, hour, 1, 0));
    let machine = live(&rules, events);
    let (keys, bytes) = machine.partition.memory();
    // 45 days of hours and the room that a growing list has; beside them 26 open hours, each with its own slot.
    assert!(keys == 1 && bytes < 2 * 45 * 24 * 8 + 64 * 400, "{bytes} bytes");
    let stored: usize = machine.changelog.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(stored < 45 * 24 * 5 + 26 * 200, "{stored} bytes in the changelog");
}

/// "Disabled, then acts" fires; acting before, in the same second, after being enabled again, or too late does not.
#[test]
fn only_what_follows_while_it_is_open_fires() {
    let rules = only("sequence", Sequence::new(30 * DAY));
    let found = |events: &[(i64, u8)]| {
        let events: Vec<Happening> = events
            .iter()
            .zip(0..)
            .map(|((minute, role), id)| Happening {
                id,
                time: minute * MINUTE,
                group: 0,
                value: 0,
                role: *role,
            })
            .collect();
        let all: Vec<_> = live(&rules, events.clone()).standing();
        assert_eq!(all, reference(&rules, &events));
        all.len()
    };
    let day = 24 * 60;
    assert_eq!(found(&[(10, 0), (11, 1)]), 1);
    assert_eq!(found(&[(10, 1), (11, 0)]), 0, "acted before");
    assert_eq!(found(&[(10, 0), (10, 1)]), 0, "the same second");
    assert_eq!(found(&[(10, 0), (11, 2), (12, 1)]), 0, "enabled again");
    assert_eq!(found(&[(10, 0), (11, 2), (12, 0), (13, 1)]), 1, "and disabled again");
    assert_eq!(found(&[(10, 0), (29 * day, 1)]), 1, "a month later, when all but the disabling is forgotten");
    assert_eq!(found(&[(10, 0), (5 * day, 2), (29 * day, 1)]), 0);
    assert_eq!(found(&[(10, 0), (30 * day + 11, 1)]), 0, "too late");
    assert_eq!(found(&[(10, 0), (11, 1), (12, 1), (2 * day, 1)]), 2, "one a day");
}
