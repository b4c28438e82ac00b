//! `log_analytics` and `sentinel` against a service of these tests' own.

use std::time::Duration;

use pipeline::{Clock, worker::Counters};
use schemas::{finding::Finding, time::HOUR};
use sink::{
    SinkConfig,
    sinks::{ProbeError, Sink, Verdict, open},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    azure::{Azure, DCR, SECRET, error},
    block_on, configs,
    finding::{START, finding, findings},
    flow::Flow,
    secret,
    server::{Reply, Server, answer, chunked, cut},
};

const FINDINGS: &str = "Custom-WeirFindings";
const ALERTS: &str = "Custom-WeirAlerts";

/// A service, and the configuration of a sink that leads to it.
struct Bench {
    server: Server<Azure>,
    config: SinkConfig,
    secret: tempfile::NamedTempFile,
    clock: Clock,
}

impl Bench {
    async fn new(kind: &str) -> Self {
        let server = Server::start(Azure::default()).await;
        let secret = secret(SECRET);
        let text = format!(
            "sinks:\n  - name: azure\n    kind: {kind}\n    endpoint: {url}\n    dcr: {DCR}\n    entra: {{authority: \
             \"{url}\", tenant: contoso.example, client_id: app-1, client_secret: {{file: {}}}}}\n",
            secret.path().display(),
            url = server.url(),
        );
        let config = configs(&text).remove(0);
        Self { server, config, secret, clock: Clock::manual(START) }
    }

    fn open(&self) -> Box<dyn Sink> {
        open(&self.config, &self.clock).unwrap()
    }
}

fn is_held(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::TryAgain { .. })
}

fn once(ids: impl IntoIterator<Item = u128>) -> std::collections::BTreeMap<u128, usize> {
    ids.into_iter().map(|id| (id, 1)).collect()
}

