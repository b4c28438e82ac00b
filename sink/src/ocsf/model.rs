//! The objects of OCSF that are written, field for field; optional ones are left out where they are empty.
//!
//! Required by 1.8.0: of the event `activity_id`, `category_uid`, `class_uid`, `type_uid`, `severity_id`, `time`,
//! `metadata` and `finding_info`, and `cloud` by the profile of that name; of `metadata` `version` and `product`; of a
//! product a name or uid; of `finding_info` `uid`; of an analytic `type_id`; of an observable `type_id`; of a related
//! event `uid`; of `cloud` `provider`; of an attack, an evidence, a user and a resource at least one that says which.

use std::collections::BTreeMap;

use schemas::{EventId, FindingId};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct DetectionFinding<'a> {
    pub(super) activity_id: u8,
    pub(super) activity_name: &'static str,
    pub(super) category_uid: u8,
    pub(super) category_name: &'static str,
    pub(super) class_uid: u32,
    pub(super) class_name: &'static str,
    pub(super) type_uid: u32,
    pub(super) type_name: &'static str,
    pub(super) severity_id: u8,
    pub(super) severity: &'static str,
    pub(super) status_id: u8,
    pub(super) status: &'static str,
    pub(super) is_alert: bool,
    pub(super) time: i64,
    pub(super) start_time: i64,
    pub(super) end_time: i64,
    pub(super) message: &'a str,
    pub(super) metadata: Metadata<'a>,
    pub(super) finding_info: FindingInfo<'a>,
    pub(super) cloud: Cloud<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) evidences: Vec<Evidence<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<Resource<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) observables: Vec<Observable<'a>>,
    pub(super) unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) version: &'static str,
    pub(super) product: Product,
    pub(super) profiles: [&'static str; 1],
    pub(super) uid: String,
    pub(super) sequence: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant_uid: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) vendor_name: &'static str,
    pub(super) version: &'static str,
}

#[derive(Serialize)]
pub(super) struct FindingInfo<'a> {
    pub(super) uid: FindingId,
    pub(super) title: &'a str,
    pub(super) desc: &'a str,
    pub(super) types: [&'a str; 1],
    pub(super) analytic: Analytic<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attacks: Vec<Attack<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified_time: Option<i64>,
    pub(super) first_seen_time: i64,
    pub(super) last_seen_time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) related_events: Vec<RelatedEvent>,
    pub(super) related_events_count: i64,
}

#[derive(Serialize)]
pub(super) struct Analytic<'a> {
    pub(super) uid: &'a str,
    pub(super) name: &'a str,
    pub(super) version: String,
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) state_id: u8,
    pub(super) state: &'static str,
}

#[derive(Serialize)]
pub(super) struct Attack<'a> {
    pub(super) technique: Uid<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_technique: Option<Uid<'a>>,
    pub(super) version: &'static str,
}

/// An object of which only the id is known.
#[derive(Serialize)]
pub(super) struct Uid<'a> {
    pub(super) uid: &'a str,
}

#[derive(Serialize)]
pub(super) struct RelatedEvent {
    pub(super) uid: EventId,
}

#[derive(Serialize)]
pub(super) struct Cloud<'a> {
    pub(super) provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<Uid<'a>>,
}

/// Exactly one of the three is there.
#[derive(Serialize, Default)]
pub(super) struct Evidence<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<Actor<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) src_endpoint: Option<Endpoint<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) resources: Vec<Resource<'a>>,
}

#[derive(Serialize)]
pub(super) struct Actor<'a> {
    pub(super) user: User<'a>,
}

#[derive(Serialize)]
pub(super) struct User<'a> {
    pub(super) name: &'a str,
}

#[derive(Serialize)]
pub(super) struct Endpoint<'a> {
    pub(super) ip: &'a str,
}

#[derive(Serialize)]
pub(super) struct Resource<'a> {
    pub(super) uid: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
}

#[derive(Serialize)]
pub(super) struct Observable<'a> {
    pub(super) name: &'static str,
    pub(super) type_id: u8,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) value: &'a str,
}

#[derive(Serialize)]
pub(super) struct Unmapped<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) entity_kind: &'a str,
    pub(super) facts: &'a BTreeMap<String, String>,
    pub(super) false_positives: &'a [String],
    pub(super) runbook: String,
}
