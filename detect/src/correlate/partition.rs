//! One signal partition's memory: keys and their state, origins, watermarks, timers.
//!
//! In a step signals are folded in the order of the log and the touched buckets are read once, at the end, or before a
//! watermark raises a floor (what came before the watermark is not late for it).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hashbrown::HashMap;
use pipeline::{Outgoing, Route, log::Table};
use schemas::{
    Micros, Partition as Number, Topic,
    finding::Finding,
    signal::{self, Signal},
    state::DetectState,
    watermark::Watermark,
};

pub use super::state::Broken;
use super::{
    changelog::{self, Parts},
    report::Subject,
    state::{Control, KeyState},
    timers::{Lane, Place, Timers},
};
use crate::{
    detectors::Occurrence,
    rules::{RuleSet, Stateful},
};

/// The memory of one signal partition.
#[derive(Debug, Default)]
pub struct Partition {
    keys: HashMap<u128, KeyState>,
    control: Control,
    control_changed: bool,
    tenants: HashMap<String, usize>,
    timers: Timers,
    /// What to read: the first and last of the buckets in reach of what was folded.
    touched: BTreeMap<Place, BTreeSet<(i64, i64)>>,
    /// Keys whose state changed in this step, with their names in the changelog.
    changed: BTreeMap<u128, Vec<u8>>,
    /// What the changelog holds in more than one record.
    parts: Parts,
    left_aside: usize,
    findings: Vec<Finding>,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was folded, for one rule at least.
    Folded,
    /// Its buckets are frozen.
    Late,
    /// It was here before.
    Replayed,
    /// Its rules are not loaded.
    NoRule,
}

/// What a step comes to.
#[derive(Debug, Default)]
pub struct Step {
    /// Revisions of findings.
    pub findings: Vec<Finding>,
    /// Keys of the changelog and their new state, or the parts of it; `None` for keys that are gone.
    pub states: Vec<(Vec<u8>, Option<DetectState>)>,
}

impl Partition {
    /// The memory that a changelog stands for. Keys of which the rules keep nothing any more, because these have changed
    /// or are gone, are not taken in: no timer would ever let them go. The next step deletes them.
    ///
    /// # Errors
    /// [`Broken`] for a record of ours that is damaged: rather stop than forget what was counted.
    pub fn restore(rules: &RuleSet, table: &Table) -> Result<Self, Broken> {
        let broken = |error: String| Broken(error);
        let changelog::Joined { states, parts, left_aside } = changelog::join(table)?;
        let mut partition = Self { parts, left_aside, ..Self::default() };
        for state in states {
            if state.tenant.is_empty() && state.group_value.is_empty() {
                partition.control =
                    Control::decode(&state.state).map_err(|error| broken(error.to_string()))?;
                continue;
            }
            let hash = signal::key_hash(&state.tenant, &state.group_value);
            let key = KeyState::decode(&state.tenant, &state.group_value, &state.state, rules)
                .map_err(|error| broken(error.to_string()))?;
            if key.rules.is_empty() {
                partition.changed.insert(hash.0, signal::key(&state.tenant, &state.group_value));
            } else {
                partition.keys.insert(hash.0, key);
            }
        }
        let places: Vec<Place> = partition.places().collect();
        for place in places {
            partition.schedule(rules, place);
        }
        Ok(partition)
    }

