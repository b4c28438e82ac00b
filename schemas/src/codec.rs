//! Confluent wire format: byte 0 is 0, bytes 1 to 4 the schema id (big-endian), then Avro binary.
//!
//! Without a registry the ids are fixed here; they are never used again for another schema.

use std::sync::LazyLock;

use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
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

/// No single value of a message may claim more than this: a forged length must not take the memory.
pub const ALLOCATION_BYTES_MAX: usize = 16 * 1024 * 1024;

const MAGIC: u8 = 0;
const HEADER_BYTES: usize = 5;

const NO_MESSAGE: &str = "the bytes after the schema id are not what it names";
const NO_BYTES: &str = "the message does not fit its schema";

/// Something that travels on a topic.
pub trait Message: Serialize + DeserializeOwned {
    /// The fixed id of the schema it is written with.
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
        /// The id of the message that was asked for.
        expected: u32,
        /// The id in the bytes.
        found: u32,
    },
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

/// The schema id of a record, whatever message it is.
///
/// # Errors
/// [`CodecError::NotOurs`] for a frame that is too short or has another magic byte.
pub fn schema_id(bytes: &[u8]) -> Result<u32, CodecError> {
    match bytes {
        [MAGIC, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Err(CodecError::NotOurs),
    }
}

/// Writes `message` in the wire format.
///
/// # Errors
/// [`CodecError::Avro`] when the type does not fit its schema, which a golden test rules out.
pub fn encode<T: Message>(message: &T) -> Result<Vec<u8>, CodecError> {
    let binding = T::binding()?;
    let mut bytes = Vec::with_capacity(256);
    bytes.push(MAGIC);
    bytes.extend_from_slice(&T::SCHEMA_ID.to_be_bytes());
    binding.writer.write_ser(&mut bytes, message).map_err(|_| CodecError::Avro(NO_BYTES))?;
    Ok(bytes)
}

/// Reads a message in the wire format.
///
/// # Errors
/// [`CodecError`] for a foreign frame, another schema, truncated or impossible Avro, or bytes left over.
pub fn decode<T: Message>(bytes: &[u8]) -> Result<T, CodecError> {
    let found = schema_id(bytes)?;
    if found != T::SCHEMA_ID {
        return Err(CodecError::OtherSchema { expected: T::SCHEMA_ID, found });
    }
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    let mut datum = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let message = T::binding()?.reader.read_deser(&mut datum).map_err(|_| CodecError::Avro(NO_MESSAGE))?;
    if datum.is_empty() { Ok(message) } else { Err(CodecError::Trailing(datum.len())) }
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
