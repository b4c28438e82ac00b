//! Reading: connections of their own, read-only, so that a long read never waits for the writer nor the writer for it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use pipeline::{
    LogError,
    local::{Room, Slice, Stored},
    log::Table,
};
use rusqlite::{Connection, OpenFlags, Row};
use schemas::{Offset, TopicPartition};

use super::{
    failure::of,
    file::{Places, offset_of},
    headers,
    mirror::Mirror,
};

/// So many connections are kept for the next read; more are opened when more read at once, and closed again.
const IDLE_MAX: usize = 4;

const RANGE: &str = "SELECT id, key, value, headers FROM record WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    places: Arc<Places>,
    mirror: Arc<Mirror>,
    /// `None` once the log is closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, places: Arc<Places>, mirror: Arc<Mirror>) -> Self {
        Self { path, places, mirror, idle: Mutex::new(Some(Vec::new())) }
    }

    pub(super) fn close(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The records of these partitions from there on, as many as there is room for.
    pub(super) fn read(
        &self,
        from: Vec<(TopicPartition, Offset)>,
        mut room: Room,
    ) -> Result<Slice, LogError> {
        let ends: Vec<Offset> = from.iter().map(|(at, _)| self.mirror.end(*at)).collect();
        self.with(|connection| {
            // One view for all ranges: a compacted key must not vanish from one before it appears in another.
            let view = connection.unchecked_transaction().map_err(|error| of(&error))?;
            let mut slice = Slice::default();
            for ((at, from), end) in from.into_iter().zip(ends) {
                let next = self.range(&view, (at, from, end), &mut room, &mut slice)?;
                slice.next.insert(at, next);
            }
            Ok(slice)
        })
    }

    /// Reads one range; returns where to go on: its end as it was known, or what lies behind the last record.
    fn range(
        &self,
        connection: &Connection,
        (at, from, end): (TopicPartition, Offset, Offset),
        room: &mut Room,
        slice: &mut Slice,
    ) -> Result<Offset, LogError> {
        if room.records() == 0 {
            return Ok(from);
        }
        let mut next = end.max(from);
        let mut statement = connection.prepare_cached(RANGE).map_err(|error| of(&error))?;
        let range = (self.places.id(at, from)?, self.places.last_id(at)?);
        let mut rows = statement.query(range).map_err(|error| of(&error))?;
        while let Some(row) = rows.next().map_err(|error| of(&error))? {
            let (offset, stored) = stored(row)?;
            if !room.take(stored.bytes()) {
                return Ok(offset);
            }
            next = next.max(offset.next());
            slice.records.push(stored.at(at, offset));
        }
        Ok(next)
    }

    /// The newest value of every key of a partition.
    pub(super) fn table(&self, of_place: TopicPartition) -> Result<Table, LogError> {
        self.with(|connection| {
            let mut table = Table::new();
            let mut statement = connection.prepare_cached(RANGE).map_err(|error| of(&error))?;
            let range = (self.places.id(of_place, Offset(0))?, self.places.last_id(of_place)?);
            let mut rows = statement.query(range).map_err(|error| of(&error))?;
            while let Some(row) = rows.next().map_err(|error| of(&error))? {
                let (_, Stored { key, value, .. }) = stored(row)?;
                match value {
                    Some(value) => table.insert(key, value),
                    None => table.remove(&key),
                };
            }
            Ok(table)
        })
    }

    /// Reads with a connection that is idle, or with a new one.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, LogError>) -> Result<T, LogError> {
        let closed = || LogError::Unusable("the log is closed".to_owned());
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().as_mut().ok_or_else(closed)?.pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path).map_err(|error| of(&error))?,
        };
        let answer = read(&connection)?;
        self.mirror.settled();
        if let Some(idle) = idle().as_mut()
            && idle.len() < IDLE_MAX
        {
            idle.push(connection);
        }
        Ok(answer)
    }
}

/// A connection that cannot write.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA cache_size = -4096;")?;
    Ok(connection)
}

/// Id, key, value, headers.
type Columns = (i64, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

fn stored(row: &Row<'_>) -> Result<(Offset, Stored), LogError> {
    let columns =
        || -> Result<Columns, rusqlite::Error> { Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)) };
    let (id, key, value, headers) = columns().map_err(|error| of(&error))?;
    let stored =
        Stored { key: Bytes::from(key), value: value.map(Bytes::from), headers: headers::decode(headers)? };
    Ok((offset_of(id), stored))
}
