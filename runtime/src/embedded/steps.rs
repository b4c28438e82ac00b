//! What the writer does inside a transaction: records, positions, groups.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use pipeline::{
    Clock, LogError,
    local::{Stored, Write},
    log::Positions,
};
use rusqlite::{Connection, OptionalExtension as _, params};
use schemas::{Offset, Topic, TopicPartition};

use super::{
    failure::of,
    file::Places,
    headers,
    mirror::{Changed, Mirror},
};

/// Where the writer works.
pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) places: Arc<Places>,
    pub(super) mirror: Arc<Mirror>,
    pub(super) clock: Clock,
    pub(super) retention: Duration,
}

/// What a transaction is made of.
pub(super) enum Task {
    Write(Write),
    Declare { group: String, topics: Vec<Topic> },
}

impl Desk {
    /// Does the tasks in one transaction and publishes it; returns the partitions it has touched.
    ///
    /// # Errors
    /// [`Undone`], which says whether the transaction is known to have left nothing.
    pub(super) fn transact(&self, tasks: &[&Task]) -> Result<BTreeSet<TopicPartition>, Undone> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| Undone::Clean(of(&error)))?;
        let done = self.work(tasks);
        let changed = match done {
            Ok(changed) => changed,
            Err(error) => return Err(self.roll_back(error)),
        };
        let committing = self.mirror.committing();
        self.connection.execute_batch("COMMIT").map_err(|error| self.failed_commit(of(&error)))?;
        let touched = changed.places();
        self.mirror.lock().publish(changed);
        drop(committing);
        Ok(touched)
    }

    fn work(&self, tasks: &[&Task]) -> Result<Changed, LogError> {
        let mut changed = Changed::default();
        for task in tasks {
            match task {
                Task::Write(write) => self.step(write, &mut changed)?,
                Task::Declare { group, topics } => self.declare(group, topics, &mut changed)?,
            }
        }
        let sql = "UPDATE place SET next = ?2 WHERE id = ?1";
        let mut moved = self.connection.prepare_cached(sql).map_err(|error| of(&error))?;
        for (at, end) in &changed.ends {
            moved.execute(params![self.places.number(*at)?, whole(*end)?]).map_err(|error| of(&error))?;
        }
        Ok(changed)
    }

    fn step(&self, write: &Write, changed: &mut Changed) -> Result<(), LogError> {
        let now = self.clock.now().0;
        for (at, stored) in &write.records {
            let end = changed.ends.get(at).copied().unwrap_or_else(|| self.mirror.end(*at));
            let id = self.places.id(*at, end)?;
            if at.topic.is_compacted() {
                self.supersede(*at, stored, id, now).map_err(|error| of(&error))?;
            }
            self.insert(stored, id, now)?;
            changed.ends.insert(*at, end.next());
        }
        let sql = "INSERT INTO position (reader, place, next) VALUES (?1, ?2, ?3)
            ON CONFLICT (reader, place) DO UPDATE SET next = excluded.next";
        let mut set = self.connection.prepare_cached(sql).map_err(|error| of(&error))?;
        let positions: &mut Positions = changed.positions.entry(write.group.clone()).or_default();
        for (at, next) in &write.finished {
            set.execute(params![write.group, self.places.number(*at)?, whole(*next)?])
                .map_err(|error| of(&error))?;
            positions.insert(*at, *next);
        }
        Ok(())
    }

    fn insert(&self, stored: &Stored, id: i64, now: i64) -> Result<(), LogError> {
        let headers = headers::encode(&stored.headers)?;
        let sql = "INSERT INTO record (id, at, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5)";
        let insert = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.execute(params![id, now, &stored.key[..], stored.value.as_deref(), headers])
        };
        insert().map(|_| ()).map_err(|error| of(&error))
    }

    /// Takes the older value of the key away: in the transaction that brings the newer one.
    fn supersede(
        &self,
        at: TopicPartition,
        stored: &Stored,
        id: i64,
        now: i64,
    ) -> Result<(), rusqlite::Error> {
        let Ok(place) = self.places.number(at) else { return Ok(()) };
        let key = &stored.key[..];
        let older: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM newest WHERE place = ?1 AND key = ?2")?
            .query_row(params![place, key], |row| row.get(0))
            .optional()?;
        if let Some(older) = older {
            self.connection.prepare_cached("DELETE FROM record WHERE id = ?1")?.execute([older])?;
        }
        let gone = stored.value.is_none().then_some(now);
        let sql = "INSERT INTO newest (place, key, id, gone) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (place, key) DO UPDATE SET id = excluded.id, gone = excluded.gone";
        self.connection.prepare_cached(sql)?.execute(params![place, key, id, gone])?;
        Ok(())
    }

    fn declare(&self, group: &str, topics: &[Topic], changed: &mut Changed) -> Result<(), LogError> {
        let sql = "INSERT OR IGNORE INTO reads (reader, topic) VALUES (?1, ?2)";
        let mut add = self.connection.prepare_cached(sql).map_err(|error| of(&error))?;
        for topic in topics {
            add.execute(params![group, topic.to_string()]).map_err(|error| of(&error))?;
        }
        changed.groups.entry(group.to_owned()).or_default().extend(topics);
        Ok(())
    }

    /// Undoes what was begun. SQLite has done so by itself after some errors.
    fn roll_back(&self, error: LogError) -> Undone {
        if self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok() {
            return Undone::Clean(error);
        }
        Undone::Unknown(error)
    }

    /// A commit that found no space has written no commit mark; after any other failure the mark may be on the disk.
    fn failed_commit(&self, error: LogError) -> Undone {
        match self.roll_back(error) {
            Undone::Clean(LogError::Full(which)) => Undone::Clean(LogError::Full(which)),
            Undone::Clean(error) | Undone::Unknown(error) => Undone::Unknown(error),
        }
    }
}

/// Why a transaction was not done.
#[derive(Debug)]
pub(super) enum Undone {
    /// It has left nothing.
    Clean(LogError),
    /// It may be found on the disk after the next start.
    Unknown(LogError),
}

pub(super) fn whole(offset: Offset) -> Result<i64, LogError> {
    i64::try_from(offset.0).map_err(|_| LogError::Unusable("an offset over 2^63".to_owned()))
}
