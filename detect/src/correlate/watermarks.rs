//! How far time has come, and what is frozen by it.
//!
//! The low watermark of a set of content types in a tenant is the least over all sources that feed them and over all
//! enriched partitions that the watermarks come through; a partition that has not said anything yet counts as the
//! beginning of time. What lies [`LATENESS`] before the low watermark is frozen: that moment is the *floor*. A floor
//! never falls: when a new source begins in the past, its old events are late.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Micros, time::DAY, watermark::Watermark};
use serde::{Deserialize, Serialize};

/// How late an event may be and still count.
pub const LATENESS: i64 = DAY;

/// More enriched partitions than this are not believed.
const PARTITIONS_MAX: usize = 65_536;

/// The watermarks of one signal partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watermarks {
    /// How many enriched partitions there are.
    of: usize,
    /// Tenant → (content type, source) → the watermark through each enriched partition.
    feeds: BTreeMap<String, BTreeMap<(String, String), Vec<i64>>>,
    /// Tenant → set of content types (empty: all) → what is frozen.
    floors: BTreeMap<String, BTreeMap<Vec<String>, i64>>,
}

impl Watermarks {
    /// Takes a watermark record in; the tenants it names.
    pub(super) fn note(&mut self, watermark: &Watermark) -> BTreeSet<String> {
        let through = watermark.through.and_then(|through| usize::try_from(through).ok()).unwrap_or_default();
        let of = watermark.of.and_then(|of| usize::try_from(of).ok()).unwrap_or(1);
        let mut tenants = BTreeSet::new();
        if through >= PARTITIONS_MAX {
            return tenants;
        }
        self.of = self.of.max(of.min(PARTITIONS_MAX)).max(through + 1);
        for mark in &watermark.marks {
            let feeds = self.feeds.entry(mark.tenant.clone()).or_default();
            let times = feeds.entry((mark.content_type.clone(), mark.source.clone())).or_default();
            if times.len() <= through {
                times.resize(through + 1, Micros::START.0);
            }
            if let Some(time) = times.get_mut(through) {
                *time = (*time).max(mark.time.0);
            }
            tenants.insert(mark.tenant.clone());
        }
        tenants
    }

    /// Up to where that tenant's buckets of these content types are frozen.
    pub(super) fn floor(&self, tenant: &str, content_types: &[String]) -> Micros {
        let floors = self.floors.get(tenant);
        floors.and_then(|floors| floors.get(content_types)).map_or(Micros::START, |floor| Micros(*floor))
    }

    /// Where the floor would be by the watermarks, where that is higher than it is.
    pub(super) fn higher_floor(&self, tenant: &str, content_types: &[String]) -> Option<Micros> {
        let low = self.low(tenant, content_types);
        let floor = if low == Micros::END { low } else { low.plus(-LATENESS) };
        (floor > self.floor(tenant, content_types)).then_some(floor)
    }

    /// Raises the floor.
    pub(super) fn raise(&mut self, tenant: &str, content_types: &[String], floor: Micros) {
        let floors = self.floors.entry(tenant.to_owned()).or_default();
        let known = floors.entry(content_types.to_vec()).or_insert(floor.0);
        *known = (*known).max(floor.0);
    }

    /// The watermark of the feed that is farthest behind, over all tenants; none while no feed is known through every
    /// partition.
    pub(super) fn least(&self) -> Option<Micros> {
        let feeds = self.feeds.values().flat_map(BTreeMap::values).filter(|times| times.len() >= self.of);
        let least =
            feeds.filter_map(|times| times.iter().copied().min()).filter(|time| *time > Micros::START.0);
        least.min().map(Micros)
    }

    /// The low watermark.
    fn low(&self, tenant: &str, content_types: &[String]) -> Micros {
        let feeds = self.feeds.get(tenant).into_iter().flatten();
        let wanted = feeds.filter(|((content_type, _), _)| {
            content_types.is_empty() || content_types.iter().any(|wanted| wanted == content_type)
        });
        let low = wanted.map(|(_, times)| {
            if times.len() < self.of {
                Micros::START.0
            } else {
                times.iter().copied().min().unwrap_or(Micros::START.0)
            }
        });
        Micros(low.min().unwrap_or(Micros::START.0))
    }
}

#[cfg(test)]
mod tests {
    use schemas::watermark::Mark;

    use super::*;

    fn tick(through: i32, of: i32, marks: &[(&str, &str, i64)]) -> Watermark {
        let mark = |(source, content_type, time): &(&str, &str, i64)| Mark {
            tenant: "t".to_owned(),
            source: (*source).to_owned(),
            content_type: (*content_type).to_owned(),
            time: Micros(*time),
        };
        Watermark { marks: marks.iter().map(mark).collect(), through: Some(through), of: Some(of) }
    }

    #[test]
    fn the_least_over_sources_and_partitions_counts() {
        let mut marks = Watermarks::default();
        marks.note(&tick(0, 2, &[("a", "x", 10), ("b", "x", 20), ("a", "y", 5)]));
        assert_eq!(marks.low("t", &[]), Micros::START, "partition 1 has not said anything");
        assert_eq!(marks.least(), None);
        marks.note(&tick(1, 2, &[("a", "x", 30), ("b", "x", 7), ("a", "y", 40)]));
        assert_eq!(marks.low("t", &["x".to_owned()]), Micros(7));
        assert_eq!(marks.low("t", &["y".to_owned()]), Micros(5));
        assert_eq!(marks.low("t", &[]), Micros(5));
        assert_eq!(marks.low("other", &[]), Micros::START);
        assert_eq!(marks.least(), Some(Micros(5)));
        marks.note(&tick(1, 2, &[("b", "x", 6)]));
        assert_eq!(marks.low("t", &["x".to_owned()]), Micros(7), "a watermark never falls");
    }

    #[test]
    fn a_floor_never_falls_even_when_a_new_source_begins_in_the_past() {
        let mut marks = Watermarks::default();
        marks.note(&tick(0, 1, &[("a", "x", LATENESS + 100)]));
        assert_eq!(marks.higher_floor("t", &[]), Some(Micros(100)));
        marks.raise("t", &[], Micros(100));
        marks.note(&tick(0, 1, &[("b", "x", LATENESS)]));
        assert_eq!((marks.higher_floor("t", &[]), marks.floor("t", &[])), (None, Micros(100)));
        marks.note(&tick(0, 1, &[("a", "x", i64::MAX), ("b", "x", i64::MAX)]));
        assert_eq!(marks.higher_floor("t", &[]), Some(Micros::END));
    }
}
