//! Stage *match*: rules against one enriched event. Stateless; any partition, any order.
//!
//! A single-event rule that matches writes its finding at once, revision 1. Rules that keep state get one signal per
//! (event, group value), which names all of them, on the partition of (tenant, group value). Watermarks go on to every
//! signal partition with the partition they came through.
//!
//! Records of `NT AUTHORITY\SYSTEM` are the service's own housekeeping (mailbox moves and repairs, delegation by
//! migration) and raise nothing: one check here instead of an exception in every rule, which somebody would forget.
//!
//! Limits: 256 group values and 1,024 counted values an event and rule; a group value of more than 512 bytes is cut
//! and told apart by its hash.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pipeline::{
    Batch, Clock, Halt, Incoming, Outcome, Outgoing, Route, Stage, Work, counters::Counters, log::Assignment,
    metrics::Measure,
};
use schemas::{
    FindingId, Message, Micros, StageName, Topic, TopicPartition,
    codec::{self, CodecError},
    enriched::EnrichedEvent,
    finding::{Change, Entity, Finding},
    signal::{self, Signal},
    watermark::Watermark,
};

use crate::{
    metrics::{self, Metrics},
    rules::{Rule, RuleSet},
    view::View,
};

mod signals;

pub(crate) use signals::SEPARATOR;

/// Housekeeping of the service itself.
const HOUSEKEEPING: &str = "nt authority\\system";

/// Why match leaves records out.
pub mod reason {
    use pipeline::outcome::Reason;

    /// The service's own record.
    pub const HOUSEKEEPING: Reason = "housekeeping";
    /// No rule has anything to say.
    pub const NO_MATCH: Reason = "no_match";
    /// Not a message of this topic.
    pub const NOT_OURS: Reason = "not_ours";
}

/// What the rules have to say about one event.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// Of single-event rules.
    pub findings: Vec<Finding>,
    /// For rules that keep state. Their origins are filled in by the stage.
    pub signals: Vec<Signal>,
}

/// Whether the event is the service's own housekeeping, which raises nothing.
#[must_use]
pub fn is_housekeeping(event: &EnrichedEvent) -> bool {
    event.event.activity.actor.id.starts_with(HOUSEKEEPING)
}

/// Matches every rule against one event: a function of the event and the rules, but for `now`, the findings' creation.
#[must_use]
pub fn judge(rules: &RuleSet, event: &EnrichedEvent, now: Micros) -> Verdict {
    let mut verdict = Verdict::default();
    if is_housekeeping(event) {
        return verdict;
    }
    let view = View::new(event);
    let mut wanted = signals::Wanted::default();
    for target in rules.matches(&view) {
        let Some(rule) = rules.rule(target.rule) else { continue };
        match &rule.stateful {
            None => verdict.findings.push(finding(rule, &view, now)),
            Some(stateful) => wanted.add(rule, stateful, target.role, &view),
        }
    }
    verdict.signals = wanted.into_signals(&event.event);
    verdict
}

/// The finding of a single-event rule.
fn finding(rule: &Rule, view: &View<'_>, now: Micros) -> Finding {
    let event = &view.event().event;
    let info = &rule.info;
    let id = rule.entity_field.as_deref().map(|field| view.texts(field)).unwrap_or_default();
    let facts = rule.facts.iter().map(|field| (field.clone(), crate::rules::join(&view.texts(field))));
    Finding {
        id: FindingId::of_event(&event.tenant, &info.id, info.major, event.id),
        revision: 1,
        change: Change::Create,
        tenant: event.tenant.clone(),
        rule: info.id.clone(),
        rule_name: info.name.clone(),
        title: info.title.clone(),
        rule_major: info.major,
        group: info.group.name().to_owned(),
        kind: info.kind.to_owned(),
        severity: info.level,
        entity: Entity {
            kind: rule.entity_kind.clone(),
            id: signals::bounded(id.first().map_or("", String::as_str)),
        },
        summary: rule.summary.render(|field| view.texts(field)),
        description: info.description.clone(),
        first_time: event.time,
        last_time: event.time,
        created_at: now,
        event_ids: vec![event.id],
        event_count: 1,
        techniques: info.techniques.clone(),
        facts: facts.filter(|(_, value)| !value.is_empty()).collect(),
        false_positives: info.false_positives.clone(),
    }
}

