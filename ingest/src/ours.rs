//! Telling a record of ours that is damaged from one that nobody here wrote, when what was kept is restored.
//!
//! Damage must not be taken for absence: a file would be read a second time, a mark forgotten, an event sent twice. An id
//! that the registry could not be asked for is damage too: a newer worker may have written it.

use schemas::codec::Message;
use schemas::{CodecError, TopicPartition, decode, signal};

use crate::error::IngestError;

/// What lies under `key`; none where it is no such message, or lies under the key of another source and cannot be read.
pub(crate) fn read<T: Message>(
    at: TopicPartition,
    source: &str,
    key: &[u8],
    value: &[u8],
) -> Result<Option<T>, IngestError> {
    match decode(value) {
        Ok(message) => Ok(Some(message)),
        Err(CodecError::NotOurs | CodecError::OtherSchema { .. } | CodecError::UnknownSchema(_)) => Ok(None),
        Err(_) if !key.starts_with(&signal::key(source, "")) => Ok(None),
        Err(why) => Err(IngestError::Damaged { at, name: source.to_owned(), what: T::NAME, why }),
    }
}

#[cfg(test)]
mod tests {
    use schemas::{
        Message as _, Partition, Topic,
        codec::MESSAGES,
        ids::{self, Answer, Ids},
        ledger::Seen,
    };

    use super::*;

    const STRANGERS: u32 = 701;
    const NOBODYS: u32 = 702;
    const UNANSWERED: u32 = 703;

    /// The ids are those of a registry that gives out the fixed ones, so that no other test of this program is touched.
    #[test]
    fn a_strangers_id_is_nothing_of_ours_and_one_that_could_not_be_asked_for_is_damage() {
        let given: Vec<(u32, Vec<u32>)> = MESSAGES.iter().map(|(id, ..)| (*id, vec![*id])).collect();
        let ask = |id| match id {
            STRANGERS => Answer::Schema("\"string\"".to_owned()),
            NOBODYS => Answer::None,
            _ => Answer::Away,
        };
        ids::install(Ids::new(&given, Box::new(ask))).unwrap();
        let at = TopicPartition::new(Topic::Seen, Partition(0));
        let found = |key: &[u8], id: u32| {
            let value = [&[0][..], &id.to_be_bytes(), b"\0"].concat();
            assert!(!ids::meet(&value));
            read::<Seen>(at, "feed", key, &value)
        };
        let ours = signal::key("feed", "x");
        for id in [STRANGERS, NOBODYS] {
            assert_eq!(found(&ours, id).unwrap(), None);
        }
        let error = found(&ours, UNANSWERED).unwrap_err();
        assert!(matches!(error, IngestError::Damaged { what: Seen::NAME, .. }), "{error}");
        assert_eq!(found(&signal::key("other", "x"), UNANSWERED).unwrap(), None);
    }
}
