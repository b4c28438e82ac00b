//! Rows that carry an audit record: `AuditData` (a JSON text) of Search-UnifiedAuditLog, `auditData` (an object or a
//! text) of Graph's audit log query, `_raw` (a JSON text) of a Splunk export, which may stand in `result`. The record
//! inside is what counts; its text is kept exactly as it stands there. Only where the row writes half of a surrogate pair
//! itself, which no text can hold, U+FFFD stands for it.

use schemas::record::{Record, mended};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Refused, reason};

const FIELDS: [&str; 2] = ["AuditData", "auditData"];

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, rename = "AuditData", alias = "auditData")]
    data: Option<&'a RawValue>,
    #[serde(borrow, rename = "_raw")]
    raw: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// What a row of a Splunk export wraps.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow, rename = "_raw")]
    raw: Option<&'a RawValue>,
}

/// Whether it is such a row. A Splunk export may repeat the record's fields, flat and in part, beside `_raw`.
pub(super) fn is_row(record: &Record<'_>) -> bool {
    let raw = || record.text("_raw").or_else(|| record.text("result._raw"));
    let holds_an_object = || raw().is_some_and(|text| text.trim_start().starts_with('{'));
    let is_export = || record.has("_raw") || (record.has("result") && record.text("result._raw").is_some());
    FIELDS.iter().any(|field| record.has(field))
        || (is_export() && (!record.has("Operation") || holds_an_object()))
}

/// The text of the record inside.
pub(super) fn text(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    strict_text(bytes).or_else(|refused| strict_text(&mended(bytes).ok_or(refused)?))
}

fn strict_text(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let none = || Refused(reason::NO_AUDIT_DATA, "the row holds no record".to_owned());
    let row: Row<'_> = serde_json::from_slice(bytes).map_err(|_| none())?;
    let wrapped = || serde_json::from_str::<Wrapped<'_>>(row.result?.get()).ok()?.raw;
    let data = row.data.or(row.raw).or_else(wrapped).ok_or_else(none)?.get();
    let text = if data.starts_with('"') {
        serde_json::from_str::<String>(data).map_err(|_| none())?.into_bytes()
    } else {
        data.as_bytes().to_vec()
    };
    let text = if text.trim_ascii().len() < text.len() { text.trim_ascii().to_vec() } else { text };
    if text.is_empty() { Err(none()) } else { Ok(text) }
}
