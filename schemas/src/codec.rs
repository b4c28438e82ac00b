//! Confluent wire format: byte 0 is 0, bytes 1 to 4 the schema id (big-endian), then Avro binary.
//!
//! Without a registry the ids are fixed here; they are never used again for another schema. With one, what stands in the
//! bytes is the registry's ([`crate::ids`]); everywhere else a message is known by its fixed id.

use std::sync::LazyLock;

use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    enriched::EnrichedEvent,
    event::Event,
    finding::Finding,
    gap::Gap,
    ids::{self, Ids},
    ledger::{LedgerEntry, Seen},
    receipt::Receipt,
    signal::Signal,
    state::DetectState,
    theirs::Meaning,
    watermark::Watermark,
};

/// No single value of a message may claim more than this: a forged length must not take the memory.
pub const ALLOCATION_BYTES_MAX: usize = 16 * 1024 * 1024;

const MAGIC: u8 = 0;
const HEADER_BYTES: usize = 5;

const NO_MESSAGE: &str = "the bytes after the schema id are not what it names";
const NO_BYTES: &str = "the message does not fit its schema";

/// Something that travels on a topic.
pub trait Message: Serialize + DeserializeOwned {
    /// The fixed id of the message, whatever id a registry has given to its schema.
    const SCHEMA_ID: u32;
    /// That schema's name, as its file in `avro/` begins.
    const NAME: &'static str;
    /// That schema's text.
    const SCHEMA: &'static str;
    /// That schema, parsed once, with what writes and reads it.
    fn binding() -> Result<&'static Binding, CodecError>;
}

/// A schema with its writer and reader, which resolve names once.
pub struct Binding {
    /// The schema.
    pub schema: &'static Schema,
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding").field("schema", &self.schema.name()).finish_non_exhaustive()
    }
}

impl Binding {
    fn new(schema: &'static Schema) -> Result<Self, String> {
        let text = |error: apache_avro::Error| error.to_string();
        Ok(Self {
            schema,
            writer: GenericDatumWriter::builder(schema).build().map_err(text)?,
            reader: GenericDatumReader::builder(schema).build().map_err(text)?,
        })
    }
}

/// Bytes that are no message, or a message that has no bytes. Avro's own words may quote a value, so they are not
/// kept: however an error is printed or logged, it shows nothing of the record.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Fewer than five bytes, or the first is not 0.
    #[error("not in the wire format: no magic byte and schema id")]
    NotOurs,
    /// The id belongs to another message, or to none.
    #[error("schema id {found} where {expected} was expected")]
    OtherSchema {
        /// The fixed id of the message that was asked for.
        expected: u32,
        /// The fixed id of the message that the bytes are.
        found: u32,
    },
    /// The registry has given the id to no message of ours, or to nobody: a stranger's record.
    #[error("schema id {0} is of no message that is known here")]
    UnknownSchema(u32),
    /// The registry was not asked for the id, or did not say: the record may be one of ours.
    #[error("schema id {0} is not known here, and the schema registry did not say what it is")]
    UnaskedSchema(u32),
    /// Avro could not read or write it.
    #[error("{0}")]
    Avro(&'static str),
    /// The schema itself is of no use: a fault of ours, there is no value yet.
    #[error("a schema that Avro does not take: {0}")]
    Schema(String),
    /// There are bytes left after the message.
    #[error("{0} bytes after the end of the message")]
    Trailing(usize),
}

/// Which message a record is, by its fixed id.
///
/// # Errors
/// [`CodecError::NotOurs`] for a frame that is too short or has another magic byte; [`CodecError::UnknownSchema`] for an
/// id of the registry's that is of no message; [`CodecError::UnaskedSchema`] where the registry has not said.
pub fn schema_id(bytes: &[u8]) -> Result<u32, CodecError> {
    Ok(meaning(ids::current(), bytes)?.fixed())
}

/// Writes `message` in the wire format.
///
/// # Errors
/// [`CodecError::Avro`] when the type does not fit its schema, which a golden test rules out.
pub fn encode<T: Message>(message: &T) -> Result<Vec<u8>, CodecError> {
    encode_with(ids::current(), message)
}

/// Reads a message in the wire format.
///
/// # Errors
/// [`CodecError`] for a foreign frame, another schema, truncated or impossible Avro, or bytes left over.
pub fn decode<T: Message>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_with(ids::current(), bytes)
}

