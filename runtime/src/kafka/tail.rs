//! Reads partitions from a position up to an end that is there already, as far as they are committed.
//!
//! A partition's last offsets are often no records but the marks that end transactions, so that no record ever reaches
//! the end: that it was reached is known from librdkafka's end-of-partition event, which names a partition but no
//! topic. Therefore one topic at a time.
//!
//! The committed end (last stable offset) lies below the written end (high watermark) while a transaction is open, or
//! while its marks are still on their way after `commit` has returned. What was committed before a point in time has
//! been seen once the committed end has passed the written end of that time, and has been reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use bytes::Bytes;
use pipeline::{Incoming, LogError, log::Positions};
use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Headers as _},
};
use schemas::{Offset, Topic, TopicPartition};

use super::{
    client::{self, Consumer},
    errors,
    names::{self, Names},
    refusal::{self, Asked},
    survey::{self, Survey, closed},
    wait::{Patience, Stop},
};

/// One wait for records; then the stop is looked at.
const POLL: Duration = Duration::from_millis(100);
/// Between two looks whether the registry answers; it is not asked as often.
const MEET_AGAIN: Duration = Duration::from_millis(250);
/// Waits in vain until a look gives up: an end that is there already is reached sooner, unless the broker is away.
const POLLS_FEW: u32 = 20;
/// Waits in vain that a reader takes, which is as good as without end: a year has 315 million.
pub(super) const POLLS_MANY: u32 = u32::MAX;

/// Reads to known ends.
pub(super) struct Tail {
    consumer: Consumer,
    survey: Survey,
}

/// Partitions of one topic: from where, and up to where.
pub(super) type Ranges = BTreeMap<TopicPartition, (Offset, Offset)>;

/// Written and committed ends.
pub(super) struct Ends {
    /// The written end of each partition.
    pub(super) written: Positions,
    /// Whether all of that is decided: committed or aborted.
    pub(super) decided: bool,
    /// Up to where it is.
    pub(super) committed: Positions,
}

impl Tail {
    pub(super) fn new(consumer: Consumer, survey: Survey) -> Self {
        Self { consumer, survey }
    }

    fn names(&self) -> &Names {
        &self.survey.names
    }

    pub(super) fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The ends of these partitions now.
    pub(super) fn ends(&self, partitions: &[TopicPartition]) -> KafkaResult<Ends> {
        client::serve(&self.consumer);
        // In this order: what is written later may be committed before the second answer.
        let written = self.survey.ends(partitions)?;
        let committed = survey::ends(&self.consumer, self.names(), partitions)?;
        let decided =
            written.iter().all(|(at, end)| committed.get(at).is_some_and(|committed| committed >= end));
        Ok(Ends { written, decided, committed })
    }

    /// The same, waiting for a broker that is away.
    pub(super) fn wait_for_ends(&self, partitions: &[TopicPartition], stop: &Stop) -> Result<Ends, LogError> {
        let mut patience = Patience::new("looking for the ends of partitions");
        let mut is_first = true;
        loop {
            let error = match self.ends(partitions) {
                Ok(ends) => {
                    self.clients().iter().for_each(|client| client.context().worked());
                    return Ok(ends);
                }
                Err(error) => error,
            };
            self.endure(&error, is_first, stop, &mut patience)?;
            is_first = false;
        }
    }

