//! A Sigma correlation as a detector: `event_count`, `value_count` and `temporal`, with `gte` or `gt`.
//!
//! Windows are whole minutes, from one minute to 31 days, because a slot of the state is a sixtieth of a window. At most
//! 64 base documents, because a slot keeps one bit for each.

use rsigma_parser::{
    ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, SigmaRule, WindowMode,
};
use schemas::time::SECOND;

use crate::detectors::threshold::Threshold;

const WINDOW_SECONDS_MAX: u64 = 31 * 24 * 3600;
const ROLES_MAX: usize = 64;

/// What a correlation comes to.
pub(super) struct Plan {
    pub(super) detector: Threshold,
    /// The counted field.
    pub(super) value: Option<String>,
    /// For each base document of the file its number in the correlation, where it is in it.
    pub(super) roles: Vec<Option<u32>>,
}

/// Reads a correlation, or says everything that is wrong with it.
pub(super) fn plan(correlation: &CorrelationRule, bases: &[SigmaRule]) -> Result<Plan, Vec<String>> {
    let mut problems = Vec::new();
    if correlation.window != WindowMode::Sliding {
        problems.push("only sliding windows are supported".to_owned());
    }
    if !correlation.aliases.is_empty() {
        problems.push("aliases are not supported: use canonical weir.* fields".to_owned());
    }
    let window = window(correlation).unwrap_or_else(|problem| {
        problems.push(problem);
        SECOND
    });
    let roles = roles(correlation, bases, &mut problems);
    let counted = detector(correlation, window).map_err(|problem| problems.push(problem));
    match counted {
        Ok((detector, value)) if problems.is_empty() => Ok(Plan { detector, value, roles }),
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

/// The number of each base document in the correlation's list.
fn roles(correlation: &CorrelationRule, bases: &[SigmaRule], problems: &mut Vec<String>) -> Vec<Option<u32>> {
    let listed = &correlation.rules;
    let is =
        |base: &SigmaRule, name: &String| base.name.as_ref() == Some(name) || base.id.as_ref() == Some(name);
    for name in listed {
        if bases.iter().filter(|base| is(base, name)).count() != 1 {
            problems.push(format!("correlation rule {name:?} is not exactly one document of this file"));
        }
    }
    if listed.is_empty() || listed.len() > ROLES_MAX {
        problems.push(format!("a correlation lists 1 to {ROLES_MAX} rules"));
    }
    let number =
        |base| listed.iter().position(|name| is(base, name)).and_then(|role| u32::try_from(role).ok());
    let roles: Vec<Option<u32>> = bases.iter().map(number).collect();
    if roles.contains(&None) {
        problems.push("a base document is in no correlation".to_owned());
    }
    roles
}

fn detector(correlation: &CorrelationRule, window: i64) -> Result<(Threshold, Option<String>), String> {
    match correlation.correlation_type {
        CorrelationType::EventCount => Ok((Threshold::events(window, least(correlation)?), None)),
        CorrelationType::ValueCount => {
            let CorrelationCondition::Threshold { field: Some(fields), .. } = &correlation.condition else {
                return Err("value_count needs condition.field".to_owned());
            };
            let [field] = fields.as_slice() else {
                return Err("value_count counts one field".to_owned());
            };
            Ok((Threshold::values(window, least(correlation)?), Some(field.clone())))
        }
        CorrelationType::Temporal => {
            let default = CorrelationCondition::Threshold {
                predicates: vec![(ConditionOperator::Gte, 1)],
                field: None,
                percentile: None,
            };
            if correlation.condition != default {
                return Err("temporal means all of its rules and takes no condition".to_owned());
            }
            Ok((Threshold::roles(window, correlation.rules.len() as u64), None))
        }
        CorrelationType::TemporalOrdered
        | CorrelationType::ValueSum
        | CorrelationType::ValueAvg
        | CorrelationType::ValuePercentile
        | CorrelationType::ValueMedian => {
            Err(format!("correlation type {} is not supported", correlation.correlation_type.as_str()))
        }
    }
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
