//! An audit record (Office 365 Management Activity API schema, common schema): `Id`, `CreationTime`, `Operation`.
//!
//! `RecordType` is an open set and may be a string or missing; `CreationTime` has no zone and is UTC.

use schemas::record::{Record, Scalar};
use schemas::{Event, Micros};

use super::{Origin, Refused, activity, reason, text};

/// Data loss prevention matches: SharePoint, Exchange, SharePoint classification, endpoint.
const DLP_RECORD_TYPES: [i32; 4] = [11, 13, 33, 63];

pub(super) fn decode(record: &Record<'_>, origin: &Origin) -> Result<Box<Event>, Refused> {
    let refused = |reason, message: &str| Refused(reason, message.to_owned());
    let scalar = |field: &str| {
        let text = record.top(field).and_then(Scalar::as_text)?;
        (!text.trim().is_empty()).then(|| text.into_owned())
    };
    let id = scalar("Id").ok_or_else(|| refused(reason::NO_ID, "an audit record without Id"))?;
    let created = scalar("CreationTime")
        .ok_or_else(|| refused(reason::NO_TIME, "an audit record without CreationTime"))?;
    let time =
        Micros::parse(&created).map_err(|_| refused(reason::BAD_TIME, "CreationTime is not a time"))?;
    let operation = scalar("Operation")
        .ok_or_else(|| refused(reason::NO_OPERATION, "an audit record without Operation"))?;
    let record_type = record.top("RecordType").and_then(Scalar::as_int);
    let record_type = record_type.and_then(|number| i32::try_from(number).ok()).unwrap_or(-1);
    let workload = scalar("Workload").unwrap_or_default();

    let mut event = super::event(record, origin, tenant(record, origin), id);
    event.content_type = content_type(&workload, record_type).to_owned();
    event.record_type = record_type;
    event.workload = workload;
    event.time = time;
    event.activity = activity::of(record, &operation);
    event.operation = operation;
    Ok(event)
}

/// As the record names it; lower case where it is a GUID.
fn tenant(record: &Record<'_>, origin: &Origin) -> String {
    match text::first(record, &["OrganizationId"]) {
        Some(id) if text::is_guid(&id) => id.to_lowercase(),
        Some(id) => id,
        None => default_tenant(origin),
    }
}

/// The tenant of records that name none.
pub(super) fn default_tenant(origin: &Origin) -> String {
    origin.tenant.clone().unwrap_or_else(|| "unknown".to_owned())
}

/// The feed the record comes in: by workload, and by record type where there is none.
fn content_type(workload: &str, record_type: i32) -> &'static str {
    if DLP_RECORD_TYPES.contains(&record_type) {
        return "DLP.All";
    }
    match (workload, record_type) {
        ("Exchange", _) | ("", 1..=3 | 50) => "Audit.Exchange",
        ("AzureActiveDirectory", _) | ("", 8 | 9 | 15) => "Audit.AzureActiveDirectory",
        ("SharePoint" | "OneDrive", _) | ("", 4 | 6 | 14 | 36 | 56) => "Audit.SharePoint",
        _ => "Audit.General",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_is_that_of_the_feed() {
        for (workload, record_type, expected) in [
            ("Exchange", 1, "Audit.Exchange"),
            ("Exchange", 13, "DLP.All"),
            ("AzureActiveDirectory", 15, "Audit.AzureActiveDirectory"),
            ("OneDrive", 6, "Audit.SharePoint"),
            ("PowerPlatform", 256, "Audit.General"),
            ("", 8, "Audit.AzureActiveDirectory"),
            ("", -1, "Audit.General"),
        ] {
            assert_eq!(content_type(workload, record_type), expected, "{workload} {record_type}");
        }
    }
}
