//! Logs Ingestion: limits, refusals, and what a 204 does not say.

use std::{collections::BTreeMap, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use schemas::time::{DAY, HOUR, MINUTE};
use serde_json::{Value, json};
use simulator::ingestion::{CollectionRule, FIELD_BYTES_MAX, IngestionOptions, Losses, Stream};

use crate::client::{APP, Bench, RULE, Reply, STREAM, options, start};

fn target(rule: &str, stream: &str) -> String {
    format!("/dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01")
}

async fn send(bench: &Bench, token: &str, extra: &[(&str, &str)], body: &[u8]) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    headers.extend_from_slice(extra);
    bench.post(&target(RULE, STREAM), &headers, body).await
}

fn shown(reply: &Reply) -> (u16, String) {
    assert!(reply.header("x-ms-request-id").is_some());
    let code = reply.header("x-ms-error-code").unwrap_or("-").to_owned();
    if reply.status != 204 {
        assert_eq!(reply.code(), code, "header and body agree");
    }
    (reply.status, code)
}

fn rows(bench: &Bench) -> Vec<Value> {
    bench
        .simulator
        .rows_accepted()
        .iter()
        .map(|one| serde_json::from_str(one.object.get()).unwrap())
        .collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn an_array_of_objects_is_accepted_plain_and_packed() {
    let bench = Bench::new().await;
    let token = bench.monitor().await;
    let row =
        json!({ "TimeGenerated": "2026-03-02T07:59:00Z", "Title": "t", "Count": 3, "Data": { "a": [1] } });
    let body = json!([row]).to_string();
    let reply = send(&bench, &token, &[], body.as_bytes()).await;
    assert_eq!((shown(&reply), reply.body.len()), ((204, "-".to_owned()), 0));
    assert_eq!(
        send(&bench, &token, &[("content-encoding", "gzip")], &gzip(body.as_bytes())).await.status,
        204
    );
    assert_eq!(send(&bench, &token, &[], b"[]").await.status, 204);
    assert_eq!(rows(&bench), [row.clone(), row]);
    assert_eq!(bench.simulator.rows_accepted()[0].to, STREAM);
    assert_eq!(bench.simulator.losses()[STREAM], Losses::default());
}

#[tokio::test]
async fn each_refusal_has_its_status_and_code() {
    let bench = Bench::new().await;
    let token = bench.monitor().await;
    let bearer = format!("Bearer {token}");
    let head = [("authorization", bearer.as_str())];
    for body in ["{}", "[1]", "[{}", "", "[{}] x"] {
        assert_eq!(
            shown(&send(&bench, &token, &[], body.as_bytes()).await),
            (400, "InvalidPayload".to_owned()),
            "{body}"
        );
    }
    let broken = send(&bench, &token, &[("content-encoding", "gzip")], b"[]").await;
    assert_eq!(shown(&broken), (400, "InvalidPayload".to_owned()));
    let cases = [
        (target(RULE, "Custom-Other"), (400, "InvalidStream")),
        (target("dcr-other", STREAM), (404, "NotFound")),
        (format!("/dataCollectionRules/{RULE}"), (404, "NotFound")),
        (target(RULE, STREAM).replace("2023", "2019"), (400, "InvalidApiVersion")),
    ];
    for (target, (status, code)) in cases {
        assert_eq!(shown(&bench.post(&target, &head, b"[]").await), (status, code.to_owned()), "{target}");
    }
    assert_eq!(shown(&send(&bench, "other", &[], b"[]").await), (401, "TokenExpired".to_owned()));
    let manage = bench.manage().await;
    assert_eq!(shown(&send(&bench, &manage, &[], b"[]").await), (401, "InvalidAudience".to_owned()));
    bench.pass(HOUR);
    assert_eq!(shown(&send(&bench, &token, &[], b"[]").await), (401, "TokenExpired".to_owned()));
    assert!(rows(&bench).is_empty());
}

#[tokio::test]
async fn the_limit_is_on_the_length_that_is_declared_and_another_on_what_comes_out() {
    let mut options = options();
    assert_eq!(options.ingestion.inflated_bytes_max, 50 * 1024 * 1024);
    options.ingestion.inflated_bytes_max = 2_000_000;
    let bench = Bench::of(options).await;
    let token = bench.monitor().await;
    let padded = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2)).into_bytes();
    assert_eq!(send(&bench, &token, &[], &padded(1_048_576)).await.status, 204);
    let reply = send(&bench, &token, &[], &padded(1_048_577)).await;
    assert_eq!(shown(&reply), (413, "ContentLengthLimitExceeded".to_owned()));
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("1048577"));
    let coding = [("content-encoding", "gzip")];
    assert_eq!(send(&bench, &token, &coding, &gzip(&padded(2_000_000))).await.status, 204);
    let bomb = gzip(&padded(2_000_001));
    assert_eq!(shown(&send(&bench, &token, &coding, &bomb).await).0, 413);
}

