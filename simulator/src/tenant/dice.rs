//! Repeatable chance: the same seed, topic and numbers give the same throws, on every machine, in any order of asking.
//!
//! `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), its state taken from a hash
//! of what the throws are for. Only whole numbers: floating point may differ between machines. Not for secrets.

use schemas::Hash128;

/// A thousand thousandths: a chance that always holds.
pub(crate) const SURE: u32 = 1000;

/// A source of throws.
pub(crate) struct Dice(u64);

impl Dice {
    /// The throws for `topic` and `numbers` of the tenant with that seed.
    pub(crate) fn of(seed: u64, topic: &str, numbers: &[i64]) -> Self {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        let hash = Hash128::of(&[seed.to_be_bytes().as_slice(), topic.as_bytes(), numbers.as_slice()]);
        let [a, b, c, d, e, f, g, h, ..] = hash.to_bytes();
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or_default()
    }

    /// A number from `first` to `last`, both included.
    pub(crate) fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = last.saturating_sub(first).saturating_add(1);
        let step = self.below(u64::try_from(span).unwrap_or_default());
        first.saturating_add(i64::try_from(step).unwrap_or_default())
    }

    /// True in `thousandths` of a thousand throws.
    pub(crate) fn chance(&mut self, thousandths: u32) -> bool {
        self.below(u64::from(SURE)) < u64::from(thousandths)
    }

    /// One of them, each as likely.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len() as u64);
        items.get(usize::try_from(index).unwrap_or_default())
    }

    /// One of some words; nothing where there are none.
    pub(crate) fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// One of them, as likely as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(u32, T)]) -> Option<T> {
        let total = items.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut left = self.below(total);
        for (weight, item) in items {
            let weight = u64::from(*weight);
            if left < weight {
                return Some(*item);
            }
            left -= weight;
        }
        None
    }

    /// Changes the order to any, each as likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or_default());
        }
    }

    /// The seconds of an hour at which something happens that happens `thousandths` of a time an hour, on the average.
    pub(crate) fn arrivals(&mut self, thousandths: u32) -> Vec<i64> {
        const MINUTES: u32 = 60;
        let share = u64::from(thousandths);
        let whole_minute = u64::from(MINUTES) * u64::from(SURE);
        let mut seconds = Vec::new();
        for minute in 0..MINUTES {
            let more = u64::from(self.below(whole_minute) < share % whole_minute);
            for _ in 0..share / whole_minute + more {
                seconds.push(i64::from(minute) * 60 + self.between(0, 59));
            }
        }
        seconds
    }

    /// A text in the shape of a GUID, version 4.
    pub(crate) fn guid(&mut self) -> String {
        let high = (self.next() & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (self.next() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// Upper-case hex digits, as in a passport id of Exchange.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let all = format!("{:016X}{:016X}", self.next(), self.next());
        all.chars().take(digits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_throws_are_for_decides_them() {
        let throws = |seed, topic, number| {
            let mut dice = Dice::of(seed, topic, &[number]);
            (dice.next(), dice.guid())
        };
        assert_eq!(throws(1, "a", 1), throws(1, "a", 1));
        let others = [throws(2, "a", 1), throws(1, "b", 1), throws(1, "a", 2)];
        assert!(others.iter().all(|other| *other != throws(1, "a", 1)));
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_its_ends() {
        let mut dice = Dice::of(7, "range", &[]);
        let seen: std::collections::BTreeSet<i64> = (0..500).map(|_| dice.between(-2, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        assert_eq!((dice.below(0), dice.pick::<u8>(&[])), (0, None));
        assert!((0..500).all(|_| dice.chance(SURE)) && (0..500).all(|_| !dice.chance(0)));
    }

    #[test]
    fn arrivals_have_the_asked_mean() {
        let mut dice = Dice::of(7, "mean", &[]);
        for rate in [300_u32, 5_000, 90_000] {
            let total: usize = (0..2000).map(|_| dice.arrivals(rate).len()).sum();
            let expected = usize::try_from(rate).unwrap() * 2;
            assert!(total > expected * 9 / 10 && total < expected * 11 / 10, "{rate}: {total}");
        }
    }

    #[test]
    fn guids_have_their_shape() {
        let guid = Dice::of(1, "guid", &[]).guid();
        let parts: Vec<usize> = guid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(guid.as_bytes()[14], b'4');
    }
}
