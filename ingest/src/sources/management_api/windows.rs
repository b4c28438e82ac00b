//! Listing windows: half open, touching each other, in whole seconds of the service's time.
//!
//! A listing holds what became available at `from` or later and before `to`. The next window begins where the last one
//! ended, to the second, so nothing lies between them and nothing in two. The service takes windows of up to 24 hours that
//! begin up to 7 days ago.

use schemas::Micros;
use schemas::time::{DAY, HOUR, MINUTE, SECOND};

/// What the service keeps.
pub(super) const KEPT: i64 = 7 * DAY;

/// A window begins so much after the oldest moment that is kept, so that the call is not too late when it arrives.
const SAFETY: i64 = 10 * MINUTE;

/// A second look has the time: what is about to go was looked at every day, and other calls may come between.
const SAFETY_AGAIN: i64 = 2 * HOUR;

/// A long way back is listed in parts, and the watermark moves with each. The service allows 24 hours.
pub(super) const LENGTH: i64 = 6 * HOUR;

/// When all is known again, in one.
const LENGTH_AGAIN: i64 = DAY;

/// Half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Micros,
    pub(super) to: Micros,
}

/// What is to be listed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// What can no longer be listed.
    pub(super) lost: Option<Window>,
    /// None where everything up to now has been listed.
    pub(super) window: Option<Window>,
}

/// What follows on `listed` at `now`, both by the service's clock; `margin` is left for what is not yet to be seen.
pub(super) fn next(listed: Micros, now: Micros, margin: i64, length: i64) -> Step {
    let oldest = oldest(now);
    let lost = (listed < oldest).then_some(Window { from: listed, to: oldest });
    let from = listed.max(oldest);
    let to = seconds(now.plus(-margin)).min(from.plus(length.clamp(SECOND, LENGTH)));
    Step { lost, window: (to > from).then_some(Window { from, to }) }
}

/// The windows of a second look at the last `depth` before `listed`.
pub(super) fn again(listed: Micros, now: Micros, depth: i64) -> Vec<Window> {
    let mut from = seconds(listed.plus(-depth)).max(oldest(now).plus(SAFETY_AGAIN));
    let mut windows = Vec::new();
    while from < listed {
        let to = from.plus(LENGTH_AGAIN).min(listed);
        windows.push(Window { from, to });
        from = to;
    }
    windows
}

/// The window of one moment.
pub(super) fn around(moment: Micros) -> Window {
    let from = seconds(moment);
    Window { from, to: from.plus(SECOND) }
}

/// Where a new source begins.
pub(super) fn first(now: Micros, back: i64) -> Micros {
    seconds(now.plus(-back)).max(oldest(now))
}

/// The service's own form: no zone, whole seconds.
pub(super) fn text(at: Micros) -> String {
    seconds(at).to_string().trim_end_matches('Z').to_owned()
}

fn oldest(now: Micros) -> Micros {
    seconds(now.plus(SECOND - KEPT + SAFETY))
}

/// The whole second at or before it.
pub(super) fn seconds(at: Micros) -> Micros {
    Micros(at.0.div_euclid(SECOND).saturating_mul(SECOND))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Micros {
        Micros::parse(text).unwrap()
    }

    #[test]
    fn the_end_stays_behind_now_and_the_start_inside_what_is_kept() {
        let now = at("2026-03-08T12:00:00.7Z");
        let step = next(at("2026-03-08T11:58:00Z"), now, 30 * SECOND, LENGTH);
        let window = Window { from: at("2026-03-08T11:58:00Z"), to: at("2026-03-08T11:59:30Z") };
        assert_eq!(step, Step { lost: None, window: Some(window) });
        assert_eq!(next(at("2026-03-08T11:59:30Z"), now, 30 * SECOND, LENGTH).window, None);
        let old = next(at("2026-02-01T00:00:00Z"), now, 0, LENGTH);
        let oldest = at("2026-03-01T12:10:01Z");
        assert_eq!(old.lost, Some(Window { from: at("2026-02-01T00:00:00Z"), to: oldest }));
        assert_eq!(old.window, Some(Window { from: oldest, to: oldest.plus(LENGTH) }));
        assert_eq!(text(oldest), "2026-03-01T12:10:01");
    }

    #[test]
    fn a_cursor_in_the_future_waits_for_the_clock() {
        assert_eq!(next(Micros(2 * DAY), Micros(DAY), 0, LENGTH), Step { lost: None, window: None });
    }

    proptest! {
        /// Law: however the clock moves, windows touch each other, lie in whole seconds, are never longer than is
        /// allowed, never begin before what is kept, and end at what can be seen; what is left out is said to be lost.
        #[test]
        fn windows_follow_each_other_without_a_hole(steps in proptest::collection::vec(0..10 * DAY, 1..20)) {
            let (mut now, mut listed) = (Micros(100 * DAY), Micros(99 * DAY));
            for step in steps {
                now = now.plus(step);
                loop {
                    let Step { lost, window } = next(listed, now, MINUTE, LENGTH);
                    if let Some(lost) = lost {
                        prop_assert_eq!(lost.from, listed);
                        prop_assert!(lost.to > lost.from);
                        listed = lost.to;
                    }
                    let Some(Window { from, to }) = window else { break };
                    prop_assert_eq!(from, listed);
                    prop_assert!(to > from && to.0 - from.0 <= LENGTH && to <= now.plus(-MINUTE));
                    prop_assert!(from >= now.plus(-KEPT) && to.0 % SECOND == 0);
                    listed = to;
                }
                prop_assert!(now.0 - listed.0 < MINUTE + SECOND);
            }
        }

        /// Law: a second look covers exactly the last `depth` of what was listed, as far as it is kept.
        #[test]
        fn a_second_look_covers_what_it_says(depth in 0..10 * DAY, age in 0..DAY) {
            let now = Micros(100 * DAY);
            let listed = seconds(now.plus(-age));
            let windows = again(listed, now, depth);
            let mut from = seconds(listed.plus(-depth)).max(oldest(now).plus(SAFETY_AGAIN));
            for window in &windows {
                prop_assert_eq!(window.from, from);
                prop_assert!(window.to > window.from && window.to.0 - window.from.0 <= DAY);
                from = window.to;
            }
            prop_assert!(from == listed || (windows.is_empty() && from >= listed));
        }
    }
}
