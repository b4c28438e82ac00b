//! The tenant's events in the order in which they become available, step by step.
//!
//! It holds what has happened and is not available yet: of each hour whole, so at most the events of
//! [`record::DELAY_MAX`](super::record::DELAY_MAX) and an hour; at five records a second some 50 MB, most of it of the last
//! two hours. A feed may begin anywhere: a server that was killed begins a new one where it left off.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::Micros;
use schemas::time::HOUR;

use super::record::DELAY_MAX;
use super::{AuditRecord, Happenings, RunRow, Tenant};

/// The tenant's events by availability.
pub struct Feed {
    tenant: Arc<Tenant>,
    /// Everything available before this has been given.
    given: Micros,
    /// The next hour that has not been lived through.
    next_hour: Micros,
    /// By availability, then in the order of happening.
    records: BTreeMap<(Micros, u64), AuditRecord>,
    runs: BTreeMap<(Micros, u64), RunRow>,
    count: u64,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("given", &self.given).field("waiting", &self.records.len()).finish()
    }
}

impl Feed {
    /// A feed of everything that becomes available from `from` on.
    #[must_use]
    pub fn new(tenant: Arc<Tenant>, from: Micros) -> Self {
        let first = from.plus(-DELAY_MAX - HOUR).max(tenant.start());
        let next_hour = Micros(first.0.div_euclid(HOUR) * HOUR);
        Self { tenant, given: from, next_hour, records: BTreeMap::new(), runs: BTreeMap::new(), count: 0 }
    }

    /// Everything that becomes available from the end of the last call to before `until`, in that order.
    pub fn advance(&mut self, until: Micros) -> Happenings {
        while self.next_hour < until {
            let Happenings { records, runs } = self.tenant.hour(self.next_hour);
            for record in records.into_iter().filter(|record| record.available >= self.given) {
                self.count += 1;
                self.records.insert((record.available, self.count), record);
            }
            for row in runs.into_iter().filter(|row| row.available >= self.given) {
                self.count += 1;
                self.runs.insert((row.available, self.count), row);
            }
            self.next_hour = self.next_hour.plus(HOUR);
        }
        self.given = self.given.max(until);
        Happenings { records: before(&mut self.records, until), runs: before(&mut self.runs, until) }
    }
}

/// Takes what is available before `until`.
fn before<T>(waiting: &mut BTreeMap<(Micros, u64), T>, until: Micros) -> Vec<T> {
    let later = waiting.split_off(&(until, 0));
    std::mem::replace(waiting, later).into_values().collect()
}
