//! `splunk_hec` against a collector of these tests' own.

use std::time::Duration;

use pipeline::{Clock, worker::Counters};
use schemas::{
    finding::{Change, Finding},
    time::HOUR,
};
use sink::{
    SinkConfig,
    sinks::{ProbeError, Sink, Verdict, open},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    block_on, configs,
    finding::{START, finding, findings},
    flow::Flow,
    hec::{Hec, TOKEN},
    secret,
    server::{Reply, Server, answer, chunked, cut},
};

/// A collector, and the configuration of a sink that leads to it.
struct Bench {
    server: Server<Hec>,
    config: SinkConfig,
    token: tempfile::NamedTempFile,
}

impl Bench {
    async fn new(more: &str) -> Self {
        let server = Server::start(Hec::default()).await;
        let token = secret(&format!("{TOKEN}\n"));
        let text = format!(
            "sinks: [{{name: splunk, kind: splunk_hec, url: \"{}\", token: {{file: {}}}{more}}}]",
            server.url(),
            token.path().display()
        );
        let config = configs(&text).remove(0);
        Self { server, config, token }
    }

    fn open(&self) -> Box<dyn Sink> {
        open(&self.config, &Clock::manual(START)).unwrap()
    }
}

fn hec(code: i64, status: u16, number: Option<usize>) -> Reply {
    let number = number.map_or(String::new(), |number| format!(r#", "invalid-event-number": {number}"#));
    answer(
        status,
        "Content-Type: application/json; charset=UTF-8\r\n",
        &format!("{{\"text\": \"t\", \"code\": {code}{number}}}"),
    )
}

fn is_held(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::TryAgain { .. })
}

#[test]
fn findings_arrive_once_in_one_compressed_body_closed_ones_too() {
    block_on(async {
        let bench = Bench::new(", index: security, host: weir-1").await;
        let closed = Finding { revision: 2, change: Change::Close, ..finding(1) };
        let mut all = findings(50);
        all.push(closed);
        let verdicts = bench.open().deliver(&all).await;
        assert_eq!(verdicts, vec![Verdict::Delivered; 51]);
        bench.server.with(|hec| {
            assert_eq!(hec.indexed.len(), 51);
            let [request] = &hec.requests[..] else { panic!("{} requests", hec.requests.len()) };
            assert_eq!(request.header("content-encoding"), Some("gzip"));
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert!(request.wire_bytes * 5 < request.body.len());
            assert!(
                hec.indexed.iter().all(|event| event["index"] == "security" && event["host"] == "weir-1")
            );
            assert_eq!(hec.indexed[50]["fields"]["state"], "closed");
            assert_eq!(hec.indexed[50]["fields"]["revision"], 2);
        });
    });
}

/// What a row of the table does to ten findings of which the fifth is named.
enum Row {
    Delivered,
    /// All held, somebody must act: the text names this.
    Fault(&'static str),
    /// Held for later; the first so many are there.
    Busy(usize),
    /// This one is refused, all others delivered.
    Refused(usize, &'static str),
}

#[test]
fn every_code_does_what_its_row_says() {
    use Row::{Busy, Delivered, Fault, Refused};
    let rows = [
        (0, 200, Delivered),
        (1, 403, Fault("`token`")),
        (2, 401, Fault("authorization")),
        (3, 401, Fault("`token`")),
        (4, 403, Fault("`token`")),
        (5, 400, Fault("body")),
        (6, 400, Refused(4, "invalid_data_format")),
        (7, 400, Refused(3, "incorrect_index")),
        (8, 500, Busy(0)),
        (9, 503, Busy(4)),
        (10, 400, Fault("acknowledgement")),
        (11, 400, Fault("acknowledgement")),
        (12, 400, Refused(4, "event_missing")),
        (13, 400, Refused(4, "event_blank")),
        (14, 400, Fault("`url`")),
        (15, 400, Refused(4, "bad_indexed_fields")),
        (16, 400, Fault("`url`")),
        (17, 200, Fault("`url`")),
        (18, 503, Busy(0)),
        (19, 503, Busy(0)),
        (20, 503, Busy(0)),
        (21, 400, Fault("`token`")),
        (22, 400, Fault("`token`")),
        (23, 503, Busy(0)),
        (24, 200, Delivered),
        (25, 200, Delivered),
        (26, 429, Busy(0)),
        (27, 429, Busy(0)),
        (28, 400, Fault("acknowledgement")),
    ];
    assert!(rows.iter().map(|(code, ..)| *code).eq(0..29));
    block_on(async {
        for (code, status, row) in rows {
            let bench = Bench::new("").await;
            let number = matches!(row, Busy(1..) | Refused(..)).then_some(4);
            bench.server.with(|server| server.script.push_back(hec(code, status, number)));
            let verdicts = bench.open().deliver(&findings(10)).await;
            let asked = bench.server.with(|server| server.requests.len());
            match row {
                Delivered => assert_eq!((verdicts, asked), (vec![Verdict::Delivered; 10], 1), "code {code}"),
                Fault(setting) => {
                    assert_eq!(asked, 1, "code {code}");
                    assert!(verdicts.iter().all(is_held), "code {code}");
                    let Verdict::TryAgain { after: Some(after), cause } = &verdicts[0] else { panic!() };
                    assert!(cause.contains(setting), "{cause}");
                    assert!(*after >= Duration::from_secs(30), "code {code} waits {after:?}");
                }
                Busy(taken) => {
                    assert_eq!(asked, 1, "code {code}");
                    assert!(verdicts[..taken].iter().all(|verdict| *verdict == Verdict::Delivered));
                    assert!(verdicts[taken..].iter().all(is_held), "code {code}");
                }
                Refused(bad, reason) => {
                    let mut expected = vec![Verdict::Delivered; 10];
                    expected[bad] = Verdict::Refused(reason);
                    assert_eq!(verdicts, expected, "code {code}");
                    // Ten less those before the bad one, which the answer said are there, and itself.
                    bench.server.with(|server| assert_eq!(server.indexed.len(), 10 - bad - 1, "code {code}"));
                }
            }
        }
    });
}

#[test]
fn success_has_many_faces_and_none_without_a_code_counts() {
    block_on(async {
        let bench = Bench::new("").await;
        let mut sink = bench.open();
        let good = [
            answer(200, "", r#"{"text":"OK","code":0}"#),
            answer(
                200,
                "CONTENT-TYPE: text/plain\r\n",
                "\n {\"code\" : 0 , \"text\":\"\u{c9}xito\",\"ackId\":3}\n",
            ),
            chunked(200, r#"{"text":"Success","code":0}"#),
        ];
        for reply in good {
            bench.server.with(|hec| hec.success = Some(reply));
            assert_eq!(sink.deliver(&findings(2)).await, vec![Verdict::Delivered; 2]);
        }
        let bad = [
            answer(200, "Content-Type: text/html\r\n", "<html>Sign in to the network</html>"),
            answer(200, "", ""),
            chunked(200, "Success"),
            cut(200, r#"{"text":"Success","code":0}"#),
            Reply::Cut(b"HTTP/1.1 200".to_vec()),
            Reply::Cut(b"\x15\x03\x01 no http".to_vec()),
            Reply::Reset,
            answer(502, "", "<html>Bad Gateway</html>"),
            answer(503, "", ""),
        ];
        for reply in bad {
            bench.server.with(|hec| hec.script.push_back(reply.clone()));
            let verdicts = sink.deliver(&findings(2)).await;
            assert!(verdicts.iter().all(is_held), "{reply:?}: {verdicts:?}");
            assert_eq!(sink.deliver(&findings(2)).await, vec![Verdict::Delivered; 2], "after {reply:?}");
        }
    });
}

#[test]
fn a_wait_that_is_told_is_waited() {
    block_on(async {
        let bench = Bench::new("").await;
        let mut sink = bench.open();
        for (header, seconds) in [("retry-after: 17", 17), ("Retry-After: Thu, 04 Mar 2021 05:07:07 GMT", 60)]
        {
            let reply = answer(429, &format!("{header}\r\n"), r#"{"text":"busy","code":26}"#);
            bench.server.with(|hec| hec.script.push_back(reply));
            let verdicts = sink.deliver(&findings(1)).await;
            let [Verdict::TryAgain { after, .. }] = &verdicts[..] else { panic!("{verdicts:?}") };
            assert_eq!(*after, Some(Duration::from_secs(seconds)));
        }
    });
}

/// Code 24: delivered, and the next one waits, without a second request.
#[test]
fn a_collector_that_is_nearly_full_is_left_alone_for_a_while() {
    block_on(async {
        let bench = Bench::new("").await;
        let clock = Clock::manual(START);
        let mut sink = open(&bench.config, &clock).unwrap();
        bench.server.with(|server| server.success = Some(hec(24, 200, None)));
        assert_eq!(sink.deliver(&findings(3)).await, vec![Verdict::Delivered; 3]);
        assert!(sink.deliver(&findings(3)).await.iter().all(is_held));
        bench.server.with(|server| assert_eq!(server.requests.len(), 1));
        clock.set(START.plus(1_000_000));
        assert_eq!(sink.deliver(&findings(3)).await, vec![Verdict::Delivered; 3]);
    });
}

/// Of 500 findings 7 are bad: 7 dead letters, 493 delivered, each once, each with a receipt.
#[test]
fn bad_findings_cost_nobody_else() {
    block_on(async {
        for code in [6, 7, 12, 13, 15] {
            let bench = Bench::new(", body_bytes_max: 100000").await;
            let bad = [1, 2, 77, 250, 251, 499, 500];
            bench.server.with(|server| server.bad = bad.iter().map(|id| (*id, code)).collect());
            let flow = Flow::new(std::slice::from_ref(&bench.config));
            flow.fill(&findings(500)).await;
            let tally = flow.drain(&bench.config).await;
            assert_eq!((tally.read, tally.emitted), (500, 493), "code {code}");
            let (receipts, letters) = flow.left().await;
            assert_eq!((receipts.len(), letters), (500, 7), "code {code}");
            let refused = receipts.iter().filter(|receipt| receipt.outcome == "dead_lettered");
            assert!(refused.map(|receipt| receipt.finding.0.0).eq(bad), "code {code}");
            bench.server.with(|server| {
                let once = (1..=500).filter(|id| !bad.contains(id)).map(|id| (id, 1)).collect();
                assert_eq!(server.counts(), once, "code {code}");
            });
        }
    });
}

/// Busy after 3 of 10: those are committed, and only the other 7 come again.
#[test]
fn what_was_taken_before_a_hold_is_not_sent_again() {
    block_on(async {
        let bench = Bench::new("").await;
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        flow.fill(&findings(10)).await;
        bench.server.with(|server| server.script.push_back(hec(9, 503, Some(3))));
        let drained = async {
            let tally = flow.drain(&bench.config).await;
            assert_eq!((tally.read, tally.emitted, tally.steps, tally.retries), (10, 10, 2, 1));
        };
        let done = std::cell::Cell::new(false);
        tokio::join!(
            async {
                drained.await;
                done.set(true);
            },
            flow.pass_time(1, |_| done.get())
        );
        bench.server.with(|server| {
            // The first three are what the scripted answer said it had.
            assert_eq!(server.counts(), (4..=10).map(|id| (id, 1)).collect());
            assert_eq!(server.requests.len(), 2);
        });
    });
}

/// Away for an hour: held, asked now and then, and delivered once it is back.
#[test]
fn a_collector_that_is_away_for_an_hour_loses_nothing() {
    block_on(async {
        let mut bench = Bench::new("").await;
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        flow.fill(&findings(100)).await;
        bench.server.stop().await;
        let counters = Counters::default();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        drain.cancel();
        let config = bench.config.clone();
        let waiting = flow.run(&config, drain, stop, &counters);
        let passing = async {
            flow.pass_time(61, |now| now >= START.plus(HOUR)).await;
            assert_eq!(counters.read().read, 0, "nothing is settled while it is away");
            assert!((60..400).contains(&counters.read().retries), "{}", counters.read().retries);
            bench.server.restart().await;
            flow.pass_time(2, |_| counters.read().read == 100).await;
        };
        let (tally, ()) = tokio::join!(waiting, passing);
        assert_eq!((tally.read, tally.emitted), (100, 100));
        bench.server.with(|server| assert_eq!(server.counts(), (1..=100).map(|id| (id, 1)).collect()));
        assert_eq!(flow.left().await.1, 0);
    });
}

/// A wrong token for an hour: nothing is lost, the collector is asked a dozen times, and a token that is put right in
/// its file is found without a restart.
#[test]
fn a_wrong_token_holds_everything_and_hammers_nobody() {
    block_on(async {
        let bench = Bench::new("").await;
        bench.server.with(|server| server.token = Some("another".to_owned()));
        let verdicts = bench.open().deliver(&findings(1)).await;
        let [Verdict::TryAgain { cause, .. }] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert!(cause.contains("`token`") && !cause.contains(TOKEN), "{cause}");
        bench.server.with(|server| server.requests.clear());
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        flow.fill(&findings(100)).await;
        let counters = Counters::default();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        drain.cancel();
        let waiting = flow.run(&bench.config, drain, stop, &counters);
        let passing = async {
            flow.pass_time(66, |now| now >= START.plus(HOUR)).await;
            bench.server.with(|server| {
                assert!((8..=20).contains(&server.requests.len()), "{}", server.requests.len())
            });
            std::fs::write(bench.token.path(), "another").unwrap();
            flow.pass_time(10, |_| counters.read().read == 100).await;
        };
        tokio::join!(waiting, passing);
        bench.server.with(|server| assert_eq!(server.counts(), (1..=100).map(|id| (id, 1)).collect()));
        assert_eq!(flow.left().await.1, 0, "no dead letter");
    });
}

#[test]
fn a_finding_that_fits_into_no_body_goes_to_the_dead_letter() {
    block_on(async {
        let bench = Bench::new(", body_bytes_max: 20000").await;
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        let huge = Finding { summary: "x".repeat(30_000), ..finding(2) };
        flow.fill(&[finding(1), huge, finding(3)]).await;
        let tally = flow.drain(&bench.config).await;
        assert_eq!((tally.emitted, tally.rejected), (2, [("too_large", 1)].into()));
        bench.server.with(|server| {
            assert!(server.ids().into_iter().eq([1, 3]));
            assert!(server.requests.iter().all(|request| request.body.len() <= 20_000));
        });
    });
}

#[test]
fn a_collector_that_takes_less_than_it_is_sent_teaches_its_limit() {
    block_on(async {
        let bench = Bench::new("").await;
        bench.server.with(|server| server.bytes_max = Some(60_000));
        let mut sink = bench.open();
        for _ in 0..2 {
            assert_eq!(sink.deliver(&findings(200)).await, vec![Verdict::Delivered; 200]);
        }
        bench.server.with(|server| {
            assert_eq!(server.counts(), (1..=200).map(|id| (id, 2)).collect());
            let refused = server.requests.iter().filter(|request| request.body.len() > 60_000).count();
            assert!(refused <= 3, "{refused} bodies were refused");
        });
    });
}

#[test]
fn a_probe_proves_the_token_without_a_finding() {
    block_on(async {
        let mut bench = Bench::new("").await;
        assert_eq!(bench.open().probe().await, Ok(()));
        bench.server.with(|server| server.token = Some("another".to_owned()));
        let Err(ProbeError::Refused(what)) = bench.open().probe().await else { panic!() };
        assert!(what.contains("`token`"), "{what}");
        bench.server.with(|server| server.script.push_back(answer(503, "", "<html>")));
        assert!(matches!(bench.open().probe().await, Err(ProbeError::Away(_))));
        bench.server.stop().await;
        assert!(matches!(bench.open().probe().await, Err(ProbeError::Away(_))));
        bench.server.with(|server| assert!(server.indexed.is_empty()));
    });
}

/// Four answers in a row are lost or mean nothing: every finding arrives, and in the end once more at most.
#[test]
fn answers_that_are_lost_lose_no_finding() {
    block_on(async {
        let bench = Bench::new(", body_bytes_max: 40000").await;
        let flow = Flow::new(std::slice::from_ref(&bench.config));
        flow.fill(&findings(300)).await;
        bench.server.with(|server| {
            server.script = [Reply::Reset, hec(8, 500, None), cut(200, "{"), answer(504, "", "")].into();
        });
        let done = std::cell::Cell::new(false);
        let drained = async {
            flow.drain(&bench.config).await;
            done.set(true);
        };
        tokio::join!(drained, flow.pass_time(10, |_| done.get()));
        bench.server.with(|server| assert!(server.ids().into_iter().eq(1..=300)));
    });
}
