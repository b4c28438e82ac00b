//! A tenant that lives by a seed: its people, flows, files and mailboxes, what they do hour by hour, and on one day what
//! somebody plants among it.
//!
//! Pure: no clock, no file, no network. The same seed, start and settings give the same bytes, whichever hour is asked for
//! first. Records have the documented shapes of both generations; flow runs are rows of a data-export folder and never
//! audit records. What is planted is told in [`Label`]s, which no record shows.
//!
//! Limits: 40 to 150 people; by default some 300 to 900 audit records a working day; [`Settings::records_per_hour_least`]
//! adds reading on top, as many as asked for.

use schemas::Micros;
use schemas::time::{DAY, HOUR};

mod dice;
mod estate;
mod facts;
mod feed;
mod label;
mod life;
mod people;
mod places;
mod plan;
mod record;
mod runs;
mod shapes;
mod words;
mod world;

#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use feed::Feed;
pub use label::{Entity, Label, Scenario};
pub use record::{AuditRecord, DELAY_MAX};
pub use runs::RunRow;

use plan::Plan;
use world::World;

/// What a tenant's owner may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The day on which acts are planted, counted from 0; none for a tenant without. Where it is no working day, the next
    /// Monday takes its place.
    pub attack_day: Option<u16>,
    /// At least so many audit records an hour; 18,000 are five a second.
    pub records_per_hour_least: u32,
}

impl Default for Settings {
    /// Twenty-one ordinary days, then the attack; no more records than people make.
    fn default() -> Self {
        Self { attack_day: Some(21), records_per_hour_least: 0 }
    }
}

/// What happened, or became available, in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happenings {
    /// Audit records.
    pub records: Vec<AuditRecord>,
    /// Rows of flow runs.
    pub runs: Vec<RunRow>,
}

/// The tenant.
pub struct Tenant {
    world: World,
    plan: Plan,
    attack_day: Option<i64>,
    settings: Settings,
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").field("seed", &self.world.seed).field("start", &self.world.start).finish()
    }
}

impl Tenant {
    /// The tenant of that seed, whose first day is the UTC day of `start`.
    #[must_use]
    pub fn new(seed: u64, start: Micros, settings: Settings) -> Self {
        let start = Micros(start.0.div_euclid(DAY) * DAY);
        let world = World::new(seed, start);
        let attack_day = settings.attack_day.map(|day| working_day(start, i64::from(day)));
        let plan = attack_day.map(|day| Plan::new(&world, day)).unwrap_or_default();
        Self { world, plan, attack_day, settings }
    }

    /// The tenant's id: a GUID, lower case.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.world.tenant_id
    }

    /// Its own domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.world.domain
    }

    /// The first midnight.
    #[must_use]
    pub fn start(&self) -> Micros {
        self.world.start
    }

    /// From when to when the day of the attack lasts; its records are all available [`DELAY_MAX`] after its end.
    #[must_use]
    pub fn attack(&self) -> Option<(Micros, Micros)> {
        let begins = self.world.start.plus(self.attack_day?.saturating_mul(DAY));
        Some((begins, begins.plus(DAY)))
    }

    /// How many people, guests included, and how many flows there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.world.people.len(), self.world.estate.flows.len())
    }

    /// What is planted; nothing of it stands in a record.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.plan.labels
    }

    /// What the tenant's operator would tell an enricher, where the files that it names are written into `folder`.
    #[must_use]
    pub fn facts(&self, folder: &str) -> Facts {
        facts::of(&self.world, folder)
    }

    /// What happens in the hour of the clock that `time` lies in, in the order of happening. Nothing happens before the
    /// start. An act that begins late in an hour belongs to it whole: its last records may lie up to an hour after.
    #[must_use]
    pub fn hour(&self, time: Micros) -> Happenings {
        let hour = Micros(time.0.div_euclid(HOUR) * HOUR);
        if hour < self.world.start {
            return Happenings::default();
        }
        let inside = |time: Micros| time >= hour && time < hour.plus(HOUR);
        let mut records = life::of_hour(&self.world, hour, self.settings.records_per_hour_least);
        records.extend(self.plan.records.iter().filter(|record| inside(record.time)).cloned());
        records.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        let mut runs = runs::of_hour(&self.world, hour);
        runs.extend(self.plan.runs.iter().filter(|row| inside(row.time)).cloned());
        runs.sort_by(|a, b| (a.time, &a.run_id).cmp(&(b.time, &b.run_id)));
        Happenings { records, runs }
    }

    /// What happens from `from` to before `until`, in the order of happening.
    #[must_use]
    pub fn between(&self, from: Micros, until: Micros) -> Happenings {
        let mut all = Happenings::default();
        let mut hour = from.plus(-HOUR).max(self.world.start);
        while hour < until {
            let Happenings { records, runs } = self.hour(hour);
            let inside = |time: Micros| time >= from && time < until;
            all.records.extend(records.into_iter().filter(|record| inside(record.time)));
            all.runs.extend(runs.into_iter().filter(|row| inside(row.time)));
            hour = Micros(hour.plus(HOUR).0.div_euclid(HOUR) * HOUR);
        }
        all.records.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        all
    }
}

/// That day after `start`, or the next one that is no Saturday or Sunday.
fn working_day(start: Micros, day: i64) -> i64 {
    /// 1 January 1970 was a Thursday; Monday is 0.
    const FIRST_WEEKDAY: i64 = 3;
    let weekday = (start.0.div_euclid(DAY) + day + FIRST_WEEKDAY).rem_euclid(7);
    if weekday < 5 { day } else { day + 7 - weekday }
}