    /// Whether it is known that no committed record lies in these ranges. Does not wait for a broker that is away.
    pub(super) fn is_empty(&self, ranges: &Ranges, stop: &Stop) -> Result<bool, LogError> {
        let topics: BTreeSet<Topic> = ranges.keys().map(|at| at.topic).collect();
        for topic in topics {
            let of_topic =
                ranges.iter().filter(|(at, _)| at.topic == topic).map(|(at, range)| (*at, *range)).collect();
            let mut found = false;
            let mut take = |_| {
                found = true;
                false
            };
            let reached = self.read(&of_topic, stop, POLLS_FEW, &mut take)?;
            let whole =
                of_topic.iter().all(|(at, (_, end))| reached.get(at).is_some_and(|reached| reached >= end));
            if found || !whole {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands over the committed records of these ranges, all of one topic, until `take` says that it is enough. The
    /// ends must be decided. Returns where each partition has got to: its end, where it was reached. Gives up after so
    /// many waits in vain.
    pub(super) fn read(
        &self,
        ranges: &Ranges,
        stop: &Stop,
        polls_max: u32,
        take: &mut dyn FnMut(Incoming) -> bool,
    ) -> Result<Positions, LogError> {
        let mut reached: Positions = ranges.iter().map(|(at, (from, _))| (*at, *from)).collect();
        let mut open: BTreeSet<TopicPartition> =
            ranges.iter().filter(|(_, (from, end))| from < end).map(|(at, _)| *at).collect();
        if open.is_empty() {
            return Ok(reached);
        }
        let mut list = TopicPartitionList::new();
        for at in &open {
            let from = reached.get(at).copied().filter(|from| from.0 > 0);
            self.names().add(&mut list, *at, from);
        }
        let assigned = self.consumer.assign(&list);
        let ended = assigned.map_err(|error| LogError::Unusable(error.to_string())).and_then(|()| {
            let mut reading = Reading { ranges, open: &mut open, reached: &mut reached, polls: polls_max };
            self.poll(&mut reading, stop, take)
        });
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "a reader could not put its partitions down");
        }
        ended.map(|()| reached)
    }

    fn poll(
        &self,
        reading: &mut Reading<'_>,
        stop: &Stop,
        take: &mut dyn FnMut(Incoming) -> bool,
    ) -> Result<(), LogError> {
        let mut patience = Patience::new("reading");
        while !reading.open.is_empty() && reading.polls > 0 {
            if stop.is_stopped() {
                return Err(closed());
            }
            match self.consumer.poll(POLL) {
                None => reading.polls -= 1,
                Some(Ok(message)) => {
                    patience.reset();
                    if meet(&message, stop) == Met::Stopped {
                        return Err(closed());
                    }
                    if let Some(record) = incoming(&message, self.names())
                        && !reading.record(record, take)
                    {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => reading.ended(partition),
                // It joins no group, so that it needs no right to one: librdkafka asks where its coordinator is all the same.
                Some(Err(error)) if errors::code(&error) == Code::GroupAuthorizationFailed => {}
                // Not waited for: the next poll waits. Every broken connection is an error of its own, and they queue.
                Some(Err(error)) => match self.ending(&error, reading.ranges) {
                    Some(ending) if !patience.bears(&ending) => return Err(ending),
                    Some(_) | None => patience.note(&error),
                },
            }
        }
        Ok(())
    }

    /// `error` as the log's, where it ends the reading of these.
    fn ending(&self, error: &KafkaError, ranges: &Ranges) -> Option<LogError> {
        let code = errors::code(error);
        if errors::is_of_connection(code) {
            return self.consumer.context().refused();
        }
        let topic = ranges.keys().next().map(|at| self.names().topic(at.topic));
        let asked =
            Asked { on_topics: "Read", topics: topic.unwrap_or_default(), group: "", transactional_id: "" };
        let right = refusal::right(code, &asked).map(LogError::Refused);
        right.or_else(|| errors::ending(error, "", "reading"))
    }

    /// Both are asked for ends; nothing is assigned to them then.
    fn clients(&self) -> [&Consumer; 2] {
        [&self.consumer, &self.survey.consumer]
    }

    fn endure(
        &self,
        error: &KafkaError,
        is_first: bool,
        stop: &Stop,
        patience: &mut Patience,
    ) -> Result<(), LogError> {
        // A login that was lost ends the reader; both hear, also where the first says why.
        let [ours, shared] = self.clients().map(|client| survey::refused(client, is_first));
        if let Some(refused) = ours.or(shared) {
            return Err(refused);
        }
        if let Some(ending) = errors::ending(error, "", "reading").filter(|ending| !patience.bears(ending)) {
            return Err(ending);
        }
        if patience.wait(stop, error) { Err(closed()) } else { Ok(()) }
    }
}

/// How far a read has got.
struct Reading<'a> {
    ranges: &'a Ranges,
    open: &'a mut BTreeSet<TopicPartition>,
    reached: &'a mut Positions,
    /// How many more waits may be in vain.
    polls: u32,
}

impl Reading<'_> {
    /// A record was read; false when it is enough.
    fn record(&mut self, record: Incoming, take: &mut dyn FnMut(Incoming) -> bool) -> bool {
        let (at, offset) = (record.at, record.offset);
        let Some((_, end)) = self.ranges.get(&at).filter(|_| self.open.contains(&at)) else { return true };
        let enough = if offset < *end {
            self.reached.insert(at, offset.next());
            !take(record)
        } else {
            false
        };
        if offset.next() >= *end {
            self.reached.insert(at, *end);
            self.open.remove(&at);
        }
        !enough
    }

    /// Nothing more comes from the partition of that number.
    fn ended(&mut self, partition: i32) {
        let Some(at) = self.open.iter().find(|at| names::number(at.partition) == partition).copied() else {
            return;
        };
        if let Some((_, end)) = self.ranges.get(&at) {
            self.reached.insert(at, *end);
        }
        self.open.remove(&at);
    }
}

/// When a message was written, in milliseconds; 0 where nobody knows.
pub(super) fn written_at(message: &BorrowedMessage<'_>) -> i64 {
    message.timestamp().to_millis().unwrap_or_default().max(0)
}

/// What it took to meet a record's schema id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// At most one question.
    Quickly,
    /// The registry did not answer, and was waited for.
    Waited,
    /// The wait was stopped: the record must not be handed on, since it would be taken for a stranger's.
    Stopped,
}

