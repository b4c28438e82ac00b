//! Whether everything that is committed has been handed out, and what is done once it has been.

use pipeline::log::Positions;
use rdkafka::error::{KafkaError, KafkaResult};
use schemas::TopicPartition;

use super::Group;
use crate::kafka::{
    client,
    shared::Job,
    tail::{Ranges, Tail},
};

/// After so long without records, positions are moved behind the marks that follow them. Retention is counted in days.
const SETTLE_AFTER_MILLIS: i64 = 5000;

impl Group {
    /// Tells the handle whether it has caught up, if it asks.
    pub(super) fn answer(&mut self) {
        let Some((call, handed)) = self.shared.state().question() else { return };
        match self.caught_up(&handed) {
            Ok(true) => {
                self.patience.reset();
                self.shared.state().answer(call);
                self.shared.told.notify_one();
                self.settle();
            }
            Ok(false) => {}
            Err(error) => self.endure(&error, "looking for the ends of partitions"),
        }
    }

    /// Lets finished positions move behind marks, once nothing has come for a while: it costs a transaction.
    fn settle(&mut self) {
        let now = self.shared.millis();
        let is_quiet = now.saturating_sub(self.taken_at) >= SETTLE_AFTER_MILLIS;
        if is_quiet && !self.shared.has_step() && !self.shared.state().settled().is_empty() {
            self.taken_at = now;
            // A producer that has more to do is asked another time.
            drop(self.jobs.try_send(Job::Settle));
        }
    }

    /// Whether nothing committed follows what was handed out, as of now.
    fn caught_up(&mut self, handed: &Positions) -> KafkaResult<bool> {
        let tail = match &self.tail {
            Some(tail) => tail,
            None => {
                let config = &self.shared.identity.config;
                let made = client::follower(config, &self.shared.identity.group);
                let made = made.map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
                self.tail.insert(Tail::new(made, self.shared.survey.clone()))
            }
        };
        let partitions: Vec<TopicPartition> = handed.keys().copied().collect();
        let ends = tail.ends(&partitions)?;
        if !ends.decided {
            return Ok(false);
        }
        let mut open = Ranges::new();
        for (at, end) in ends.written {
            let from = handed
                .get(&at)
                .copied()
                .unwrap_or_default()
                .max(self.clear.get(&at).copied().unwrap_or_default());
            if from < end {
                open.insert(at, (from, end));
            }
        }
        if !open.is_empty() && !tail.is_empty(&open, &self.shared.stop).unwrap_or(false) {
            return Ok(false);
        }
        // Looked at last: a range that retention has emptied since is no range of marks.
        let looked_at: Vec<TopicPartition> = open.keys().copied().collect();
        let starts = self.shared.survey.starts(&looked_at)?;
        if open.iter().any(|(at, (from, _))| starts.get(at).is_none_or(|start| start > from)) {
            self.is_astray = true;
            return Ok(false);
        }
        let mut state = self.shared.state();
        for (at, (_, end)) in open {
            state.clear(at, end);
            self.clear.insert(at, end);
        }
        Ok(true)
    }
}
