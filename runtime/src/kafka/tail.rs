//! Reads partitions from a position up to an end that is there already, as far as they are committed.
//!
//! A partition's last offsets are often no records but the marks that end transactions, so that no record ever reaches
//! the end: that it was reached is known from librdkafka's end-of-partition event, which names a partition but no
//! topic. Therefore one topic at a time.
//!
//! The committed end (last stable offset) lies below the written end (high watermark) while a transaction is open, or
//! while its marks are still on their way after `commit` has returned. What was committed before a point in time has been
//! seen once the committed end has passed the written end of that time, and has been reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use pipeline::{Incoming, LogError, log::Positions};
use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult},
    message::{BorrowedMessage, Headers as _},
};
use schemas::{Offset, Topic, TopicPartition};

use super::{
    client::Consumer,
    errors,
    names::Names,
    survey::{self, Survey, closed},
    wait::{Patience, Stop},
};

/// One wait for records; then the stop is looked at.
const POLL: Duration = Duration::from_millis(100);

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
        loop {
            let error = match self.ends(partitions) {
                Ok(ends) => return Ok(ends),
                Err(error) => error,
            };
            self.endure(&error, stop, &mut patience)?;
        }
    }

    /// Whether no committed record lies in these ranges; `None` while that cannot be told.
    pub(super) fn is_empty(&self, ranges: &Ranges, stop: &Stop) -> Result<bool, LogError> {
        let topics: BTreeSet<Topic> = ranges.keys().map(|at| at.topic).collect();
        for topic in topics {
            let of_topic =
                ranges.iter().filter(|(at, _)| at.topic == topic).map(|(at, range)| (*at, *range)).collect();
            let mut found = false;
            self.read(&of_topic, stop, &mut |_| {
                found = true;
                false
            })?;
            if found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands over the committed records of these ranges, all of one topic, until `take` says that it is enough. The
    /// ends must be decided. Returns where each partition has got to: its end, where it was reached.
    pub(super) fn read(
        &self,
        ranges: &Ranges,
        stop: &Stop,
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
        let ended = assigned
            .map_err(|error| LogError::Unusable(error.to_string()))
            .and_then(|()| self.poll(ranges, &mut open, &mut reached, stop, take));
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "a reader could not put its partitions down");
        }
        ended.map(|()| reached)
    }

    fn poll(
        &self,
        ranges: &Ranges,
        open: &mut BTreeSet<TopicPartition>,
        reached: &mut Positions,
        stop: &Stop,
        take: &mut dyn FnMut(Incoming) -> bool,
    ) -> Result<(), LogError> {
        let mut patience = Patience::new("reading");
        while !open.is_empty() {
            if stop.is_stopped() {
                return Err(closed());
            }
            let at = match self.consumer.poll(POLL) {
                None => continue,
                Some(Ok(message)) => {
                    patience.reset();
                    let Some(record) = incoming(&message, self.names()) else { continue };
                    let (at, next) = (record.at, record.offset.next());
                    let Some((_, end)) = ranges.get(&at).filter(|_| open.contains(&at)) else { continue };
                    if record.offset < *end {
                        reached.insert(at, next);
                        if !take(record) {
                            return Ok(());
                        }
                        if next < *end {
                            continue;
                        }
                    }
                    Some(at)
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.iter().find(|at| super::names::number(at.partition) == partition).copied()
                }
                Some(Err(error)) => {
                    self.endure(&error, stop, &mut patience)?;
                    None
                }
            };
            if let Some((at, (_, end))) = at.and_then(|at| ranges.get_key_value(&at)) {
                reached.insert(*at, *end);
                open.remove(at);
            }
        }
        Ok(())
    }

    fn endure(&self, error: &KafkaError, stop: &Stop, patience: &mut Patience) -> Result<(), LogError> {
        if let Some(ending) = errors::ending(error, "", "reading") {
            return Err(ending);
        }
        if patience.wait(stop, error) { Err(closed()) } else { Ok(()) }
    }
}

/// A record as our stages read it; `None` for one of a topic that is not ours.
pub(super) fn incoming(message: &BorrowedMessage<'_>, names: &Names) -> Option<Incoming> {
    let headers = message.headers().map(|headers| {
        let bytes = |value: Option<&[u8]>| value.map(Bytes::copy_from_slice).unwrap_or_default();
        headers.iter().map(|header| (header.key.to_owned(), bytes(header.value))).collect()
    });
    Some(Incoming {
        at: names.partition(message.topic(), message.partition())?,
        offset: Offset(u64::try_from(message.offset()).ok()?),
        key: message.key().map(Bytes::copy_from_slice).unwrap_or_default(),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    })
}
