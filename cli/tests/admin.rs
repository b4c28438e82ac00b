//! The admin port of `weir run`, asked over HTTP while it runs: metrics that agree with what the run reports at its end,
//! probes that say how it is; and docs/METRICS.md, which is what the code registers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use detect::{CorrelateStage, MatchStage, RuleSet};
use enrich::{EnrichConfig, EnrichStage, Lookups};
use pipeline::metrics::{Family, Measure};
use pipeline::{Clock, MemoryLog, MemoryOptions, Stage};
use sink::SinkStage;
use sink::sinks::collect::{Collect, Collected};

#[path = "support/exposition.rs"]
mod exposition;

use exposition::Scrape;

const PAGE: &str = "../docs/METRICS.md";
/// Longer than anything here takes; what is not there then will not come.
const HANGS_AFTER: Duration = Duration::from_secs(120);
/// More scrapes than there is time for.
const SCRAPES_MAX: usize = 100_000;

/// A folder with a configuration over one file of the corpus, which is watched once an hour.
fn folder(admin: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/det-eng-samples.jsonl");
    std::fs::copy(source, folder.path().join("exports.jsonl")).unwrap();
    let text = format!(
        "log: {{embedded: {{path: weir.db, partitions: 1}}}}
sources: [{{name: exports, kind: files, paths: [exports.jsonl], watch: {{every_s: 3600}}}}]
sinks: [{{name: archive, kind: jsonl, path: findings.jsonl}}]
admin: {admin}
"
    );
    std::fs::write(folder.path().join("weir.yaml"), text).unwrap();
    folder
}

fn weir(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["run", "-c", "weir.yaml"]).current_dir(folder).env_remove("WEIR_LOG").stdin(Stdio::null());
    command
}

/// `weir run` under way, with its port.
struct Running {
    child: Option<Child>,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut child = weir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                sender.send(line).unwrap_or_default();
            }
        });
        let address = loop {
            let line = log.recv_timeout(HANGS_AFTER).unwrap();
            let said: serde_json::Value = serde_json::from_str(&line).unwrap();
            if said["message"] == "the admin port is open" {
                break said["listen"].as_str().unwrap().parse().unwrap();
            }
        };
        Self { child: Some(child), address, log }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(HANGS_AFTER)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn scrape(&self) -> Scrape {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        Scrape::read(&text).unwrap()
    }

    /// Scrapes until it is so.
    fn until(&self, so: impl Fn(&Scrape) -> bool) -> Scrape {
        (0..SCRAPES_MAX).map(|_| self.scrape()).find(so).unwrap()
    }

    /// Tells it to stop, with SIGTERM.
    fn stop(mut self) -> Output {
        let child = self.child.take().unwrap();
        let told = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &child.id().to_string()]).status();
        assert!(told.unwrap().success());
        let output = child.wait_with_output().unwrap();
        while let Ok(line) = self.log.recv() {
            assert!(!line.contains("\"ERROR\""), "{line}");
        }
        output
    }
}

/// A test that fails leaves no process behind.
impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

/// `read`, `emitted`, `skipped`, `rejected`, `outputs` and `steps` of one stage.
fn counted(scrape: &Scrape, worker: &str, label: &str) -> [f64; 6] {
    let of = |thing: &str| {
        let family = format!("weir_{worker}_{thing}_total");
        if label.is_empty() { scrape.sum(&family) } else { scrape.sum(&format!("{family}{{{label}")) }
    };
    ["records_read", "records_emitted", "records_skipped", "records_rejected", "outputs", "steps"].map(of)
}

/// The same of the line that the run prints at its end:
/// `enrich: 121 read = 121 worked on + 0 skipped + 0 rejected; 121 written in 2 steps`.
fn printed(text: &str, title: &str) -> [f64; 6] {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{title}: "))).unwrap();
    let number = |after: &str| -> f64 {
        let (before, _) = line.split_once(after).unwrap();
        before.rsplit([' ', ';']).next().unwrap().parse().unwrap()
    };
    [" read", " worked on", " skipped", " rejected", " written", " step"].map(number)
}

