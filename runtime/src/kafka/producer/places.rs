//! Which partition a record goes to, by the number of partitions that its topic has.

use pipeline::{LogError, Outgoing, Route};
use schemas::{Partition, Topic, partition::partition_of};

use super::{
    super::{survey::closed, wait::Patience},
    Steps,
};

/// A partition count is looked up again after so long, so that `Route::Every` reaches partitions that were added.
const COUNT_FRESH_MICROS: i64 = 300_000_000;

impl Steps {
    /// Which record goes to which partition.
    pub(super) fn place(&mut self, records: &[Outgoing]) -> Result<Vec<(usize, Partition)>, LogError> {
        let mut placed = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let count = self.count(record.topic)?;
            match record.route {
                Route::Key => placed.push((index, partition_of(&record.key, count))),
                Route::Exact(partition) => {
                    if partition.0 >= count {
                        self.appears(record.topic, partition)?;
                    }
                    placed.push((index, partition));
                }
                Route::Every => placed.extend((0..count).map(|number| (index, Partition(number)))),
            }
        }
        Ok(placed)
    }

    /// Waits for a partition that was not there when they were last counted: it may have been added since.
    fn appears(&mut self, topic: Topic, partition: Partition) -> Result<(), LogError> {
        let mut patience = Patience::new("looking for a partition");
        loop {
            self.counts.remove(&topic);
            if partition.0 < self.count(topic)? {
                return Ok(());
            }
            let missing = LogError::Missing(format!("partition {} of {topic}", partition.0));
            if !patience.bears(&missing) {
                return Err(missing);
            }
            if patience.wait(&self.shared.stop, &missing) {
                return Err(closed());
            }
        }
    }

    fn count(&mut self, topic: Topic) -> Result<u32, LogError> {
        let now = self.clock.now().0;
        if let Some((count, at)) = self.counts.get(&topic)
            && now.saturating_sub(*at) < COUNT_FRESH_MICROS
        {
            return Ok(*count);
        }
        let mut patience = Patience::new("looking for a topic");
        let count = loop {
            match self.shared.survey.partitions(topic, &self.shared.stop) {
                Err(missing) if patience.bears(&missing) => {
                    if patience.wait(&self.shared.stop, &missing) {
                        return Err(closed());
                    }
                }
                counted => break counted?,
            }
        };
        self.counts.insert(topic, (count, now));
        Ok(count)
    }
}
