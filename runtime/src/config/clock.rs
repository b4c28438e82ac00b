//! The section `clock:`, for a simulated tenant only: time runs faster, and every process that reads the same section
//! reads the same time. Without it, time is the machine's.
//!
//! ```yaml
//! clock: {start: 2026-01-05T00:00:00Z, since: 2026-11-21T17:00:00Z, rate: 3600}
//! ```
//! `since` is a moment of the machine's clock, at which it is `start`; `rate` says how many seconds pass in one.

use pipeline::{Clock, Scale};
use schemas::Micros;

use super::Section;

/// A year in a bit more than five minutes.
const RATE_MAX: u32 = 100_000;

/// Reads the section; problems are noted there.
#[must_use]
pub fn read_clock(root: &Section<'_>) -> Clock {
    let Some(section) = root.optional_section("clock") else { return Clock::machine() };
    for key in ["start", "since", "rate"] {
        section.require(key);
    }
    let moment = |text: &str| {
        Micros::parse(text).map_err(|_| "must be a time such as 2026-01-05T00:00:00Z".to_owned())
    };
    let (start, since) = (section.text_as("start", moment), section.text_as("since", moment));
    let rate = section.number("rate", 1..=RATE_MAX, 1);
    match (start, since) {
        (Some(start), Some(since)) => Clock::scaled(Scale { start, since, rate }),
        _ => Clock::machine(),
    }
}
