//! A finding as OCSF: class 2004, Detection Finding, schema version 1.8.0 (<https://schema.ocsf.io/1.8.0>).
//!
//! Where our words go (the whole table; `unmapped` holds what OCSF has no place for, so that nothing is lost):
//!
//! | ours | OCSF |
//! |---|---|
//! | id; revision | `finding_info.uid`; `metadata.sequence`, and both in `metadata.uid` |
//! | change | `activity_id`, `type_uid`; created and updated findings have the status New, closed ones Deleted |
//! | severity, summary | `severity_id`, `message` |
//! | rule, name, major version, kind | `finding_info.analytic`; a rule on trial is Experimental |
//! | title, description, group, techniques | `finding_info.title`, `.desc`, `.types`, `.attacks` |
//! | entity | `evidences[0]` as actor, source address or resource; `observables`; `resources` |
//! | first and last event | `start_time`, `end_time`, `finding_info.first_seen_time`, `.last_seen_time` |
//! | events, how many | `finding_info.related_events` (at most 100), `.related_events_count` |
//! | tenant | `metadata.tenant_uid`, `cloud.org.uid` (profile `cloud`) |
//!
//! A closed finding is Deleted, not Resolved: nobody has looked at it or remedied it, it has turned out never to have
//! held. There is no confidence: the rules do not state one. Times are milliseconds, rounded down.

use std::{io, net::IpAddr};

use schemas::{
    Micros,
    finding::{Change, Entity, Finding},
};

use crate::fold::is_quiet;

mod captions;
mod model;

use captions::{Caption, activity, analytic_state, analytic_type, severity, status};
use model::{
    Actor, Analytic, Attack, Cloud, DetectionFinding, Endpoint, Evidence, FindingInfo, Metadata, Observable,
    Product, RelatedEvent, Resource, Uid, Unmapped, User,
};

/// The version of OCSF that is written.
pub const VERSION: &str = "1.8.0";
/// The version of ATT&CK in which the rules name their techniques.
pub const ATTACK_VERSION: &str = "18";

const CATEGORY_FINDINGS: u8 = 2;
const CLASS_DETECTION_FINDING: u32 = 2004;

const OBSERVABLE_ADDRESS: Caption<'static> = Caption::new(2, "IP Address");
const OBSERVABLE_USER: Caption<'static> = Caption::new(4, "User Name");
const OBSERVABLE_RESOURCE: Caption<'static> = Caption::new(10, "Resource UID");

/// Appends `finding` to `to`: one JSON object on one line, with the line break.
///
/// # Errors
/// Only when JSON cannot hold it, which no decoded finding causes; `to` then ends in a part of it.
pub fn write_line(finding: &Finding, to: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *to, &of(finding))?;
    to.push(b'\n');
    Ok(())
}

fn of(finding: &Finding) -> DetectionFinding<'_> {
    let activity = activity(finding.change);
    let severity = severity(finding.severity);
    let status = status(finding);
    DetectionFinding {
        activity_id: activity.id,
        activity_name: activity.text,
        category_uid: CATEGORY_FINDINGS,
        category_name: "Findings",
        class_uid: CLASS_DETECTION_FINDING,
        class_name: "Detection Finding",
        type_uid: CLASS_DETECTION_FINDING * 100 + u32::from(activity.id),
        type_name: type_name(finding.change),
        severity_id: severity.id,
        severity: severity.text,
        status_id: status.id,
        status: status.text,
        is_alert: is_alert(finding),
        time: millis(finding.created_at),
        start_time: millis(finding.first_time),
        end_time: millis(finding.last_time),
        message: &finding.summary,
        metadata: metadata(finding),
        finding_info: finding_info(finding),
        cloud: Cloud { provider: "Microsoft 365", org: named(&finding.tenant) },
        evidences: evidence(&finding.entity).into_iter().collect(),
        resources: resource(&finding.entity).into_iter().collect(),
        observables: observable(&finding.entity).into_iter().collect(),
        unmapped: Unmapped {
            group: &finding.group,
            kind: &finding.kind,
            entity_kind: &finding.entity.kind,
            facts: &finding.facts,
            false_positives: &finding.false_positives,
            runbook: crate::runbook(finding),
        },
    }
}