#[test]
fn findings_arrive_once_compressed_and_named() {
    block_on(async {
        let bench = Bench::new("log_analytics").await;
        let mut sink = bench.open();
        assert_eq!(sink.deliver(&findings(40)).await, vec![Verdict::Delivered; 40]);
        bench.server.with(|azure| {
            assert_eq!(azure.counts(FINDINGS), once(1..=40));
            let [request] = &azure.requests[..] else { panic!("{}", azure.requests.len()) };
            assert_eq!(request.header("content-encoding"), Some("gzip"));
            assert!(request.wire_bytes * 5 < request.body.len());
            let id = request.header("x-ms-client-request-id").unwrap();
            assert!(id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{id}");
            assert_eq!(azure.tokens_asked, 1);
        });
        // The same findings again: the same request by name; another finding, another name.
        sink.deliver(&findings(40)).await;
        sink.deliver(&findings(41)).await;
        bench.server.with(|azure| {
            let ids: Vec<_> =
                azure.requests.iter().map(|request| request.header("x-ms-client-request-id")).collect();
            assert_eq!(ids[0], ids[1]);
            assert_ne!(ids[1], ids[2]);
        });
    });
}

#[test]
fn no_body_is_above_a_million_bytes_and_none_is_split_too_small() {
    block_on(async {
        let bench = Bench::new("log_analytics").await;
        let large = |id| Finding { description: "d".repeat(9_000), ..finding(id) };
        let all: Vec<Finding> = (1..=300).map(large).collect();
        assert_eq!(bench.open().deliver(&all).await, vec![Verdict::Delivered; 300]);
        bench.server.with(|azure| {
            assert_eq!(azure.counts(FINDINGS), once(1..=300));
            assert!(azure.requests.iter().all(|request| request.body.len() <= 1_000_000));
            assert!(azure.requests.len() <= 4, "{} bodies for 3 MB", azure.requests.len());
        });
    });
}

/// What a row of the table does to eight findings.
enum Row {
    /// All held, somebody must act: the text names this.
    Fault(&'static str),
    Busy,
    /// Delivered after all, in so many requests.
    Delivered(usize),
}

#[test]
fn every_answer_does_what_its_row_says() {
    use Row::{Busy, Delivered, Fault};
    let rows = [
        (error(400, "InvalidStream"), Fault("`stream`")),
        (error(400, "InvalidApiVersion"), Fault("`endpoint`")),
        (error(400, "RecordsTimeRangeIsMoreThan30Minutes"), Delivered(3)),
        (error(400, "InvalidPayload"), Delivered(3)),
        (error(401, "TokenExpired"), Delivered(2)),
        (error(403, "OperationFailed"), Fault("Monitoring Metrics Publisher")),
        (error(404, "NotFound"), Fault("`dcr`")),
        (error(408, "RequestTimeout"), Busy),
        (error(413, "ContentLengthLimitExceeded"), Delivered(3)),
        (error(415, "UnsupportedMediaType"), Fault("`endpoint`")),
        (error(429, "TooManyRequests"), Busy),
        (error(500, "InternalServerError"), Busy),
        (error(502, "BadGateway"), Busy),
        (error(503, "ServiceUnavailable"), Busy),
        (error(504, "GatewayTimeout"), Busy),
        (answer(200, "", "<html>Sign in to the network</html>"), Busy),
        (answer(302, "Location: https://elsewhere.example/\r\n", ""), Fault("`endpoint`")),
        (answer(400, "", "<html>Bad Request</html>"), Fault("before the service")),
        (answer(503, "", "<html>"), Busy),
        (chunked(500, "{"), Busy),
        (cut(500, "{"), Busy),
        (Reply::Cut(b"HTTP/1.1 2".to_vec()), Busy),
        (Reply::Reset, Busy),
    ];
    block_on(async {
        for (reply, row) in rows {
            let shown = format!("{reply:?}");
            let bench = Bench::new("log_analytics").await;
            bench.server.with(|azure| azure.script.push_back(reply));
            let verdicts = bench.open().deliver(&findings(8)).await;
            let asked = bench.server.with(|azure| azure.requests.len());
            match row {
                Fault(setting) => {
                    assert_eq!(asked, 1, "{shown}");
                    let Verdict::TryAgain { after: Some(after), cause } = &verdicts[0] else {
                        panic!("{shown}: {verdicts:?}")
                    };
                    assert!(cause.contains(setting), "{shown}: {cause}");
                    assert!(*after >= Duration::from_secs(30), "{shown}");
                    assert!(verdicts.iter().all(is_held), "{shown}");
                }
                Busy => {
                    assert!(verdicts.iter().all(is_held), "{shown}: {verdicts:?}");
                    assert_eq!(
                        bench.open().deliver(&findings(8)).await,
                        vec![Verdict::Delivered; 8],
                        "{shown}"
                    );
                }
                Delivered(requests) => {
                    assert_eq!((verdicts, asked), (vec![Verdict::Delivered; 8], requests), "{shown}");
                    bench.server.with(|azure| assert_eq!(azure.counts(FINDINGS), once(1..=8)));
                }
            }
        }
    });
}

#[test]
fn a_wait_that_is_told_is_waited() {
    block_on(async {
        let bench = Bench::new("log_analytics").await;
        for (header, wait) in [("Retry-After: 30", 30_000), ("x-ms-retry-after-ms: 250", 250)] {
            bench.server.with(|azure| azure.script.push_back(answer(429, &format!("{header}\r\n"), "")));
            let verdicts = bench.open().deliver(&findings(1)).await;
            let [Verdict::TryAgain { after, .. }] = &verdicts[..] else { panic!("{verdicts:?}") };
            assert_eq!(*after, Some(Duration::from_millis(wait)));
        }
    });
}

/// Of 500 findings 7 are bad: 7 dead letters, 493 delivered, each once; and few requests for it.
#[test]
fn bad_findings_are_found_by_halving_and_cost_nobody_else() {
    block_on(async {
        for (kind, streams) in [("log_analytics", &[FINDINGS][..]), ("sentinel", &[ALERTS, FINDINGS])] {
            let bench = Bench::new(kind).await;
            let bad = [1, 2, 77, 250, 251, 499, 500];
            bench.server.with(|azure| azure.bad = bad.into());
            let flow = Flow::new(std::slice::from_ref(&bench.config));
            flow.fill(&findings(500)).await;
            let tally = flow.drain(&bench.config).await;
            assert_eq!((tally.read, tally.emitted), (500, 493), "{kind}");
            assert_eq!(tally.rejected, [("invalid_payload", 7)].into(), "{kind}");
            let (receipts, letters) = flow.left().await;
            assert_eq!((receipts.len(), letters), (500, 7), "{kind}");
            bench.server.with(|azure| {
                for stream in streams {
                    assert_eq!(
                        azure.counts(stream),
                        once((1..=500).filter(|id| !bad.contains(id))),
                        "{stream}"
                    );
                }
                assert!(azure.requests.len() <= 2 + 7 * 2 * 9, "{} requests", azure.requests.len());
            });
        }
    });
}

/// A service that calls everything invalid for an hour: few requests, no dead letter, and all delivered afterwards.
#[test]
fn a_service_that_refuses_everything_empties_nothing_into_the_dead_letter() {
    block_on(async {
        let bench = Bench::new("log_analytics").await;
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        flow.fill(&findings(500)).await;
        bench.server.with(|azure| azure.bad = (1..=500).collect());
        let counters = Counters::default();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        drain.cancel();
        let waiting = flow.run(&bench.config, drain, stop, &counters);
        let passing = async {
            flow.pass_time(66, |now| now >= START.plus(HOUR)).await;
            assert_eq!(counters.read().read, 0);
            let asked = bench.server.with(|azure| {
                azure.bad.clear();
                azure.requests.len()
            });
            assert!(asked < 600, "{asked} requests in an hour");
            flow.pass_time(10, |_| counters.read().read == 500).await;
        };
        let (tally, ()) = tokio::join!(waiting, passing);
        assert_eq!((tally.emitted, flow.left().await.1), (500, 0));
        bench.server.with(|azure| assert_eq!(azure.counts(FINDINGS), once(1..=500)));
    });
}

/// Tokens live for ten minutes, and one is taken back in the middle: nothing fails, and tokens are renewed before they
/// end.
#[test]
fn a_token_that_ends_in_the_middle_costs_nothing() {
    block_on(async {
        let bench = Bench::new("log_analytics").await;
        bench.server.with(|azure| azure.life = 600);
        let mut sink = bench.open();
        for minute in 0..60 {
            bench.clock.set(START.plus(minute * HOUR / 60));
            if minute == 33 {
                bench.server.with(|azure| azure.token = None);
            }
            assert_eq!(sink.deliver(&[finding(1)]).await, [Verdict::Delivered], "minute {minute}");
        }
        bench.server.with(|azure| {
            assert!((7..=10).contains(&azure.tokens_asked), "{} tokens", azure.tokens_asked);
            assert_eq!(azure.requests.len(), 61, "one request was answered with 401");
        });
    });
}

/// A wrong secret for an hour: named, asked a dozen times, nothing lost; put right in its file, all is delivered.
#[test]
fn a_wrong_secret_holds_everything_and_hammers_nobody() {
    block_on(async {
        let bench = Bench::new("sentinel").await;
        bench.server.with(|azure| azure.secret = "another".to_owned());
        let verdicts = bench.open().deliver(&findings(1)).await;
        let [Verdict::TryAgain { cause, .. }] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert!(cause.contains("client_secret") && cause.contains("AADSTS7000215"), "{cause}");
        assert!(!cause.contains(SECRET), "{cause}");
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        flow.fill(&findings(50)).await;
        let counters = Counters::default();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        drain.cancel();
        let waiting = flow.run(&bench.config, drain, stop, &counters);
        let passing = async {
            flow.pass_time(66, |now| now >= START.plus(HOUR)).await;
            bench.server.with(|azure| {
                assert!((8..=25).contains(&azure.tokens_asked), "{} asked for a token", azure.tokens_asked);
                assert!(azure.requests.is_empty());
            });
            std::fs::write(bench.secret.path(), "another").unwrap();
            flow.pass_time(10, |_| counters.read().read == 50).await;
        };
        tokio::join!(waiting, passing);
        bench.server.with(|azure| assert_eq!(azure.counts(FINDINGS), once(1..=50)));
        assert_eq!(flow.left().await.1, 0, "no dead letter");
    });
}

/// A role that takes half an hour to arrive: 403 until then, asked a few times, delivered after.
#[test]
fn a_permission_that_comes_late_is_waited_for() {
    block_on(async {
        let bench = Bench::new("log_analytics").await;
        let mut sink = bench.open();
        let mut wait = Duration::ZERO;
        for _ in 0..7 {
            bench.server.with(|azure| azure.script.push_back(error(403, "OperationFailed")));
            let verdicts = sink.deliver(&findings(1)).await;
            let [Verdict::TryAgain { after: Some(after), .. }] = &verdicts[..] else {
                panic!("{verdicts:?}")
            };
            assert!(*after >= wait, "the waits do not shrink");
            wait = *after;
        }
        assert_eq!(wait, Duration::from_secs(300));
        assert_eq!(sink.deliver(&findings(1)).await, [Verdict::Delivered]);
    });
}

#[test]
fn a_finding_above_a_million_bytes_goes_to_the_dead_letter_and_long_fields_are_cut() {
    block_on(async {
        let bench = Bench::new("sentinel").await;
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        let field = "\u{1}".repeat(64_000);
        // Each field fits, escaped each takes six times as much, and four of them are above the limit of a body.
        let huge = Finding {
            summary: field.clone(),
            description: field.clone(),
            title: field.clone(),
            tenant: field.clone(),
            ..finding(2)
        };
        let long = Finding { summary: "s".repeat(70_000), ..finding(3) };
        flow.fill(&[finding(1), huge, long]).await;
        let tally = flow.drain(&bench.config).await;
        assert_eq!((tally.emitted, tally.rejected), (2, [("too_large", 1)].into()));
        bench.server.with(|azure| {
            assert_eq!(azure.counts(FINDINGS), once([1, 3]));
            let row = &azure.rows[FINDINGS][1];
            assert_eq!(
                (row["Truncated"].as_str(), row["Summary"].as_str().map(str::len)),
                (Some("Summary"), Some(64_000))
            );
        });
    });
}

/// The second stream fails once: the first is not asked again for what it has.
#[test]
fn sentinel_delivers_to_both_streams_and_to_each_once() {
    block_on(async {
        let bench = Bench::new("sentinel").await;
        let mut sink = bench.open();
        // A token's request is none to a stream: the first answer is for alerts, the second for findings.
        let taken = Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
        bench.server.with(|azure| azure.script = [taken, error(503, "ServiceUnavailable")].into());
        assert!(sink.deliver(&findings(5)).await.iter().all(is_held), "half is not delivered");
        assert_eq!(sink.deliver(&findings(5)).await, vec![Verdict::Delivered; 5]);
        bench.server.with(|azure| {
            assert_eq!(azure.counts(FINDINGS), once(1..=5));
            assert_eq!(azure.counts(ALERTS), once([]), "the scripted answer had taken them");
        });
        assert_eq!(sink.deliver(&findings(5)).await, vec![Verdict::Delivered; 5]);
        bench.server.with(|azure| {
            assert_eq!(azure.counts(ALERTS), once(1..=5), "nothing is remembered for longer than the hold");
            assert_eq!(azure.counts(FINDINGS), (1..=5).map(|id| (id, 2)).collect());
        });
    });
}

/// The first stream is held: the second is not asked for what the first has not.
#[test]
fn sentinel_sends_no_row_without_its_alert() {
    block_on(async {
        let bench = Bench::new("sentinel").await;
        bench.server.with(|azure| azure.script.push_back(error(429, "TooManyRequests")));
        assert!(bench.open().deliver(&findings(5)).await.iter().all(is_held));
        bench.server.with(|azure| assert_eq!((azure.requests.len(), azure.rows.len()), (1, 0)));
    });
}

#[test]
fn a_probe_proves_token_role_and_streams_without_a_row() {
    block_on(async {
        for (kind, streams) in [("log_analytics", 1), ("sentinel", 2)] {
            let mut bench = Bench::new(kind).await;
            assert_eq!(bench.open().probe().await, Ok(()));
            bench.server.with(|azure| {
                assert_eq!(azure.requests.len(), streams, "{kind}");
                assert!(azure.requests.iter().all(|request| request.body == b"[]"));
                azure.script.push_back(error(403, "OperationFailed"));
            });
            let Err(ProbeError::Refused(what)) = bench.open().probe().await else { panic!() };
            assert!(what.contains("Monitoring Metrics Publisher"), "{what}");
            bench.server.with(|azure| azure.secret = "another".to_owned());
            assert!(matches!(bench.open().probe().await, Err(ProbeError::Refused(_))));
            bench.server.stop().await;
            assert!(matches!(bench.open().probe().await, Err(ProbeError::Away(_))));
        }
    });
}
