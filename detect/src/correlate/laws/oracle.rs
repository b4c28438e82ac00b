//! Thresholds told from the bare list of events: what the model says, without slots of state, driver or log.

use std::collections::BTreeSet;

use schemas::{EventId, FindingId};

use super::Happening;

/// The findings of a rule that wants `least` events, or distinct values, in a window that hops by a sixtieth: id, count
/// and the first hundred events.
pub(super) fn on_fire(
    events: &[Happening],
    window: i64,
    least: usize,
    distinct: bool,
    rule: &str,
) -> Vec<(FindingId, (String, Vec<EventId>))> {
    let hop = window / 60;
    let groups: BTreeSet<u8> = events.iter().map(|event| event.group).collect();
    let mut found = Vec::new();
    for group in groups {
        let of_group: Vec<&Happening> = events.iter().filter(|event| event.group == group).collect();
        let ends: BTreeSet<i64> = of_group.iter().map(|event| event.time.div_euclid(hop)).collect();
        let buckets: BTreeSet<i64> = ends.iter().map(|end| end.div_euclid(60)).collect();
        for bucket in buckets {
            let mut count = 0;
            let mut proof: BTreeSet<(i64, EventId)> = BTreeSet::new();
            for end in ends.iter().filter(|end| end.div_euclid(60) == bucket) {
                let inside = |event: &&&Happening| {
                    let hop = event.time.div_euclid(hop);
                    hop <= *end && hop > end - 60
                };
                let here: Vec<&&Happening> = of_group.iter().filter(inside).collect();
                let values: BTreeSet<u8> = here.iter().map(|event| event.value).collect();
                let counted = if distinct { values.len() } else { here.len() };
                if counted >= least {
                    count = count.max(counted);
                    proof.extend(here.iter().map(|event| (event.time, event.event_id())));
                }
            }
            if count > 0 {
                let id = FindingId::of_bucket("t", rule, 1, &format!("g{group}"), bucket);
                let proof = proof.into_iter().take(100).map(|(_, id)| id).collect();
                found.push((id, (count.to_string(), proof)));
            }
        }
    }
    found
}
