//! Whatever is asked gets an answer: no request breaks the simulator.

use axum::http::{HeaderName, HeaderValue, Method};
use bytes::Bytes;
use proptest::prelude::*;
use simulator::{Call, Part, Simulator};

use crate::client::{RULE, STREAM, TENANT, TOKEN, options};

/// Paths of every part, whole and broken, and anything else.
fn target() -> impl Strategy<Value = String> {
    let feed = format!("/api/v1.0/{TENANT}/activity/feed");
    let known = vec![
        format!("/{TENANT}/oauth2/v2.0/token"),
        format!("/{TENANT}/oauth2/token"),
        format!("{feed}/subscriptions/start?contentType=Audit.General"),
        format!(
            "{feed}/subscriptions/content?contentType=Audit.General&startTime=2026-03-01&endTime=2026-03-02"
        ),
        format!("{feed}/subscriptions/content?contentType=Audit.General&nextPage=1%242%243"),
        format!("{feed}/audit/a%24b"),
        "/services/collector".to_owned(),
        format!("/services/collector/ack?channel={TENANT}"),
        "/services/collector/health".to_owned(),
        format!("/dataCollectionRules/{RULE}/streams/{STREAM}?api-version=2023-01-01"),
    ];
    let cut = (prop::sample::select(known.clone()), any::<prop::sample::Index>())
        .prop_map(|(text, at)| text.chars().take(at.index(text.len())).collect());
    prop_oneof![4 => prop::sample::select(known), 2 => cut, 1 => "/?[ -~]{0,60}"]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"event\"",
        "\"time\"",
        "\"fields\"",
        "1e999",
        "null",
        "\"\\ud800\"",
        "acks",
        "grant_type=client_credentials",
        "&client_id=",
        "&client_assertion=a.b.c",
        "&scope=/.default",
        "%",
        "=",
    ];
    let spoken = prop::collection::vec(prop::sample::select(words), 0..20)
        .prop_map(|words| words.concat().into_bytes());
    prop_oneof![spoken, prop::collection::vec(any::<u8>(), 0..200)]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let known = vec![
        ("authorization", format!("Splunk {TOKEN}")),
        ("authorization", "Basic ????".to_owned()),
        ("authorization", "Bearer x".to_owned()),
        ("content-encoding", "gzip".to_owned()),
        ("content-encoding", "deflate".to_owned()),
        ("content-length", "99999999999999999999".to_owned()),
        ("accept-encoding", "gzip".to_owned()),
        ("x-splunk-request-channel", TENANT.to_owned()),
        ("host", "localhost:1".to_owned()),
    ];
    prop::collection::vec(prop::sample::select(known), 0..4)
}

proptest! {
    #[test]
    fn any_request_is_answered_and_counted_once(
        target in target(),
        post in any::<bool>(),
        headers in headers(),
        body in body(),
    ) {
        let simulator = Simulator::open(options()).unwrap();
        let mut call = Call::new(if post { Method::POST } else { Method::GET }, &target);
        for (name, value) in headers {
            call.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
        }
        call.body = Bytes::from(body);
        let answer = simulator.answer(&call);
        prop_assert!((200..600).contains(&answer.status));
        let ledger = simulator.ledger();
        prop_assert_eq!(Part::ALL.map(|part| ledger.asked(part)).iter().sum::<u64>(), 1);
        // Whoever has no token never leaves anything behind.
        if call.header("authorization").is_none() {
            prop_assert!(simulator.hec_accepted().is_empty() && simulator.rows_accepted().is_empty());
        }
    }
}
