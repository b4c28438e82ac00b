//! The stage: each record goes on in its own partition, events enriched, watermarks as they are, the rest refused.

use std::sync::Arc;

use bytes::Bytes;
use enrich::{EnrichStage, Lookups, worker::NOT_OURS};
use futures_util::FutureExt as _;
use pipeline::{Batch, Incoming, Outcome, Outgoing, Route, Stage as _, log::Lease};
use proptest::prelude::*;
use schemas::{
    Event, Micros, Offset, Partition, Topic, TopicPartition, codec,
    enriched::{Address, EnrichedEvent},
    gap::Gap,
    watermark::{Mark, Watermark},
};

use crate::{
    mmdb::database,
    support::{actor, event, lookups, mailbox},
};

fn incoming(partition: u32, value: Option<Vec<u8>>) -> Incoming {
    Incoming {
        at: TopicPartition::new(Topic::Event, Partition(partition)),
        offset: Offset(3),
        key: Bytes::from_static(b"key"),
        value: value.map(Bytes::from),
        headers: vec![("ce_type".to_owned(), Bytes::from_static(b"event"))],
    }
}

fn outcomes(lookups: Lookups, records: Vec<Incoming>) -> Vec<Outcome> {
    let mut stage = EnrichStage::new(Arc::new(lookups));
    let batch = Batch { lease: Lease { generation: 1 }, records };
    let work = stage.work(&batch).now_or_never().unwrap().unwrap();
    assert!(work.also.is_empty());
    work.outcomes
}

/// The one record that is emitted for `record`.
fn emitted(lookups: Lookups, record: Incoming) -> Outgoing {
    only(outcomes(lookups, vec![record]).pop().unwrap())
}

fn only(outcome: Outcome) -> Outgoing {
    let Outcome::Emit(mut records) = outcome else { panic!("{outcome:?}") };
    assert_eq!(records.len(), 1);
    records.pop().unwrap()
}

#[test]
fn an_event_goes_on_in_its_partition_under_its_key() {
    let record = emitted(Lookups::default(), incoming(5, Some(codec::encode(&event()).unwrap())));
    assert_eq!((record.topic, record.route), (Topic::Enriched, Route::Exact(Partition(5))));
    assert_eq!(record.key, "key");
    let enriched: EnrichedEvent = codec::decode(&record.value.unwrap()).unwrap();
    assert_eq!(enriched.event, event());
    assert_eq!(enriched.user.domain, "contoso.com");
}

#[test]
fn a_watermark_passes_in_place_untouched() {
    let mark = Mark {
        tenant: "t".to_owned(),
        source: "files".to_owned(),
        content_type: "Audit.General".to_owned(),
        time: Micros::END,
    };
    let bytes = codec::encode(&Watermark { marks: vec![mark], through: None, of: None }).unwrap();
    let sent = incoming(2, Some(bytes.clone()));
    let record = emitted(Lookups::default(), sent.clone());
    assert_eq!((record.topic, record.route), (Topic::Enriched, Route::Exact(Partition(2))));
    assert_eq!((record.key, record.value, record.headers), (sent.key, sent.value, sent.headers));

    let event = codec::encode(&event()).unwrap();
    let order = [incoming(2, Some(event.clone())), incoming(2, Some(bytes)), incoming(2, Some(event))];
    let passed = outcomes(Lookups::default(), order.to_vec()).into_iter().map(only);
    let ids: Vec<u32> = passed.map(|record| codec::schema_id(&record.value.unwrap()).unwrap()).collect();
    assert_eq!(ids, [2, 8, 2], "between the events it stood between");
}

#[test]
fn what_is_not_ours_is_refused_with_no_part_of_it() {
    let mut cut = codec::encode(&event()).unwrap();
    cut.truncate(20);
    let mut long = codec::encode(&event()).unwrap();
    long.push(0);
    let enriched = codec::encode(&Lookups::default().enrich(event())).unwrap();
    let mut mark = codec::encode(&Watermark::default()).unwrap();
    mark.push(1);
    let secret = b"\x00\x00\x00\x00\x01s3cret s3cret s3cret".to_vec();
    let others = [
        None,
        Some(vec![]),
        Some(b"{\"s3cret\":1}".to_vec()),
        Some(cut),
        Some(long),
        Some(enriched),
        Some(mark),
        Some(secret),
    ];
    let count = others.len();
    let found = outcomes(Lookups::default(), others.into_iter().map(|value| incoming(0, value)).collect());
    assert_eq!(found.len(), count);
    for outcome in found {
        let Outcome::Reject(reason, message) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason, NOT_OURS);
        assert!(!message.contains("s3cret"), "{message}");
    }
    assert_ne!(<Gap as schemas::Message>::SCHEMA_ID, <Event as schemas::Message>::SCHEMA_ID);
}

