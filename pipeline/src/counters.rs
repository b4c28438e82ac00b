//! What a worker has done and what it is doing now, for whoever looks from outside while it runs.
//!
//! Filled in once a batch, never once a record; read under a short lock that nobody waits in. It knows neither HTTP nor a
//! metrics format: [`crate::metrics`] names what is here, and the probes of `runtime` judge it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::Micros;

use crate::outcome::Reason;

mod spread;

pub use spread::{BOUNDS, Spread};

/// What a stage has done since it was started. `read = emitted + skipped + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records read and committed.
    pub read: u64,
    /// Of these: worked into something.
    pub emitted: u64,
    /// Of these: left out on purpose, by reason.
    pub skipped: BTreeMap<Reason, u64>,
    /// Of these: in the dead letter, by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// Records written.
    pub outputs: u64,
    /// Steps committed.
    pub steps: u64,
    /// Times a record had to be tried again.
    pub retries: u64,
}

impl Tally {
    /// Whether the conservation law holds.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.read == self.emitted + self.skipped.values().sum::<u64>() + self.rejected.values().sum::<u64>()
    }

    fn add(&mut self, other: Self) {
        self.read += other.read;
        self.emitted += other.emitted;
        for (reason, count) in other.skipped {
            *self.skipped.entry(reason).or_default() += count;
        }
        for (reason, count) in other.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
        self.outputs += other.outputs;
        self.steps += other.steps;
        self.retries += other.retries;
    }
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Its handle on the log is being opened.
    #[default]
    Opening,
    /// It waits for the log, or for its source, to say something.
    Waiting,
    /// It reads back what is kept for the partitions it was given.
    Restoring,
    /// It works on a batch.
    Working,
    /// The world is bad: it holds its position until it tries again.
    Holding,
    /// A step is on its way to the log.
    Committing,
    /// It is done, or was told to stop.
    Ended,
    /// It could not go on.
    Failed,
}

/// What a worker is doing, since when, and how long things took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pulse {
    /// What it is doing.
    pub phase: Phase,
    /// Since when, by the worker's clock; none before it was started.
    pub since: Option<Micros>,
    /// Whether the log has answered and what is kept has been restored, once.
    pub started: bool,
    /// Records of the batch in hand that are not committed.
    pub in_flight: u64,
    /// When the batch in hand was taken.
    pub taken_at: Option<Micros>,
    /// How long a batch was worked on, each try.
    pub processing: Spread,
    /// How long a step took until its outcome was known.
    pub committing: Spread,
    /// How long nothing was taken from before, because the world or the log did not take what was made.
    pub blocked: Duration,
}

impl Pulse {
    /// How long it has been doing what it does.
    #[must_use]
    pub fn lasts(&self, now: Micros) -> Duration {
        self.since.map_or(Duration::ZERO, |since| between(since, now))
    }

    /// The age of the oldest record that was taken and is not committed; nothing where none is in hand.
    #[must_use]
    pub fn oldest(&self, now: Micros) -> Duration {
        self.taken_at.map_or(Duration::ZERO, |at| between(at, now))
    }

    /// [`Pulse::blocked`], what lasts now included.
    #[must_use]
    pub fn blocked_until(&self, now: Micros) -> Duration {
        let lasts = if self.phase.blocks() { self.lasts(now) } else { Duration::ZERO };
        self.blocked.saturating_add(lasts)
    }

    fn enter(&mut self, phase: Phase, now: Micros) {
        let lasted = self.lasts(now);
        match self.phase {
            Phase::Working => self.processing.note(lasted),
            Phase::Committing => self.committing.note(lasted),
            Phase::Opening
            | Phase::Waiting
            | Phase::Restoring
            | Phase::Holding
            | Phase::Ended
            | Phase::Failed => {}
        }
        if self.phase.blocks() {
            self.blocked = self.blocked.saturating_add(lasted);
        }
        (self.phase, self.since) = (phase, Some(now));
    }
}

impl Phase {
    /// Whether nothing is taken from before meanwhile.
    fn blocks(self) -> bool {
        matches!(self, Self::Holding | Self::Committing)
    }
}

/// A tally and a pulse that can be read while the worker runs.
#[derive(Debug, Default)]
pub struct Counters(Mutex<(Tally, Pulse)>);

impl Counters {
    /// What has been done so far.
    #[must_use]
    pub fn read(&self) -> Tally {
        self.kept().0.clone()
    }

    /// What is being done.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.kept().1.clone()
    }

    /// Adds what a step did, once it is committed, or a record that is to be tried again.
    pub fn add(&self, tally: Tally) {
        self.kept().0.add(tally);
    }

    /// The worker begins to do this.
    pub fn enter(&self, phase: Phase, now: Micros) {
        self.kept().1.enter(phase, now);
    }

    /// The log has answered, and what is kept has been restored.
    pub fn started(&self) {
        self.kept().1.started = true;
    }

    /// So many records are in hand, from now on; when there were some before, the age of the oldest goes on.
    pub fn hold(&self, records: usize, now: Micros) {
        let pulse = &mut self.kept().1;
        pulse.in_flight = records as u64;
        pulse.taken_at = if records == 0 { None } else { pulse.taken_at.or(Some(now)) };
    }

    fn kept(&self) -> MutexGuard<'_, (Tally, Pulse)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From one moment to a later one; nothing when the clock was set back meanwhile.
fn between(from: Micros, to: Micros) -> Duration {
    Duration::from_micros(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use schemas::time::SECOND;

    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros(seconds * SECOND)
    }

    #[test]
    fn each_phase_lasts_until_the_next_and_only_work_and_commits_are_spread() {
        let counters = Counters::default();
        for (phase, second) in [
            (Phase::Opening, 0),
            (Phase::Waiting, 10),
            (Phase::Working, 20),
            (Phase::Holding, 23),
            (Phase::Working, 28),
            (Phase::Committing, 29),
            (Phase::Waiting, 33),
        ] {
            counters.enter(phase, at(second));
        }
        let pulse = counters.pulse();
        assert_eq!((pulse.processing.count, pulse.processing.sum), (2, Duration::from_secs(4)));
        assert_eq!((pulse.committing.count, pulse.committing.sum), (1, Duration::from_secs(4)));
        assert_eq!(pulse.blocked_until(at(100)), Duration::from_secs(9), "5 s held and 4 s in a commit");
        counters.enter(Phase::Holding, at(200));
        assert_eq!(counters.pulse().blocked_until(at(207)), Duration::from_secs(16), "what lasts counts too");
    }

    #[test]
    fn the_oldest_record_ages_until_the_batch_is_off_the_hand() {
        let counters = Counters::default();
        assert_eq!(counters.pulse().oldest(at(5)), Duration::ZERO);
        counters.hold(9, at(10));
        counters.hold(4, at(15));
        let pulse = counters.pulse();
        assert_eq!((pulse.in_flight, pulse.oldest(at(17))), (4, Duration::from_secs(7)));
        counters.hold(0, at(18));
        assert_eq!(counters.pulse().oldest(at(30)), Duration::ZERO);
        counters.hold(1, at(40));
        assert_eq!(counters.pulse().oldest(at(41)), Duration::from_secs(1), "the next batch begins anew");
    }

    #[test]
    fn a_clock_that_is_set_back_takes_nothing_away() {
        let counters = Counters::default();
        counters.enter(Phase::Committing, at(10));
        counters.enter(Phase::Waiting, at(3));
        let pulse = counters.pulse();
        assert_eq!((pulse.blocked, pulse.committing.sum), (Duration::ZERO, Duration::ZERO));
    }
}
