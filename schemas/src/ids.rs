//! What the schema id in a record means: the fixed ids of [`crate::codec`], or those of a schema registry.
//!
//! Without a registry nothing is here to decide: an id is a fixed one. With one, records are written with the ids that it
//! gave our schemas, and its ids are read; what a message *is* stays its fixed id, [`Message::SCHEMA_ID`]. The ids are
//! settled once for the process, which has one log; record bytes are never changed, so that a dead letter holds what came.
//!
//! An id that is not known yet is asked for where a record comes in, on a thread that may wait ([`meet`]), and never
//! where it is decoded. It can be a schema of ours that is equal but for words, one that ours can read (a newer worker
//! wrote it), a fixed id from before there was a registry, if the registry has no schema of that number, or a stranger's.
//! An id that could not be asked for is none of these: what is kept under it may be ours, so nobody may pass it over.
//!
//! Limits: 64 schemas of ours beside the current ones (they stay, schemas are small and ids are for ever), 1,000
//! strangers' ids and 1,000 of nobody's, of which the oldest is forgotten first.
//!
//! [`Message::SCHEMA_ID`]: crate::codec::Message::SCHEMA_ID

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard},
};

use crate::{
    codec::{self, MESSAGES},
    theirs::{self, Meaning},
};

/// So many schemas of ours are learned beside the current ones.
pub const LEARNED_MAX: usize = 64;
/// So many ids are remembered to be strangers', and so many to be nobody's.
pub const STRANGERS_MAX: usize = 1000;

/// What a registry says to an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The text of its schema.
    Schema(String),
    /// It has no schema of that id.
    None,
    /// It says nothing at the moment; whoever can wait asks again soon.
    Later,
    /// It says nothing, and is not waited for any longer.
    Away,
}

/// Asks the registry for an id; may wait, and must end.
pub type Ask = Box<dyn Fn(u32) -> Answer + Send + Sync>;

/// The process has other ids already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema ids of this process are settled already, and others")]
pub struct Settled;

/// The ids of a registry.
pub struct Ids {
    /// Fixed id to the one that is written.
    written: BTreeMap<u32, u32>,
    /// Known from the start: registry's id to fixed id.
    known: BTreeMap<u32, u32>,
    learned: RwLock<Learned>,
    ask: Ask,
}

#[derive(Default)]
struct Learned {
    ours: BTreeMap<u32, Meaning>,
    /// The registry has given them to somebody else: they are never ours.
    strangers: Few,
    /// It has not given them to anybody yet, so they are asked for again.
    nobodys: Few,
}

/// The last [`STRANGERS_MAX`] ids.
#[derive(Default)]
struct Few {
    ids: BTreeSet<u32>,
    oldest: VecDeque<u32>,
}

static IDS: OnceLock<Ids> = OnceLock::new();

/// Settles the ids for this process. The same ids again are no error.
///
/// # Errors
/// [`Settled`] when there are others.
pub fn install(ids: Ids) -> Result<(), Settled> {
    let Err(ids) = IDS.set(ids) else { return Ok(()) };
    match IDS.get() {
        Some(settled) if settled.written == ids.written && settled.known == ids.known => Ok(()),
        Some(_) | None => Err(Settled),
    }
}

/// Whether a registry's ids are settled.
#[must_use]
pub fn is_settled() -> bool {
    IDS.get().is_some()
}

/// A record has come in: asks for its id if nobody knows it yet. May wait, so not on a thread that must not. True where
/// the registry did not say and is to be asked again soon ([`Answer::Later`]).
#[must_use]
pub fn meet(value: &[u8]) -> bool {
    match (IDS.get(), codec::wire_id(value)) {
        (Some(ids), Ok(id)) => ids.meet(id),
        (None, _) | (_, Err(_)) => false,
    }
}

/// Whether this text is the current schema of the message with this fixed id, if perhaps in other words.
#[must_use]
pub fn is_current(fixed: u32, text: &str) -> bool {
    theirs::is_current(fixed, text)
}

/// The ids of this process; none where they are fixed.
pub(crate) fn current() -> Option<&'static Ids> {
    IDS.get()
}

impl Ids {
    /// For each fixed id of a message the ids under which the registry has its schema; the first is written. What is not
    /// known is asked for.
    #[must_use]
    pub fn new(ids: &[(u32, Vec<u32>)], ask: Ask) -> Self {
        let written = ids.iter().filter_map(|(fixed, given)| Some((*fixed, *given.first()?))).collect();
        let known = ids.iter().flat_map(|(fixed, given)| given.iter().map(|id| (*id, *fixed))).collect();
        Self { written, known, learned: RwLock::default(), ask }
    }

