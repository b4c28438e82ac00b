//! The three sinks against the simulator: TLS with its own authority, its clock, its faults, and the streams that the
//! template of `sink/content/sentinel` declares.

use std::collections::BTreeMap;

use pipeline::{Clock, worker::Counters};
use schemas::{
    finding::{Change, Finding},
    time::{DAY, HOUR, MINUTE},
};
use serde_json::Value;
use simulator::{
    Fault, FaultRule, Faults, Options, Part, Server, Simulator, When,
    entra::App,
    hec::{HecOptions, HecState},
    ingestion::{CollectionRule, IngestionOptions, Stream},
};
use sink::SinkConfig;
use tokio_util::sync::CancellationToken;

use crate::support::{
    azure::{DCR, SECRET},
    block_on, configs,
    finding::{START, finding, findings, number},
    flow::Flow,
    hec::TOKEN,
    secret,
};

const TENANT: &str = "0f1e2d3c-0000-4000-8000-000000000001";
const CLIENT: &str = "0f1e2d3c-0000-4000-8000-000000000002";

/// A simulator, and three sinks that lead to it, over one log.
struct Bench {
    simulator: Simulator,
    sinks: Vec<SinkConfig>,
    flow: Flow,
    /// Kept for as long as they are read.
    _files: Vec<tempfile::NamedTempFile>,
    _server: Server,
}