#[test]
fn what_is_scraped_is_what_the_run_reports_at_its_end() {
    let folder = folder("{listen: 127.0.0.1:0}");
    let running = Running::start(folder.path());
    // The only watermark comes last: once correlate has worked on it, and that is committed, all before it is too.
    running.until(|scrape| scrape.get("weir_detect_watermark_lag_seconds").is_some());
    let scrape = running.until(|scrape| {
        let delivered = scrape.get("weir_sink_records_read_total{sink=\"archive\"}");
        scrape.get("weir_detect_in_flight_records{stage=\"correlate\"}") == Some(0.0)
            && delivered >= Some(scrape.sum("weir_detect_findings_total{"))
    });
    assert_eq!(running.get("/startupz").0, 200, "{}", running.get("/startupz").1);
    assert_eq!(running.get("/livez").0, 200, "{}", running.get("/livez").1);
    let (status, ready) = running.get("/readyz");
    assert_eq!(status, 200, "{ready}");
    for stage in ["ingest exports", "enrich", "match", "correlate", "sink archive"] {
        assert!(ready.contains(&format!("\nok: {stage}: ")), "{ready}");
    }
    let output = running.stop();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let stages = [
        ("enrich", "", "enrich"),
        ("detect", "stage=\"match\"", "match"),
        ("detect", "stage=\"correlate\"", "correlate"),
    ];
    for (worker, label, title) in stages {
        let [read, emitted, skipped, rejected, ..] = counted(&scrape, worker, label);
        assert_eq!(read, emitted + skipped + rejected, "{title}");
        assert_eq!(counted(&scrape, worker, label), printed(&text, title), "{title}: {text}");
    }
    let ingest = |thing: &str| scrape.get(&format!("weir_ingest_{thing}{{source=\"exports\"}}"));
    let [read, emitted, skipped, rejected, ..] = counted(&scrape, "ingest", "source=\"exports\"");
    assert_eq!(
        Some(read),
        ingest("records_deduplicated_total").map(|seen| seen + emitted + skipped + rejected)
    );
    assert_eq!((read, emitted, ingest("seen_ids")), (119.0, 119.0, Some(119.0)));
    assert!(scrape.sum("weir_ingest_source_lag_seconds{source=\"exports\",content_type=") > 0.0);
    // One event more than the ledger's is the watermark.
    assert!(text.starts_with("ledger: 119 records read = 119 events + "), "{text}");
    assert_eq!(scrape.get("weir_enrich_records_read_total"), Some(120.0));
    let [read, emitted, ..] = counted(&scrape, "sink", "sink=\"archive\"");
    let delivered = scrape.get("weir_sink_verdicts_total{sink=\"archive\",outcome=\"delivered\"}").unwrap();
    assert!(read == emitted && delivered >= emitted, "{read} {emitted} {delivered}");
    let lines = std::fs::read_to_string(folder.path().join("findings.jsonl")).unwrap().lines().count();
    assert_eq!(printed(&text, "sink archive")[0].to_string(), lines.to_string());
    let made = scrape.sum("weir_detect_findings_total{");
    assert!(made > 0.0 && made <= printed(&text, "sink archive")[0], "{made}");
}

#[test]
fn a_port_that_is_taken_ends_it_with_69_and_none_is_opened_where_none_is_wanted() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let first = folder(&format!("{{listen: {address}}}"));
    let output = weir(first.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains(&format!("admin: cannot listen on {address}")), "{said}");
    assert!(!first.path().join("weir.db").exists(), "nothing else was opened");

    let off = folder("{listen: off}");
    let config = off.path().join("weir.yaml");
    let text = std::fs::read_to_string(&config).unwrap().replace(", watch: {every_s: 3600}", "");
    std::fs::write(&config, text).unwrap();
    let output = weir(off.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("admin port"), "{said}");
}

