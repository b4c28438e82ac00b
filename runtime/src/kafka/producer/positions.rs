//! What the producer does with positions besides carrying out steps: it finds out whether a step's are committed, moves
//! finished ones behind marks, and proves with one of them that its name is still its own.

use pipeline::{LogError, log::Positions};
use rdkafka::{TopicPartitionList, consumer::Consumer as _, producer::Producer as _};

use super::{
    super::{
        errors, names,
        survey::{ANSWER_WITHIN, closed},
        wait::Patience,
    },
    Steps,
};

impl Steps {
    /// Positions as Kafka takes them, each with `token` as its metadata.
    pub(super) fn offsets(&self, positions: &Positions, token: &str) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (at, position) in positions {
            let mut entry =
                list.add_partition(self.shared.names().topic(at.topic), names::number(at.partition));
            let offset = rdkafka::Offset::Offset(i64::try_from(position.0).unwrap_or(i64::MAX));
            // Only negative offsets are refused.
            drop(entry.set_offset(offset));
            entry.set_metadata(token);
        }
        list
    }

    /// Whether the committed positions carry the step's token.
    pub(super) fn is_committed(&self, token: &str) -> Result<bool, LogError> {
        let Some(consumer) = self.shared.consumer() else { return Ok(false) };
        let mut patience = Patience::new("looking up committed positions");
        loop {
            let list = self.shared.names().list(self.sent.keys().copied());
            if list.count() == 0 {
                return Ok(false);
            }
            let error = match consumer.committed_offsets(list, ANSWER_WITHIN) {
                Ok(found) => match found.elements().iter().try_for_each(|entry| entry.error()) {
                    Ok(()) => return Ok(found.elements().iter().any(|entry| entry.metadata() == token)),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let reading = ("Read", self.shared.identity.topics.as_str());
            let ending = self.shared.ending(&error, "committed positions", reading);
            if let Some(ending) = ending.filter(|ending| !patience.bears(ending)) {
                return Err(ending);
            }
            if patience.wait(&self.shared.stop, &error) {
                return Err(closed());
            }
        }
    }

    /// Moves positions behind marks. Nothing depends on it: what fails is done another time, or not.
    pub(super) fn settle(&mut self) {
        let Some(producer) = &self.producer else { return };
        // In this order, as for a step.
        let metadata = self.shared.consumer().and_then(|consumer| consumer.group_metadata());
        let positions = self.shared.state().settled();
        let Some(metadata) = metadata.filter(|_| !positions.is_empty()) else { return };
        let list = self.offsets(&positions, "weir");
        let begun = self.clock.now().0;
        let asked = producer
            .begin_transaction()
            .and_then(|()| producer.send_offsets_to_transaction(&list, &metadata, ANSWER_WITHIN));
        let settled = match asked {
            Ok(()) => producer.commit_transaction(self.shared.identity.config.transaction_timeout),
            Err(error) => Err(error),
        };
        let Err(error) = settled else {
            self.shared.state().committed(&positions, self.shared.millis());
            return;
        };
        tracing::debug!(%error, "positions were not moved behind marks");
        if errors::is_taken(&error) || !self.undo() {
            self.taken(begun);
        }
    }

    /// What a clear no means: the name is somebody else's, unless the broker only ended a transaction that took too long, as
    /// that of a process that stood still. Then the next step finds out.
    fn taken(&mut self, begun: i64) -> bool {
        if self.timed_out(begun) && !self.is_out() {
            self.producer = None;
            return false;
        }
        self.shared.end(self.fenced());
        true
    }

    /// Whether the name is still ours: opens a transaction on the group's offsets, and aborts it. Only a clear no
    /// counts.
    pub(super) fn prove(&mut self) -> bool {
        let Some(producer) = &self.producer else { return true };
        let metadata = self.shared.consumer().and_then(|consumer| consumer.group_metadata());
        let any = self.shared.state().any();
        let (Some(metadata), Some((at, position))) = (metadata, any) else { return true };
        let list = self.offsets(&Positions::from([(at, position)]), "weir");
        let begun = self.clock.now().0;
        let tried = producer
            .begin_transaction()
            .and_then(|()| producer.send_offsets_to_transaction(&list, &metadata, ANSWER_WITHIN));
        let ours = match tried {
            Err(error) if errors::is_taken(&error) => false,
            _ => self.undo(),
        };
        ours || !self.taken(begun)
    }
}
