//! A Sigma correlation as a detector: `event_count`, `value_count` and `temporal`, with `gte` or `gt`, and
//! `temporal_ordered` of two rules.
//!
//! `weir.closed_by` names base documents that are in the file and not in the correlation: what they match ends what the
//! first rule of a `temporal_ordered` began. Aliases, which Sigma has for fields of the group that are called
//! differently in each rule, are for `temporal_ordered` only: elsewhere a canonical field says it better.
//!
//! Windows are whole minutes, from one minute to 31 days, because a slot of the state is a sixtieth of a window. At most
//! 64 base documents, because a slot keeps one bit for each.

use rsigma_parser::{
    ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, SigmaRule, WindowMode,
};
use schemas::time::SECOND;

use crate::detectors::{
    Detector,
    sequence::{self, Sequence},
    threshold::Threshold,
};

const WINDOW_SECONDS_MAX: u64 = 31 * 24 * 3600;
const ROLES_MAX: usize = 64;

/// What a correlation comes to.
pub(super) struct Plan {
    pub(super) detector: Box<dyn Detector>,
    /// The counted field.
    pub(super) value: Option<String>,
    /// For each base document of the file its number in the correlation, where it is in it.
    pub(super) roles: Vec<Option<u32>>,
    /// For a base document's number and a group field's name the field that stands for it there.
    pub(super) aliases: Vec<(u32, String, String)>,
}

/// Reads a correlation, or says everything that is wrong with it.
pub(super) fn plan(
    correlation: &CorrelationRule,
    bases: &[SigmaRule],
    closed_by: &[String],
) -> Result<Plan, Vec<String>> {
    let mut problems = Vec::new();
    if correlation.window != WindowMode::Sliding {
        problems.push("only sliding windows are supported".to_owned());
    }
    let is_ordered = correlation.correlation_type == CorrelationType::TemporalOrdered;
    if !correlation.aliases.is_empty() && !is_ordered {
        problems.push("aliases are not supported here: use canonical weir.* fields".to_owned());
    }
    if !closed_by.is_empty() && !is_ordered {
        problems.push(super::kinds::CLOSED_BY.to_owned());
    }
    let window = window(correlation).unwrap_or_else(|problem| {
        problems.push(problem);
        SECOND
    });
    let closing = if is_ordered { closed_by } else { &[] };
    let roles = roles(correlation, bases, closing, &mut problems);
    let aliases = aliases(correlation, bases, &roles, &mut problems);
    let counted = detector(correlation, window).map_err(|problem| problems.push(problem));
    match counted {
        Ok((detector, value)) if problems.is_empty() => Ok(Plan { detector, value, roles, aliases }),
        _ => Err(problems),
    }
}

fn window(correlation: &CorrelationRule) -> Result<i64, String> {
    let seconds = correlation.timespan.seconds;
    if seconds == 0 || !seconds.is_multiple_of(60) || seconds > WINDOW_SECONDS_MAX {
        return Err("the timespan is not a number of whole minutes, at most 31 days".to_owned());
    }
    i64::try_from(seconds).map(|seconds| seconds * SECOND).map_err(|error| error.to_string())
}

/// The number of each base document in the correlation's list; those that close come after the list's two.
fn roles(
    correlation: &CorrelationRule,
    bases: &[SigmaRule],
    closing: &[String],
    problems: &mut Vec<String>,
) -> Vec<Option<u32>> {
    let listed = &correlation.rules;
    for name in listed.iter().chain(closing) {
        if bases.iter().filter(|base| is(base, name)).count() != 1 {
            problems.push(format!("correlation rule {name:?} is not exactly one document of this file"));
        }
    }
    if listed.is_empty() || listed.len() > ROLES_MAX {
        problems.push(format!("a correlation lists 1 to {ROLES_MAX} rules"));
    }
    let number = |base| {
        let listed = listed.iter().position(|name| is(base, name)).and_then(|role| u32::try_from(role).ok());
        let closes = closing.iter().any(|name| is(base, name));
        listed.or_else(|| closes.then_some(sequence::CLOSES))
    };
    let roles: Vec<Option<u32>> = bases.iter().map(number).collect();
    if roles.contains(&None) {
        problems.push("a base document is in no correlation".to_owned());
    }
    roles
}

