//! The kinds that Sigma cannot say, from their `weir:` block: `off_hours`, `first_seen`, `spike`.
//!
//! Limits: a first_seen looks back 400 days at most, a spike learns for 42.

use crate::{
    detectors::{
        Detector,
        first_seen::FirstSeen,
        off_hours::OffHours,
        spike::{Settings, Spike, Zone},
    },
    rules::block::{Block, FirstSeenBlock, SpikeBlock},
};

const DAYS_MAX: i64 = 400;
const LEARN_DAYS_MAX: i64 = 42;

/// What a block comes to.
pub(super) struct Plan {
    pub(super) detector: Box<dyn Detector>,
    /// The field whose values are counted, or are new.
    pub(super) value: Option<String>,
    pub(super) off_hours_only: bool,
    /// As the rule's text shows it.
    pub(super) window: String,
}

/// Reads the block of a rule of that kind, or says everything that is wrong with it.
pub(super) fn plan(kind: &str, block: &Block) -> Result<Plan, Vec<String>> {
    let mut problems = Vec::new();
    for (name, is_given) in [("first_seen", block.first_seen.is_some()), ("spike", block.spike.is_some())] {
        if is_given && kind != name {
            problems.push(format!("weir.{name} is for the kind {name}"));
        }
    }
    if block.field.is_some() && kind == "off_hours" {
        problems.push("weir.field is for the kinds first_seen and spike".to_owned());
    }
    if !block.closed_by.is_empty() {
        problems.push(CLOSED_BY.to_owned());
    }
    let planned = match kind {
        "off_hours" => Ok(off_hours()),
        "first_seen" => first_seen(block),
        "spike" => spike(block),
        _ => Err(vec![format!("weir.kind {kind:?} is none of: off_hours, first_seen, spike")]),
    };
    match planned {
        Ok(plan) if problems.is_empty() => Ok(plan),
        Ok(_) => Err(problems),
        Err(others) => Err(problems.into_iter().chain(others).collect()),
    }
}

/// Where a rule that is none of these kinds has something of theirs.
pub(super) fn strays(block: &Block) -> Vec<String> {
    let mut problems = Vec::new();
    if block.field.is_some() || block.first_seen.is_some() || block.spike.is_some() {
        problems.push("weir.field, weir.first_seen and weir.spike are for rules with a weir.kind".to_owned());
    }
    problems
}

/// What is wrong where `closed_by` is given elsewhere.
pub(super) const CLOSED_BY: &str = "weir.closed_by is for temporal_ordered";

fn off_hours() -> Plan {
    Plan { detector: Box::new(OffHours), value: None, off_hours_only: true, window: "1h".to_owned() }
}

fn first_seen(block: &Block) -> Result<Plan, Vec<String>> {
    let mut problems = Vec::new();
    let Some(FirstSeenBlock { days, learn_days }) = block.first_seen.clone() else {
        return Err(vec!["weir.first_seen is missing: {days, learn_days}".to_owned()]);
    };
    if block.field.is_none() {
        problems.push("weir.field is missing: the field whose values are new".to_owned());
    }
    if !(2..=DAYS_MAX).contains(&days) {
        problems.push(format!("weir.first_seen.days is not 2 to {DAYS_MAX}"));
    }
    if learn_days < 1 || learn_days >= days {
        problems.push("weir.first_seen.learn_days is not at least 1 and less than days".to_owned());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Plan {
        detector: Box::new(FirstSeen::new(days, learn_days)),
        value: block.field.clone(),
        off_hours_only: false,
        window: format!("{days}d"),
    })
}

fn spike(block: &Block) -> Result<Plan, Vec<String>> {
    let Some(SpikeBlock { ratio, floor, tail, learn_days, prior, zone }) = block.spike.clone() else {
        return Err(vec!["weir.spike is missing: {ratio, floor, tail, learn_days}".to_owned()]);
    };
    let mut problems = Vec::new();
    let mut must = |holds: bool, said: &str| {
        if !holds {
            problems.push(format!("weir.spike.{said}"));
        }
    };
    let is_number = |number: f64, least: f64| number.is_finite() && number > least;
    must(is_number(ratio, 1.0), "ratio is not above 1");
    must(floor >= 1, "floor is not at least 1");
    must(is_number(tail, 0.0) && tail < 1.0, "tail is not between 0 and 1");
    must((2..=LEARN_DAYS_MAX).contains(&learn_days), "learn_days is not 2 to 42");
    must(prior.is_none_or(|prior| is_number(prior, 0.0)), "prior is not above 0");
    let zone = zone.as_deref().map_or(Some(Zone::default()), Zone::named);
    must(zone.is_some(), "zone is no IANA time zone");
    let Some(zone) = zone.filter(|_| problems.is_empty()) else { return Err(problems) };
    let distinct = block.field.is_some();
    let settings = Settings { ratio, floor, tail, learn_days, prior, distinct, zone };
    Ok(Plan {
        detector: Box::new(Spike::new(settings)),
        value: block.field.clone(),
        off_hours_only: false,
        window: "1h".to_owned(),
    })
}
