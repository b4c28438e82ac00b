//! Moves the demo's time: what the tenant does becomes available a quarter of an hour at a time, and the clock goes on once
//! ingest has listed what is there.
//!
//! It waits for the listings of the simulated service, not for anything inside the workers. If these fall far behind (a
//! machine that has little time), the clock creeps, so that nothing expires that would not expire in real time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::Clock;
use schemas::Micros;
use schemas::time::{DAY, HOUR, MINUTE, SECOND};
use simulator::feed::CONTENT_TYPES;
use simulator::outlet::{Outlet, STEP};
use simulator::tenant::DELAY_MAX;
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::witness::Witnessed;
use crate::scene::{START, Scene};

/// Listings may be so far behind without being waited for: a service's time is told by the earliest of its latest answers,
/// and every step sets it a quarter of an hour ahead of those.
const LAG: i64 = 8 * STEP;
/// How long a step waits for the listings before the clock goes on all the same.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(1);
/// How many looks there are between two counts of what has arrived.
const LOOKS: u32 = 50;
/// Two virtual days in which nothing of what is missing arrives: nothing more will.
const PATIENT_LOOKS: u32 = 2_880;
/// Listings may be so far behind; beyond it the clock creeps.
const BEHIND_MAX: i64 = 12 * HOUR;
/// How far it creeps, so that whoever waits for a moment gets there.
const CREEP: i64 = 10 * SECOND;

/// What moves, and what is watched.
#[derive(Debug)]
pub(super) struct Conductor<'a> {
    pub(super) clock: Clock,
    pub(super) scene: &'a Scene,
    pub(super) outlet: Outlet,
    pub(super) live: &'a Live,
}

/// What happened in the tenant, whether or not it arrived.
#[derive(Debug, Default)]
pub(super) struct Happened {
    /// Ids of records, by the blob that carries them.
    pub(super) blobs: BTreeMap<String, Vec<String>>,
    /// How many runs there were.
    pub(super) runs: u64,
}

impl Conductor<'_> {
    /// Lives to the end; says so once everything has arrived, and lets time pass until the rest has flowed.
    ///
    /// # Errors
    /// What the disk says to the rows of runs.
    pub(super) async fn live(
        mut self,
        witnessed: &Witnessed,
        all_read: &CancellationToken,
        flowed: &CancellationToken,
    ) -> anyhow::Result<Happened> {
        let (begins, ends) = self.scene.tenant.attack().unwrap_or((START, START));
        self.begun(flowed).await;
        let mut runs = self.steps(begins.plus(-DAY), flowed).await?;
        // What is planted shall be seen: nothing more goes missing.
        let mut faults = super::faults(0);
        faults.content.expired_one_in = 0;
        self.scene.simulator.set_faults(faults);
        runs += self.steps(ends.plus(DELAY_MAX + HOUR), flowed).await?;
        let happened = Happened { blobs: self.outlet.blobs().clone(), runs };
        let (mut least, mut looks) = (usize::MAX, 0);
        while !flowed.is_cancelled() && looks < PATIENT_LOOKS {
            let missing = happened.missing(self.scene, witnessed);
            if missing == 0 {
                break;
            }
            // What never comes is told at the end.
            looks = if missing < least { 0 } else { looks + LOOKS };
            least = least.min(missing);
            self.let_pass(LOOKS).await;
        }
        all_read.cancel();
        while !flowed.is_cancelled() {
            self.let_pass(1).await;
        }
        Ok(happened)
    }

    /// Waits until every subscription is started and listed: what is created before is never listed.
    async fn begun(&self, flowed: &CancellationToken) {
        self.listed(Micros::START.plus(1), flowed).await;
    }

    /// Goes step by step; how many rows of runs came out.
    async fn steps(&mut self, until: Micros, flowed: &CancellationToken) -> anyhow::Result<u64> {
        let mut runs = 0;
        while self.outlet.reached() < until && !flowed.is_cancelled() {
            let next = self.outlet.reached().plus(STEP);
            runs += self.outlet.advance(next)?.runs;
            self.clock.set(next.max(self.clock.now()));
            self.listed(next.plus(-LAG), flowed).await;
            self.live.time(next);
        }
        Ok(runs)
    }

    /// Lets time pass for whoever waits for it.
    async fn let_pass(&self, looks: u32) {
        for _ in 0..looks {
            self.clock.set(self.clock.now().plus(MINUTE));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until everything before `until` has been listed; a while, or as long as it takes where it is far behind.
    async fn listed(&self, until: Micros, flowed: &CancellationToken) {
        let looks = PATIENCE.as_millis() / LOOK.as_millis();
        loop {
            for _ in 0..looks {
                if flowed.is_cancelled() || self.reached() >= until {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
            // Before the first listing nothing is behind.
            if self.reached() > Micros::START && self.reached() >= until.plus(-BEHIND_MAX) {
                return;
            }
            self.clock.set(self.clock.now().plus(CREEP));
        }
    }

    /// Up to when all that a source without special rights reads has been listed.
    fn reached(&self) -> Micros {
        let listed = |content_type: &&str| *content_type != "DLP.All";
        let types = CONTENT_TYPES.into_iter().filter(listed);
        let until = |content_type| self.scene.simulator.listed_until(self.scene.tenant.id(), content_type);
        types.map(|content_type| until(content_type).unwrap_or(Micros::START)).min().unwrap_or(Micros::END)
    }
}

impl Happened {
    /// How many records and runs have not arrived, but for those whose blob is gone.
    pub(super) fn missing(&self, scene: &Scene, witnessed: &Witnessed) -> usize {
        let gone: BTreeSet<String> = scene.simulator.ledger().gone.into_values().flatten().collect();
        let seen = witnessed.lock();
        let arrived: BTreeSet<&str> = seen.events.values().map(String::as_str).collect();
        let carried: BTreeSet<&str> = self.carried(|blob| !gone.contains(blob)).collect();
        let records = carried.difference(&arrived).count();
        records + usize::try_from(self.runs.saturating_sub(seen.runs)).unwrap_or(usize::MAX)
    }

    /// The ids of the records in those blobs.
    pub(super) fn carried(&self, of: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let blobs = self.blobs.iter().filter(move |(blob, _)| of(blob));
        blobs.flat_map(|(_, ids)| ids).map(String::as_str)
    }
}
