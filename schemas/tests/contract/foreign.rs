//! Foreign bytes: whatever lies on a topic, reading it gives the value that was written or an error; never a panic,
//! never a value from bytes that are not whole, never more memory than the limit because of a forged length.

use std::fmt::Debug;

use proptest::{collection::vec, prelude::*, sample::Index};
use schemas::{
    CodecError, Event, Message, codec, decode, encode,
    enriched::EnrichedEvent,
    finding::Finding,
    gap::Gap,
    ledger::{LedgerEntry, Seen},
    receipt::Receipt,
    signal::Signal,
    state::DetectState,
    watermark::Watermark,
};

use super::{
    golden::{Visitor, each},
    samples,
};

struct Broken;

impl Visitor for Broken {
    fn visit<T: Message + PartialEq + Debug>(&mut self, file: String, value: &T) {
        let bytes = encode(value).unwrap();
        for length in 0..bytes.len() {
            let result = decode::<T>(&bytes[..length]);
            match length {
                0..5 => {
                    assert!(matches!(result, Err(CodecError::NotOurs)), "{file} cut to {length}: {result:?}")
                }
                _ => {
                    assert!(matches!(result, Err(CodecError::Avro(_))), "{file} cut to {length}: {result:?}")
                }
            }
        }
        for more in [1, 2, 1000] {
            let longer = [bytes.clone(), vec![0; more]].concat();
            let result = decode::<T>(&longer);
            assert!(
                matches!(result, Err(CodecError::Trailing(left)) if left == more),
                "{file} and {more}: {result:?}"
            );
        }
        for magic in 1..=255 {
            let other = [&[magic], &bytes[1..]].concat();
            assert!(matches!(decode::<T>(&other), Err(CodecError::NotOurs)), "{file} with magic {magic}");
        }
        for id in (0..=11).chain([255, 256, 1 << 24, u32::MAX]).filter(|id| *id != T::SCHEMA_ID) {
            let other = [&[0], &id.to_be_bytes()[..], &bytes[5..]].concat();
            assert_eq!(codec::schema_id(&other).unwrap(), id);
            let result = decode::<T>(&other);
            let said = matches!(
                result,
                Err(CodecError::OtherSchema { expected, found }) if expected == T::SCHEMA_ID && found == id
            );
            assert!(said, "{file} with id {id}: {result:?}");
        }
    }
}

#[test]
fn a_message_is_read_whole_with_its_own_id_or_not_at_all() {
    each(&mut Broken);
}

/// Lengths that no message of ours can have.
const FORGED: [i64; 9] =
    [1 << 24 | 1, 1 << 31, (1 << 32) + 1, 1 << 40, i64::MAX / 24, i64::MAX, -1, -(1 << 31), i64::MIN];

