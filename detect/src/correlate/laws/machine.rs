//! What the laws are run on: events, the orders they may arrive in, and a signal partition with its changelog.

use std::{collections::BTreeMap, ops::RangeInclusive};

use bytes::Bytes;
use pipeline::log::Table;
use proptest::prelude::*;
use schemas::{
    EventId, Hash128, Micros,
    finding::Finding,
    signal::{Origin, RuleSignal, Signal},
    time::{HOUR, MINUTE},
    watermark::{Mark, Watermark},
};

use crate::{
    correlate::{Fate, LATENESS, Partition},
    detectors::{Detector, Occurrence, Reading, Slots, slots, specimens},
    rules::{RuleSet, testfile::standing},
};

/// Fires in a slot with events when the three slots before it have none: an earlier event closes what was said.
#[derive(Debug)]
pub(super) struct Fresh;

impl Detector for Fresh {
    fn kind(&self) -> &'static str {
        "fresh"
    }
    fn shape(&self) -> String {
        "fresh".to_owned()
    }
    fn fold(&self, state: &mut Slots, occurrence: &Occurrence<'_>) {
        state.add(self.bucket_of(occurrence.time), occurrence, 64);
    }
    fn read(&self, state: &Slots, bucket: i64) -> Option<Reading> {
        let slot = state.between(bucket, bucket).first()?;
        state.between(bucket - 3, bucket - 1).is_empty().then(|| slots::reading(slot.count(), &[slot]))
    }
    fn bucket_of(&self, time: Micros) -> i64 {
        time.0.div_euclid(HOUR)
    }
    fn bucket_start(&self, bucket: i64) -> Micros {
        Micros(bucket * HOUR)
    }
    fn reach(&self, time: Micros) -> RangeInclusive<i64> {
        self.bucket_of(time)..=self.bucket_of(time) + 3
    }
    fn horizon(&self) -> i64 {
        4 * HOUR
    }
    fn slot(&self) -> i64 {
        HOUR
    }
}

pub(super) fn registry() -> Vec<(&'static str, Box<dyn Detector>)> {
    let mut all = specimens();
    all.push(("fresh", Box::new(Fresh)));
    all
}

/// One event of one key.
#[derive(Debug, Clone)]
pub(super) struct Happening {
    pub(super) id: u32,
    pub(super) time: i64,
    pub(super) group: u8,
    pub(super) value: u8,
    pub(super) role: u8,
}

impl Happening {
    pub(super) fn event_id(&self) -> EventId {
        EventId(Hash128::of(&[&self.id.to_be_bytes()]))
    }

    pub(super) fn occurrence<'a>(&self, value: &'a str) -> Occurrence<'a> {
        Occurrence {
            time: Micros(self.time),
            event: self.event_id(),
            actor: "ann",
            roles: 1 << self.role,
            values: vec![value],
            facts: vec![("Operation", value)],
        }
    }

    /// The enriched partition it came through.
    fn partition(&self) -> i32 {
        i32::try_from(self.id % 2).unwrap()
    }

    /// Its signal, for every rule.
    pub(super) fn signal(&self, rules: &RuleSet, offset: i64) -> Signal {
        let value = format!("v{}", self.value);
        let entry = |rule: &crate::RuleInfo| RuleSignal {
            rule: rule.id.clone(),
            role: i32::from(self.role),
            value: value.clone(),
            facts: BTreeMap::from([("Operation".to_owned(), value.clone())]),
        };
        Signal {
            event_id: self.event_id(),
            tenant: "t".to_owned(),
            source: "s".to_owned(),
            content_type: "c".to_owned(),
            time: Micros(self.time),
            group_value: format!("g{}", self.group),
            actor: format!("actor{}", self.value),
            origin: Origin { partition: self.partition(), offset, index: 0 },
            rules: rules.rules().map(entry).collect(),
        }
    }
}

/// Four days with bursts of a few minutes; the epoch lies among them, so that negative times are there too.
pub(super) fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = (0_i64..4 * 24 * 60, 0_u8..3, 0_u8..5, 0_u8..3, 1_usize..9, any::<u32>());
    proptest::collection::vec(one, 1..25).prop_map(|bursts| {
        let mut all = Vec::new();
        for (minute, group, value, role, many, spread) in bursts {
            for n in 0..u32::try_from(many).unwrap() {
                let apart = i64::from(spread.rotate_left(n * 5) % 40) * MINUTE;
                let (value, role) =
                    ((value + u8::try_from(n).unwrap()) % 5, (role + u8::try_from(n / 2).unwrap()) % 3);
                let id = u32::try_from(all.len()).unwrap();
                let time = (minute - 24 * 60) * MINUTE + apart + i64::from(n);
                all.push(Happening { id, time, group, value, role });
            }
        }
        all
    })
}

