//! Back-pressure: nothing is fetched while enough waits for the handle.

use rdkafka::consumer::Consumer as _;
use schemas::TopicPartition;

use super::{Group, POLL};
use crate::kafka::state::Flow;

/// So long a handle that has enough is waited for without polling. A change of the group is heard of that much later.
const WITHIN_MILLIS: i64 = 250;

impl Group {
    /// Whether to fetch. What is held is paused while enough waits for the handle. That throws away what librdkafka has
    /// fetched ahead, so a handle that needs only a moment to make room is given it.
    pub(super) fn has_room(&mut self) -> bool {
        let Some((flow, partitions)) = self.shared.state().flow() else {
            self.full_since = None;
            return true;
        };
        let now = self.shared.millis();
        let since = *self.full_since.get_or_insert(now);
        if flow == Flow::Paused && now.saturating_sub(since) < WITHIN_MILLIS {
            self.shared.stop.wait(POLL);
            return false;
        }
        self.turn(flow, &partitions);
        true
    }

    fn turn(&self, flow: Flow, partitions: &[TopicPartition]) {
        let list = self.shared.names().list(partitions.iter().copied());
        let turned = match flow {
            Flow::Paused => self.consumer.pause(&list),
            Flow::Fetched => self.consumer.resume(&list),
        };
        match turned {
            Ok(()) => self.shared.state().flows(flow, partitions),
            // Some of them have just gone; the next turn looks again.
            Err(error) => tracing::debug!(%error, "pausing"),
        }
    }
}
