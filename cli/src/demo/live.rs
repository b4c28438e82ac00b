//! What the demo shows while it runs: findings as they come, and how far time, events and deliveries are.
//!
//! On a terminal the last line moves; elsewhere a line is written for each virtual week, so that a file of it reads well.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use schemas::Micros;
use schemas::finding::{Change, Finding, Severity};
use schemas::time::DAY;
use simulator::Simulator;

use crate::scene::START;
use crate::{report, text};

const TEMPLATE: &str = "{bar:8} {msg}";

/// The screen. Shared by whoever has something to say.
#[derive(Debug)]
pub(super) struct Live {
    bar: ProgressBar,
    simulator: Simulator,
    days: i64,
    /// Whether every revision is shown.
    follows: bool,
    flowed: [AtomicU64; 3],
    findings: AtomicU64,
    told_week: AtomicU64,
}

/// Which stage made what flows by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flowing {
    /// Ingest: events.
    Event,
    /// Enrich: enriched events.
    Enriched,
    /// Match: signals to the rules about many events.
    Signal,
}

impl Live {
    /// For so many days; `follows` shows every revision of every finding.
    pub(super) fn new(bar: ProgressBar, simulator: Simulator, days: i64, follows: bool) -> Self {
        if io::stderr().is_terminal() {
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style);
            }
            bar.set_length(days.unsigned_abs());
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let zero = AtomicU64::default;
        Self {
            bar,
            simulator,
            days,
            follows,
            flowed: Default::default(),
            findings: zero(),
            told_week: zero(),
        }
    }

    /// One more of these.
    pub(super) fn flowed(&self, what: Flowing) {
        self.count(what).fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self, what: Flowing) -> &AtomicU64 {
        let [events, enriched, signals] = &self.flowed;
        match what {
            Flowing::Event => events,
            Flowing::Enriched => enriched,
            Flowing::Signal => signals,
        }
    }

    /// A revision of a finding came. What is worth waking somebody is shown at once, the rest is counted.
    pub(super) fn finding(&self, finding: &Finding) {
        if finding.change == Change::Create {
            self.findings.fetch_add(1, Ordering::Relaxed);
        }
        let is_loud = finding.severity >= Severity::High && finding.change == Change::Create;
        if self.follows || is_loud {
            let line = sink::table::line(finding, report::is_colored());
            self.say(&line);
        }
    }

    /// A line above the moving one.
    pub(super) fn say(&self, line: &str) {
        // Whoever reads no more does not keep the demo from its end.
        self.bar.suspend(|| drop(text::print(&format!("{line}\n"))));
    }

    /// Time has come so far.
    pub(super) fn time(&self, now: Micros) {
        let day = (now.0 - START.0).div_euclid(DAY) + 1;
        let progress = self.progress(day);
        self.bar.set_position(day.unsigned_abs());
        self.bar.set_message(progress.clone());
        let week = day.div_euclid(7).unsigned_abs();
        if !io::stderr().is_terminal() && self.told_week.swap(week, Ordering::Relaxed) < week {
            self.say(&progress);
        }
    }

    /// Takes the moving line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn progress(&self, day: i64) -> String {
        let so_far = |what| self.count(what).load(Ordering::Relaxed);
        let (splunk, rows) = self.simulator.taken();
        format!(
            "day {:2} of {}: {} events, {} enriched, {} signals, {} findings; Splunk {splunk}, Sentinel {rows}",
            day.min(self.days),
            self.days,
            so_far(Flowing::Event),
            so_far(Flowing::Enriched),
            so_far(Flowing::Signal),
            self.findings.load(Ordering::Relaxed),
        )
    }
}
