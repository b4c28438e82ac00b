//! What a turn came to, up to the first record that must be tried again.

use std::{collections::BTreeSet, time::Duration};

use crate::{counters::Tally, log::Outgoing};

use super::TOO_LARGE;

/// What a record of a step was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Emitted for the record at that place of the batch.
    Of(usize),
    /// A dead letter, state, or what else the step carries.
    Besides,
}

#[derive(Debug, Default)]
pub(super) struct Settled {
    /// So many records of the batch.
    pub(super) count: usize,
    pub(super) records: Vec<Outgoing>,
    /// Runs of records: what they were made of, and where the run ends.
    made: Vec<(Made, usize)>,
    pub(super) tally: Tally,
    pub(super) retry: Option<(Option<Duration>, String)>,
}

impl Settled {
    pub(super) fn extend(&mut self, made: Made, records: Vec<Outgoing>) {
        if records.is_empty() {
            return;
        }
        self.records.extend(records);
        self.made.push((made, self.records.len()));
    }

    /// Takes out everything that was made of the records to which these places of the step belong; says which those
    /// are. They count as rejected. `None` where something else is too large: that cannot be left out.
    pub(super) fn set_aside(&mut self, places: &[usize]) -> Option<BTreeSet<usize>> {
        let of = |place: &usize| match self.made.iter().find(|(_, end)| place < end) {
            Some((Made::Of(record), _)) => Some(*record),
            Some((Made::Besides, _)) | None => None,
        };
        let aside =
            places.iter().map(of).collect::<Option<BTreeSet<usize>>>().filter(|set| !set.is_empty())?;
        let made = std::mem::take(&mut self.made);
        let mut old = std::mem::take(&mut self.records).into_iter();
        let mut begin = 0;
        for (made, end) in made {
            let run: Vec<Outgoing> = old.by_ref().take(end - begin).collect();
            begin = end;
            if !matches!(made, Made::Of(record) if aside.contains(&record)) {
                self.extend(made, run);
            }
        }
        let count = aside.len() as u64;
        self.tally.emitted = self.tally.emitted.saturating_sub(count);
        *self.tally.rejected.entry(TOO_LARGE).or_default() += count;
        Some(aside)
    }
}

#[cfg(test)]
mod tests {
    use schemas::Topic;

    use super::*;

    fn records(texts: &[&'static str]) -> Vec<Outgoing> {
        texts.iter().map(|text| Outgoing::keyed(Topic::Event, Vec::new(), *text)).collect()
    }

    fn settled() -> Settled {
        let mut settled = Settled { count: 3, ..Settled::default() };
        settled.extend(Made::Of(0), records(&["a", "b"]));
        settled.extend(Made::Besides, records(&["letter"]));
        settled.extend(Made::Of(2), records(&["c"]));
        settled.extend(Made::Besides, records(&["state"]));
        settled.tally.emitted = 2;
        settled
    }

    #[test]
    fn all_that_a_record_made_goes_with_what_was_too_large_and_nothing_else() {
        let mut settled = settled();
        assert_eq!(settled.set_aside(&[1]), Some(BTreeSet::from([0])));
        assert_eq!(settled.records, records(&["letter", "c", "state"]));
        assert_eq!((settled.tally.emitted, settled.tally.rejected[TOO_LARGE]), (1, 1));
        assert_eq!(settled.set_aside(&[1]), Some(BTreeSet::from([2])), "places are those of what is left");
        assert_eq!(settled.records, records(&["letter", "state"]));
    }

    #[test]
    fn what_cannot_be_left_out_is_not() {
        for place in [2, 4, 5] {
            let mut settled = settled();
            assert_eq!(settled.set_aside(&[place]), None, "{place}");
            assert_eq!(settled.records.len(), 5);
        }
        assert_eq!(settled().set_aside(&[]), None);
    }
}
