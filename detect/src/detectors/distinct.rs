//! Distinct values: exact up to 256, beyond that a HyperLogLog of 2^11 registers (2 KiB, standard error 2.3 %).
//!
//! Both forms are functions of the set of values: which form it is, too. So adding and merging commute. Values are kept
//! as 64 bits of SHA-256; two values of 256 share them with a chance below 10^-14.
//!
//! Method: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog", 2007, with its correction for small numbers. Its correction
//! for large ones is for 32-bit hashes and not needed here.

use schemas::Hash128;
use serde::{Deserialize, Serialize};

const EXACT_MAX: usize = 256;
const INDEX_BITS: u32 = 11;
const REGISTERS: usize = 1 << INDEX_BITS;

/// A set of values that can be counted and merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Distinct {
    /// The hashes, sorted.
    Exact(Vec<u64>),
    /// One register a value of the first bits: the most zeros that a hash had after them, plus one.
    Sketch(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Distinct {
    /// Adds a value.
    pub fn add(&mut self, value: &str) {
        self.add_hash(high_half(Hash128::of(&[value.as_bytes()])));
    }

    /// How many there are: exact, or estimated for sketches, which stand for more than 256.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Exact(hashes) => hashes.len() as u64,
            Self::Sketch(registers) => estimate(registers).max(EXACT_MAX as u64 + 1),
        }
    }

    /// How many there are in all of these together.
    #[must_use]
    pub fn count_all<'a>(sets: impl Iterator<Item = &'a Self>) -> u64 {
        let mut exact: Vec<u64> = Vec::new();
        let mut sketch: Option<Vec<u8>> = None;
        for set in sets {
            match set {
                Self::Exact(hashes) => exact.extend(hashes),
                Self::Sketch(registers) => merge(sketch.get_or_insert_with(|| vec![0; REGISTERS]), registers),
            }
        }
        let Some(mut registers) = sketch else {
            exact.sort_unstable();
            exact.dedup();
            return exact.len() as u64;
        };
        exact.into_iter().for_each(|hash| register(&mut registers, hash));
        Self::Sketch(registers).count()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Exact(hashes) => hashes.capacity() * size_of::<u64>(),
            Self::Sketch(registers) => registers.capacity(),
        }
    }

    fn add_hash(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                hashes.insert(at, hash);
                if hashes.len() > EXACT_MAX {
                    let mut registers = vec![0; REGISTERS];
                    hashes.iter().for_each(|hash| register(&mut registers, *hash));
                    *self = Self::Sketch(registers);
                }
            }
            Self::Sketch(registers) => register(registers, hash),
        }
    }
}

/// The first 64 bits.
pub(crate) fn high_half(hash: Hash128) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = hash.to_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn register(registers: &mut [u8], hash: u64) {
    let index = usize::try_from(hash >> (u64::BITS - INDEX_BITS)).unwrap_or_default();
    // The bit after the last one bounds the run of zeros.
    let rest = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
    let zeros = u8::try_from(rest.leading_zeros()).unwrap_or(u8::MAX);
    if let Some(register) = registers.get_mut(index) {
        *register = (*register).max(zeros.saturating_add(1));
    }
}

fn merge(into: &mut [u8], from: &[u8]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = (*into).max(*from);
    }
}

fn estimate(registers: &[u8]) -> u64 {
    let count = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|register| 2_f64.powi(-i32::from(*register))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum.max(f64::MIN_POSITIVE);
    let empty = registers.iter().filter(|register| **register == 0).count();
    let corrected = if raw <= 2.5 * count && empty > 0 { count * (count / empty as f64).ln() } else { raw };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and `as` holds floats inside the range"
    )]
    {
        corrected.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: std::ops::Range<u32>) -> Distinct {
        let mut set = Distinct::default();
        range.for_each(|n| set.add(&n.to_string()));
        set
    }

    #[test]
    fn up_to_256_values_are_counted_exactly_and_repeats_not_at_all() {
        let mut set = of(0..256);
        (0..256).for_each(|n| set.add(&n.to_string()));
        assert_eq!((set.count(), matches!(set, Distinct::Exact(_))), (256, true));
        set.add("one more");
        assert!(matches!(set, Distinct::Sketch(_)) && set.count() > 256);
    }

    #[test]
    fn estimates_stay_within_five_percent() {
        for many in [300_u32, 1_000, 5_000, 6_000, 20_000, 200_000] {
            let off = (of(0..many).count() as f64 / f64::from(many) - 1.0).abs();
            assert!(off < 0.05, "{many}: off by {off}");
        }
    }

    #[test]
    fn a_union_is_the_same_however_it_is_split() {
        let whole = of(0..3_000);
        let parts = [of(0..100), of(50..1_000), of(900..2_999), of(2_999..3_000)];
        assert_eq!(Distinct::count_all(parts.iter()), whole.count());
        assert_eq!(Distinct::count_all(parts.iter().rev()), whole.count());
        assert_eq!(Distinct::count_all([of(0..200), of(100..300)].iter()), 300);
    }
}
