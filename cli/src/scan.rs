//! `weir scan`: the whole path over the memory log, once over some files.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use enrich::Lookups;
use ingest::FilesConfig;
use ingest::config::AtEnd;
use pipeline::log::Limits;
use pipeline::{Clock, Logs, MemoryLog, MemoryOptions};
use runtime::shutdown::Shutdown;
use schemas::finding::Finding;
use schemas::ledger::Counts;
use schemas::{StageName, Topic};
use sink::sinks::collect::{Collect, Collected};

use crate::args::{Format, ScanArgs};
use crate::config::Facts;
use crate::exit::{self, WrongConfig};
use crate::flow::{self, Seat, Surroundings};
use crate::letters::LettersStage;
use crate::progress::Bar;
use crate::{head, report, stages};

/// The name of a scan's only source; event ids depend on it.
const SOURCE: &str = "files";
/// Every stage waits this long once, at the end.
const IDLE_AFTER: Duration = Duration::from_millis(5);
const SINK_GROUP: &str = "weir.sink.scan";
const LETTERS_GROUP: &str = "weir.letters";

/// Scans and prints.
pub(crate) async fn scan(args: &ScanArgs) -> anyhow::Result<ExitCode> {
    let facts = Facts::read(args.config.as_deref(), args.rules.as_deref())?;
    let mut source = FilesConfig::new(SOURCE, args.files.clone());
    source.tenant.clone_from(&args.tenant);
    source.at_end = AtEnd::EndOfTime;
    source.files().map_err(|problems| WrongConfig(problems.iter().map(ToString::to_string).collect()))?;
    let shutdown = Shutdown::listen()?;
    let around = Surroundings {
        logs: memory(args),
        member: "scan".to_owned(),
        limits: Limits { idle_after: IDLE_AFTER, ..Limits::default() },
        clock: Clock::machine(),
        stop: shutdown.token().clone(),
    };
    let collected = Collected::default();
    let progress = Arc::default();
    let bar = Bar::start(vec![Arc::clone(&progress)]);
    let levels = levels(args, &around, facts, &collected).await?;
    let head = head::ingest(&around, vec![(source, progress)]);
    let done = flow::run(&around, head, levels).await;
    bar.finish().await;
    let done = done?;
    if shutdown.token().is_cancelled() {
        anyhow::bail!("stopped before the end: what was found so far is not printed");
    }
    let findings = collected.findings();
    print(args.format, &done.head.ledger, &findings)?;
    let worst = findings.iter().map(|finding| finding.severity).max();
    let failed = args.fail_on.is_some_and(|least| worst.is_some_and(|worst| worst >= least));
    Ok(if failed { ExitCode::from(exit::FOUND) } else { ExitCode::SUCCESS })
}

fn memory(args: &ScanArgs) -> Arc<dyn Logs> {
    let mut readers = stages::groups();
    readers.push((ingest::group(SOURCE), ingest::worker::TOPICS.to_vec()));
    readers.push((SINK_GROUP.to_owned(), Topic::findings()));
    if args.dead_letters.is_some() {
        readers.push((LETTERS_GROUP.to_owned(), letter_topics()));
    }
    Arc::new(MemoryLog::new(MemoryOptions {
        partitions: args.partitions,
        readers,
        ..MemoryOptions::default()
    }))
}

fn letter_topics() -> Vec<Topic> {
    StageName::ALL.map(Topic::DeadLetter).to_vec()
}

async fn levels(
    args: &ScanArgs,
    around: &Surroundings,
    facts: Facts,
    collected: &Collected,
) -> anyhow::Result<Vec<Vec<Seat>>> {
    let sink = Box::new(Collect::new(collected.clone()));
    let mut levels = vec![
        vec![stages::enrich(Arc::new(Lookups::new(facts.enrich)))],
        vec![stages::matching(around, Arc::clone(&facts.rules)).await?],
        vec![stages::correlate(around, facts.rules)],
        vec![stages::sink(around, "scan", SINK_GROUP.to_owned(), sink)],
    ];
    if let Some(path) = &args.dead_letters {
        let stage = LettersStage::create(path)
            .map_err(|error| WrongConfig(vec![format!("{}: {error}", path.display())]))?;
        levels.push(vec![Seat {
            title: "dead letters".to_owned(),
            group: LETTERS_GROUP.to_owned(),
            replica: 0,
            topics: letter_topics(),
            stage: Box::new(stage),
        }]);
    }
    Ok(levels)
}

fn print(format: Format, counts: &Counts, findings: &[Finding]) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => report::table(counts, findings),
        Format::Json => report::json(counts, findings)?,
        Format::Ocsf => report::ocsf(findings)?,
    };
    Ok(crate::text::print(&text)?)
}