/// A source of choices that a seed decides.
pub(super) struct Choice(pub(super) u64);

impl Choice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}

/// What a signal partition carries.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Signal(Signal),
    Mark(Watermark),
}

pub(super) fn mark(through: i32, time: Micros) -> Message {
    let mark = Mark { tenant: "t".into(), source: "s".into(), content_type: "c".into(), time };
    Message::Mark(Watermark { marks: vec![mark], through: Some(through), of: Some(2) })
}

/// What a finished feed says.
pub(super) fn end_of_time() -> [Message; 2] {
    [mark(0, Micros::END), mark(1, Micros::END)]
}

/// The events in an order that keeps within the lateness, with watermarks that promise no more than what is true, and
/// the end of time after the last.
pub(super) fn arrivals(rules: &RuleSet, events: &[Happening], choice: &mut Choice) -> Vec<Message> {
    let delay = |choice: &mut Choice| i64::try_from(choice.below(LATENESS.cast_unsigned())).unwrap();
    let mut order: Vec<(i64, &Happening)> =
        events.iter().map(|event| (event.time + delay(choice), event)).collect();
    order.sort_by_key(|(arrival, event)| (*arrival, event.id));
    let mut messages = Vec::new();
    let mut offsets = [0_i64; 2];
    for (place, (_, event)) in order.iter().enumerate() {
        if choice.below(4) == 0 {
            let oldest = order[place..].iter().map(|(_, event)| event.time).min().unwrap();
            let promise = oldest + LATENESS - i64::try_from(choice.below(HOUR.cast_unsigned())).unwrap();
            let through = i32::from(choice.below(2) == 0);
            messages.push(mark(through, Micros(promise)));
        }
        let offset = &mut offsets[usize::try_from(event.partition()).unwrap()];
        *offset += 1 + i64::try_from(choice.below(3)).unwrap();
        messages.push(Message::Signal(event.signal(rules, *offset)));
    }
    messages.extend(end_of_time());
    messages
}

/// A signal partition and its changelog.
#[derive(Default)]
pub(super) struct Machine {
    pub(super) partition: Partition,
    pub(super) changelog: Table,
    pub(super) said: Vec<Finding>,
}

impl Machine {
    pub(super) fn batch(&mut self, rules: &RuleSet, messages: &[Message]) -> Vec<Fate> {
        let now = Micros(0);
        let mut fates = Vec::new();
        for message in messages {
            match message {
                Message::Signal(signal) => fates.push(self.partition.take(rules, signal)),
                Message::Mark(watermark) => self.partition.mark(rules, watermark, now),
            }
        }
        let step = self.partition.finish(rules, now).unwrap();
        self.said.extend(step.findings);
        for (key, state) in step.states {
            match state {
                Some(state) => {
                    self.changelog.insert(Bytes::from(key), schemas::encode(&state).unwrap().into())
                }
                None => self.changelog.remove(key.as_slice()),
            };
        }
        fates
    }

    pub(super) fn restart(&mut self, rules: &RuleSet) {
        self.partition = Partition::restore(rules, &self.changelog).unwrap();
    }

    pub(super) fn standing(&self) -> Vec<Finding> {
        let mut findings = standing(self.said.clone());
        for finding in &mut findings {
            // How many revisions there were, and whether the last one created or updated, depends on batching.
            finding.revision = 0;
            finding.change = schemas::finding::Change::Create;
        }
        findings
    }
}

/// Every event in one batch, in the order of time; no watermark before the end.
pub(super) fn reference(rules: &RuleSet, events: &[Happening]) -> Vec<Finding> {
    let mut order: Vec<&Happening> = events.iter().collect();
    order.sort_by_key(|event| (event.time, event.id));
    let mut messages: Vec<Message> =
        order.iter().zip(0..).map(|(event, offset)| Message::Signal(event.signal(rules, offset))).collect();
    messages.extend(end_of_time());
    let mut machine = Machine::default();
    machine.batch(rules, &messages);
    machine.standing()
}
