//! From a record's bytes to an event, or to the reason why it is none.
//!
//! Which kind of record it is, its own fields tell: an audit record of either generation, a row of
//! Search-UnifiedAuditLog or Graph around one, or a flow run in one of the three documented shapes. The bytes of the
//! event are the record's own; where a row carries the record, those of the record inside. Texts that were cut inside a
//! character and numbers without bound are read (`schemas::record::mended`), their bytes stay.
//!
//! Limits: 128 levels, 500,000 values (their list would take more memory than the record); texts and lists of the event
//! as `decode/bounds.rs` says. No file, no clock, no state: the same bytes always give the same event.

use schemas::record::{NoRecord, Record};
use schemas::{Event, EventId};

mod activity;
mod actor;
mod address;
mod audit;
mod bounds;
mod directory;
mod exchange;
mod inner;
mod operations;
mod outcome;
mod power_platform;
pub mod reason;
mod run;
mod sharing;
mod text;

use pipeline::Reason;

/// A record with more commas than this is refused: every value costs 64 bytes or more while it is read.
const VALUES_MAX: usize = 500_000;

/// What a source says about all of its records.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The configured source.
    pub source: String,
    /// The tenant of records that name none.
    pub tenant: Option<String>,
    /// The environment of flow runs that name none (rows of Dataverse).
    pub environment: Option<String>,
}

/// What became of one record.
#[derive(Debug)]
pub enum Decoded {
    /// An event, its `raw` filled.
    Event(Box<Event>),
    /// Left out on purpose.
    Skip(Reason),
    /// Not understood.
    Reject {
        /// Why.
        reason: Reason,
        /// One line that says more; no part of the record.
        message: String,
        /// The record's bytes.
        bytes: Vec<u8>,
    },
}

/// A refusal on its way out of the decoders.
#[derive(Debug)]
struct Refused(Reason, String);

/// What the decoders of the kinds come to.
enum Kind {
    Event(Box<Event>),
    Skip(Reason),
}

/// Decodes one record.
#[must_use]
pub fn decode(bytes: Vec<u8>, origin: &Origin) -> Decoded {
    match decode_kind(&bytes, origin) {
        Ok((Kind::Event(mut event), inner)) => {
            bounds::hold(&mut event);
            event.raw = inner.unwrap_or(bytes);
            event.raw_bytes = i64::try_from(event.raw.len()).unwrap_or(i64::MAX);
            Decoded::Event(event)
        }
        Ok((Kind::Skip(reason), _)) => Decoded::Skip(reason),
        Err(Refused(reason, message)) => Decoded::Reject { reason, message, bytes },
    }
}

/// The kind, and the record inside the row where there was a row.
fn decode_kind(bytes: &[u8], origin: &Origin) -> Result<(Kind, Option<Vec<u8>>), Refused> {
    let record = parse(bytes)?;
    if !inner::is_row(&record) {
        return Ok((kind_of(&record, origin)?, None));
    }
    drop(record);
    let inner = inner::text(bytes)?;
    let record = parse(&inner)?;
    let kind = kind_of(&record, origin)?;
    drop(record);
    Ok((kind, Some(inner)))
}

fn parse(bytes: &[u8]) -> Result<Record<'_>, Refused> {
    if memchr::memchr_iter(b',', bytes).take(VALUES_MAX + 1).count() > VALUES_MAX {
        return Err(Refused(reason::TOO_LONG, format!("a record of more than {VALUES_MAX} values")));
    }
    Record::parse(bytes).map_err(|error| match error {
        NoRecord::NotAnObject => Refused(reason::NOT_AN_OBJECT, error.to_string()),
        NoRecord::NotJson(ref why) => {
            let utf8 = std::str::from_utf8(bytes);
            let is_text = utf8.is_ok() && !bytes.contains(&0);
            let reason = if !is_text && !bytes.starts_with(b"{") {
                reason::BINARY
            } else if utf8.is_err_and(|error| error.error_len().is_some()) {
                reason::NOT_UTF8
            } else if why.starts_with("nested too deep") {
                reason::TOO_DEEP
            } else if why.starts_with("it ends too early") {
                reason::TRUNCATED
            } else {
                reason::NOT_JSON
            };
            let message = match reason {
                reason::NOT_UTF8 => "not UTF-8; if it is Latin-1: iconv -f latin1 -t utf-8".to_owned(),
                _ if is_text => error.to_string(),
                _ => format!("{error} (not UTF-8 text)"),
            };
            Refused(reason, message)
        }
    })
}

/// Told by the fields, the surest first.
fn kind_of(record: &Record<'_>, origin: &Origin) -> Result<Kind, Refused> {
    if ["Operation", "CreationTime", "RecordType"].iter().any(|field| record.has(field)) {
        return audit::decode(record, origin).map(Kind::Event);
    }
    run::decode(record, origin)
}

/// The event with what every kind of record has; the caller fills the rest.
fn event(record: &Record<'_>, origin: &Origin, tenant: String, native_id: String) -> Box<Event> {
    let id = EventId::of(&tenant, &origin.source, &native_id, record.content_hash());
    Box::new(Event {
        id,
        tenant,
        source: origin.source.clone(),
        content_type: String::new(),
        native_id,
        record_type: -1,
        workload: String::new(),
        operation: String::new(),
        time: schemas::Micros::default(),
        activity: schemas::event::Activity::default(),
        raw: Vec::new(),
        raw_bytes: 0,
        raw_in_dead_letter: false,
    })
}