impl Bench {
    async fn new(faults: Faults) -> Self {
        let clock = Clock::manual(START);
        let mut options = Options::new(clock.clone());
        options.apps = vec![App::with_secret(TENANT, CLIENT, SECRET)];
        options.hec = HecOptions::of(TOKEN);
        options.ingestion = IngestionOptions { rules: vec![rule()], ..IngestionOptions::default() };
        options.faults = faults;
        let simulator = Simulator::open(options).unwrap();
        let server = Server::start(&simulator, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (token, key, ca) = (secret(TOKEN), secret(SECRET), secret(server.ca().pem()));
        let path = |file: &tempfile::NamedTempFile| file.path().display().to_string();
        let rule = format!(
            "endpoint: \"{at}\", dcr: {DCR}, http: {{ca_file: {ca}}}, entra: {{authority: \"{at}\", tenant: {TENANT}, \
             client_id: {CLIENT}, client_secret: {{file: {}}}}}",
            path(&key),
            at = server.origin(),
            ca = path(&ca),
        );
        let text = format!(
            "sinks:\n  - {{name: splunk, kind: splunk_hec, url: \"{}\", token: {{file: {}}}, http: {{ca_file: {}}}}}\n  - \
             {{name: table, kind: log_analytics, {rule}}}\n  - {{name: sentinel, kind: sentinel, {rule}}}\n",
            server.origin(),
            path(&token),
            path(&ca)
        );
        let sinks = configs(&text);
        let flow = Flow { clock, ..Flow::new(&sinks) };
        Self { simulator, sinks, flow, _files: vec![token, key, ca], _server: server }
    }

    /// Runs one sink until `count` findings are settled.
    async fn settle(&self, at: usize, count: u64, minutes: i64) {
        let counters = Counters::default();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        drain.cancel();
        let running = self.flow.run(&self.sinks[at], drain, stop, &counters);
        let passing = self.flow.pass_time(minutes, |_| counters.read().read == count);
        let (tally, ()) = tokio::join!(running, passing);
        assert_eq!((tally.emitted, tally.rejected), (count, BTreeMap::new()), "{}", self.sinks[at].name);
    }

    /// Ids and revisions that Splunk has, with how often.
    fn splunk(&self) -> BTreeMap<(u128, u64), usize> {
        let keys = self.simulator.hec_accepted().into_iter().map(|event| {
            let object: Value = serde_json::from_str(event.object.get()).unwrap();
            key(&object["fields"]["finding_id"], &object["fields"]["revision"])
        });
        counted(keys)
    }

    /// Ids and revisions that a stream has, with how often.
    fn stream(&self, name: &str) -> BTreeMap<(u128, u64), usize> {
        let rows = self.simulator.rows_accepted().into_iter().filter(|row| row.to == name);
        let keys = rows.map(|row| {
            let row: Value = serde_json::from_str(row.object.get()).unwrap();
            if name.contains("Alerts") {
                key(&row["EventUid"], &row["AdditionalFields"]["Revision"])
            } else {
                key(&row["FindingId"], &row["Revision"])
            }
        });
        counted(keys)
    }
}

fn key(id: &Value, revision: &Value) -> (u128, u64) {
    (number(id.as_str().unwrap()), revision.as_u64().unwrap())
}

fn counted(keys: impl Iterator<Item = (u128, u64)>) -> BTreeMap<(u128, u64), usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// The rule with the streams of the template.
fn rule() -> CollectionRule {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/content/sentinel/weir.json");
    let template: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut rule = CollectionRule::of(DCR, &[]);
    for declared in ["findingsStream", "alertsStream"] {
        for (name, stream) in template["variables"][declared].as_object().unwrap() {
            let columns = stream["columns"].as_array().unwrap().iter();
            let columns = columns.map(|column| column["name"].as_str().unwrap().to_owned()).collect();
            rule.streams.insert(name.clone(), Stream { columns, auxiliary: false });
        }
    }
    rule
}

/// Two hundred findings, a revision of one, and one that falls away; some as old as audit records may be.
fn many() -> Vec<Finding> {
    let mut all = findings(200);
    for finding in &mut all[..50] {
        (finding.first_time, finding.last_time) = (START.plus(-5 * DAY), START.plus(-4 * DAY));
    }
    all.push(Finding { revision: 2, change: Change::Update, ..finding(7) });
    all.push(Finding { revision: 2, change: Change::Close, ..finding(8) });
    all
}

fn expected() -> Vec<(u128, u64)> {
    let mut keys: Vec<(u128, u64)> = (1..=200).map(|id| (id, 1)).chain([(7, 2), (8, 2)]).collect();
    keys.sort_unstable();
    keys
}

const STREAMS: [&str; 2] = ["Custom-WeirAlerts", "Custom-WeirFindings"];

/// Everything arrives over TLS, once; no column is dropped, no value cut, no time replaced.
#[test]
fn every_revision_arrives_once_and_nothing_of_it_is_lost() {
    block_on(async {
        let bench = Bench::new(Faults::default()).await;
        bench.flow.fill(&many()).await;
        for sink in 0..3 {
            bench.settle(sink, 202, 1).await;
        }
        let once: BTreeMap<_, _> = expected().into_iter().map(|key| (key, 1)).collect();
        assert_eq!(bench.splunk(), once);
        assert_eq!(bench.stream(STREAMS[0]), once);
        assert_eq!(
            bench.stream(STREAMS[1]),
            expected().into_iter().map(|key| (key, 2)).collect(),
            "two sinks write there"
        );
        for (stream, losses) in bench.simulator.losses() {
            assert_eq!(
                (losses.columns_dropped, losses.values_truncated, losses.times_replaced),
                (0, 0, 0),
                "{stream}"
            );
        }
    });
}

/// A bad day, on several seeds: everything arrives. What came twice came of an answer that was lost.
#[test]
fn a_storm_loses_nothing() {
    block_on(async {
        for seed in 1..=5 {
            let bench = Bench::new(Faults::storm(seed)).await;
            let batches = 12;
            for batch in 0..batches {
                let ids = 1 + batch * 20..=(batch + 1) * 20;
                bench.flow.fill(&ids.map(finding).collect::<Vec<_>>()).await;
                for sink in 0..3 {
                    bench.settle(sink, 20, 60).await;
                }
            }
            let all = batches * 20;
            let ids = |counts: BTreeMap<(u128, u64), usize>| {
                counts.into_keys().map(|(id, _)| id).collect::<Vec<_>>()
            };
            assert_eq!(ids(bench.splunk()), (1..=all).collect::<Vec<_>>(), "seed {seed}");
            for stream in STREAMS {
                assert_eq!(ids(bench.stream(stream)), (1..=all).collect::<Vec<_>>(), "seed {seed}");
            }
            assert!(bench.simulator.ledger().faults > 0, "seed {seed} had no trouble");
        }
    });
}

/// All receivers away for an hour, one after the other's sink; then delivered, each finding once.
#[test]
fn receivers_that_are_away_for_an_hour_get_everything_once() {
    block_on(async {
        let away = |part| FaultRule::part(part, When::Between(START, START.plus(HOUR)), Fault::Refuse);
        let rules = vec![away(Part::Hec), away(Part::Ingestion), away(Part::Entra)];
        let bench = Bench::new(Faults { seed: 1, rules, ..Faults::default() }).await;
        bench.flow.fill(&many()).await;
        for sink in 0..3 {
            bench.settle(sink, 202, 62).await;
        }
        let once: BTreeMap<_, _> = expected().into_iter().map(|key| (key, 1)).collect();
        assert_eq!(bench.splunk(), once);
        assert_eq!(bench.stream(STREAMS[0]), once);
        assert!(bench.flow.clock.now() >= START.plus(HOUR));
        assert!(bench.simulator.ledger().asked(Part::Hec) < 400, "asked now and then, not all the time");
    });
}

/// Full, filling, busy and stopping: what the receiver says of itself decides how fast it is asked.
#[test]
fn a_splunk_that_is_full_for_ten_minutes_is_waited_for() {
    block_on(async {
        for state in [
            HecState::QueueFull,
            HecState::AckFull,
            HecState::Busy,
            HecState::Stopping,
            HecState::QueueFilling,
        ] {
            let bench = Bench::new(Faults::default()).await;
            bench.flow.fill(&findings(50)).await;
            bench.simulator.set_hec(HecOptions { state, ..HecOptions::of(TOKEN) });
            let counters = Counters::default();
            let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
            drain.cancel();
            let running = bench.flow.run(&bench.sinks[0], drain, stop, &counters);
            let passing = async {
                if state != HecState::QueueFilling {
                    bench.flow.pass_time(12, |now| now >= START.plus(10 * MINUTE)).await;
                    assert_eq!(counters.read().read, 0, "{state:?}");
                    bench.simulator.set_hec(HecOptions::of(TOKEN));
                }
                bench.flow.pass_time(2, |_| counters.read().read == 50).await;
            };
            tokio::join!(running, passing);
            assert_eq!(bench.splunk(), (1..=50).map(|id| ((id, 1), 1)).collect(), "{state:?}");
        }
    });
}

/// A role that arrives after half an hour, and tokens that are taken back meanwhile.
#[test]
fn a_late_role_and_revoked_tokens_are_outlived() {
    block_on(async {
        let bench = Bench::new(Faults::default()).await;
        let mut late = rule();
        late.publishers.insert(CLIENT.to_owned(), START.plus(HOUR / 2));
        bench.simulator.set_ingestion(IngestionOptions { rules: vec![late], ..IngestionOptions::default() });
        bench.flow.fill(&findings(30)).await;
        bench.settle(2, 30, 40).await;
        assert!(bench.flow.clock.now() >= START.plus(HOUR / 2));
        assert!(bench.simulator.ledger().asked(Part::Ingestion) < 20, "403 is not hammered");
        bench.simulator.revoke_tokens();
        bench.flow.fill(&[finding(31)]).await;
        bench.settle(2, 1, 1).await;
        assert_eq!(bench.stream(STREAMS[0]), (1..=31).map(|id| ((id, 1), 1)).collect());
    });
}

/// `weir check`'s question leaves nothing behind.
#[test]
fn a_probe_is_answered_and_leaves_nothing() {
    block_on(async {
        let bench = Bench::new(Faults::default()).await;
        for sink in &bench.sinks {
            sink::sinks::probe(sink, &bench.flow.clock).await.unwrap();
        }
        assert_eq!(bench.simulator.taken(), (0, 0));
        bench.simulator.set_hec(HecOptions::of("another"));
        let refused = sink::sinks::probe(&bench.sinks[0], &bench.flow.clock).await.unwrap_err();
        assert!(matches!(refused, sink::SinkError::Refused { .. }), "{refused}");
        bench.simulator.set_apps(vec![App::with_secret(
            TENANT,
            "0f1e2d3c-0000-4000-8000-000000000003",
            SECRET,
        )]);
        let refused = sink::sinks::probe(&bench.sinks[1], &bench.flow.clock).await.unwrap_err();
        assert!(
            matches!(refused, sink::SinkError::Refused { .. }) && refused.to_string().contains("client_id"),
            "{refused}"
        );
    });
}
