//! The same records on each of the logs: one process over memory, one over a file, a process for each worker over Apache
//! Kafka, and two of each. Whoever folds what their sinks wrote holds the same findings.
//!
//! Needs `WEIR_KAFKA=host:port` (`.ci/kafka start`); `WEIR_SEED` for a run that was seen before.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails so"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemas::Micros;
use simulator::tenant::{DELAY_MAX, Feed, Settings, Tenant};

#[path = "support/audit.rs"]
mod audit;
#[path = "support/crew.rs"]
mod crew;
#[path = "support/folded.rs"]
mod folded;
#[path = "support/load.rs"]
mod load;
#[path = "support/process.rs"]
mod process;
#[expect(dead_code, reason = "nobody is killed here")]
#[path = "support/random.rs"]
mod random;
#[path = "support/six.rs"]
mod six;

use audit::Audit;
use crew::{Crew, WORKERS, undisturbed};
use process::Process;
use random::{Random, say};

/// Of the corpus, beside the tenant's records.
const COPIES: usize = 4;
/// As it is by default.
const STATIC: bool = false;
/// Days that the tenant lives, the attack on the last.
const DAYS: u16 = 3;
/// 2026-02-02, a Monday.
const START: Micros = Micros(1_769_990_400_000_000);
/// A look at what changes by itself.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks at what must come: two minutes.
const LOOKS_MAX: usize = 1_200;

/// The audit records of a tenant of that seed, as its exports hold them.
fn tenant(folder: &Path, seed: u64) -> PathBuf {
    let settings = Settings { attack_day: Some(DAYS - 1), ..Settings::default() };
    let tenant = std::sync::Arc::new(Tenant::new(seed, START, settings));
    let over = tenant.attack().unwrap().1.plus(DELAY_MAX);
    let records = Feed::new(tenant, START).advance(over).records;
    say(&format!("tenant {seed}: {} records", records.len()));
    let lines: Vec<String> =
        records.into_iter().map(|record| String::from_utf8(record.bytes).unwrap()).collect();
    let path = folder.join("tenant.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// So many of each worker, until their sinks' files, folded, say what the reference says; then they are stopped.
fn crew(folder: PathBuf, broker: &str, sources: &[PathBuf], members: &[&'static str], reference: &Audit) {
    let crew = Crew::new(folder, broker, sources, members, STATIC);
    let mut workers: Vec<(&str, Process)> = Vec::new();
    for name in WORKERS {
        workers.extend(members.iter().map(|member| (name, crew.work(name, member))));
    }
    let mut looks = 0;
    while crew.standing().0 != reference.findings {
        looks += 1;
        let (name, process) = &mut workers[WORKERS.len() * members.len() - 1];
        assert!(process.ends_within(LOOK).is_none(), "{name} has ended: {}", crew.log());
        let wanting = || crew.standing().0.symmetric_difference(&reference.findings).count();
        assert!(looks < LOOKS_MAX, "{} findings differ: {}", wanting(), crew.log());
    }
    let by_member: Vec<usize> = members.iter().map(|member| lines(&crew, member)).collect();
    for (name, process) in workers {
        crew.stops_well(name, process);
    }
    // Whatever revisions were still on their way.
    crew.finish();
    let (found, repeated) = crew.audit();
    say(&format!(
        "{} of each worker: lines by member {by_member:?}, {repeated} of them repeated",
        members.len()
    ));
    assert_eq!(found.ledger, reference.ledger);
    assert!(found == *reference, "other events or findings");
}

fn lines(crew: &Crew, member: &str) -> usize {
    std::fs::read_to_string(crew.archive(member)).unwrap().lines().count()
}

/// However many processes share the work, and whichever log they share it over: once each id is folded to its highest
/// revision and the closed are left out, the findings have the same ids, severities and evidence.
#[test]
fn workers_on_kafka_find_what_one_process_finds_however_many_there_are() {
    let Some(broker) = std::env::var("WEIR_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        say("replicas_kafka: skipped, because WEIR_KAFKA names no broker");
        return;
    };
    let mut random = Random::seeded("replicas_kafka");
    let folder = tempfile::tempdir().unwrap();
    process::program(folder.path());
    let mut sources = load::write(folder.path(), COPIES, &mut random).to_vec();
    sources.push(tenant(folder.path(), 1 + random.below(1_000)));
    let reference = undisturbed(folder.path(), &sources);
    crew(folder.path().join("four"), &broker, &sources, &["a"], &reference);
    crew(folder.path().join("eight"), &broker, &sources, &["a", "b"], &reference);
}