#[tokio::test]
async fn what_a_table_loses_is_not_said() {
    let mut options = options();
    let columns = ["TimeGenerated", "Title", "Data"].map(str::to_owned).into();
    let stream = Stream { columns, auxiliary: false };
    options.ingestion.rules[0].streams = BTreeMap::from([(STREAM.to_owned(), stream)]);
    let bench = Bench::of(options).await;
    let token = bench.monitor().await;
    let time = |days: i64| start().plus(days * DAY).to_string();
    // Two bytes a letter and an odd start: the cut must not split one.
    let long = format!("x{}", "ä".repeat(FIELD_BYTES_MAX / 2));
    let body = json!([
        { "TimeGenerated": time(-2), "Title": "kept", "Typo": 1 },
        { "TimeGenerated": start().plus(-2 * DAY - 1).to_string(), "Title": long },
        { "TimeGenerated": time(1), "Data": { "a": 1 } },
        { "TimeGenerated": start().plus(DAY + 1).to_string() },
        { "Title": "no time" },
    ]);
    assert_eq!(send(&bench, &token, &[], body.to_string().as_bytes()).await.status, 204);
    let rows = rows(&bench);
    assert_eq!(rows[0], json!({ "TimeGenerated": time(-2), "Title": "kept" }));
    assert_eq!(rows[1]["Title"].as_str().map(str::len), Some(FIELD_BYTES_MAX - 1));
    assert_eq!(rows[2]["Data"]["a"], 1);
    let received = "2026-03-02T08:00:00.000Z";
    assert_eq!([1, 3, 4].map(|number: usize| rows[number]["TimeGenerated"].as_str()), [Some(received); 3]);
    let losses = Losses { columns_dropped: 1, values_truncated: 1, times_replaced: 3 };
    assert_eq!(bench.simulator.losses()[STREAM], losses);
}

#[tokio::test]
async fn rows_of_an_auxiliary_table_stay_within_thirty_minutes() {
    let mut options = options();
    options.ingestion.rules[0].streams =
        BTreeMap::from([(STREAM.to_owned(), Stream { auxiliary: true, ..Stream::default() })]);
    let bench = Bench::of(options).await;
    let token = bench.monitor().await;
    let body = |apart: i64| json!([{ "TimeGenerated": start().to_string() }, { "TimeGenerated": start().plus(-apart).to_string() }]);
    assert_eq!(send(&bench, &token, &[], body(30 * MINUTE).to_string().as_bytes()).await.status, 204);
    let reply = send(&bench, &token, &[], body(30 * MINUTE + 1).to_string().as_bytes()).await;
    assert_eq!(shown(&reply), (400, "RecordsTimeRangeIsMoreThan30Minutes".to_owned()));
}

#[tokio::test]
async fn a_role_takes_time_to_arrive_and_a_quota_says_how_long_to_wait() {
    let mut options = options();
    let publishers = BTreeMap::from([(APP.to_owned(), start().plus(30 * MINUTE))]);
    let rule = CollectionRule { publishers, ..CollectionRule::of(RULE, &[STREAM]) };
    options.ingestion =
        IngestionOptions { rules: vec![rule], requests_per_minute: Some(2), ..IngestionOptions::default() };
    let bench = Bench::of(options).await;
    let token = bench.monitor().await;
    assert_eq!(shown(&send(&bench, &token, &[], b"[]").await), (403, "OperationFailed".to_owned()));
    bench.pass(30 * MINUTE);
    for _ in 0..2 {
        assert_eq!(send(&bench, &token, &[], b"[]").await.status, 204);
    }
    let reply = send(&bench, &token, &[], b"[]").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("10")));
    bench.pass(MINUTE);
    assert_eq!(send(&bench, &token, &[], b"[]").await.status, 204);
}
