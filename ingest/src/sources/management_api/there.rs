//! What time it is at the service, by the `Date` of its answers.
//!
//! Windows end before the service's now where its clock is behind ours: what is not yet there cannot be listed. They never
//! end after our own now: a date that is wrong, on the first answer or on all of them, would move the cursor and the
//! watermark into the future, and nothing moves them back. The earliest of the last 8 answers counts.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use pipeline::Clock;
use schemas::Micros;
use schemas::time::SECOND;

const ANSWERS: usize = 8;

/// How far the service's clock is before ours, by the last answers.
#[derive(Debug, Default)]
pub(super) struct There(Mutex<VecDeque<i64>>);

impl There {
    /// What time it is there, and never later than here.
    pub(super) fn now(&self, clock: &Clock) -> Micros {
        let ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clock.now().plus(ahead.iter().copied().min().unwrap_or_default().min(0))
    }

    /// Takes in the date of an answer that has just come, to what was sent then.
    pub(super) fn note(&self, there: Option<Micros>, sent_at: Micros, clock: &Clock) {
        let Some(there) = there else { return };
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.len() >= ANSWERS {
            ahead.pop_front();
        }
        ahead.push_back(how_far_ahead(there, sent_at, clock.now()));
    }
}

/// How far a clock is before ours that showed this second when it answered, between sending and receiving. Not at all, as
/// far as can be told, where ours may have shown the same; the least it may be otherwise.
fn how_far_ahead(there: Micros, sent_at: Micros, received_at: Micros) -> i64 {
    let least = there.0.saturating_sub(received_at.0);
    let most = there.0.saturating_sub(sent_at.0).saturating_add(SECOND);
    if least <= 0 && most > 0 { 0 } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Law: whatever dates came, in whatever order and number, it is not later there than here, and a clock that is behind
    /// is followed.
    #[test]
    fn it_is_never_later_there_than_here() {
        let (clock, there) = (Clock::manual(Micros(1000 * SECOND)), There::default());
        assert_eq!(there.now(&clock), clock.now(), "nothing has answered");
        for answers in 1..=2 * ANSWERS {
            there.note(Some(Micros(9000 * SECOND)), clock.now(), &clock);
            assert_eq!(there.now(&clock), clock.now(), "{answers} answers");
        }
        there.note(Some(Micros(400 * SECOND)), clock.now(), &clock);
        assert_eq!(there.now(&clock), Micros(400 * SECOND));
    }

    #[test]
    fn a_clock_that_may_show_the_same_is_not_ahead() {
        let ahead = |there, sent_at, received_at| {
            how_far_ahead(Micros(there * SECOND), Micros(sent_at), Micros(received_at)) / SECOND
        };
        let at = 100 * SECOND;
        assert_eq!(ahead(100, at, at), 0);
        assert_eq!(ahead(100, at + SECOND / 2, at + SECOND * 3 / 4), 0, "a date has whole seconds");
        assert_eq!(ahead(100, at - 5 * SECOND, at + 900 * SECOND), 0, "ours moved meanwhile");
        assert_eq!(ahead(700, at, at + SECOND), 599, "ten minutes ahead, and the answer took a second");
        assert_eq!(ahead(40, at, at + SECOND), -61);
    }
}