/// Avro's long: zigzag, then seven bits a byte, the lowest first.
fn long(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn refused<T: Message + Debug>(start: &[u8], length: i64, rest: &[u8]) {
    let forged = [start, &long(length), rest].concat();
    let result = decode::<T>(&forged);
    // A list may begin with a negative count; of such a one the zeros behind it are a part, but not all are.
    let refused = matches!(result, Err(CodecError::Avro(_) | CodecError::Trailing(_)));
    assert!(refused, "{} with {length}: {result:?}", T::NAME);
}

/// The address space of this process, in KiB; `None` where the system does not say.
fn address_space_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_forged_length_is_refused_and_takes_no_memory() {
    let before = address_space_kib();
    for length in FORGED {
        for rest in [&[][..], &[0; 64], &[0xff; 64]] {
            // Text first: its length. A list first: its count, and after a negative one the block's size.
            refused::<DetectState>(&[0, 0, 0, 0, 9], length, rest);
            refused::<Watermark>(&[0, 0, 0, 0, 8], length, rest);
            // The second to last byte of the empty one is the count of a map, the last that of a list of texts.
            let finding = encode(&samples::empty_finding()).unwrap();
            refused::<Finding>(&finding[..finding.len() - 2], length, rest);
            refused::<Finding>(&finding[..finding.len() - 1], length, rest);
            // Its last byte is the length of bytes.
            let seen = encode(&Seen::default()).unwrap();
            refused::<Seen>(&seen[..seen.len() - 1], length, rest);
        }
    }
    // Other tests run in this process too, hence the wide margin; the least of the forged sizes above 2^24 is 2 GiB.
    if let (Some(before), Some(after)) = (before, address_space_kib()) {
        assert!(after - before < 1024 * 1024, "the address space grew from {before} to {after} KiB");
    }
}

/// Closed sets refuse what is not in them, and an id is 32 hex digits.
#[test]
fn what_avro_allows_and_the_type_does_not_is_refused() {
    let bytes = encode(&samples::empty_finding()).unwrap();
    let change_at = 5 + 1 + 32 + 1;
    assert_eq!(bytes[change_at], 0, "the symbol of the change");
    for symbol in [3, 4, -1, i64::MAX] {
        refused::<Finding>(&bytes[..change_at], symbol, &bytes[change_at + 1..]);
    }
    let mut no_id = bytes;
    no_id[10] = b'g';
    assert!(matches!(decode::<Finding>(&no_id), Err(CodecError::Avro(_))));
    no_id[10] = 0xff;
    assert!(matches!(decode::<Finding>(&no_id), Err(CodecError::Avro(_))));
}

/// What is in a record must not reach a log through the error about it, however that is printed.
#[test]
fn what_is_refused_is_not_quoted() {
    const SECRET: &str = "Mallory Quoted hunter2 mallory@x";
    assert_eq!(SECRET.len(), 32, "as long as an id, so that it is read as one");
    let whole = encode(&samples::empty_finding()).unwrap();
    let mut no_id = whole.clone();
    no_id[6..38].copy_from_slice(SECRET.as_bytes());
    // The symbol of the change, which Avro names when it is out of range.
    let no_symbol = [&whole[..39], &long(4_155_550_123), &whole[40..]].concat();
    let no_small_symbol = [&whole[..39], &long(41_555), &whole[40..]].concat();
    let no_length = [&[0, 0, 0, 0, 9, 0x3f], SECRET.as_bytes()].concat();
    let not_whole = [&[0, 0, 0, 0, 9, 0x40], SECRET.as_bytes()].concat();
    let errors = [
        decode::<Finding>(&no_id).unwrap_err(),
        decode::<Finding>(&no_symbol).unwrap_err(),
        decode::<Finding>(&no_small_symbol).unwrap_err(),
        decode::<DetectState>(&no_length).unwrap_err(),
        decode::<DetectState>(&not_whole).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, CodecError::Avro(_)), "{error:?}");
        let mut said = format!("{error} {error:?} {error:#?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            said += &format!("{error} {error:?}");
            cause = error.source();
        }
        for word in SECRET.split(' ').chain(["41555"]) {
            assert!(!said.contains(word), "{said}");
        }
    }
}

/// Whatever can be read can be written, and reads as the same again.
fn survives<T: Message + PartialEq + Debug>(body: &[u8]) -> Result<(), TestCaseError> {
    let bytes = [&[0], &T::SCHEMA_ID.to_be_bytes()[..], body].concat();
    if let Ok(value) = decode::<T>(&bytes) {
        let again = encode(&value).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(decode::<T>(&again).ok(), Some(value));
    }
    Ok(())
}

fn survives_as_each(body: &[u8]) -> Result<(), TestCaseError> {
    survives::<Event>(body)?;
    survives::<EnrichedEvent>(body)?;
    survives::<Signal>(body)?;
    survives::<Finding>(body)?;
    survives::<Receipt>(body)?;
    survives::<Gap>(body)?;
    survives::<LedgerEntry>(body)?;
    survives::<Watermark>(body)?;
    survives::<DetectState>(body)?;
    survives::<Seen>(body)
}

/// Random bytes seldom look like a message: few, small ones do so more often.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..200), vec(0_u8..4, 0..60), vec(prop_oneof![0_u8..8, 64_u8..70], 0..120)]
}

struct Bodies(Vec<Vec<u8>>);

impl Visitor for Bodies {
    fn visit<T: Message + PartialEq + Debug>(&mut self, _file: String, value: &T) {
        self.0.push(encode(value).unwrap().split_off(5));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in body()) {
        survives_as_each(&body)?;
    }

    #[test]
    fn spoilt_messages_never_panic(which in any::<Index>(), spoilt in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut bodies = Bodies(Vec::new());
        each(&mut bodies);
        let body = &mut bodies.0[which.index(20)];
        for (at, byte) in spoilt {
            let at = at.index(body.len());
            body[at] = byte;
        }
        survives_as_each(body)?;
    }
}