    /// Folds a signal.
    pub fn take(&mut self, rules: &RuleSet, signal: &Signal) -> Fate {
        if !self.control.origins.admit(signal.origin) {
            return Fate::Replayed;
        }
        self.control_changed = true;
        let mut fate = Fate::NoRule;
        let mut wanted: Vec<(usize, &Stateful, Occurrence<'_>)> = Vec::new();
        for part in &signal.rules {
            let Some((rule, _, stateful)) = rules.stateful(&part.rule) else { continue };
            let at = wanted.iter().position(|(known, ..)| *known == rule).unwrap_or(wanted.len());
            if at == wanted.len() {
                wanted.push((rule, stateful, occurrence(signal)));
            }
            let Some((_, _, occurrence)) = wanted.get_mut(at) else { continue };
            occurrence.roles |=
                u32::try_from(part.role).ok().and_then(|role| 1_u64.checked_shl(role)).unwrap_or(0);
            if !part.value.is_empty() {
                occurrence.values.push(&part.value);
            }
            occurrence.facts.extend(part.facts.iter().map(|(field, value)| (field.as_str(), value.as_str())));
        }
        for (rule, stateful, occurrence) in wanted {
            let floor = self.floor(rules, &signal.tenant, stateful);
            let detector = &*stateful.detector;
            if detector.bucket_end(detector.bucket_of(signal.time)) <= floor {
                fate = if fate == Fate::Folded { fate } else { Fate::Late };
                continue;
            }
            self.fold(rule, stateful, signal, &occurrence);
            fate = Fate::Folded;
        }
        fate
    }

    /// Takes a watermark in, and freezes what it passes.
    pub fn mark(&mut self, rules: &RuleSet, watermark: &Watermark, now: Micros) {
        self.control_changed = true;
        let tenants = self.control.watermarks.note(watermark);
        let mut raised = Vec::new();
        for tenant in &tenants {
            for (number, types) in rules.content_type_sets() {
                let floor = self.control.watermarks.higher_floor(tenant, types);
                raised.extend(floor.map(|floor| (tenant, number, types, floor)));
            }
        }
        if raised.is_empty() {
            return;
        }
        self.settle(rules, now);
        for (tenant, number, types, floor) in raised {
            self.control.watermarks.raise(tenant, types, floor);
            let lane = (self.tenant(tenant), number);
            for place in self.timers.take_due(lane, floor) {
                self.freeze(rules, place, floor);
            }
        }
    }

    /// Ends a step: reads what was touched, and hands over what changed.
    ///
    /// # Errors
    /// [`Broken`] when a state cannot be written, which the types rule out.
    pub fn finish(&mut self, rules: &RuleSet, now: Micros) -> Result<Step, Broken> {
        self.settle(rules, now);
        let mut step = Step { findings: std::mem::take(&mut self.findings), states: Vec::new() };
        for (hash, name) in std::mem::take(&mut self.changed) {
            let state = match self.keys.get(&hash) {
                Some(key) => Some(DetectState {
                    tenant: key.tenant.clone(),
                    group_value: key.group_value.clone(),
                    state: key.encode(rules).map_err(|error| Broken(error.to_string()))?,
                }),
                None => None,
            };
            step.states.extend(self.parts.replace(name, state));
        }
        if std::mem::take(&mut self.control_changed) {
            let state = self.control.encode().map_err(|error| Broken(error.to_string()))?;
            let state = DetectState { state, ..DetectState::default() };
            step.states.extend(self.parts.replace(signal::key("", ""), Some(state)));
        }
        Ok(step)
    }

    /// Reads what was touched and hands the findings over; states stay for [`Partition::finish`].
    pub fn findings(&mut self, rules: &RuleSet, now: Micros) -> Vec<Finding> {
        self.settle(rules, now);
        std::mem::take(&mut self.findings)
    }

    /// The watermark of the feed that is farthest behind.
    pub(super) fn low(&self) -> Option<Micros> {
        self.control.watermarks.least()
    }

    /// How many keys there are, and the memory they take in bytes, without the allocator's own.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        (self.keys.len(), self.keys.values().map(KeyState::bytes).sum())
    }

    /// How many records of the changelog are none of ours.
    #[must_use]
    pub fn left_aside(&self) -> usize {
        self.left_aside
    }

    fn fold(&mut self, rule: usize, stateful: &Stateful, signal: &Signal, occurrence: &Occurrence<'_>) {
        let hash = signal::key_hash(&signal.tenant, &signal.group_value).0;
        let key = self.keys.entry(hash).or_insert_with(|| KeyState::new(&signal.tenant, &signal.group_value));
        if let Some(state) = key.rule_or_new(rule) {
            stateful.detector.fold(&mut state.slots, occurrence);
        }
        let (first, last) = stateful.detector.reach(signal.time).into_inner();
        self.touched.entry((hash, rule)).or_default().insert((first, last));
        self.changed.entry(hash).or_insert_with(|| signal::key(&signal.tenant, &signal.group_value));
    }