/// A finding of a rule on trial, one that a filter suppressed and one that fell away should wake nobody.
pub(crate) fn is_alert(finding: &Finding) -> bool {
    finding.change != Change::Close && !is_quiet(finding)
}

fn type_name(change: Change) -> &'static str {
    match change {
        Change::Create => "Detection Finding: Create",
        Change::Update => "Detection Finding: Update",
        Change::Close => "Detection Finding: Close",
    }
}

fn metadata(finding: &Finding) -> Metadata<'_> {
    Metadata {
        version: VERSION,
        product: Product { name: "Weir", vendor_name: "Weir", version: env!("CARGO_PKG_VERSION") },
        profiles: ["cloud"],
        uid: format!("{}-{}", finding.id, finding.revision),
        sequence: finding.revision,
        tenant_uid: Some(finding.tenant.as_str()).filter(|tenant| !tenant.is_empty()),
    }
}

fn finding_info(finding: &Finding) -> FindingInfo<'_> {
    let made = millis(finding.created_at);
    let created = finding.change == Change::Create;
    FindingInfo {
        uid: finding.id,
        title: &finding.title,
        desc: &finding.description,
        types: [&finding.group],
        analytic: analytic(finding),
        attacks: finding.techniques.iter().map(|technique| attack(technique)).collect(),
        created_time: created.then_some(made),
        modified_time: (!created).then_some(made),
        first_seen_time: millis(finding.first_time),
        last_seen_time: millis(finding.last_time),
        related_events: finding.event_ids.iter().map(|id| RelatedEvent { uid: *id }).collect(),
        related_events_count: finding.event_count,
    }
}

fn analytic(finding: &Finding) -> Analytic<'_> {
    let kind = analytic_type(&finding.kind);
    let state = analytic_state(finding);
    Analytic {
        uid: &finding.rule,
        name: &finding.rule_name,
        version: finding.rule_major.to_string(),
        type_id: kind.id,
        kind: kind.text,
        state_id: state.id,
        state: state.text,
    }
}

/// `T1098.003` is the sub-technique of `T1098`; OCSF names both.
fn attack(technique: &str) -> Attack<'_> {
    let (parent, sub) = match technique.split_once('.') {
        Some((parent, _)) => (parent, Some(Uid { uid: technique })),
        None => (technique, None),
    };
    Attack { technique: Uid { uid: parent }, sub_technique: sub, version: ATTACK_VERSION }
}

/// What an entity is in OCSF's words. An address that does not read as one is a resource.
enum Role {
    User,
    Address,
    Resource,
}

fn role(entity: &Entity) -> Option<Role> {
    match (entity.kind.as_str(), entity.id.as_str()) {
        (_, "") => None,
        ("user", _) => Some(Role::User),
        ("address", id) if id.parse::<IpAddr>().is_ok() => Some(Role::Address),
        _ => Some(Role::Resource),
    }
}

fn evidence(entity: &Entity) -> Option<Evidence<'_>> {
    Some(match role(entity)? {
        Role::User => {
            Evidence { actor: Some(Actor { user: User { name: &entity.id } }), ..Evidence::default() }
        }
        Role::Address => Evidence { src_endpoint: Some(Endpoint { ip: &entity.id }), ..Evidence::default() },
        Role::Resource => {
            Evidence { resources: resource(entity).into_iter().collect(), ..Evidence::default() }
        }
    })
}

fn resource(entity: &Entity) -> Option<Resource<'_>> {
    matches!(role(entity)?, Role::Resource).then(|| Resource { uid: &entity.id, kind: &entity.kind })
}

fn observable(entity: &Entity) -> Option<Observable<'_>> {
    let (name, kind) = match role(entity)? {
        Role::User => ("evidences[0].actor.user.name", OBSERVABLE_USER),
        Role::Address => ("evidences[0].src_endpoint.ip", OBSERVABLE_ADDRESS),
        Role::Resource => ("resources[0].uid", OBSERVABLE_RESOURCE),
    };
    Some(Observable { name, type_id: kind.id, kind: kind.text, value: &entity.id })
}

fn named(uid: &str) -> Option<Uid<'_>> {
    (!uid.is_empty()).then_some(Uid { uid })
}

fn millis(at: Micros) -> i64 {
    at.0.div_euclid(1000)
}

#[cfg(test)]
mod tests;