/// The stage.
#[derive(Debug)]
pub struct MatchStage {
    rules: Arc<RuleSet>,
    enriched_partitions: u32,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl MatchStage {
    /// A stage over the enriched topic, which has so many partitions.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, enriched_partitions: u32, clock: Clock) -> Self {
        let metrics = Arc::new(Metrics::new(&rules, clock.clone()));
        Self { rules, enriched_partitions, clock, metrics }
    }

    fn record(&self, record: &Incoming, found: &mut Vec<Finding>) -> Outcome {
        let Some(value) = &record.value else {
            return Outcome::Reject(reason::NOT_OURS, "a tombstone".to_owned());
        };
        let made = match codec::schema_id(value) {
            Ok(Watermark::SCHEMA_ID) => self.watermark(record, value),
            Ok(_) | Err(_) => self.event(record, value, found),
        };
        made.unwrap_or_else(|error| Outcome::Reject(reason::NOT_OURS, error.to_string()))
    }

    fn watermark(&self, record: &Incoming, value: &[u8]) -> Result<Outcome, CodecError> {
        let mut mark: Watermark = schemas::decode(value)?;
        mark.through = i32::try_from(record.at.partition.0).ok();
        mark.of = i32::try_from(self.enriched_partitions).ok();
        let copy = Outgoing::keyed(Topic::Signal, record.key.clone(), schemas::encode(&mark)?);
        Ok(Outcome::Emit(vec![copy.to(Route::Every)]))
    }

    fn event(
        &self,
        record: &Incoming,
        value: &[u8],
        found: &mut Vec<Finding>,
    ) -> Result<Outcome, CodecError> {
        let event: EnrichedEvent = schemas::decode(value)?;
        if is_housekeeping(&event) {
            return Ok(Outcome::Skip(reason::HOUSEKEEPING));
        }
        let verdict = judge(&self.rules, &event, self.clock.now());
        let mut made = Vec::with_capacity(verdict.findings.len() + verdict.signals.len());
        for finding in &verdict.findings {
            made.push(finding_record(finding)?);
        }
        found.extend(verdict.findings);
        for (index, mut signal) in verdict.signals.into_iter().enumerate() {
            signal.origin = origin(record, index);
            let key = signal::key(&signal.tenant, &signal.group_value);
            made.push(Outgoing::keyed(Topic::Signal, key, schemas::encode(&signal)?));
        }
        if made.is_empty() {
            return Ok(Outcome::Skip(reason::NO_MATCH));
        }
        Ok(Outcome::Emit(made))
    }
}

/// Where a signal was made.
fn origin(record: &Incoming, index: usize) -> signal::Origin {
    signal::Origin {
        partition: i32::try_from(record.at.partition.0).unwrap_or(i32::MAX),
        offset: i64::try_from(record.offset.0).unwrap_or(i64::MAX),
        index: i32::try_from(index).unwrap_or(i32::MAX),
    }
}

/// A finding on its group's topic.
pub(crate) fn finding_record(finding: &Finding) -> Result<Outgoing, CodecError> {
    let group =
        schemas::FindingGroup::named(&finding.group).ok_or(CodecError::Avro("a finding of no group"))?;
    Ok(Outgoing::keyed(Topic::Finding(group), finding.key(), schemas::encode(finding)?))
}

impl Stage for MatchStage {
    fn name(&self) -> StageName {
        StageName::Match
    }

    fn assigned<'a>(&'a mut self, _gained: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        Box::pin(async { Ok(()) })
    }

    fn dropped(&mut self, _gone: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        Box::pin(async move {
            let mut found = Vec::new();
            let outcomes = batch.records.iter().map(|record| self.record(record, &mut found)).collect();
            self.metrics.found(&found);
            Ok(Work { outcomes, also: Vec::new() })
        })
    }

    fn measures(&self, counters: &Arc<Counters>, clock: &Clock) -> Vec<Arc<dyn Measure>> {
        let core = metrics::of_match(Arc::clone(counters), clock.clone());
        vec![Arc::new(core), Arc::<Metrics>::clone(&self.metrics)]
    }
}
