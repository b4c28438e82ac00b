//! CPU time of two things in turns: what one round's noise does to one, it does to the other.

use std::fmt;

use rustix::time::{ClockId, clock_gettime};

/// What stops a bench.
pub(crate) type Failure = Box<dyn std::error::Error>;
/// Nothing, or what stopped it.
pub(crate) type Outcome = Result<(), Failure>;

/// Rounds that count; one more before them warms up.
const ROUNDS: usize = 9;

/// CPU time of one round, in microseconds: least, median, most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    least: f64,
    median: f64,
    most: f64,
}

/// Two things measured in turns.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) first: Times,
    pub(crate) second: Times,
    ratios: Vec<f64>,
}

impl Pair {
    /// The median of first / second, round by round.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.ratios.clone())
    }
}

/// Microseconds of CPU time that this process has used, all threads together.
pub(crate) fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a bench of hours still fits in 53 bits of microseconds")]
    let us = (time.tv_sec * 1_000_000 + time.tv_nsec / 1_000) as f64;
    us
}

/// Runs both, again and again.
pub(crate) fn in_turns(mut first: impl FnMut(), mut second: impl FnMut()) -> Pair {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let start = cpu_us();
        first();
        let middle = cpu_us();
        second();
        let end = cpu_us();
        if round > 0 {
            a.push(middle - start);
            b.push(end - middle);
        }
    }
    let ratios = a.iter().zip(&b).map(|(a, b)| a / b).collect();
    Pair { first: Times::of(a), second: Times::of(b), ratios }
}

impl Times {
    /// Sums up rounds.
    pub(crate) fn of(rounds: Vec<f64>) -> Self {
        let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rounds.iter().copied().fold(0.0, f64::max);
        Self { least, median: median(rounds), most }
    }

    /// The same for one of `count` things.
    pub(crate) fn per(self, count: usize) -> impl fmt::Display {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let count = count as f64;
        let Self { least, median, most } = self;
        format!("{:>8.2} µs ({:.2} to {:.2})", median / count, least / count, most / count)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
