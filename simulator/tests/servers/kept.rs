//! What outlives the process.

use schemas::time::DAY;
use simulator::{Ca, Options, Simulator};

use crate::client::{Bench, RULE, SECRET, STREAM, TENANT, TOKEN, options, start};

fn at(folder: &std::path::Path) -> Options {
    Options { folder: Some(folder.to_owned()), ..options() }
}

#[tokio::test]
async fn what_was_accepted_the_subscriptions_and_the_ca_are_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, events, pem) = {
        let bench = Bench::of(at(folder.path())).await;
        let bearer = format!("Bearer {}", bench.monitor().await);
        let target = format!("/dataCollectionRules/{RULE}/streams/{STREAM}?api-version=2023-01-01");
        let row = format!(r#"[{{"TimeGenerated":"{}","A":1}}]"#, start());
        assert_eq!(bench.post(&target, &[("authorization", &bearer)], row.as_bytes()).await.status, 204);
        let splunk = format!("Splunk {TOKEN}");
        let reply = bench
            .post("/services/collector", &[("authorization", &splunk)], b"{\"event\":\n{\"a\":\"b\\n\"}}")
            .await;
        assert_eq!(reply.status, 200);
        let start = format!("/api/v1.0/{TENANT}/activity/feed/subscriptions/start?contentType=Audit.General");
        let bearer = format!("Bearer {}", bench.manage().await);
        assert_eq!(bench.post(&start, &[("authorization", &bearer)], b"").await.status, 200);
        let kept = (bench.simulator.rows_accepted(), bench.simulator.hec_accepted());
        (kept.0, kept.1, bench.server.ca().pem().to_owned())
    };
    let bench = Bench::of(at(folder.path())).await;
    assert_eq!(bench.simulator.rows_accepted(), rows);
    let again = bench.simulator.hec_accepted();
    assert_eq!(again.len(), events.len());
    assert_eq!(again[0].object.get(), "{\"event\": {\"a\":\"b\\n\"}}");
    let token = bench.manage().await;
    let list = bench.get(&format!("/api/v1.0/{TENANT}/activity/feed/subscriptions/list"), &token).await;
    assert_eq!(list.json()[0]["status"], "enabled");
    assert_eq!(bench.server.ca().pem(), pem);
    assert_eq!(std::fs::read_to_string(Ca::file(folder.path())).unwrap(), pem);
}

#[tokio::test]
async fn a_tenant_that_is_built_again_does_not_undo_what_an_administrator_did() {
    let folder = tempfile::tempdir().unwrap();
    let list = format!("/api/v1.0/{TENANT}/activity/feed/subscriptions/list");
    for round in 0..2 {
        let bench = Bench::of(at(folder.path())).await;
        bench.simulator.subscribe(TENANT, "Audit.General", start().plus(-DAY));
        if round == 0 {
            bench.simulator.unsubscribe(TENANT, "Audit.General", start());
        }
        let status = bench.get(&list, &bench.manage().await).await.json()[0]["status"].clone();
        assert_eq!(status, "disabled", "round {round}");
    }
}

#[test]
fn nothing_that_is_secret_can_be_printed() {
    let options = options();
    let shown = format!("{options:?} {:?}", Simulator::open(options.clone()).unwrap());
    assert!(shown.contains("AppSecret") && shown.contains("HecToken"));
    assert!(!shown.contains(SECRET) && !shown.contains(TOKEN), "{shown}");
}

#[test]
fn a_file_that_is_not_ours_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hec.jsonl"), "not json\n").unwrap();
    let error = Simulator::open(at(folder.path())).unwrap_err().to_string();
    assert!(error.contains("hec.jsonl"), "{error}");
}
