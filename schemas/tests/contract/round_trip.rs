//! Round trips: every value of every message reads as it was written.

use std::fmt::Debug;

use proptest::{
    collection::{btree_map, vec},
    option::of,
    prelude::*,
    sample::select,
};
use schemas::{
    Event, EventId, FindingId, Hash128, Message, Micros, decode, encode,
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

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}|[\\x00-\\x1f\u{7f}€😀]{0,3}"
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..80)
}

fn time() -> impl Strategy<Value = Micros> {
    any::<i64>().prop_map(Micros)
}

fn event_id() -> impl Strategy<Value = EventId> {
    any::<u128>().prop_map(|id| EventId(Hash128(id)))
}

fn finding_id() -> impl Strategy<Value = FindingId> {
    any::<u128>().prop_map(|id| FindingId(Hash128(id)))
}

fn run() -> impl Strategy<Value = Run> {
    (text(), text(), of(time()), of(time()), [text(), text(), text()], [text(), text()]).prop_map(
        |(id, key, start, end, [status, trigger, parent], [label, reported_by])| Run {
            id,
            key,
            start,
            end,
            status,
            trigger,
            parent,
            label,
            reported_by,
        },
    )
}

fn activity() -> impl Strategy<Value = Activity> {
    let actor = (text(), text(), text()).prop_map(|(id, kind, object_id)| Actor { id, kind, object_id });
    let resource = (text(), text(), text()).prop_map(|(kind, id, name)| Resource { kind, id, name });
    let environment = (text(), any::<bool>()).prop_map(|(id, is_default)| Environment { id, is_default });
    let address = (text(), text()).prop_map(|(text, ip)| Address { text, ip });
    let plain = (text(), text(), texts(), texts(), text());
    (plain, actor, resource, of(environment), of(address), of(run())).prop_map(
        |(
            (kind, outcome, connectors, recipients, permission),
            actor,
            resource,
            environment,
            address,
            run,
        )| Activity {
            kind,
            actor,
            outcome,
            resource,
            environment,
            connectors,
            recipients,
            permission,
            address,
            run,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let names = [text(), text(), text(), text(), text(), text()];
    let raw = (bytes(), any::<i64>(), any::<bool>());
    (event_id(), names, any::<i32>(), time(), activity(), raw).prop_map(
        |(id, names, record_type, time, activity, (raw, raw_bytes, raw_in_dead_letter))| {
            let [tenant, source, content_type, native_id, workload, operation] = names;
            Event {
                id,
                tenant,
                source,
                content_type,
                native_id,
                record_type,
                workload,
                operation,
                time,
                activity,
                raw,
                raw_bytes,
                raw_in_dead_letter,
            }
        },
    )
}

fn provenance() -> impl Strategy<Value = Provenance> {
    (text(), of(time()), text()).prop_map(|(status, as_of, source)| Provenance { status, as_of, source })
}

fn flag() -> impl Strategy<Value = Option<bool>> {
    of(any::<bool>())
}

fn user() -> impl Strategy<Value = UserBlock> {
    (provenance(), flag(), text()).prop_map(|(provenance, approved_sharer, domain)| UserBlock {
        provenance,
        approved_sharer,
        domain,
    })
}

fn recipients() -> impl Strategy<Value = RecipientsBlock> {
    let fact =
        (text(), text(), text()).prop_map(|(id, domain, relation)| RecipientFact { id, domain, relation });
    (provenance(), vec(fact, 0..3), flag()).prop_map(|(provenance, relations, has_outside)| RecipientsBlock {
        provenance,
        relations,
        has_outside,
    })
}

fn connectors() -> impl Strategy<Value = ConnectorsBlock> {
    let fact = (text(), text(), text()).prop_map(|(name, class, decided_by)| ConnectorFact {
        name,
        class,
        decided_by,
    });
    (provenance(), vec(fact, 0..3), flag(), flag()).prop_map(
        |(provenance, classes, has_business, has_external)| ConnectorsBlock {
            provenance,
            classes,
            has_business,
            has_external,
        },
    )
}

fn geo() -> impl Strategy<Value = GeoBlock> {
    (provenance(), text(), text(), of(any::<i64>()), text()).prop_map(
        |(provenance, country, city, asn, network)| GeoBlock { provenance, country, city, asn, network },
    )
}

fn working_time() -> impl Strategy<Value = WorkingTimeBlock> {
    (provenance(), text(), of(any::<i32>()), flag(), flag()).prop_map(
        |(provenance, zone, local_minute, within_hours, expected_place)| WorkingTimeBlock {
            provenance,
            zone,
            local_minute,
            within_hours,
            expected_place,
        },
    )
}

fn enriched() -> impl Strategy<Value = EnrichedEvent> {
    let bare = [provenance(), provenance(), provenance()];
    (event(), user(), recipients(), connectors(), geo(), working_time(), bare).prop_map(
        |(event, user, recipients, connectors, geo, working_time, [flow, environment, connection])| {
            EnrichedEvent {
                event,
                user,
                recipients,
                flow: FlowBlock { provenance: flow },
                environment: EnvironmentBlock { provenance: environment },
                connectors,
                connection: ConnectionBlock { provenance: connection },
                geo,
                working_time,
            }
        },
    )
}

fn signal() -> impl Strategy<Value = Signal> {
    let origin = (any::<i32>(), any::<i64>(), any::<i32>()).prop_map(|(partition, offset, index)| Origin {
        partition,
        offset,
        index,
    });
    let rule = (text(), any::<i32>(), text(), btree_map(text(), text(), 0..3))
        .prop_map(|(rule, role, value, facts)| RuleSignal { rule, role, value, facts });
    let names = [text(), text(), text(), text(), text()];
    (event_id(), names, time(), origin, vec(rule, 0..4)).prop_map(|(event_id, names, time, origin, rules)| {
        let [tenant, source, content_type, group_value, actor] = names;
        Signal { event_id, tenant, source, content_type, time, group_value, actor, origin, rules }
    })
}

fn finding() -> impl Strategy<Value = Finding> {
    let names = [text(), text(), text(), text(), text(), text(), text(), text(), text(), text()];
    let numbers = (any::<i32>(), any::<i32>(), any::<i64>());
    let closed = (select(&[Change::Create, Change::Update, Change::Close]), select(&Severity::ALL));
    let lists = (vec(event_id(), 0..4), texts(), btree_map(text(), text(), 0..4), texts());
    (finding_id(), names, numbers, closed, [time(), time(), time()], lists).prop_map(
        |(id, names, (revision, rule_major, event_count), (change, severity), times, lists)| {
            let [tenant, rule, rule_name, title, group, kind, entity_kind, entity_id, summary, description] =
                names;
            let [first_time, last_time, created_at] = times;
            let (event_ids, techniques, facts, false_positives) = lists;
            Finding {
                id,
                revision,
                change,
                tenant,
                rule,
                rule_name,
                title,
                rule_major,
                group,
                kind,
                severity,
                entity: Entity { kind: entity_kind, id: entity_id },
                summary,
                description,
                first_time,
                last_time,
                created_at,
                event_ids,
                event_count,
                techniques,
                facts,
                false_positives,
            }
        },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (finding_id(), any::<i32>(), [text(), text(), text()], time()).prop_map(
        |(finding, revision, [sink, outcome, reason], at)| Receipt {
            finding,
            revision,
            sink,
            outcome,
            at,
            reason,
        },
    )
}

fn gap() -> impl Strategy<Value = Gap> {
    ([text(), text(), text(), text(), text()], [time(), time(), time()]).prop_map(
        |([tenant, source, content_type, reason, unit], [from, until, noticed_at])| Gap {
            tenant,
            source,
            content_type,
            from,
            until,
            reason,
            unit,
            noticed_at,
        },
    )
}

fn ledger_entry() -> impl Strategy<Value = LedgerEntry> {
    let counts = any::<[i64; 6]>().prop_map(|[read, emitted, deduplicated, skipped, rejected, conflicts]| {
        Counts { read, emitted, deduplicated, skipped, rejected, conflicts }
    });
    ([text(), text(), text()], counts, of(time()), any::<bool>()).prop_map(
        |([source, unit, fingerprint], counts, greatest_time, done)| LedgerEntry {
            source,
            unit,
            fingerprint,
            counts,
            greatest_time,
            done,
        },
    )
}

fn watermark() -> impl Strategy<Value = Watermark> {
    let mark = ([text(), text(), text()], time()).prop_map(|([tenant, source, content_type], time)| Mark {
        tenant,
        source,
        content_type,
        time,
    });
    (vec(mark, 0..4), of(any::<i32>()), of(any::<i32>())).prop_map(|(marks, through, of)| Watermark {
        marks,
        through,
        of,
    })
}

fn detect_state() -> impl Strategy<Value = DetectState> {
    (text(), text(), bytes()).prop_map(|(tenant, group_value, state)| DetectState {
        tenant,
        group_value,
        state,
    })
}

fn seen() -> impl Strategy<Value = Seen> {
    (text(), any::<i64>(), time(), bytes(), bytes()).prop_map(|(source, chunk, arrived_at, ids, natives)| {
        Seen { source, chunk, arrived_at, ids, natives }
    })
}

fn reads_back<T: Message + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = encode(value).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&bytes[1..5], T::SCHEMA_ID.to_be_bytes());
    let read = decode::<T>(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&read, value);
    prop_assert_eq!(encode(&read).ok(), Some(bytes));
    Ok(())
}

proptest! {
    #[test]
    fn event_reads_back(value in event()) {
        reads_back(&value)?;
    }

    #[test]
    fn enriched_reads_back(value in enriched()) {
        reads_back(&value)?;
    }

    #[test]
    fn signal_reads_back(value in signal()) {
        reads_back(&value)?;
    }

    #[test]
    fn finding_reads_back(value in finding()) {
        reads_back(&value)?;
    }

    #[test]
    fn accounting_reads_back(receipt in receipt(), gap in gap(), entry in ledger_entry(), seen in seen()) {
        reads_back(&receipt)?;
        reads_back(&gap)?;
        reads_back(&entry)?;
        reads_back(&seen)?;
    }

    #[test]
    fn state_reads_back(watermark in watermark(), state in detect_state()) {
        reads_back(&watermark)?;
        reads_back(&state)?;
    }
}
