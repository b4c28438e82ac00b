//! Deleting what is old and finished: after the steps that wait have been answered, a bounded part each time.

use std::collections::BTreeSet;

use pipeline::LogError;
use rusqlite::params;
use schemas::{Offset, TopicPartition};

use super::{failure::of, steps::Desk};

/// The writer cleans once it has written so many records, or done so many transactions: rarely enough that the fsync it
/// costs is not noticed.
const AFTER_RECORDS: usize = 4096;
const AFTER_TRANSACTIONS: usize = 256;
/// At most so many records of a partition are deleted at a time, and twice as many as were written since, so that
/// deleting keeps up.
const DELETED_MAX: usize = 10_000;

/// What has been written since the last time.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    touched: BTreeSet<TopicPartition>,
    records: usize,
    transactions: usize,
}

impl Cleaner {
    /// A transaction has touched these; cleans up where enough has come together.
    pub(super) fn after(&mut self, desk: &Desk, touched: BTreeSet<TopicPartition>, records: usize) {
        self.touched.extend(touched);
        self.records += records;
        self.transactions += 1;
        if self.records >= AFTER_RECORDS || self.transactions >= AFTER_TRANSACTIONS {
            let Self { touched, records, .. } = std::mem::take(self);
            desk.clean(&touched, DELETED_MAX + 2 * records);
        }
    }
}

impl Desk {
    /// Cleans every partition.
    pub(super) fn clean_all(&self) {
        let all = self.mirror.lock().ends.keys().copied().collect();
        self.clean(&all, DELETED_MAX);
    }

    /// Nothing waits for this and nothing is lost without it: what fails is tried again another time.
    fn clean(&self, places: &BTreeSet<TopicPartition>, most: usize) {
        let clean = || -> Result<(), LogError> {
            let transaction = self.connection.unchecked_transaction().map_err(|error| of(&error))?;
            for at in places {
                self.clean_one(*at, most)?;
            }
            transaction.commit().map_err(|error| of(&error))
        };
        if let Err(error) = clean() {
            tracing::warn!(%error, "old records could not be deleted");
        }
    }

    fn clean_one(&self, at: TopicPartition, most: usize) -> Result<(), LogError> {
        let retention = i64::try_from(self.retention.as_micros()).unwrap_or(i64::MAX);
        let before = self.clock.now().0.saturating_sub(retention);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let finished = self.mirror.lock().finished_by_all(at);
        let first = self.places.id(at, Offset(0))?;
        let end = self.places.id(at, finished)?;
        if at.topic.is_compacted() {
            let place = self.places.number(at)?;
            return self.forget_deletions((place, end), before, most).map_err(|error| of(&error));
        }
        self.delete_old((first, end), before, most).map_err(|error| of(&error))
    }

    /// Deletes from the range's beginning what is older.
    fn delete_old(&self, (first, end): (i64, i64), before: i64, most: i64) -> Result<(), rusqlite::Error> {
        let sql = "SELECT id, at FROM record WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![first, end, most])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? > before {
                break;
            }
            last = Some(row.get::<_, i64>(0)?);
        }
        drop(rows);
        if let Some(last) = last {
            let sql = "DELETE FROM record WHERE id >= ?1 AND id <= ?2";
            self.connection.prepare_cached(sql)?.execute(params![first, last])?;
        }
        Ok(())
    }

    /// Of a compacted topic, what says that a key was deleted is not needed for ever.
    fn forget_deletions(
        &self,
        (place, end): (i64, i64),
        before: i64,
        most: i64,
    ) -> Result<(), rusqlite::Error> {
        let sql = "SELECT key, id FROM newest WHERE place = ?1 AND gone <= ?2 AND id < ?3 LIMIT ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let old =
            statement.query_map(params![place, before, end, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let old: Vec<(Vec<u8>, i64)> = old.collect::<Result<_, _>>()?;
        for (key, id) in old {
            self.connection.prepare_cached("DELETE FROM record WHERE id = ?1")?.execute([id])?;
            let sql = "DELETE FROM newest WHERE place = ?1 AND key = ?2";
            self.connection.prepare_cached(sql)?.execute(params![place, key])?;
        }
        Ok(())
    }
}
