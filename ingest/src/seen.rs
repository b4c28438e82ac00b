//! Which events have arrived: ids of 128 bits, and the native ids behind them in 64, to count those that come again
//! with other content.
//!
//! Ids are remembered for 8 days after they arrived: the service may deliver a record again after 5, and
//! keeps what it has for 7. They lie in tables by the day on which they came; a table goes when the youngest of it is so old,
//! so that a worker that runs for months holds no more than one that runs for nine days. Memory: what
//! [`Seen::bytes`] says, between 28 and 57 bytes an id by the load of the tables; nothing else grows.

use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashSet;
use pipeline::log::Table;
use schemas::ledger::Seen as Chunk;
use schemas::time::DAY;
use schemas::{Event, Hash128, Micros, TopicPartition};

use crate::error::IngestError;
use crate::ours;

/// How long an id is remembered.
pub const REMEMBERED_DAYS: i64 = 8;

/// Ids that arrived.
#[derive(Debug, Default)]
pub struct Seen {
    /// By the day, counted from 1970.
    days: BTreeMap<i64, Day>,
}

/// Those that came on one day.
#[derive(Debug, Default)]
struct Day {
    ids: HashSet<u128, BuildHasherDefault<Own>>,
    natives: HashSet<u64, BuildHasherDefault<Own>>,
}

/// What an event's arrival means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It arrived before.
    Known,
    /// It is new.
    New {
        /// Its native id arrived before, with other content.
        conflict: bool,
    },
}

impl Seen {
    /// What the chunks of `source` remember at `now`, and the number of its next chunk.
    ///
    /// # Errors
    /// [`IngestError::Damaged`] for a chunk of the source that cannot be read: its events would come twice.
    pub fn restore(
        at: TopicPartition,
        table: &Table,
        source: &str,
        now: Micros,
    ) -> Result<(Self, i64), IngestError> {
        let (mut seen, mut next) = (Self::default(), 0);
        let oldest = now.plus(-REMEMBERED_DAYS * DAY);
        for (key, value) in table {
            let Some(chunk) = ours::read::<Chunk>(at, source, key, value)? else {
                tracing::warn!(source, "a record of the topic of seen ids is none; left aside");
                continue;
            };
            if chunk.source != source {
                continue;
            }
            next = next.max(chunk.chunk + 1);
            if chunk.arrived_at > oldest {
                seen.add(&chunk);
            }
        }
        Ok((seen, next))
    }

    fn add(&mut self, chunk: &Chunk) {
        let day = self.day(chunk.arrived_at);
        for id in chunk.ids.as_chunks::<16>().0 {
            day.ids.insert(u128::from_be_bytes(*id));
        }
        for native in chunk.natives.as_chunks::<8>().0 {
            day.natives.insert(u64::from_be_bytes(*native));
        }
    }

    /// The table of that moment's day.
    fn day(&mut self, at: Micros) -> &mut Day {
        self.days.entry(at.0.div_euclid(DAY)).or_default()
    }

    /// Lets go of the tables that are too old.
    fn forget(&mut self, now: Micros) {
        let oldest = now.plus(-REMEMBERED_DAYS * DAY).0.div_euclid(DAY);
        while self.days.first_key_value().is_some_and(|(day, _)| *day < oldest) {
            self.days.pop_first();
        }
    }

    /// Notes an event; `chunk` takes its ids where it is new.
    pub fn note(&mut self, event: &Event, chunk: &mut Chunk) -> Arrival {
        if self.knows(event) {
            return Arrival::Known;
        }
        let (id, native) = (event.id.0.0, native_hash(event));
        let conflict = self.days.values().any(|day| day.natives.contains(&native));
        self.forget(chunk.arrived_at);
        let day = self.day(chunk.arrived_at);
        day.ids.insert(id);
        day.natives.insert(native);
        chunk.ids.extend_from_slice(&id.to_be_bytes());
        chunk.natives.extend_from_slice(&native.to_be_bytes());
        Arrival::New { conflict }
    }

    /// Whether the event has arrived.
    #[must_use]
    pub fn knows(&self, event: &Event) -> bool {
        // What comes again mostly came lately.
        self.days.values().rev().any(|day| day.ids.contains(&event.id.0.0))
    }

    /// How many ids are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.values().map(|day| day.ids.len()).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they take, by what the tables have allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.days.values().map(|day| day.ids.allocation_size() + day.natives.allocation_size()).sum()
    }
}

