//! Watermarks: how far time has come, per tenant, source and content type.
//!
//! Ingest writes it to every event partition, enrich passes it on in place, match writes it, with its source partition, to
//! every signal partition; correlate takes the least over the source partitions. Many tenants are said in several records;
//! what a source says of one tenant is in one.

use serde::{Deserialize, Serialize};

use crate::Micros;

/// The map at one tick, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watermark {
    /// One entry a (tenant, source, content type).
    pub marks: Vec<Mark>,
    /// On a signal partition: the enriched partition it came through. Elsewhere absent.
    pub through: Option<i32>,
    /// On a signal partition: how many enriched partitions there are.
    pub of: Option<i32>,
}

/// No event of this feed that happened before `time` is still to come, but for late ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The tenant.
    pub tenant: String,
    /// The source.
    pub source: String,
    /// The content type.
    pub content_type: String,
    /// The moment.
    pub time: Micros,
}
