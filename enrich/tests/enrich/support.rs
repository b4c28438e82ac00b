//! Events and lookups to test with.

use enrich::{EnrichConfig, Lookups};
use runtime::config::{Document, Problems};
use schemas::{
    Event, EventId, Hash128, Micros,
    enriched::{Address, EnrichedEvent},
    event::{Activity, Actor, Resource},
};

pub(crate) const TENANT: &str = "5b6ec4ec-0a54-4a8e-bd4c-5a9f5a5d5f10";

/// An event of alice@contoso.com on a Monday morning, 2026-01-12T09:00 UTC.
pub(crate) fn event() -> Event {
    Event {
        id: EventId(Hash128(7)),
        tenant: TENANT.to_owned(),
        source: "files".to_owned(),
        content_type: "Audit.General".to_owned(),
        native_id: "1".to_owned(),
        record_type: 30,
        workload: "MicrosoftFlow".to_owned(),
        operation: "EditFlow".to_owned(),
        time: Micros::parse("2026-01-12T09:00:00Z").unwrap(),
        activity: Activity { actor: actor("alice@contoso.com"), ..Activity::default() },
        raw: b"{}".to_vec(),
        raw_bytes: 2,
        raw_in_dead_letter: false,
    }
}

pub(crate) fn actor(id: &str) -> Actor {
    Actor { id: id.to_owned(), kind: "user".to_owned(), object_id: String::new() }
}

/// The event at that time.
pub(crate) fn at(time: &str) -> Event {
    Event { time: Micros::parse(time).unwrap(), ..event() }
}

/// The event from that address.
pub(crate) fn from_address(ip: &str) -> Event {
    let mut event = event();
    event.activity.address = Some(Address { text: ip.to_owned(), ip: ip.to_owned() });
    event
}

/// The event with these recipients, done by `actor`.
pub(crate) fn shared(by: &str, recipients: &[&str]) -> Event {
    let mut event = event();
    event.activity.actor = actor(by);
    event.activity.recipients = recipients.iter().map(|id| (*id).to_owned()).collect();
    event
}

pub(crate) fn mailbox(id: &str) -> Resource {
    Resource { kind: "mailbox".to_owned(), id: id.to_owned(), name: String::new() }
}

/// Lookups over the section `enrich:` in `text`, which has no problem.
pub(crate) fn lookups(text: &str) -> Lookups {
    let (config, problems) = read(text);
    assert_eq!(problems, Vec::<String>::new());
    Lookups::new(config)
}

/// The section `enrich:` in `text`, and its problems.
pub(crate) fn read(text: &str) -> (EnrichConfig, Vec<String>) {
    let document = Document::parse("weir.yaml", text).unwrap();
    let problems = Problems::default();
    let root = document.root(&problems);
    let config = EnrichConfig::read(&root.section("enrich"));
    root.finish();
    let found = problems.into_result().map_or_else(|error| error.problems, |()| Vec::new());
    (config, found.iter().map(ToString::to_string).collect())
}

/// Enriches and checks the law that holds for every lookup: the event comes through as it was.
pub(crate) fn enrich(lookups: &Lookups, event: &Event) -> EnrichedEvent {
    let enriched = lookups.enrich(event.clone());
    assert_eq!(&enriched.event, event, "enriching never changes the event");
    enriched
}
