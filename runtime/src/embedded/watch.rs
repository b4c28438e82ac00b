//! Looking at a log file that another process holds, or none: nothing is locked, nothing is written.
//!
//! Every call reads ends and records in views of its own; what was committed before the call is in its answer. While a
//! file is looked at, SQLite may keep its write-ahead log a little longer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use pipeline::{
    LogError, Reader,
    local::Room,
    log::{Changes, From, Limits, Positions, Table},
};
use schemas::{Offset, Partition, Topic, TopicPartition};

use super::{file, mirror::Mirror, on_a_thread, readers::Readers};

/// A reader of a log file that stays somebody else's.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
}

impl Watched {
    /// Looks whether there is a log file.
    ///
    /// # Errors
    /// [`LogError::Unusable`] where there is none, or it is no log of Weir.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        file::look(path)?;
        Ok(Self { path: path.to_owned() })
    }
}

/// The file as it is now.
struct View {
    mirror: Arc<Mirror>,
    readers: Readers,
}

impl View {
    fn of(path: PathBuf) -> Result<Self, LogError> {
        let (places, mirror) = file::look(&path)?;
        let mirror = Arc::new(mirror);
        Ok(Self { readers: Readers::new(path, Arc::new(places), Arc::clone(&mirror)), mirror })
    }

    fn changes(&self, topic: Topic, from: From) -> Result<Changes, LogError> {
        let at = match from {
            From::Start => Positions::new(),
            From::At(positions) => positions,
        };
        let ends: Vec<(TopicPartition, Offset)> = self.mirror.ends_of(topic);
        let mut next: Positions =
            ends.iter().map(|(place, _)| (*place, at.get(place).copied().unwrap_or(Offset(0)))).collect();
        let behind = |next: &Positions| -> Vec<(TopicPartition, Offset)> {
            let offset = |place| next.get(place).copied().unwrap_or(Offset(0));
            ends.iter()
                .filter(|(place, end)| offset(place) < *end)
                .map(|(place, _)| (*place, offset(place)))
                .collect()
        };
        let from = behind(&next);
        let limits = Limits::default();
        let mut records = Vec::new();
        if !from.is_empty() {
            let slice = self.readers.read(from, Room::new(limits.records_max, limits.bytes_max))?;
            records = slice.records;
            next.extend(slice.next);
        }
        let caught_up = behind(&next).is_empty();
        Ok(Changes { records, next, caught_up })
    }
}

impl Reader for Watched {
    fn restore(&mut self, topic: Topic, partition: Partition) -> BoxFuture<'_, Result<Table, LogError>> {
        let path = self.path.clone();
        Box::pin(on_a_thread(move || View::of(path)?.readers.table(TopicPartition::new(topic, partition))))
    }

    fn follow(&mut self, topic: Topic, from: From) -> BoxFuture<'_, Result<Changes, LogError>> {
        let path = self.path.clone();
        Box::pin(on_a_thread(move || View::of(path)?.changes(topic, from)))
    }
}