    /// The id that a message is written with.
    pub(crate) fn written(&self, fixed: u32) -> u32 {
        self.written.get(&fixed).copied().unwrap_or(fixed)
    }

    /// What an id means; none for a stranger's, and for one that nobody has asked for.
    pub(crate) fn meaning(&self, id: u32) -> Option<Meaning> {
        match self.known.get(&id) {
            Some(fixed) => Some(Meaning::Current(*fixed)),
            None => self.learned().ours.get(&id).copied(),
        }
    }

    /// Whether the registry has said that the id is somebody else's, or nobody's.
    pub(crate) fn is_strange(&self, id: u32) -> bool {
        let learned = self.learned();
        learned.strangers.has(id) || learned.nobodys.has(id)
    }

    /// Asks for an id that is not known; true where it is to be asked for again soon.
    pub(crate) fn meet(&self, id: u32) -> bool {
        if self.known.contains_key(&id) || self.has_learned(id) {
            return false;
        }
        let answer = (self.ask)(id);
        let is_full = self.learned().ours.len() >= LEARNED_MAX;
        let meaning = match &answer {
            // No more are kept.
            Answer::Schema(_) if is_full => None,
            Answer::Schema(text) => theirs::meaning(text),
            // Written before there was a registry: it has given nobody that number.
            Answer::None if MESSAGES.iter().any(|(fixed, ..)| *fixed == id) => Some(Meaning::Current(id)),
            Answer::None | Answer::Later | Answer::Away => None,
        };
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        learned.nobodys.remove(id);
        match (meaning, answer) {
            (Some(meaning), _) => drop(learned.ours.insert(id, meaning)),
            (None, Answer::Schema(_)) => learned.strangers.add(id),
            (None, Answer::None) => learned.nobodys.add(id),
            (None, Answer::Later) => return true,
            (None, Answer::Away) => {}
        }
        false
    }

    fn has_learned(&self, id: u32) -> bool {
        let learned = self.learned();
        learned.ours.contains_key(&id) || learned.strangers.has(id)
    }

