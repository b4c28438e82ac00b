//! The marks: how far time has come for each tenant and content type, by the greatest event time or as the source tells.
//! With them a restart that has nothing to read can say it again.
//!
//! On the ledger each tenant's marks are a watermark record of their own, under the source, U+001F, a byte that no
//! UTF-8 text has (255) and the tenant, so that no file's entry can have that key; a step writes those that moved in
//! it. At the end all of them go out in parts. A tenant's marks are never in two parts: the low watermark of a tenant is
//! the least over its content types, and whoever reads one part must not take it for higher than it is.
//!
//! Limits: a tenant's id has 256 bytes and comes from the records, which may name as many as they like; their number is
//! not bounded, and each takes memory and a record on the ledger below 3,000 bytes. A part ends with the tenant that has
//! its 1,000th mark. There are 6 content types, so that it is below 400,000 bytes; brokers take 1,000,000.

use std::collections::BTreeMap;

use schemas::watermark::{Mark, Watermark};
use schemas::{Event, Micros, signal};

use crate::portion::Until;

/// A part takes in no further tenant once it has so many marks.
const PART_MARKS_MAX: usize = 1000;

/// Between the source and the tenant in a key.
const SEPARATOR: u8 = 0xff;

/// (tenant, content type) → the greatest event time.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<(String, String), Micros>);

/// The key of a tenant's marks on the ledger.
pub(super) fn key(source: &str, tenant: &str) -> Vec<u8> {
    [&prefix(source), tenant.as_bytes()].concat()
}

/// Whether a tenant's marks lie under that key.
pub(super) fn is_key(key: &[u8], source: &str) -> bool {
    key.starts_with(&prefix(source))
}

fn prefix(source: &str) -> Vec<u8> {
    let mut prefix = signal::key(source, "");
    prefix.push(SEPARATOR);
    prefix
}

impl Marks {
    /// Takes in what lies on the ledger.
    pub(super) fn restore(&mut self, watermark: Watermark) {
        for mark in watermark.marks {
            self.0.insert((mark.tenant, mark.content_type), mark.time);
        }
    }

    /// Notes an event; whether its tenant's marks have moved. None moves to where the clock has not been yet: one record
    /// with a wrong date would make all that follow too late for the stages after this one.
    pub(super) fn note(&mut self, event: &Event, now: Micros) -> bool {
        let key = (event.tenant.clone(), event.content_type.clone());
        let time = self.0.entry(key).or_insert(Micros::START);
        let reached = event.time.min(now);
        let moved = reached > *time;
        *time = reached.max(*time);
        moved
    }

    /// Notes which tenant an event names in which content type, where the source itself tells the time.
    pub(super) fn name(&mut self, event: &Event) -> bool {
        let key = (event.tenant.clone(), event.content_type.clone());
        if self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, Micros::START);
        true
    }

    /// Takes in how far time has come, for the tenant that was asked and for those that records of the content type
    /// named; these tenants. No mark falls.
    pub(super) fn reach(&mut self, until: &Until) -> Vec<String> {
        self.0.entry((until.tenant.clone(), until.content_type.clone())).or_insert(Micros::START);
        let mut reached = Vec::new();
        for ((tenant, content_type), time) in &mut self.0 {
            if *content_type == until.content_type {
                *time = until.time.max(*time);
                reached.push(tenant.clone());
            }
        }
        reached
    }

    /// By content type: how far time has come for the tenant that is farthest behind. A tenant that was only named is
    /// left out.
    pub(super) fn least(&self) -> BTreeMap<String, Micros> {
        let mut least: BTreeMap<String, Micros> = BTreeMap::new();
        for ((_, content_type), time) in self.0.iter().filter(|(_, time)| **time > Micros::START) {
            let known = least.entry(content_type.clone()).or_insert(*time);
            *known = (*known).min(*time);
        }
        least
    }

    /// One tenant's, as they lie on the ledger.
    pub(super) fn of(&self, source: &str, tenant: &str) -> Watermark {
        let from = (tenant.to_owned(), String::new());
        let own = self.0.range(from..).take_while(|((of, _), _)| of == tenant);
        let marks = own.map(|((_, content_type), time)| mark(source, tenant, content_type, *time));
        Watermark { marks: marks.collect(), ..Watermark::default() }
    }

    /// All of them in parts, each at the time that `at` gives it; one without marks where there are none.
    pub(super) fn parts(&self, source: &str, at: impl Fn(Micros) -> Micros) -> Vec<Watermark> {
        let (mut parts, mut part) = (Vec::new(), Watermark::default());
        for ((tenant, content_type), time) in &self.0 {
            let begins = part.marks.last().is_some_and(|last| last.tenant != *tenant);
            if begins && part.marks.len() >= PART_MARKS_MAX {
                parts.push(std::mem::take(&mut part));
            }
            part.marks.push(mark(source, tenant, content_type, at(*time)));
        }
        parts.push(part);
        parts
    }
}

fn mark(source: &str, tenant: &str, content_type: &str, time: Micros) -> Mark {
    Mark { tenant: tenant.to_owned(), source: source.to_owned(), content_type: content_type.to_owned(), time }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(tenants: usize, types: usize) -> Marks {
        let mark = |n: usize| ((format!("{:0>256}", n / types), (n % types).to_string()), Micros(1));
        Marks((0..tenants * types).map(mark).collect())
    }

    #[test]
    fn a_part_ends_with_a_tenant_and_none_is_in_two() {
        for (tenants, types, expected) in
            [(0, 1, vec![0]), (1, 6, vec![6]), (1000, 1, vec![1000]), (500, 3, vec![1002, 498])]
        {
            let parts = of(tenants, types).parts("s", |time| time);
            let lengths: Vec<usize> = parts.iter().map(|part| part.marks.len()).collect();
            assert_eq!(lengths, expected, "{tenants} tenants of {types}");
            let named = |part: &Watermark| -> BTreeSet<String> {
                part.marks.iter().map(|mark| mark.tenant.clone()).collect()
            };
            assert_eq!(parts.iter().map(|part| named(part).len()).sum::<usize>(), tenants);
        }
    }

    #[test]
    fn a_tenants_own_are_all_of_its_and_none_of_its_neighbours() {
        let mut marks = Marks::default();
        for (tenant, content_type) in [("a", "x"), ("a", "y"), ("aa", "x"), ("b", "")] {
            marks.0.insert((tenant.to_owned(), content_type.to_owned()), Micros(1));
        }
        let own = |tenant| -> Vec<String> {
            marks
                .of("s", tenant)
                .marks
                .into_iter()
                .map(|mark| mark.tenant + "/" + &mark.content_type)
                .collect()
        };
        assert_eq!(
            (own("a"), own("b"), own("c")),
            (vec!["a/x".to_owned(), "a/y".to_owned()], vec!["b/".to_owned()], vec![])
        );
    }
}
