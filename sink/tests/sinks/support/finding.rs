//! Findings for these tests.

use schemas::{
    FindingId, Hash128, Micros,
    finding::{Change, Entity, Finding, Severity},
};

/// 2021-03-04T05:06:07Z.
pub(crate) const START: Micros = Micros(1_614_834_367_000_000);

/// The finding with that id.
pub(crate) fn finding(id: u128) -> Finding {
    Finding {
        id: FindingId(Hash128(id)),
        revision: 1,
        change: Change::Create,
        tenant: "contoso".to_owned(),
        rule: "5f9c7a2e-0000-4000-8000-000000000001".to_owned(),
        rule_name: "mail_forward_outside".to_owned(),
        title: "Mail is forwarded outside".to_owned(),
        rule_major: 1,
        group: "sharing".to_owned(),
        kind: "single".to_owned(),
        severity: Severity::High,
        entity: Entity { kind: "user".to_owned(), id: "alice@contoso.example".to_owned() },
        summary: "a rule forwards mail".to_owned(),
        description: "Ask the owner first.".to_owned(),
        first_time: START,
        last_time: START,
        created_at: START,
        event_ids: Vec::new(),
        event_count: 1,
        techniques: vec!["T1114.003".to_owned()],
        facts: [("operation".to_owned(), "New-InboxRule".to_owned())].into(),
        false_positives: Vec::new(),
    }
}

/// Findings with the ids 1, 2, 3 ….
pub(crate) fn findings(count: u128) -> Vec<Finding> {
    (1..=count).map(finding).collect()
}

/// The number behind an id's text.
pub(crate) fn number(id: &str) -> u128 {
    u128::from_str_radix(id, 16).unwrap()
}