fn is(base: &SigmaRule, name: &String) -> bool {
    base.name.as_ref() == Some(name) || base.id.as_ref() == Some(name)
}

/// What each role calls the group's fields, in an order that does not depend on a hash.
fn aliases(
    correlation: &CorrelationRule,
    bases: &[SigmaRule],
    roles: &[Option<u32>],
    problems: &mut Vec<String>,
) -> Vec<(u32, String, String)> {
    let mut found = Vec::new();
    for alias in &correlation.aliases {
        if !correlation.group_by.contains(&alias.alias) {
            problems.push(format!("alias {:?} is no group-by field", alias.alias));
        }
        for (base, role) in bases.iter().zip(roles) {
            let Some(role) = role else { continue };
            let own = alias.mapping.iter().find(|(name, _)| is(base, name));
            match own {
                Some((_, field)) => found.push((*role, alias.alias.clone(), field.clone())),
                None => problems.push(format!("alias {:?} leaves a base document out", alias.alias)),
            }
        }
    }
    // Documents of one role, of which there are several where several close, have one name for a field.
    found.sort_unstable();
    found.dedup();
    let same =
        |one: &(u32, String, String), other: &(u32, String, String)| one.0 == other.0 && one.1 == other.1;
    if found.windows(2).any(|pair| matches!(pair, [one, other] if same(one, other))) {
        problems.push("documents that close have different aliases".to_owned());
    }
    found
}

type Counted = (Box<dyn Detector>, Option<String>);

fn detector(correlation: &CorrelationRule, window: i64) -> Result<Counted, String> {
    match correlation.correlation_type {
        CorrelationType::EventCount => Ok((Box::new(Threshold::events(window, least(correlation)?)), None)),
        CorrelationType::ValueCount => {
            let CorrelationCondition::Threshold { field: Some(fields), .. } = &correlation.condition else {
                return Err("value_count needs condition.field".to_owned());
            };
            let [field] = fields.as_slice() else {
                return Err("value_count counts one field".to_owned());
            };
            Ok((Box::new(Threshold::values(window, least(correlation)?)), Some(field.clone())))
        }
        CorrelationType::Temporal => {
            no_condition(correlation)?;
            Ok((Box::new(Threshold::roles(window, correlation.rules.len() as u64)), None))
        }
        CorrelationType::TemporalOrdered => {
            no_condition(correlation)?;
            if correlation.rules.len() != 2 {
                return Err("temporal_ordered is supported for two rules".to_owned());
            }
            Ok((Box::new(Sequence::new(window)), None))
        }
        CorrelationType::ValueSum
        | CorrelationType::ValueAvg
        | CorrelationType::ValuePercentile
        | CorrelationType::ValueMedian => {
            Err(format!("correlation type {} is not supported", correlation.correlation_type.as_str()))
        }
    }
}

fn no_condition(correlation: &CorrelationRule) -> Result<(), String> {
    let default = CorrelationCondition::Threshold {
        predicates: vec![(ConditionOperator::Gte, 1)],
        field: None,
        percentile: None,
    };
    if correlation.condition == default {
        return Ok(());
    }
    Err(format!("{} means all of its rules and takes no condition", correlation.correlation_type.as_str()))
}

/// The least count that fires.
fn least(correlation: &CorrelationRule) -> Result<u64, String> {
    let CorrelationCondition::Threshold { predicates, .. } = &correlation.condition else {
        return Err("the condition is no comparison".to_owned());
    };
    match predicates.as_slice() {
        [(ConditionOperator::Gte, least)] if *least >= 1 => Ok(*least),
        [(ConditionOperator::Gt, more)] => Ok(more.saturating_add(1)),
        _ => Err("the condition must be one of gte (at least 1) and gt".to_owned()),
    }
}
