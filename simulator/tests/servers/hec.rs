//! HEC: every row of its table of codes, and what of each body was indexed.

use std::io::Write as _;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use schemas::time::SECOND;
use simulator::{
    Part, Route,
    hec::{HecOptions, HecState, HecToken},
};

use crate::client::{Bench, Reply, TOKEN, options};

const EVENT: &str = "/services/collector/event";
const CHANNEL: &str = "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba";

fn splunk() -> String {
    format!("Splunk {TOKEN}")
}

async fn send(bench: &Bench, body: &str) -> Reply {
    bench.post(EVENT, &[("authorization", &splunk())], body.as_bytes()).await
}

/// Status, code and the event that is named.
fn shown(reply: &Reply) -> (u16, u64, Option<u64>) {
    let body = reply.json();
    (reply.status, body["code"].as_u64().unwrap(), body["invalid-event-number"].as_u64())
}

/// The `event`s that are indexed, as JSON.
fn indexed(bench: &Bench) -> Vec<String> {
    let event = |raw: &str| serde_json::from_str::<serde_json::Value>(raw).unwrap()["event"].to_string();
    bench.simulator.hec_accepted().iter().map(|one| event(one.object.get())).collect()
}

#[tokio::test]
async fn objects_one_after_the_other_are_indexed_as_they_were_sent() {
    let bench = Bench::new().await;
    let one = r#"{"time":1772438400.123456,"source":"weir","index":"soc","event":{"id":"1"},"fields":{"sev":"high","ids":["a",1]}}"#;
    let reply =
        send(&bench, &format!("{one}{{\"event\":\"two\"}}\n {{\"event\":3,\"time\":\"1772438400.5\"}}"))
            .await;
    assert_eq!(reply.json(), serde_json::json!({ "text": "Success", "code": 0 }));
    let accepted = bench.simulator.hec_accepted();
    assert_eq!(accepted[0].object.get(), one);
    assert_eq!(accepted.iter().map(|one| one.to.as_str()).collect::<Vec<_>>(), ["soc", "main", "main"]);
    assert_eq!(indexed(&bench)[1..], ["\"two\"", "3"]);
    for path in ["/services/collector", "/services/collector/event/1.0"] {
        assert_eq!(
            bench.post(path, &[("authorization", &splunk())], br#"[{"event":4},{"event":5}]"#).await.status,
            200
        );
    }
    assert_eq!(indexed(&bench).len(), 7);
}

#[tokio::test]
async fn a_bad_event_is_named_and_the_ones_before_it_are_indexed() {
    let two = r#"{"event":1}{"event":2}"#;
    let cases = [
        ("{\"event\":", 6, 2),
        ("nonsense", 6, 2),
        ("7", 6, 2),
        (r#"{"event":3,"time":"noon"}"#, 6, 2),
        (r#"{"host":"h"}"#, 12, 2),
        (r#"{"event":null}"#, 13, 2),
        (r#"{"event":""}"#, 13, 2),
        (r#"{"event":3,"fields":{"a":{"b":1}}}"#, 15, 2),
        (r#"{"event":3,"fields":{"a":[[1]]}}"#, 15, 2),
        // Code 7 names the one after the bad one.
        (r#"{"event":3,"index":"forbidden"}"#, 7, 3),
    ];
    for (bad, code, named) in cases {
        let mut options = options();
        options.hec.tokens[0].indexes = vec!["main".to_owned()];
        let bench = Bench::of(options).await;
        let reply = send(&bench, &format!("{two}{bad}{{\"event\":4}}")).await;
        assert_eq!(shown(&reply), (400, code, Some(named)), "{bad}");
        assert_eq!(indexed(&bench), ["1", "2"], "{bad}");
    }
}

#[tokio::test]
async fn some_losses_are_silent() {
    let bench = Bench::new().await;
    let reply = send(&bench, r#"{"event":1}{"event":2,"severity":"high"}{"event":3}"#).await;
    assert_eq!(shown(&reply), (200, 0, None), "an unknown key ends the body without a word");
    let reply = send(&bench, r#"{"event":4}{"fields":{"a":1}}{"event":5}"#).await;
    assert_eq!(shown(&reply), (200, 0, None), "fields without an event are passed over");
    assert_eq!(indexed(&bench), ["1", "4", "5"]);
    assert_eq!(shown(&send(&bench, r#"{"severity":"high"}"#).await), (400, 5, None));
    assert_eq!(shown(&send(&bench, " \n").await), (400, 5, None));
}

#[tokio::test]
async fn a_token_is_asked_for_and_looked_at() {
    let mut options = options();
    options.hec.tokens.push(HecToken { enabled: false, ..HecToken::new("off") });
    let bench = Bench::of(options).await;
    let basic = |text: &str| {
        format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text))
    };
    let good = basic(&format!("x:{TOKEN}"));
    let body = br#"{"event":1}"#;
    let cases = [
        (Some(splunk()), (200, 0)),
        (Some(good), (200, 0)),
        (Some("Splunk off".to_owned()), (403, 1)),
        (None, (401, 2)),
        (Some("Bearer x".to_owned()), (401, 3)),
        (Some("Splunk".to_owned()), (401, 3)),
        (Some("Splunk other".to_owned()), (403, 4)),
    ];
    for (header, expected) in cases {
        let headers: Vec<(&str, &str)> = header.iter().map(|text| ("authorization", text.as_str())).collect();
        let (status, code, _) = shown(&bench.post(EVENT, &headers, body).await);
        assert_eq!((status, code), expected, "{header:?}");
    }
    let reply = bench.post(&format!("{EVENT}?token={TOKEN}"), &[], body).await;
    assert_eq!(shown(&reply), (400, 16, None));
    assert_eq!(indexed(&bench).len(), 2);
}

#[tokio::test]
async fn gzip_is_read_deflate_is_not_and_the_limit_is_on_what_comes_out() {
    let mut options = options();
    options.hec.content_bytes_max = 1_000;
    let bench = Bench::of(options).await;
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let token = splunk();
    let send = async |coding: &str, body: &[u8]| {
        bench.post(EVENT, &[("authorization", &token), ("content-encoding", coding)], body).await
    };
    let long = format!(r#"{{"event":"{}"}}"#, "x".repeat(1_000));
    assert_eq!(send("gzip", &gzip(r#"{"event":1}"#)).await.status, 200);
    assert_eq!(send("gzip", &gzip(&long)).await.status, 413);
    assert_eq!(send("identity", long.as_bytes()).await.status, 413);
    assert_eq!(shown(&send("gzip", b"{\"event\":1}").await), (400, 6, Some(0)));
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(b"{\"event\":1}").unwrap();
    let reply = send("deflate", &deflate.finish().unwrap()).await;
    assert_eq!(reply.status, 415);
    assert!(reply.body.starts_with(b"<!doctype html>"));

    bench.simulator.set_hec(HecOptions { content_bytes_max: 1_000, ..HecOptions::cloud(TOKEN) });
    assert_eq!(shown(&send("gzip", &gzip(&long)).await), (400, 6, Some(0)), "Splunk Cloud names event 0");
    assert_eq!(indexed(&bench), ["1"]);
}

#[tokio::test]
async fn each_state_has_its_codes_for_events_and_for_health() {
    let bench = Bench::new().await;
    let cases = [
        (HecState::Well, (200, 0), (200, 17)),
        (HecState::QueueFilling, (200, 24), (200, 17)),
        (HecState::AckFilling, (200, 25), (200, 17)),
        (HecState::Busy, (503, 9), (503, 18)),
        (HecState::QueueFull, (429, 26), (503, 18)),
        (HecState::AckFull, (429, 27), (503, 19)),
        (HecState::Stopping, (503, 23), (503, 23)),
    ];
    for (state, event, health) in cases {
        bench.simulator.set_hec(HecOptions { state, ..bench.simulator.hec() });
        let (status, code, _) = shown(&send(&bench, r#"{"event":1}"#).await);
        assert_eq!((status, code), event, "{state:?}");
        let reply = bench.ask("GET /services/collector/health", &[], b"").await.unwrap();
        let (status, code, _) = shown(&reply);
        assert_eq!((status, code), health, "{state:?}");
    }
    assert_eq!(indexed(&bench).len(), 3, "only what was answered 200");
    assert_eq!(bench.simulator.ledger().answered(Part::Hec, Route::Event, 429), 2);
}

#[tokio::test]
async fn health_says_what_is_wrong_with_a_token_and_unknown_paths_are_404() {
    let mut options = options();
    options.hec.tokens.push(HecToken { enabled: false, ..HecToken::new("off") });
    let bench = Bench::of(options).await;
    for (token, code) in [("Splunk other", 21), ("Splunk off", 22)] {
        let reply =
            bench.ask("GET /services/collector/health/1.0", &[("authorization", token)], b"").await.unwrap();
        assert_eq!(shown(&reply), (400, code, None));
    }
    assert_eq!(shown(&bench.post("/services/collector/nothing", &[], b"").await), (404, 404, None));
    let reply = bench.ask(&format!("OPTIONS {EVENT}"), &[], b"").await.unwrap();
    assert_eq!((reply.status, reply.header("allow")), (200, Some("POST,OPTIONS")));
}

#[tokio::test]
async fn acknowledgements_count_per_channel_and_are_given_once() {
    let mut options = options();
    options.hec.tokens.push(HecToken { use_ack: true, ..HecToken::new("acked") });
    let bench = Bench::of(options).await;
    let send = async |headers: &[(&str, &str)], path: &str, body: &[u8]| {
        let mut all = vec![("authorization", "Splunk acked")];
        all.extend_from_slice(headers);
        bench.post(path, &all, body).await
    };
    let event = br#"{"event":1}"#;
    assert_eq!(shown(&send(&[], EVENT, event).await), (400, 10, None));
    assert_eq!(shown(&send(&[("x-splunk-request-channel", "no")], EVENT, event).await), (400, 11, None));
    let channel = [("x-splunk-request-channel", CHANNEL)];
    for id in 0..2 {
        assert_eq!(send(&channel, EVENT, event).await.json()["ackId"], id);
        bench.pass(SECOND);
    }
    let path = format!("/services/collector/ack?channel={CHANNEL}");
    let polled = send(&[], &path, br#"{"acks":[0,7]}"#).await.json();
    assert_eq!(polled, serde_json::json!({ "acks": { "0": true, "7": false } }));
    assert_eq!(send(&[], &path, br#"{"acks":[0]}"#).await.json()["acks"]["0"], false);
    let other = "/services/collector/ack?channel=00000000-0000-0000-0000-000000000000";
    assert_eq!(send(&[], other, br#"{"acks":[1]}"#).await.json()["acks"]["1"], false);
    assert_eq!(send(&[], &path, br#"{"acks":[1]}"#).await.json()["acks"]["1"], true);
    let reply = bench.post(&path, &[("authorization", &splunk())], br#"{"acks":[0]}"#).await;
    assert_eq!(shown(&reply), (400, 14, None));
    bench.simulator.set_hec(HecOptions { cloud: true, ..bench.simulator.hec() });
    assert_eq!(shown(&send(&[], EVENT, event).await), (400, 28, None));
}