/// The schema id that stands in a record.
pub(crate) fn wire_id(bytes: &[u8]) -> Result<u32, CodecError> {
    match bytes {
        [MAGIC, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(CodecError::NotOurs),
    }
}

fn meaning(ids: Option<&Ids>, bytes: &[u8]) -> Result<Meaning, CodecError> {
    let found = wire_id(bytes)?;
    match ids {
        None => Ok(Meaning::Current(found)),
        Some(ids) => ids.meaning(found).ok_or_else(|| {
            if ids.is_strange(found) {
                CodecError::UnknownSchema(found)
            } else {
                CodecError::UnaskedSchema(found)
            }
        }),
    }
}

pub(crate) fn encode_with<T: Message>(ids: Option<&Ids>, message: &T) -> Result<Vec<u8>, CodecError> {
    let binding = T::binding()?;
    let id = ids.map_or(T::SCHEMA_ID, |ids| ids.written(T::SCHEMA_ID));
    let mut bytes = Vec::with_capacity(256);
    bytes.push(MAGIC);
    bytes.extend_from_slice(&id.to_be_bytes());
    binding.writer.write_ser(&mut bytes, message).map_err(|_| CodecError::Avro(NO_BYTES))?;
    Ok(bytes)
}

pub(crate) fn decode_with<T: Message>(ids: Option<&Ids>, bytes: &[u8]) -> Result<T, CodecError> {
    let meaning = meaning(ids, bytes)?;
    if meaning.fixed() != T::SCHEMA_ID {
        return Err(CodecError::OtherSchema { expected: T::SCHEMA_ID, found: meaning.fixed() });
    }
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    let mut datum = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let read = match meaning {
        Meaning::Current(_) => T::binding()?.reader.read_deser(&mut datum),
        Meaning::Other(other) => {
            let mut whole = Whole { bytes: &mut datum, has_ended: false };
            // By way of a value: the reader that goes straight into a type does not resolve schemas.
            let value = other.reader.read_value(&mut whole);
            if whole.has_ended {
                return Err(CodecError::Avro(NO_MESSAGE));
            }
            value.and_then(|value| apache_avro::from_value(&value))
        }
    };
    let message = read.map_err(|_| CodecError::Avro(NO_MESSAGE))?;
    if datum.is_empty() { Ok(message) } else { Err(CodecError::Trailing(datum.len())) }
}

/// Notes when more is asked for than there is: apache-avro (0.22) makes a null of a union that is cut off.
struct Whole<'a, 'b> {
    bytes: &'a mut &'b [u8],
    has_ended: bool,
}

impl std::io::Read for Whole<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.has_ended |= self.bytes.len() < buffer.len();
        self.bytes.read(buffer)
    }
}

/// Binds a type to its schema: the one table of messages and ids.
macro_rules! messages {
    ($($type:ty, $id:literal, $name:literal;)*) => {
        $(impl Message for $type {
            const SCHEMA_ID: u32 = $id;
            const NAME: &'static str = $name;
            const SCHEMA: &'static str = include_str!(concat!("../avro/", $name, ".v1.avsc"));
            fn binding() -> Result<&'static Binding, CodecError> {
                static SCHEMA: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
                    Schema::parse_str(<$type as Message>::SCHEMA).map_err(|error| error.to_string())
                });
                static BINDING: LazyLock<Result<Binding, String>> =
                    LazyLock::new(|| SCHEMA.as_ref().map_err(Clone::clone).and_then(Binding::new));
                BINDING.as_ref().map_err(|error| CodecError::Schema(error.clone()))
            }
        })*

        /// Every message: (id, name, schema text of the version that is written).
        pub const MESSAGES: &[(u32, &str, &str)] = &[$(($id, $name, <$type as Message>::SCHEMA)),*];
    };
}

messages! {
    Event, 1, "event";
    EnrichedEvent, 2, "enriched";
    Signal, 3, "signal";
    Finding, 4, "finding";
    Receipt, 5, "receipt";
    Gap, 6, "gap";
    LedgerEntry, 7, "ledger-entry";
    Watermark, 8, "watermark";
    DetectState, 9, "detect-state";
    Seen, 10, "seen";
}
