//! Rows that carry an audit record: `AuditData` (a JSON text) of Search-UnifiedAuditLog, `auditData` (an object or a
//! text) of Graph's audit log query. The record inside is what counts; its text is kept exactly as it stands there.

use schemas::record::Record;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Refused, reason};

const FIELDS: [&str; 3] = ["AuditData", "auditData", "_raw"];

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, rename = "AuditData", alias = "auditData", alias = "_raw")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<Result<'a>>,
}

/// What a line of a Splunk export carries.
#[derive(Deserialize)]
struct Exported<'a> {
    #[serde(borrow, rename = "_raw")]
    data: Option<&'a RawValue>,
}

/// Whether it is such a row.
pub(super) fn is_row(record: &Record<'_>) -> bool {
    FIELDS.iter().any(|field| record.has(field))
}

/// The text of the record inside.
pub(super) fn text(bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    let none = || Refused(reason::NO_AUDIT_DATA, "the row's AuditData holds no record".to_owned());
    let row: Row<'_> = serde_json::from_slice(bytes).map_err(|_| none())?;
    let data = row.data.ok_or_else(none)?.get();
    let text = if data.starts_with('"') {
        serde_json::from_str::<String>(data).map_err(|_| none())?.into_bytes()
    } else {
        data.as_bytes().to_vec()
    };
    let text = if text.trim_ascii().len() < text.len() { text.trim_ascii().to_vec() } else { text };
    if text.is_empty() { Err(none()) } else { Ok(text) }
}
