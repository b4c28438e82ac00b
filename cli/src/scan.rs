//! `weir scan`: the whole path over the memory log, once over some files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use enrich::Lookups;
use ingest::{AtEnd, FilesConfig};
use pipeline::log::Limits;
use pipeline::{Clock, Logs, MemoryLog, MemoryOptions};
use runtime::shutdown::Shutdown;
use schemas::finding::Finding;
use schemas::ledger::Counts;
use schemas::{StageName, Topic};
use sink::sinks::collect::{Collect, Collected};

use crate::args::{Format, ScanArgs};
use crate::config::Facts;
use crate::exit::{self, Stopped, WrongConfig};
use crate::flow::{self, Seat, Surroundings};
use crate::letters::LettersStage;
use crate::progress::{Bar, Screen};
use crate::{head, report, stages, text};

/// The name of a scan's only source; event ids depend on it.
const SOURCE: &str = "files";
/// Every stage waits this long once, at the end.
const IDLE_AFTER: Duration = Duration::from_millis(5);
const SINK_GROUP: &str = "weir.sink.scan";
const LETTERS_GROUP: &str = "weir.letters";

/// Scans and prints.
pub(crate) async fn scan(args: &ScanArgs, screen: &Screen) -> anyhow::Result<ExitCode> {
    let facts = Facts::read(args.config.as_deref(), args.rules.as_deref())?;
    let mut source = FilesConfig::new(SOURCE, args.files.clone());
    source.tenant.clone_from(&args.tenant);
    source.at_end = AtEnd::EndOfTime;
    let files =
        source.files().map_err(|problems| WrongConfig(problems.iter().map(ToString::to_string).collect()))?;
    if files.is_empty() {
        tracing::warn!("no file is in the folders that were named");
    }
    let letters = args.dead_letters.as_deref().map(|path| letters(path, &files)).transpose()?;
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
    let bar = Bar::start(screen, vec![Arc::clone(&progress)]);
    let lost = letters.as_ref().map(LettersStage::lost);
    let levels = levels(&around, facts, &collected, letters).await?;
    let head = head::ingest(&around, vec![(Arc::new(source), progress)]);
    let done = flow::run(&around, head, levels).await;
    bar.finish().await;
    if let Some(error) = lost.and_then(Arc::into_inner).and_then(OnceLock::into_inner) {
        return Err(anyhow::Error::new(error).context("cannot write the dead letters"));
    }
    let done = done?;
    if shutdown.token().is_cancelled() {
        return Err(Stopped.into());
    }
    let findings = collected.take();
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

/// The file of the dead letters, which is started anew and so must not be one of those to read.
fn letters(path: &Path, files: &[PathBuf]) -> Result<LettersStage, WrongConfig> {
    let wrong = |why: String| WrongConfig(vec![format!("{}: {why}", path.display())]);
    let same = |file: &PathBuf| {
        let (Ok(one), Ok(other)) = (file.canonicalize(), path.canonicalize()) else { return false };
        one == other
    };
    if files.iter().any(same) {
        return Err(wrong("is to be read, and cannot take the dead letters too".to_owned()));
    }
    LettersStage::create(path).map_err(|error| wrong(error.to_string()))
}

async fn levels(
    around: &Surroundings,
    facts: Facts,
    collected: &Collected,
    letters: Option<LettersStage>,
) -> anyhow::Result<Vec<Vec<Seat>>> {
    let sink = Box::new(Collect::new(collected.clone()));
    let mut levels = vec![
        vec![stages::enrich(Arc::new(Lookups::new(facts.enrich)))],
        stages::matching(around, Arc::clone(&facts.rules)).await?.into_iter().collect(),
        vec![stages::correlate(around, facts.rules)],
        vec![stages::sink(around, "scan", SINK_GROUP.to_owned(), sink)],
    ];
    if let Some(stage) = letters {
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

fn print(format: Format, counts: &Counts, findings: &[Finding]) -> std::io::Result<()> {
    match format {
        Format::Table => text::print(&report::table(counts, findings)),
        Format::Json => text::stream(|out| report::json(counts, findings, out)),
        Format::Ocsf => text::stream(|out| report::ocsf(findings, out)),
    }
}
