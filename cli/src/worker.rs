//! One worker alone: `weir ingest|enrich|detect|sink`. The others run elsewhere, over the same log.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use enrich::Lookups;
use pipeline::Clock;
use runtime::shutdown::Shutdown;

use crate::args::{SinkArgs, WorkerArgs};
use crate::config::Config;
use crate::exit::WrongConfig;
use crate::flow::{self, Seat, Surroundings};
use crate::rights::{self, Worker};
use crate::watch::Watch;
use crate::{head, report, stages};
use runtime::config::LogConfig;

/// What every worker begins with.
struct Started {
    config: Config,
    around: Surroundings,
    watch: Watch,
    /// Listens as long as it lives.
    _shutdown: Shutdown,
}

/// Worker 1: until its sources are read.
pub(crate) async fn ingest(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let Started { config, around, watch, _shutdown } =
        start(Worker::Ingest, args, Config::read_with_sources).await?;
    let sources: Vec<head::Source> =
        config.sources.into_iter().map(|source| (source, Arc::default())).collect();
    let seen = head::seen(&sources, &around.clock);
    let head = head::ingest(&around, sources);
    let done = flow::run_seen(&around, head, Vec::new(), |_| watch.all(around.logs.as_ref(), seen)).await;
    watch.close().await;
    let done = done?;
    crate::text::print(&report::run(&done.head, around.stop.is_cancelled()))?;
    Ok(ExitCode::SUCCESS)
}

/// Worker 2: until it is told to stop.
pub(crate) async fn enrich(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let Started { config, around, watch, _shutdown } = start(Worker::Enrich, args, Config::read).await?;
    serve(&around, watch, vec![stages::enrich(Arc::new(Lookups::new(config.enrich)))]).await
}

/// Worker 3, both stages: until it is told to stop.
pub(crate) async fn detect(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let Started { config, around, watch, _shutdown } = start(Worker::Detect, args, Config::read).await?;
    let matching = stages::matching(&around, Arc::clone(&config.rules)).await?;
    let correlate = stages::correlate(&around, config.rules);
    serve(&around, watch, matching.into_iter().chain([correlate]).collect()).await
}

/// Worker 4, all configured sinks or the one that is asked for: until it is told to stop.
pub(crate) async fn sink(args: &SinkArgs) -> anyhow::Result<ExitCode> {
    let read = |path: &Path| read_sinks(path, args.only.as_deref());
    let Started { config, around, watch, _shutdown } = start(Worker::Sink, &args.worker, read).await?;
    let seats = stages::sinks(&around, &config.sinks)?;
    serve(&around, watch, seats).await
}

/// The configuration with the sink of that name alone; with all of them where none is named.
fn read_sinks(path: &Path, only: Option<&str>) -> Result<Config, WrongConfig> {
    let mut config = Config::read_with_sinks(path)?;
    let Some(only) = only else { return Ok(config) };
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    if !names.contains(&only) {
        let problem =
            format!("{}: no sink has the name {only:?}; there are {}", path.display(), names.join(", "));
        return Err(WrongConfig(vec![problem]));
    }
    config.sinks.retain(|sink| sink.name == only);
    Ok(config)
}

/// `read` says how much of the configuration must hold here.
async fn start(
    worker: Worker,
    args: &WorkerArgs,
    read: impl FnOnce(&Path) -> Result<Config, WrongConfig>,
) -> anyhow::Result<Started> {
    // First of all: a stop that comes while the rules are read is a stop too.
    let shutdown = Shutdown::listen()?;
    let config = read(&args.config)?;
    if !matches!(config.log, LogConfig::Kafka { .. }) {
        let message =
            "a worker alone needs a log that others can reach: configure log.kafka, or use `weir run`";
        return Err(WrongConfig(vec![format!("{}: {message}", args.config.display())]).into());
    }
    let clock = Clock::machine();
    let watch = Watch::open(&config.admin, &clock, shutdown.token()).await?;
    // A stop while the registry is away is a stop too: nothing is begun then.
    shutdown.token().run_until_cancelled(config.log.settle_schemas()).await.transpose()?;
    let around = Surroundings {
        logs: config.log.open(clock.clone(), config.readers())?,
        member: args.member.clone(),
        limits: config.limits,
        clock,
        stop: shutdown.token().clone(),
    };
    rights::settle(worker, &config, &around).await?;
    Ok(Started { config, around, watch, _shutdown: shutdown })
}

/// Runs the seats side by side; they end when the process is told to stop.
async fn serve(around: &Surroundings, watch: Watch, seats: Vec<Seat>) -> anyhow::Result<ExitCode> {
    let head: flow::Head<()> = Box::new(|control| {
        Box::pin(async move {
            // Also when a stage fails: the flow then stops all.
            control.stop.cancelled().await;
            Ok(())
        })
    });
    let levels = seats.into_iter().map(|seat| vec![seat]).collect();
    let done = flow::run_seen(around, head, levels, |stages| watch.all(around.logs.as_ref(), stages)).await;
    watch.close().await;
    let done = done.context("the worker failed")?;
    crate::text::print(&report::stages(&done.tallies))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_that_is_named_runs_alone_and_one_that_is_not_there_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weir.yaml");
        let text = "log: {kafka: {bootstrap: \"kafka:9092\"}}
sources: [{name: exports, kind: files, paths: [exports]}]
sinks: [{name: archive, kind: jsonl, path: a.jsonl}, {name: archive-2, kind: jsonl, path: b.jsonl}]
";
        std::fs::write(&path, text).unwrap();
        let names = |only| {
            let read = read_sinks(&path, only);
            read.map(|config| config.sinks.iter().map(|sink| sink.name.clone()).collect::<Vec<_>>())
        };
        assert_eq!(names(None).unwrap(), ["archive", "archive-2"]);
        assert_eq!(names(Some("archive")).unwrap(), ["archive"]);
        for absent in ["archiv", ""] {
            let WrongConfig(problems) = names(Some(absent)).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0]
                    .ends_with(&format!("no sink has the name {absent:?}; there are archive, archive-2"))
            );
        }
    }
}
