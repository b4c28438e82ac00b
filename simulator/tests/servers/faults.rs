//! Faults as a client meets them.

use std::io::ErrorKind;

use bytes::Bytes;
use schemas::time::{DAY, HOUR, MINUTE};
use simulator::{
    Fault, FaultRule, Faults, Part, Route, Server, When,
    faults::{ContentFaults, FOREIGN_HOST},
    feed::Publication,
};

use crate::client::{Bench, RULE, STREAM, TENANT, TOKEN, ask, ask_at, options, start};

fn faults(rules: Vec<FaultRule>) -> Faults {
    Faults { rules, ..Faults::default() }
}

fn root() -> String {
    format!("/api/v1.0/{TENANT}/activity/feed")
}

async fn event(bench: &Bench) -> std::io::Result<u16> {
    let token = format!("Splunk {TOKEN}");
    let reply = bench.ask("POST /services/collector", &[("authorization", &token)], br#"{"event":1}"#).await;
    reply.map(|reply| reply.status)
}

#[tokio::test]
async fn a_connection_ends_before_or_after_the_effect() {
    let bench = Bench::new().await;
    let ways =
        [(Fault::HangUp, 1), (Fault::Refuse, 0), (Fault::Cut, 1), (Fault::After(Box::new(Fault::Refuse)), 1)];
    for (fault, effect) in ways {
        let before = bench.simulator.hec_accepted().len();
        bench.simulator.set_faults(faults(vec![FaultRule::part(Part::Hec, When::First(1), fault.clone())]));
        let error = event(&bench).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{fault:?}");
        assert_eq!(bench.simulator.hec_accepted().len() - before, effect, "{fault:?}");
        assert_eq!(event(&bench).await.unwrap(), 200, "the next one is well");
    }
    let ledger = bench.simulator.ledger();
    assert_eq!(ledger.answered(Part::Hec, Route::Event, 0), 3);
    assert_eq!(ledger.faults, 4);
}

#[tokio::test]
async fn each_part_refuses_in_its_own_words() {
    let bench = Bench::new().await;
    let (manage, monitor) = (bench.manage().await, bench.monitor().await);
    let rows = format!("/dataCollectionRules/{RULE}/streams/{STREAM}?api-version=2023-01-01");
    let list = format!("{}/subscriptions/list", root());
    let bearer = format!("Bearer {monitor}");
    let cases = [
        (Fault::Unauthorized, 401, 403, 401),
        (Fault::Throttled(403), 403, 429, 429),
        (Fault::Internal, 500, 500, 500),
        (Fault::Busy, 503, 503, 503),
        (Fault::Html, 503, 503, 503),
    ];
    for (fault, feed, hec, ingestion) in cases {
        let rules = Part::ALL.map(|part| FaultRule::part(part, When::Always, fault.clone()));
        bench.simulator.set_faults(faults(rules.into()));
        assert_eq!(bench.get(&list, &manage).await.status, feed, "{fault:?}");
        assert_eq!(event(&bench).await.unwrap(), hec, "{fault:?}");
        let reply = bench.post(&rows, &[("authorization", &bearer)], b"[{}]").await;
        assert_eq!(reply.status, ingestion, "{fault:?}");
        assert_eq!(reply.header("retry-after").is_some(), ingestion == 429);
    }
    assert!(bench.simulator.hec_accepted().is_empty());
    assert!(bench.simulator.rows_accepted().is_empty());
}

#[tokio::test]
async fn any_row_of_the_tables_can_be_answered() {
    let bench = Bench::new().await;
    let token = bench.manage().await;
    bench.simulator.set_faults(faults(vec![
        FaultRule::part(Part::Feed, When::First(1), Fault::feed(500, "AF50005")),
        FaultRule::part(Part::Hec, When::First(1), Fault::hec(503, 20)),
    ]));
    let reply = bench.get(&format!("{}/subscriptions/list", root()), &token).await;
    assert_eq!((reply.status, reply.code().as_str()), (500, "AF50005"));
    let reply = bench.ask("GET /services/collector/health", &[], b"").await.unwrap();
    assert_eq!((reply.status, reply.json()["code"].as_u64()), (503, Some(20)));
}

#[tokio::test]
async fn a_damaged_blob_is_not_in_the_ledger() {
    let bench = Bench::new().await;
    bench.simulator.subscribe_all(TENANT, start().plus(-DAY));
    let records: Vec<Bytes> = (0..200).map(|id| Bytes::from(format!("{{\"Id\":\"{id}\"}}"))).collect();
    let publication = Publication {
        content_type: "Audit.General",
        content_id: None,
        created: start().plus(-HOUR),
        listed_from: None,
        records: &records,
    };
    let id = bench.simulator.publish(TENANT, publication).remove(0);
    let token = bench.manage().await;
    let bearer = format!("Bearer {token}");
    let head = format!("GET {}/audit/{id}", root());
    let rule = |number, fault| FaultRule::route(Part::Feed, Route::Blob, When::Nth(number), fault);
    bench.simulator.set_faults(faults(vec![
        rule(1, Fault::CutJson),
        rule(2, Fault::Cut),
        rule(3, Fault::Answer(408, "{}".to_owned())),
        rule(4, Fault::Dribble),
    ]));
    let fetch = async || bench.ask(&head, &[("authorization", &bearer)], b"").await;
    let cut = fetch().await.unwrap();
    assert_eq!(cut.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&cut.body).is_err());
    assert_eq!(fetch().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(fetch().await.unwrap().status, 408);
    assert!(bench.simulator.ledger().blobs.is_empty());
    let dribbled = fetch().await.unwrap();
    assert_eq!(dribbled.header("content-length"), None);
    assert_eq!(dribbled.json().as_array().unwrap().len(), 200);
    assert_eq!(bench.simulator.ledger().blobs.len(), 1);
}

#[tokio::test]
async fn a_listing_can_point_to_another_host() {
    let bench = Bench::new().await;
    bench.simulator.subscribe_all(TENANT, start().plus(-DAY));
    for minutes in 1..4 {
        let created = start().plus(-minutes * MINUTE);
        let publication = Publication {
            content_type: "Audit.General",
            content_id: None,
            created,
            listed_from: None,
            records: &[],
        };
        let _ids = bench.simulator.publish(TENANT, publication);
    }
    let token = bench.manage().await;
    let rule = |number, fault| FaultRule::route(Part::Feed, Route::Content, When::Nth(number), fault);
    bench.simulator.set_faults(faults(vec![rule(1, Fault::ForeignContent), rule(2, Fault::ForeignPage)]));
    let target = format!("{}/subscriptions/content?contentType=Audit.General", root());
    let foreign = format!("https://{FOREIGN_HOST}/");
    let first = bench.get(&target, &token).await.json();
    let uris: Vec<&str> =
        first.as_array().unwrap().iter().map(|one| one["contentUri"].as_str().unwrap()).collect();
    assert_eq!(uris.iter().map(|uri| uri.starts_with(&foreign)).collect::<Vec<_>>(), [true, false, false]);
    let second = bench.get(&target, &token).await;
    assert!(second.header("nextpageuri").unwrap().starts_with(&foreign));
    assert_eq!(bench.get(&target, &token).await.header("nextpageuri"), None);
}

#[tokio::test]
async fn odd_content_is_the_same_whenever_a_tenant_is_built_from_its_seed() {
    let content = ContentFaults {
        duplicate_one_in: 3,
        duplicate_after: MINUTE,
        late_one_in: 4,
        late_by: HOUR,
        expired_one_in: 5,
        permute: true,
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut options = options();
        options.faults = Faults { seed: 9, content, ..Faults::default() };
        let bench = Bench::of(options).await;
        bench.simulator.subscribe_all(TENANT, start().plus(-DAY));
        let record = [Bytes::from_static(br#"{"A":2,"Id":"1"}"#)];
        for minute in 0..60 {
            let created = start().plus(-5 * HOUR + minute * MINUTE);
            let publication = Publication {
                content_type: "Audit.General",
                content_id: None,
                created,
                listed_from: None,
                records: &record,
            };
            let _ids = bench.simulator.publish(TENANT, publication);
        }
        let token = bench.manage().await;
        let target = format!("{}/subscriptions/content?contentType=Audit.General", root());
        let listed = bench.get(&target, &token).await.json();
        let mut answers = Vec::new();
        for entry in listed.as_array().unwrap() {
            let id = entry["contentId"].as_str().unwrap();
            let blob = bench.get(&format!("{}/audit/{id}", root()), &token).await;
            answers.push((id.to_owned(), blob.status, String::from_utf8(blob.body).unwrap()));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    let some = |is: &dyn Fn(&(String, u16, String)) -> bool| seen[0].iter().filter(|one| is(one)).count();
    let second = some(&|one| one.2 == r#"[{"Id":"1","A":2}]"#);
    assert!(some(&|one| one.1 == 404) > 3, "expired ones: {seen:?}");
    assert!(some(&|one| one.2 == r#"[{"A":2,"Id":"1"}]"#) > 10, "as they were: {seen:?}");
    assert!(second > 5, "second copies have their keys in another order: {seen:?}");
    assert!(seen[0].len() > 60, "every blob of that time is listed by now, and some are there twice");
}

#[tokio::test]
async fn a_stalled_answer_ends_when_the_server_stops_and_a_stopped_server_refuses_connections() {
    let bench = Bench::new().await;
    bench.simulator.set_faults(faults(vec![FaultRule::part(Part::Hec, When::First(1), Fault::Stall)]));
    let (ca, addr, simulator) = (bench.server.ca().clone(), bench.server.addr(), bench.simulator.clone());
    let token = format!("Splunk {TOKEN}");
    let headers = [("authorization", token.as_str())];
    let stalled = ask_at(addr, &ca, "POST /services/collector", &headers, br#"{"event":1}"#);
    let stopped = async {
        while simulator.hec_accepted().is_empty() {
            tokio::task::yield_now().await;
        }
        bench.server.stop().await;
    };
    let (answer, ()) = tokio::join!(stalled, stopped);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::UnexpectedEof, "half of the answer, and then the end");
    assert_eq!(tokio::net::TcpStream::connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

    let back = Server::start_with(&simulator, addr, &[Part::Hec], &ca).await.unwrap();
    let reply = ask(&back, "GET /services/collector/health", &[], b"").await.unwrap();
    assert_eq!(reply.status, 200, "back at the same address with the same CA");
    let elsewhere = ask(&back, &format!("POST /{TENANT}/oauth2/token"), &[], b"").await.unwrap();
    assert_eq!(elsewhere.status, 404, "another part is not served here");
}