    fn learned(&self) -> RwLockReadGuard<'_, Learned> {
        self.learned.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Few {
    fn has(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }

    fn add(&mut self, id: u32) {
        if !self.ids.insert(id) {
            return;
        }
        self.oldest.push_back(id);
        if self.oldest.len() > STRANGERS_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    fn remove(&mut self, id: u32) {
        if self.ids.remove(&id) {
            self.oldest.retain(|other| *other != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    };

    use super::*;
    use crate::{
        codec::{CodecError, Message, decode_with, encode_with},
        enriched::EnrichedEvent,
        event::Event,
        finding::Finding,
        gap::Gap,
        ledger::{LedgerEntry, Seen},
        receipt::Receipt,
        signal::Signal,
        state::DetectState,
        watermark::Watermark,
    };

    /// What the registry has that says `answer` to every other id: ours from 101 on.
    fn behind(answer: Answer) -> (Ids, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let ours: Vec<(u32, Vec<u32>)> = MESSAGES.iter().map(|(id, ..)| (*id, vec![100 + id])).collect();
        let ask = move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            answer.clone()
        };
        (Ids::new(&ours, Box::new(ask)), asked)
    }

    fn golden<T: Message>() -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        std::fs::read(folder.join(format!("{}.v1.bin", T::NAME))).unwrap()
    }

    fn gap() -> Gap {
        decode_with(None, &golden::<Gap>()).unwrap()
    }

    fn framed(id: u32, bytes: &[u8]) -> Vec<u8> {
        [&[0][..], &id.to_be_bytes(), &bytes[5..]].concat()
    }

    /// The schema with a field more that takes no bytes: another schema, the same bytes.
    fn later(schema: &str) -> String {
        let mut schema: serde_json::Value = serde_json::from_str(schema).unwrap();
        let field = serde_json::json!({"name": "later", "type": "null", "default": null});
        schema["fields"].as_array_mut().unwrap().push(field);
        schema.to_string()
    }

    #[test]
    fn a_record_carries_the_registrys_id_and_means_the_same() {
        let (ids, asked) = behind(Answer::Away);
        let bytes = encode_with(Some(&ids), &gap()).unwrap();
        assert_eq!(bytes[..5], [0, 0, 0, 0, 106]);
        assert_eq!(decode_with::<Gap>(Some(&ids), &bytes).unwrap(), gap());
        ids.meet(106);
        assert_eq!(asked.load(Ordering::Relaxed), 0, "known ids need no registry");
        let error = decode_with::<Finding>(Some(&ids), &bytes).unwrap_err();
        assert!(matches!(error, CodecError::OtherSchema { expected: 4, found: 6 }), "{error}");
    }

    #[test]
    fn a_number_that_somebody_else_got_is_never_ours() {
        let strange = r#"{"type": "record", "name": "io.other.Gap", "fields": []}"#;
        for answer in [Answer::Schema(strange.to_owned()), Answer::Schema("{".to_owned())] {
            let (ids, asked) = behind(answer);
            let bytes = framed(6, &encode_with(None, &gap()).unwrap());
            for _ in 0..3 {
                ids.meet(6);
                let error = decode_with::<Gap>(Some(&ids), &bytes).unwrap_err();
                assert!(matches!(error, CodecError::UnknownSchema(6)), "{error}");
            }
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn a_record_from_before_the_registry_is_read_where_its_number_is_free() {
        let (ids, _) = behind(Answer::None);
        let bytes = encode_with(None, &gap()).unwrap();
        let error = decode_with::<Gap>(Some(&ids), &bytes).unwrap_err();
        assert!(matches!(error, CodecError::UnaskedSchema(6)), "nobody has asked yet: {error}");
        ids.meet(6);
        assert_eq!(decode_with::<Gap>(Some(&ids), &bytes).unwrap(), gap());
        let nobodys = framed(4711, &bytes);
        ids.meet(4711);
        let error = decode_with::<Gap>(Some(&ids), &nobodys).unwrap_err();
        assert!(matches!(error, CodecError::UnknownSchema(4711)), "{error}");
    }

    #[test]
    fn a_registry_that_is_away_is_asked_again_and_its_ids_are_nobodys_to_pass_over() {
        for (answer, is_soon) in [(Answer::Away, false), (Answer::Later, true)] {
            let (ids, asked) = behind(answer);
            assert_eq!([ids.meet(6), ids.meet(6)], [is_soon; 2]);
            assert_eq!(asked.load(Ordering::Relaxed), 2);
            let error = decode_with::<Gap>(Some(&ids), &encode_with(None, &gap()).unwrap()).unwrap_err();
            assert!(matches!(error, CodecError::UnaskedSchema(6)), "{error}");
        }
    }

    #[test]
    fn a_schema_that_ours_cannot_read_is_a_strangers() {
        let mut other: serde_json::Value = serde_json::from_str(Gap::SCHEMA).unwrap();
        other["fields"][0]["type"] = "int".into();
        other["fields"][0]["default"] = 0.into();
        let (ids, _) = behind(Answer::Schema(other.to_string()));
        ids.meet(200);
        assert!(ids.meaning(200).is_none());
    }

    /// Every golden message, as a newer worker would have written it.
    fn reads_later<T: Message + std::fmt::Debug + PartialEq>() {
        let (ids, asked) = behind(Answer::Schema(later(T::SCHEMA)));
        let bytes = golden::<T>();
        for _ in 0..2 {
            ids.meet(200);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let later: T = decode_with(Some(&ids), &framed(200, &bytes)).unwrap();
        assert_eq!(later, decode_with(None, &bytes).unwrap());
        let cut = framed(200, &bytes[..bytes.len() - 1]);
        assert!(decode_with::<T>(Some(&ids), &cut).is_err());
    }

    #[test]
    fn what_a_newer_worker_writes_is_read() {
        reads_later::<Event>();
        reads_later::<EnrichedEvent>();
        reads_later::<Signal>();
        reads_later::<Finding>();
        reads_later::<Receipt>();
        reads_later::<Gap>();
        reads_later::<LedgerEntry>();
        reads_later::<Watermark>();
        reads_later::<DetectState>();
        reads_later::<Seen>();
    }

    #[test]
    fn what_is_learned_has_a_bound() {
        let (ids, asked) = behind(Answer::Schema(later(Gap::SCHEMA)));
        let many = u32::try_from(LEARNED_MAX + STRANGERS_MAX).unwrap() + 10;
        for id in 1000..1000 + many {
            ids.meet(id);
        }
        let learned = ids.learned();
        assert_eq!((learned.ours.len(), learned.strangers.ids.len()), (LEARNED_MAX, STRANGERS_MAX));
        assert_eq!(learned.strangers.ids.len(), learned.strangers.oldest.len());
        assert_eq!(asked.load(Ordering::Relaxed), usize::try_from(many).unwrap());
    }
}
