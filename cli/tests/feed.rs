//! A tenant's feed end to end, over HTTPS and by the machine's clock: `weir check` asks it, `weir run` polls it until it is told
//! to stop, and goes on from there.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::Command;

use pipeline::Clock;
use schemas::time::{DAY, MINUTE};
use simulator::entra::App;
use simulator::feed::{FeedOptions, Publication};
use simulator::{Options, Part, Route, Server, Simulator};

#[path = "support/process.rs"]
mod process;

use process::Process;

const TENANT: &str = "0f1e2d3c-0000-4000-8000-00000000000a";
const CLIENT: &str = "9a8b7c6d-0000-4000-8000-00000000000b";
const GENERAL: &str = "Audit.General";
/// More looks than there is time for.
const LOOKS_MAX: u32 = 2_000_000;

/// A tenant whose feed has two blobs of real records, and a configuration over it.
struct Feed {
    /// Serves as long as it lives.
    _runtime: tokio::runtime::Runtime,
    simulator: Simulator,
    server: Server,
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Feed {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (clock, folder) = (Clock::machine(), tempfile::tempdir().unwrap());
        let mut options = Options::new(clock.clone());
        options.apps = vec![App::with_secret(TENANT, CLIENT, "right")];
        options.feed = FeedOptions::of(TENANT);
        let simulator = Simulator::open(options).unwrap();
        let server = runtime.block_on(Server::start(&simulator, "127.0.0.1:0".parse().unwrap())).unwrap();
        server.ca().write(&folder.path().join("ca.pem")).unwrap();
        let feed = Self { _runtime: runtime, simulator, server, folder, clock };
        let at = |name: &str| feed.at(name).display().to_string();
        let origin = feed.server.origin();
        let text = format!(
            "log: {{embedded: {{path: {}, partitions: 1}}}}\nadmin: {{listen: off}}\nsources:\n  - name: contoso\n    \
             kind: management-api\n    tenant: {TENANT}\n    api: {origin}\n    entra: {{authority: \"{origin}\", \
             client_id: {CLIENT}, client_secret: {{file: {}}}}}\n    content_types: [{GENERAL}]\n    \
             poll_interval_s: 1\n    end_margin_s: 0\n    overlap_interval_s: 1\n    http: {{ca_file: {}}}\nsinks: [{{name: archive, kind: jsonl, path: {}}}]\n",
            at("weir.db"),
            at("secret"),
            at("ca.pem"),
            at("findings.jsonl"),
        );
        std::fs::write(feed.at("weir.yaml"), text).unwrap();
        std::fs::write(feed.at("secret"), "right").unwrap();
        feed
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Publishes the records of a file of the corpus, as content that became available a while ago.
    fn publish(&self, name: &str, before: i64) -> usize {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(format!("{name}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap();
        let records: Vec<_> = text.lines().map(|line| line.to_owned().into()).collect();
        let created = self.clock.now().plus(-before);
        let publication = Publication {
            content_type: GENERAL,
            content_id: None,
            created,
            listed_from: None,
            records: &records,
        };
        self.simulator.publish(TENANT, publication);
        records.len()
    }

    fn check(&self) -> (Option<i32>, String) {
        let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
        let done =
            weir.arg("check").arg("-c").arg(self.at("weir.yaml")).env_remove("WEIR_LOG").output().unwrap();
        let (out, said) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        (done.status.code(), out + &said)
    }

    fn start(&self) -> Process {
        process::program(self.folder.path());
        let config = self.at("weir.yaml");
        Process::start(&self.at("weir"), &["run", "-c", config.to_str().unwrap()], &self.at("log"))
    }

    /// Waits until the file of findings has so many bytes at least.
    fn wait_for_findings(&self, bytes: u64) -> u64 {
        let size = || std::fs::metadata(self.at("findings.jsonl")).map_or(0, |file| file.len());
        let mut looks = 0;
        while size() < bytes {
            std::thread::yield_now();
            looks += 1;
            assert!(
                looks < LOOKS_MAX,
                "no finding came: {}",
                std::fs::read_to_string(self.at("log")).unwrap()
            );
        }
        size()
    }
}

#[test]
fn a_check_gives_0_77_or_69() {
    let feed = Feed::new();
    let (code, said) = feed.check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("source contoso: Audit.General: no subscription yet"), "{said}");
    std::fs::write(feed.at("secret"), "mistaken").unwrap();
    let (code, said) = feed.check();
    assert_eq!(code, Some(77), "{said}");
    assert!(
        said.contains("contoso") && said.contains("AADSTS7000215") && !said.contains("mistaken"),
        "{said}"
    );
    std::fs::write(feed.at("secret"), "right").unwrap();
    feed.simulator.set_apps(Vec::new());
    let (code, said) = feed.check();
    assert_eq!(code, Some(77), "{said}");
    let away = std::fs::read_to_string(feed.at("weir.yaml")).unwrap();
    let away = away.replace(&feed.server.origin(), "https://localhost:1");
    std::fs::write(feed.at("weir.yaml"), away).unwrap();
    let (code, said) = feed.check();
    assert_eq!(code, Some(69), "{said}");
}

#[test]
fn a_run_polls_until_it_is_told_to_stop_and_goes_on_from_there() {
    let feed = Feed::new();
    feed.simulator.subscribe(TENANT, GENERAL, feed.clock.now().plus(-DAY));
    let first = feed.publish("det-eng-samples", 10 * MINUTE);
    let process = feed.start();
    let bytes = feed.wait_for_findings(1);
    let ended = process.stop();
    assert!(ended.status.success(), "{}", ended.stdout);
    let listed = "source contoso: 1 blob listed = 1 fetched + 0 lost\n";
    assert!(ended.stdout.contains(&format!("ledger: {first} records read")), "{}", ended.stdout);
    assert!(ended.stdout.contains(listed) && ended.stdout.contains("stopped"), "{}", ended.stdout);

    // Shown late, in a window that was listed before the stop.
    let second = feed.publish("pnp-analytics-insights", 9 * MINUTE);
    let process = feed.start();
    let served = || feed.simulator.ledger().answered(Part::Feed, Route::Blob, 200);
    let mut looks = 0;
    while served() < 2 {
        std::thread::yield_now();
        looks += 1;
        assert!(looks < LOOKS_MAX, "the second blob was not fetched");
    }
    // What is fetched has then been written by the next poll.
    let polls = || feed.simulator.ledger().answered(Part::Feed, Route::Content, 200);
    let until = polls() + 4;
    while polls() < until {
        std::thread::yield_now();
    }
    let ended = process.stop();
    assert!(ended.stdout.contains(&format!("ledger: {} records read", first + second)), "{}", ended.stdout);
    assert!(ended.stdout.contains("2 blobs listed = 2 fetched + 0 lost"), "{}", ended.stdout);
    assert_eq!(served(), 2, "nothing is fetched twice");
    assert!(feed.wait_for_findings(1) >= bytes);
}

/// Whoever stops a demo must not read its exit code as "everything was found".
#[test]
fn a_demo_that_is_stopped_says_that_it_did_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let program = Path::new(env!("CARGO_BIN_EXE_weir"));
    let demo = Process::start(program, &["--log", "info", "demo"], &log);
    let begun =
        || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("the subscription is started"));
    assert!((0..LOOKS_MAX).any(|_| begun()), "it never began");
    let ended = demo.stop();
    assert_eq!(ended.status.code(), Some(75), "{}", ended.stdout);
    assert!(!ended.stdout.contains("everything planted was found"), "{}", ended.stdout);
}
