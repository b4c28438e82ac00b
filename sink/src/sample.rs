//! A finding for tests, with every field filled.

use schemas::{
    EventId, FindingId, Hash128, Micros,
    finding::{Change, Entity, Finding, Severity},
    time::MINUTE,
};

/// 2021-03-04T05:06:07Z.
pub(crate) const START: Micros = Micros(1_614_834_367_000_000);

/// A finding with that id.
pub(crate) fn finding(id: u128) -> Finding {
    Finding {
        id: FindingId(Hash128(id)),
        revision: 1,
        change: Change::Create,
        tenant: "contoso".to_owned(),
        rule: "5f9c7a2e-0000-4000-8000-000000000001".to_owned(),
        rule_name: "mail_forward_outside".to_owned(),
        title: "Mail is forwarded outside the organisation".to_owned(),
        rule_major: 1,
        group: "exfiltration".to_owned(),
        kind: "single".to_owned(),
        severity: Severity::High,
        entity: Entity { kind: "user".to_owned(), id: "alice@contoso.example".to_owned() },
        summary: "New-InboxRule forwards to eve@outside.example".to_owned(),
        description: "Forwarding copies mail out without a trace. Ask the owner first.".to_owned(),
        first_time: START,
        last_time: START.plus(3 * MINUTE),
        created_at: START.plus(10 * MINUTE + 999),
        event_ids: vec![EventId(Hash128(1)), EventId(Hash128(2))],
        event_count: 2,
        techniques: vec!["T1114.003".to_owned(), "T1020".to_owned()],
        facts: [("operation".to_owned(), "New-InboxRule".to_owned())].into(),
        false_positives: vec!["A mailbox that moves to another provider.".to_owned()],
    }
}