fn native_hash(event: &Event) -> u64 {
    let hash = Hash128::of(&[event.tenant.as_bytes(), event.native_id.as_bytes()]);
    let [a, b, c, d, e, f, g, h, ..] = hash.to_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The keys are hashes already: their own bits serve.
#[derive(Debug, Default)]
struct Own(u64);

impl Hasher for Own {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn write_u128(&mut self, value: u128) {
        self.write(&value.to_be_bytes());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use schemas::time::MINUTE;

    use super::*;
    use crate::decode::{Decoded, Origin};

    fn event(text: &str) -> Event {
        let origin = Origin { source: "s".to_owned(), tenant: None, environment: None };
        let Decoded::Event(event) = crate::decode::decode(text.as_bytes().to_vec(), &origin) else {
            panic!("{text}")
        };
        *event
    }

    fn record(id: &str, user: &str) -> Event {
        let time = "2024-01-01T00:00:00";
        event(&format!(
            "{{\"Id\":\"{id}\",\"CreationTime\":\"{time}\",\"Operation\":\"x\",\"UserId\":\"{user}\"}}"
        ))
    }

    #[test]
    fn a_repeat_is_known_and_other_content_is_a_conflict() {
        let (mut seen, mut chunk) = (Seen::default(), Chunk::default());
        assert_eq!(seen.note(&record("1", "a"), &mut chunk), Arrival::New { conflict: false });
        assert_eq!(seen.note(&record("1", "a"), &mut chunk), Arrival::Known);
        assert_eq!(seen.note(&record("1", "b"), &mut chunk), Arrival::New { conflict: true });
        assert_eq!(seen.note(&record("2", "a"), &mut chunk), Arrival::New { conflict: false });
        assert_eq!((chunk.ids.len(), chunk.natives.len(), seen.len()), (48, 24, 3));
    }

    #[test]
    fn chunks_restore_what_they_remember_for_8_days() {
        let (mut seen, now) = (Seen::default(), Micros(100 * DAY));
        let mut table = Table::new();
        for (chunk, source, days, id) in [(0, "s", 9, "old"), (1, "s", 7, "young"), (7, "other", 1, "other")]
        {
            let arrived_at = now.plus(-days * DAY);
            let mut chunk = Chunk { source: source.to_owned(), chunk, arrived_at, ..Chunk::default() };
            seen.note(&record(id, "a"), &mut chunk);
            table.insert(chunk.key().into(), schemas::encode(&chunk).unwrap().into());
        }
        table.insert("x".into(), "not ours".into());
        let at = TopicPartition::new(schemas::Topic::Seen, schemas::Partition(0));
        let (mut restored, next) = Seen::restore(at, &table, "s", now).unwrap();
        assert_eq!((restored.len(), next), (1, 2));
        let mut chunk = Chunk::default();
        assert_eq!(restored.note(&record("young", "a"), &mut chunk), Arrival::Known);
        assert_eq!(restored.note(&record("old", "a"), &mut chunk), Arrival::New { conflict: false });
        assert_eq!(restored.note(&record("young", "b"), &mut chunk), Arrival::New { conflict: true });
    }

    /// Law: a worker that does not stop remembers for 8 days at least and 9 at most, and holds no more than that.
    #[test]
    fn a_long_life_takes_no_more_than_nine_days() {
        let (mut seen, mut most) = (Seen::default(), 0);
        for hour in 0..24 * 30_i64 {
            let mut chunk = Chunk { arrived_at: Micros(hour * 60 * MINUTE), ..Chunk::default() };
            for n in 0..10 {
                let arrival = seen.note(&record(&format!("{hour}-{n}"), "a"), &mut chunk);
                assert_eq!(arrival, Arrival::New { conflict: false });
            }
            let ago = |hours: i64| record(&format!("{}-0", hour - hours), "a");
            assert!(hour < 192 || seen.knows(&ago(192)), "8 days at least");
            assert!(hour < 216 || !seen.knows(&ago(217)), "9 days at most");
            most = most.max(seen.len());
        }
        assert!(most <= 9 * 240, "{most}");
    }

    #[test]
    fn an_id_takes_less_than_64_bytes() {
        let (mut seen, mut chunk) = (Seen::default(), Chunk::default());
        for number in 0..5000_u32 {
            seen.note(&record(&number.to_string(), "a"), &mut chunk);
        }
        assert!(seen.bytes() / seen.len() < 64, "{} bytes for {}", seen.bytes(), seen.len());
    }
}
