//! Random numbers from a seed that is printed, so that a run that failed can be had again: `WEIR_SEED=…`.

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::time::Duration;

/// xorshift64.
pub(crate) struct Random(u64);

impl Random {
    /// Takes the seed from `WEIR_SEED`, or any, and prints it.
    pub(crate) fn seeded(test: &str) -> Self {
        let given = std::env::var("WEIR_SEED").ok().map(|seed| seed.parse().expect("WEIR_SEED is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(test) >> 1);
        say(&format!("{test}: WEIR_SEED={seed}"));
        Self(seed | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A time up to `longest`.
    pub(crate) fn time(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap();
        Duration::from_micros(self.below(micros + 1))
    }
}

/// How many kills: `WEIR_KILLS`, or a tenth of the full count.
pub(crate) fn kills() -> usize {
    std::env::var("WEIR_KILLS").map_or(10, |kills| kills.parse().expect("WEIR_KILLS is a number"))
}

/// Prints a line whether the test passes or fails.
pub(crate) fn say(line: &str) {
    std::io::stderr().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}
