//! The kinds told from the bare list of events: what the model says, without slots of state, driver or log.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{
    EventId, FindingId,
    time::{DAY, HOUR},
};

use super::Happening;
use crate::detectors::spike::{Settings, baseline::Expected, tail};

/// By id what is counted and the events.
pub(super) type Findings = BTreeMap<FindingId, (String, Vec<EventId>)>;

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

/// The hours of a group in which values are new, each with how many and with the first eight events of each: not seen by
/// the group in the `days` before, by a group that was there on one of the days `learn_days` to `days` before.
pub(super) fn new_values(events: &[Happening], days: i64, learn_days: i64, rule: &str) -> Findings {
    let mut found = BTreeMap::new();
    for one in events {
        let (hour, day) = (one.time.div_euclid(HOUR), one.time.div_euclid(DAY));
        let of_group = || events.iter().filter(|other| other.group == one.group);
        let before = |other: &&Happening| {
            other.value == one.value && (hour - 24 * days..hour).contains(&other.time.div_euclid(HOUR))
        };
        let known = |other: &Happening| (day - days..=day - learn_days).contains(&other.time.div_euclid(DAY));
        if of_group().any(known) && !of_group().any(|other| before(&other)) {
            let id = FindingId::of_bucket("t", rule, 1, &format!("g{}", one.group), hour);
            let values: &mut BTreeMap<u8, BTreeSet<(i64, EventId)>> = found.entry(id).or_default();
            values.entry(one.value).or_default().insert((one.time, one.event_id()));
        }
    }
    let listed = |values: BTreeMap<u8, BTreeSet<(i64, EventId)>>| {
        let proof: BTreeSet<_> = values.into_values().flat_map(|proof| proof.into_iter().take(8)).collect();
        proof.into_iter().map(|(_, id)| id).collect()
    };
    found.into_iter().map(|(id, values)| (id, (values.len().to_string(), listed(values)))).collect()
}

/// The days on which something of role 1 follows something of role 0 that nothing of role 2 ended.
pub(super) fn followed(events: &[Happening], span: i64, rule: &str) -> Findings {
    let mut found: BTreeMap<FindingId, (u64, BTreeSet<(i64, EventId)>)> = BTreeMap::new();
    for one in events.iter().filter(|event| event.role == 1) {
        let of_role =
            |role: u8| events.iter().filter(move |other| other.group == one.group && other.role == role);
        let opened = of_role(0).map(|other| other.time).filter(|time| *time < one.time).max();
        let Some(opened) = opened.filter(|opened| *opened >= one.time - span) else { continue };
        if of_role(2).any(|other| (opened..=one.time).contains(&other.time)) {
            continue;
        }
        let day = one.time.div_euclid(DAY);
        let id = FindingId::of_bucket("t", rule, 1, &format!("g{}", one.group), day);
        let (count, proof) = found.entry(id).or_default();
        *count += 1;
        proof.insert((one.time, one.event_id()));
        proof.extend(of_role(0).filter(|other| other.time == opened).map(|other| (opened, other.event_id())));
    }
    let listed = |proof: BTreeSet<(i64, EventId)>| proof.into_iter().map(|(_, id)| id).collect();
    found.into_iter().map(|(id, (count, proof))| (id, (count.to_string(), listed(proof)))).collect()
}

/// The hours that are far above what the days before the day before taught: as the header of the baseline has it, hour
/// by hour and in floating point, for a zone without an offset.
pub(super) fn spikes(events: &[Happening], settings: &Settings, rule: &str) -> BTreeMap<FindingId, String> {
    let mut hours: BTreeMap<(u8, i64), Vec<u8>> = BTreeMap::new();
    for event in events {
        hours.entry((event.group, event.time.div_euclid(HOUR))).or_default().push(event.value);
    }
    let counts: BTreeMap<(u8, i64), f64> = hours
        .into_iter()
        .map(|(at, mut values)| {
            if settings.distinct {
                values.sort_unstable();
                values.dedup();
            }
            (at, f64::from(u32::try_from(values.len()).unwrap()))
        })
        .collect();
    let mut found = BTreeMap::new();
    for ((group, hour), count) in &counts {
        let count_of = |hour: i64| counts.get(&(*group, hour)).copied().unwrap_or(0.0);
        let day = hour.div_euclid(24);
        let teaching = ((day - 43) * 24..(day - 1) * 24).collect::<Vec<i64>>();
        let first = teaching.iter().copied().find(|hour| count_of(*hour) > 0.0);
        let first = first.filter(|first| day - first.div_euclid(24) >= settings.learn_days);
        let expected = match (first, settings.prior) {
            (Some(first), prior) => {
                let lessons: Vec<i64> = teaching.into_iter().filter(|hour| *hour >= first).collect();
                let near = [hour - 1, *hour, hour + 1];
                near.map(|near| level(&lessons, near, day - 2, &count_of, settings, prior.unwrap_or(0.0)))
                    .into_iter()
                    .max_by(|one, other| one.mean.total_cmp(&other.mean))
                    .unwrap()
            }
            (None, Some(mean)) => Expected { mean, weight: 0.1 },
            (None, None) => continue,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let whole = *count as u64;
        let improbable = tail::ln_at_least(whole, expected) <= settings.tail.ln();
        if whole >= settings.floor && *count >= settings.ratio * expected.mean && improbable {
            found.insert(FindingId::of_bucket("t", rule, 1, &format!("g{group}"), *hour), whole.to_string());
        }
    }
    found
}

/// What is expected of one hour by its slot, its hour of the day, all hours and the prior.
fn level(
    lessons: &[i64],
    hour: i64,
    last_day: i64,
    count_of: &dyn Fn(i64) -> f64,
    settings: &Settings,
    prior: f64,
) -> Expected {
    let median = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers[(numbers.len() - 1) / 2]
    };
    let same_slot = |one: i64, other: i64| (one - other).rem_euclid(168) == 0;
    let most = |hour: i64| {
        let weeks: Vec<f64> =
            lessons.iter().filter(|other| same_slot(**other, hour)).map(|hour| count_of(*hour)).collect();
        let middle = median(weeks.clone());
        let spread = median(weeks.into_iter().map(|count| (count - middle).abs()).collect()).max(1.0);
        (middle + 6.0 * spread).max(f64::from(u32::try_from(settings.floor).unwrap()))
    };
    let drawn = |above: Expected, belongs: &dyn Fn(i64) -> bool| {
        let mut sum = above;
        sum.mean *= above.weight;
        for lesson in lessons.iter().filter(|lesson| belongs(**lesson)) {
            let weeks = usize::try_from((last_day - lesson.div_euclid(24)) / 7).unwrap();
            let weight = [1024.0, 813.0, 645.0, 512.0, 406.0, 323.0][weeks] / 1024.0;
            sum.mean += weight * count_of(*lesson).min(most(*lesson));
            sum.weight += weight;
        }
        Expected { mean: sum.mean / sum.weight, ..sum }
    };
    let lent = |level: Expected, most: f64| Expected { weight: level.weight.min(most), ..level };
    let key = drawn(Expected { mean: prior, weight: 0.1 }, &|_| true);
    let hour_of_day = drawn(lent(key, 7.0), &|other| (other - hour).rem_euclid(24) == 0);
    drawn(lent(hour_of_day, 2.0), &|other| same_slot(other, hour))
}
