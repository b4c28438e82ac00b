//! How states lie in the changelog: one record each, or several parts where one would be too long for a message.
//!
//! The key of a state's first record is its name (`tenant`, U+001F, `group_value`), that of a further one the name, a
//! byte that no UTF-8 text has (255), and the part's number in decimals. A part's state begins with [`PART`] and the
//! hash of the whole that it is part of. A step replaces all parts of a state together and deletes those that are no
//! longer needed; steps are atomic and compaction keeps the newest of each key, so what is restored is one whole. The
//! hash proves it, and that no part is missing or left over.
//!
//! Limits: [`PART_BYTES_MAX`] bytes of state in a record; with key, names and frame it stays below 256,000 bytes, a
//! quarter of what brokers take by default. How many parts a state has is not bounded.

use std::collections::BTreeMap;

use pipeline::log::Table;
use schemas::{CodecError, Hash128, signal, state::DetectState};

use super::state::{Broken, PART};

/// The most bytes of state in one record.
const PART_BYTES_MAX: usize = 250_000;

/// Between the name and the number of a part.
const PART_SEPARATOR: u8 = 0xff;

/// A record's key and its state; `None` deletes it.
type Replacement = (Vec<u8>, Option<DetectState>);

/// How many records a state has in the changelog, by name; only where they are more than one.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<Vec<u8>, usize>);

/// What a changelog holds.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) states: Vec<DetectState>,
    pub(super) parts: Parts,
    /// How many records are none of ours.
    pub(super) left_aside: usize,
}

impl Parts {
    /// The records that put a state, or nothing, in the place of what is there under its name.
    pub(super) fn replace(&mut self, name: Vec<u8>, state: Option<DetectState>) -> Vec<Replacement> {
        let before = self.0.remove(&name).unwrap_or(1);
        let mut records: Vec<_> = state.into_iter().flat_map(cut).map(Some).collect();
        let after = records.len();
        records.resize(before.max(after), None);
        let keyed = records
            .into_iter()
            .enumerate()
            .map(|(number, state)| (part_name(&name, number), state))
            .collect();
        self.note(name, after);
        keyed
    }

    fn note(&mut self, name: Vec<u8>, count: usize) {
        if count > 1 {
            self.0.insert(name, count);
        }
    }
}

/// Puts the states of a changelog together. What is no [`DetectState`], or is not under the key of its own, nobody here
/// has written: it is left aside. What the registry could not be asked about may be the state of a newer worker: it is not.
pub(super) fn join(table: &Table) -> Result<Joined, Broken> {
    let mut joined = Joined::default();
    let mut found: BTreeMap<Vec<u8>, BTreeMap<usize, DetectState>> = BTreeMap::new();
    for (key, value) in table {
        let state: DetectState = match schemas::decode(value) {
            Ok(state) => state,
            Err(CodecError::NotOurs | CodecError::OtherSchema { .. } | CodecError::UnknownSchema(_)) => {
                joined.left_aside += 1;
                continue;
            }
            Err(error) => return Err(Broken(error.to_string())),
        };
        let name = signal::key(&state.tenant, &state.group_value);
        if let Some(number) = number(key, &name) {
            found.entry(name).or_default().insert(number, state);
        } else {
            joined.left_aside += 1;
        }
    }
    for (name, parts) in found {
        joined.parts.note(name, parts.len());
        joined.states.push(whole(parts)?);
    }
    Ok(joined)
}

fn part_name(name: &[u8], number: usize) -> Vec<u8> {
    if number == 0 {
        return name.to_vec();
    }
    [name, &[PART_SEPARATOR], number.to_string().as_bytes()].concat()
}

/// The number of the part of that name that lies under `key`.
fn number(key: &[u8], name: &[u8]) -> Option<usize> {
    let number = match key.strip_prefix(name)? {
        [] => 0,
        [PART_SEPARATOR, digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    (part_name(name, number) == key).then_some(number)
}

fn cut(state: DetectState) -> Vec<DetectState> {
    if state.state.len() <= PART_BYTES_MAX {
        return vec![state];
    }
    let hash = Hash128::of(&[&state.state]).to_bytes();
    let part = |bytes: &[u8]| DetectState {
        tenant: state.tenant.clone(),
        group_value: state.group_value.clone(),
        state: [&[PART], hash.as_slice(), bytes].concat(),
    };
    state.state.chunks(PART_BYTES_MAX).map(part).collect()
}

fn whole(mut parts: BTreeMap<usize, DetectState>) -> Result<DetectState, Broken> {
    let broken = || Broken("the parts of a state do not make one whole".to_owned());
    let mut first = parts.remove(&0).ok_or_else(broken)?;
    if parts.is_empty() && first.state.first() != Some(&PART) {
        return Ok(first);
    }
    let (mut state, mut hashes) = (Vec::new(), Vec::new());
    for part in std::iter::once(&first).chain(parts.values()) {
        let rest = part.state.strip_prefix(&[PART]).ok_or_else(broken)?;
        let (hash, bytes) = rest.split_first_chunk().ok_or_else(broken)?;
        hashes.push(Hash128::from_bytes(*hash));
        state.extend_from_slice(bytes);
    }
    let hash = Hash128::of(&[&state]);
    if hashes.iter().any(|other| *other != hash) {
        return Err(broken());
    }
    first.state = state;
    Ok(first)
}