/// Lookups with something in each.
fn full() -> Lookups {
    let folder = tempfile::tempdir().unwrap();
    let (networks, city) = (folder.path().join("n.csv"), folder.path().join("c.mmdb"));
    std::fs::write(&networks, "network,name,country,city,asn\n10.0.0.0/8,office,DE,,\n").unwrap();
    std::fs::write(&city, database(6, &[])).unwrap();
    lookups(&format!(
        "enrich:\n  tenants: [{{id: '*', domains: [contoso.com], hours: 22:00-06:00, zone: Asia/Kathmandu, places: [DE, office]}}]\n  \
         partner_domains: [b.com]\n  approved_sharers: [a]\n  connectors: {{business: [b]}}\n  \
         networks: '{}'\n  mmdb: {{city: '{}', asn: '{}'}}\n",
        networks.display(),
        city.display(),
        city.display()
    ))
}

prop_compose! {
    /// Events of hostile text.
    fn any_event()(
        texts in prop::collection::vec("\\PC{0,12}|[a-c]{1,3}(_[a-c])?(#EXT#)?@[a-c.]{0,6}(#ext#)?|[\\\\@#._|]{0,6}", 4),
        recipients in prop::collection::vec("\\PC{0,20}|[a-z]{1,4}@[a-z.]{1,9}|[a-z_.]{0,9}#ext#@[a-z.]{0,9}", 0..4),
        connectors in prop::collection::vec("\\PC{0,8}|sql|b|dropbox", 0..4),
        ip in "\\PC{0,8}|10\\.[0-9]\\.[0-9]\\.[0-9]|[0-9a-f:]{0,12}",
        time in any::<i64>(),
        raw in prop::collection::vec(any::<u8>(), 0..64),
    ) -> Event {
        let mut event = event();
        event.tenant = texts[0].clone();
        event.activity.actor = actor(&texts[1]);
        event.activity.actor.kind = ["user", "guest", "service", "partner"][texts[2].len() % 4].to_owned();
        event.activity.actor.object_id = texts[2].clone();
        event.activity.resource = mailbox(&texts[3]);
        event.activity.address = Some(Address { text: ip.clone(), ip });
        event.activity.recipients = recipients;
        event.activity.connectors = connectors;
        event.time = Micros(time);
        event.raw_bytes = i64::try_from(raw.len()).unwrap();
        event.raw = raw;
        event
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Law: whatever the event holds and whatever is configured, the event comes out as it went in, one relation for
    /// each recipient and one class for each connector, and nothing is false that is not known.
    #[test]
    fn enriching_never_changes_the_event(events in prop::collection::vec(any_event(), 1..20), configured in any::<bool>()) {
        let lookups = if configured { full() } else { Lookups::default() };
        let records = events.iter().map(|event| incoming(1, Some(codec::encode(event).unwrap()))).collect();
        for (event, outcome) in events.iter().zip(outcomes(lookups, records)) {
            let Outcome::Emit(records) = outcome else { panic!("{outcome:?}") };
            let enriched: EnrichedEvent = codec::decode(records[0].value.as_ref().unwrap()).unwrap();
            prop_assert_eq!(&enriched.event, event);
            prop_assert_eq!(enriched.recipients.relations.len(), event.activity.recipients.len());
            prop_assert_eq!(enriched.connectors.classes.len(), event.activity.connectors.len());
            if enriched.recipients.has_outside == Some(false) {
                prop_assert!(enriched.recipients.relations.iter().all(|fact| fact.relation != "unknown"));
            }
            if enriched.connectors.has_external == Some(false) {
                prop_assert!(enriched.connectors.classes.iter().all(|fact| fact.class != "unknown"));
            }
            prop_assert_eq!(enriched.working_time.within_hours.is_some(), enriched.working_time.provenance.status == "hit");
        }
    }
}