/// Asks for a record's schema id if nobody knows it, as long as the registry may still say. Here, on a thread that may
/// wait: where the record is decoded nobody may.
pub(super) fn meet(message: &BorrowedMessage<'_>, stop: &Stop) -> Met {
    let value = message.payload().unwrap_or_default();
    meet_until(|| schemas::ids::meet(value), stop)
}

/// Meets until it need not be done again.
fn meet_until(mut meet: impl FnMut() -> bool, stop: &Stop) -> Met {
    let mut met = Met::Quickly;
    while meet() {
        if stop.wait(MEET_AGAIN) {
            return Met::Stopped;
        }
        met = Met::Waited;
    }
    met
}

/// A record as our stages read it; `None` for one of a topic that is not ours.
pub(super) fn incoming(message: &BorrowedMessage<'_>, names: &Names) -> Option<Incoming> {
    Some(Incoming {
        at: names.partition(message.topic(), message.partition())?,
        offset: Offset(u64::try_from(message.offset()).ok()?),
        key: message.key().map(Bytes::copy_from_slice).unwrap_or_default(),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers(message),
    })
}

/// The headers, without those whose name is not UTF-8: rdkafka (0.39) panics where it meets one, and has no other way to
/// read them. Nothing of ours has such a name, and what is not ours is judged by its value.
fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Bytes)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    let read = |index| {
        let header = headers.try_get(index)?;
        Some((header.key.to_owned(), header.value.map(Bytes::copy_from_slice).unwrap_or_default()))
    };
    let guarded = |index| catch_unwind(AssertUnwindSafe(|| read(index))).ok().flatten();
    (0..headers.count()).filter_map(guarded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_the_wait_for_a_registry() {
        let stop = Stop::default();
        assert_eq!(meet_until(|| false, &stop), Met::Quickly);
        let mut answers = [true, false].into_iter();
        assert_eq!(meet_until(|| answers.next().unwrap(), &stop), Met::Waited);
        stop.stop();
        assert_eq!(meet_until(|| true, &stop), Met::Stopped);
        assert_eq!(meet_until(|| false, &stop), Met::Quickly);
    }
}
