//! Of every message one with each field filled and one with each field empty. Golden bytes are made of them: a change
//! here is a change of the contract.

use schemas::{
    Event, EventId, FindingId, Hash128, Micros,
    enriched::{
        ConnectionBlock, ConnectorFact, ConnectorsBlock, EnrichedEvent, EnvironmentBlock, FlowBlock,
        GeoBlock, Provenance, RecipientFact, RecipientsBlock, UserBlock, WorkingTimeBlock,
    },
    event::{Activity, Actor, Address, Environment, Resource, Run},
    finding::{Change, Entity, Finding, Severity},
    gap::Gap,
    ledger::{Counts, LedgerEntry, Seen},
    receipt::Receipt,
    signal::{Origin, RuleSignal, Signal},
    state::DetectState,
    watermark::{Mark, Watermark},
};

/// 2021-03-04T05:06:07.000008Z.
pub(crate) const TIME: Micros = Micros(1_614_834_367_000_008);
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn text(text: &str) -> String {
    text.to_owned()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn hash(id: u128) -> Hash128 {
    Hash128(0x0123_4567_89ab_cdef_0000_0000_0000_0000 | id)
}

pub(crate) fn event() -> Event {
    Event {
        id: EventId(hash(1)),
        tenant: text(TENANT),
        source: text("management-api"),
        content_type: text("Audit.General"),
        native_id: text("a1b2"),
        record_type: 30,
        workload: text("MicrosoftFlow"),
        operation: text("CreateFlow"),
        time: TIME,
        activity: activity(),
        raw: b"{\"Id\":\"a1b2\",\"\xff\":\"\xe2\x82\xac\"}".to_vec(),
        raw_bytes: 21,
        raw_in_dead_letter: true,
    }
}

fn activity() -> Activity {
    Activity {
        kind: text("flow.create"),
        actor: Actor { id: text("zoë@contoso.example"), kind: text("user"), object_id: text("object-1") },
        outcome: text("success"),
        resource: Resource { kind: text("flow"), id: text("flow-1"), name: text("Rechnung → Postfach") },
        environment: Some(Environment { id: text("environment-1"), is_default: true }),
        connectors: texts(&["sharepointonline", "dropbox"]),
        recipients: texts(&["eve@outside.example"]),
        permission: text("owner"),
        address: Some(Address { text: text("[2001:db8::1]:443"), ip: text("2001:db8::1") }),
        run: Some(Run {
            id: text("run-1"),
            key: text("00000000000000000000000000000abc"),
            start: Some(TIME),
            end: Some(TIME.plus(1)),
            status: text("Succeeded"),
            trigger: text("Automated"),
            parent: text("run-0"),
            label: text("confidential"),
            reported_by: text("dataverse"),
        }),
    }
}

pub(crate) fn empty_event() -> Event {
    Event {
        id: EventId::default(),
        tenant: String::new(),
        source: String::new(),
        content_type: String::new(),
        native_id: String::new(),
        record_type: -1,
        workload: String::new(),
        operation: String::new(),
        time: Micros(0),
        activity: Activity::default(),
        raw: Vec::new(),
        raw_bytes: 0,
        raw_in_dead_letter: false,
    }
}

fn hit(source: &str) -> Provenance {
    Provenance { status: text("hit"), as_of: Some(TIME), source: text(source) }
}

pub(crate) fn enriched() -> EnrichedEvent {
    EnrichedEvent {
        event: event(),
        user: UserBlock {
            provenance: hit("config"),
            approved_sharer: Some(true),
            domain: text("contoso.example"),
        },
        recipients: RecipientsBlock {
            provenance: hit("config"),
            relations: vec![RecipientFact {
                id: text("eve@outside.example"),
                domain: text("outside.example"),
                relation: text("external"),
            }],
            has_outside: Some(true),
        },
        flow: FlowBlock { provenance: hit("inventory") },
        environment: EnvironmentBlock { provenance: hit("inventory") },
        connectors: ConnectorsBlock {
            provenance: hit("shipped"),
            classes: vec![ConnectorFact {
                name: text("dropbox"),
                class: text("external"),
                decided_by: text("shipped"),
            }],
            has_business: Some(false),
            has_external: Some(true),
        },
        connection: ConnectionBlock { provenance: hit("inventory") },
        geo: GeoBlock {
            provenance: hit("networks"),
            country: text("DE"),
            city: text("Berlin"),
            asn: Some(4_294_967_295),
            network: text("office-berlin"),
        },
        working_time: WorkingTimeBlock {
            provenance: hit("config"),
            zone: text("Europe/Berlin"),
            local_minute: Some(366),
            within_hours: Some(false),
            expected_place: Some(true),
        },
    }
}

pub(crate) fn empty_enriched() -> EnrichedEvent {
    let none = || Provenance { status: String::new(), as_of: None, source: String::new() };
    EnrichedEvent {
        event: empty_event(),
        user: UserBlock { provenance: none(), approved_sharer: None, domain: String::new() },
        recipients: RecipientsBlock { provenance: none(), relations: Vec::new(), has_outside: None },
        flow: FlowBlock { provenance: none() },
        environment: EnvironmentBlock { provenance: none() },
        connectors: ConnectorsBlock {
            provenance: none(),
            classes: Vec::new(),
            has_business: None,
            has_external: None,
        },
        connection: ConnectionBlock { provenance: none() },
        geo: GeoBlock {
            provenance: none(),
            country: String::new(),
            city: String::new(),
            asn: None,
            network: String::new(),
        },
        working_time: WorkingTimeBlock {
            provenance: none(),
            zone: String::new(),
            local_minute: None,
            within_hours: None,
            expected_place: None,
        },
    }
}

pub(crate) fn signal() -> Signal {
    Signal {
        event_id: EventId(hash(1)),
        tenant: text(TENANT),
        source: text("management-api"),
        content_type: text("Audit.Exchange"),
        time: TIME,
        group_value: text("a\u{1f}b"),
        actor: text("zoë@contoso.example"),
        origin: Origin { partition: 7, offset: 5_000_000_000, index: 2 },
        rules: vec![
            RuleSignal {
                rule: text("rule-1"),
                role: 1,
                value: text("alice"),
                facts: [(text("Operation"), text("New-InboxRule"))].into(),
            },
            RuleSignal { rule: text("rule-2"), role: 0, value: String::new(), facts: [].into() },
        ],
    }
}

pub(crate) fn empty_signal() -> Signal {
    Signal {
        event_id: EventId::default(),
        tenant: String::new(),
        source: String::new(),
        content_type: String::new(),
        time: Micros(0),
        group_value: String::new(),
        actor: String::new(),
        origin: Origin { partition: 0, offset: 0, index: 0 },
        rules: Vec::new(),
    }
}

pub(crate) fn finding() -> Finding {
    Finding {
        id: FindingId(hash(2)),
        revision: 3,
        change: Change::Update,
        tenant: text(TENANT),
        rule: text("rule-1"),
        rule_name: text("password_spray"),
        title: text("Password spray"),
        rule_major: 2,
        group: text("identity"),
        kind: text("threshold"),
        severity: Severity::Critical,
        entity: Entity { kind: text("address"), id: text("192.0.2.1") },
        summary: text("5 users failed from 192.0.2.1"),
        description: text("One password, many users."),
        first_time: TIME,
        last_time: TIME.plus(600_000_000),
        created_at: TIME.plus(700_000_000),
        event_ids: vec![EventId(hash(1)), EventId(hash(3))],
        event_count: 5,
        techniques: texts(&["T1110.003"]),
        facts: [(text("count"), text("5")), (text("window"), text("10m"))].into(),
        false_positives: texts(&["A broken service account."]),
    }
}

pub(crate) fn empty_finding() -> Finding {
    Finding {
        id: FindingId::default(),
        revision: 0,
        change: Change::Create,
        tenant: String::new(),
        rule: String::new(),
        rule_name: String::new(),
        title: String::new(),
        rule_major: 0,
        group: String::new(),
        kind: String::new(),
        severity: Severity::Info,
        entity: Entity::default(),
        summary: String::new(),
        description: String::new(),
        first_time: Micros(0),
        last_time: Micros(0),
        created_at: Micros(0),
        event_ids: Vec::new(),
        event_count: 0,
        techniques: Vec::new(),
        facts: [].into(),
        false_positives: Vec::new(),
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        finding: FindingId(hash(2)),
        revision: 3,
        sink: text("archive"),
        outcome: text("dead_lettered"),
        at: TIME,
        reason: text("too_long"),
    }
}

pub(crate) fn empty_receipt() -> Receipt {
    Receipt {
        finding: FindingId::default(),
        revision: 0,
        sink: String::new(),
        outcome: String::new(),
        at: Micros(0),
        reason: String::new(),
    }
}

pub(crate) fn gap() -> Gap {
    Gap {
        tenant: text(TENANT),
        source: text("management-api"),
        content_type: text("Audit.General"),
        from: TIME,
        until: TIME.plus(60_000_000),
        reason: text("expired"),
        unit: text("blob-1"),
        noticed_at: TIME.plus(120_000_000),
    }
}

pub(crate) fn empty_gap() -> Gap {
    Gap {
        tenant: String::new(),
        source: String::new(),
        content_type: String::new(),
        from: Micros(0),
        until: Micros(0),
        reason: String::new(),
        unit: String::new(),
        noticed_at: Micros(0),
    }
}

pub(crate) fn ledger_entry() -> LedgerEntry {
    LedgerEntry {
        source: text("exports"),
        unit: text("audit/märz.csv"),
        fingerprint: text("abc123"),
        counts: Counts { read: 10, emitted: 4, deduplicated: 3, skipped: 2, rejected: 1, conflicts: 1 },
        greatest_time: Some(TIME),
        done: true,
    }
}

pub(crate) fn watermark() -> Watermark {
    let mark = |content_type: &str, time| Mark {
        tenant: text(TENANT),
        source: text("exports"),
        content_type: text(content_type),
        time,
    };
    let marks =
        vec![mark("Audit.General", TIME), mark("FlowRun", Micros::START), mark("DLP.All", Micros::END)];
    Watermark { marks, through: Some(3), of: Some(8) }
}

pub(crate) fn detect_state() -> DetectState {
    DetectState { tenant: text(TENANT), group_value: text("192.0.2.1"), state: vec![1, 0, 255] }
}

pub(crate) fn seen() -> Seen {
    Seen {
        source: text("exports"),
        chunk: 12,
        arrived_at: TIME,
        ids: (0..32).collect(),
        natives: (100..116).collect(),
    }
}