/// Every family that a process can show.
fn families() -> BTreeSet<Family> {
    let (clock, counters) = (Clock::machine(), Arc::default());
    let rules = Arc::new(RuleSet::load(None).unwrap());
    let logs = Arc::new(MemoryLog::new(MemoryOptions::default()));
    let stages: [Box<dyn Stage>; 4] = [
        Box::new(EnrichStage::new(Arc::new(Lookups::new(EnrichConfig::default())))),
        Box::new(MatchStage::new(Arc::clone(&rules), 1, clock.clone())),
        Box::new(CorrelateStage::new(rules, logs, clock.clone())),
        Box::new(SinkStage::new("archive", Box::new(Collect::new(Collected::default())), clock.clone())),
    ];
    let mut measures: Vec<Arc<dyn Measure>> =
        vec![Arc::new(runtime::admin::BuildInfo), Arc::new(runtime::kafka::KafkaMetrics::default())];
    measures.extend(ingest::metrics::measures("exports", &Arc::default(), &Arc::default(), clock.clone()));
    measures.extend(stages.iter().flat_map(|stage| stage.measures(&counters, &clock)));
    measures.iter().flat_map(|measure| measure.families()).collect()
}

/// The page as the code would have it.
fn page() -> String {
    let mut page = String::from(
        "# Metrics

What `/metrics` on the admin port (`127.0.0.1:9464` unless configured otherwise) says, in Prometheus' text format. Seconds
and bytes, never milliseconds; counters begin at 0 with the process. Labels come from closed sets: configured names, stages,
outcomes, reasons, codes, rules. A reason or code that is not foreseen shows once it occurs.

Of every stage, `records_read_total` = `records_emitted_total` + the sums of `records_skipped_total` and
`records_rejected_total` (of ingest: + `records_deduplicated_total`). Watermarks between the records count as records.

This page is generated: `WEIR_WRITE_DOCS=1 cargo test -p weir --test admin` writes it, the same without the variable holds
it against the code.

| family | type | labels | unit | meaning |
|---|---|---|---|---|
",
    );
    for Family { name, kind, labels, meaning } in families() {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let stem = name.trim_end_matches("_total");
        let unit = ["seconds", "bytes"].into_iter().find(|unit| stem.ends_with(unit)).unwrap_or("1");
        page.push_str(&format!(
            "| `{name}` | {} | {} | {unit} | {meaning} |\n",
            kind.name(),
            labels.join(", ")
        ));
    }
    page
}

#[test]
fn the_page_lists_every_family_as_it_is_registered() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("WEIR_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, page(), "write it with WEIR_WRITE_DOCS=1");
}

#[test]
fn names_have_their_worker_their_unit_and_no_label_that_grows() {
    let closed = [
        "source",
        "sink",
        "stage",
        "outcome",
        "reason",
        "rule",
        "severity",
        "content_type",
        "code",
        "version",
        "group",
        "topic",
    ];
    let families = families();
    let names: BTreeSet<&str> = families.iter().map(|family| family.name.as_str()).collect();
    assert_eq!(names.len(), families.len(), "one name has one kind, one set of labels and one meaning");
    for family in &families {
        let worker = family.name.strip_prefix("weir_").and_then(|rest| rest.split('_').next()).unwrap();
        assert!(["ingest", "enrich", "detect", "sink", "log", "build"].contains(&worker), "{}", family.name);
        assert!(family.labels.iter().all(|label| closed.contains(label)), "{family:?}");
        assert!(!family.name.contains("_ms") && !family.name.contains("milli"), "{}", family.name);
        assert!(family.meaning.ends_with('.') && !family.meaning.contains('|'), "{family:?}");
    }
    // The core set is everybody's.
    for worker in ["ingest", "enrich", "detect", "sink"] {
        for thing in [
            "records_read_total",
            "records_emitted_total",
            "records_skipped_total",
            "records_rejected_total",
            "records_retried_total",
            "outputs_total",
            "in_flight_records",
            "process_seconds",
            "backpressure_seconds_total",
            "oldest_unfinished_age_seconds",
        ] {
            assert!(names.contains(format!("weir_{worker}_{thing}").as_str()), "{worker} {thing}");
        }
    }
}