    /// Reads what was touched and says what changed.
    fn settle(&mut self, rules: &RuleSet, now: Micros) {
        for (place, ranges) in std::mem::take(&mut self.touched) {
            let (hash, number) = place;
            let Some((rule, stateful)) = rules.stateful_number(number) else { continue };
            let Some(key) = self.keys.get_mut(&hash) else { continue };
            let types = rules.content_types(stateful.content_types);
            let floor = self.control.watermarks.floor(&key.tenant, types);
            let Some(state) = key.rule_mut(number) else { continue };
            let revisions = state.open.compare(&*stateful.detector, &state.slots, &ranges, floor);
            let subject = Subject { rule, stateful, tenant: &key.tenant, group_value: &key.group_value };
            self.findings.extend(revisions.into_iter().map(|revision| subject.finding(revision, now)));
            self.schedule(rules, place);
        }
    }

    /// A floor has passed something of this rule and key.
    fn freeze(&mut self, rules: &RuleSet, place: Place, floor: Micros) {
        let (hash, number) = place;
        let Some((_, stateful)) = rules.stateful_number(number) else { return };
        let Some(key) = self.keys.get_mut(&hash) else { return };
        self.changed.entry(hash).or_insert_with(|| signal::key(&key.tenant, &key.group_value));
        if let Some(state) = key.rule_mut(number) {
            state.due = None;
            state.freeze(&*stateful.detector, floor);
        }
        key.rules.retain(|state| !state.is_empty());
        if key.rules.is_empty() {
            self.keys.remove(&hash);
        } else {
            self.schedule(rules, place);
        }
    }

    /// Puts a rule and key where they belong in the queue.
    fn schedule(&mut self, rules: &RuleSet, place: Place) {
        let (hash, number) = place;
        let Some((_, stateful)) = rules.stateful_number(number) else { return };
        let Some(tenant) = self.keys.get(&hash).map(|key| key.tenant.clone()) else { return };
        let lane: Lane = (self.tenant(&tenant), stateful.content_types);
        let Some(state) = self.keys.get_mut(&hash).and_then(|key| key.rule_mut(number)) else { return };
        let due = state.next_due(&*stateful.detector);
        self.timers.set(lane, place, std::mem::replace(&mut state.due, due), due);
    }

    fn floor(&self, rules: &RuleSet, tenant: &str, stateful: &Stateful) -> Micros {
        self.control.watermarks.floor(tenant, rules.content_types(stateful.content_types))
    }

    fn tenant(&mut self, tenant: &str) -> usize {
        let next = self.tenants.len();
        *self.tenants.entry_ref(tenant).or_insert(next)
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.keys.iter().flat_map(|(hash, key)| key.rules.iter().map(|state| (*hash, state.rule)))
    }
}

fn occurrence(signal: &Signal) -> Occurrence<'_> {
    Occurrence {
        time: signal.time,
        event: signal.event_id,
        actor: &signal.actor,
        roles: 0,
        values: Vec::new(),
        facts: Vec::new(),
    }
}

impl Step {
    /// The records of the step, for the state of that signal partition.
    ///
    /// # Errors
    /// When a message does not fit its schema, which golden tests rule out.
    pub fn into_records(self, partition: Number) -> Result<Vec<Outgoing>, schemas::CodecError> {
        let mut records = Vec::with_capacity(self.findings.len() + self.states.len());
        for finding in &self.findings {
            records.push(crate::matching::finding_record(finding)?);
        }
        for (name, state) in self.states {
            let value = match state {
                Some(state) => Some(Bytes::from(schemas::encode(&state)?)),
                None => None,
            };
            let (topic, route) = (Topic::DetectState, Route::Exact(partition));
            records.push(Outgoing { topic, route, key: Bytes::from(name), value, headers: Vec::new() });
        }
        Ok(records)
    }
}
