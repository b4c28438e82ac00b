//! One worker alone: `weir ingest|enrich|detect|sink`. The others run elsewhere, over the same log.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use enrich::Lookups;
use pipeline::Clock;
use runtime::shutdown::Shutdown;

use crate::args::WorkerArgs;
use crate::config::Config;
use crate::exit::WrongConfig;
use crate::flow::{self, Seat, Surroundings};
use crate::watch::Watch;
use crate::{head, report, stages};
use runtime::config::LogConfig;

/// How much of the configuration must hold here.
type Read = fn(&Path) -> Result<Config, WrongConfig>;

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
    let Started { config, around, watch, _shutdown } = start(args, Config::read_with_sources).await?;
    let sources: Vec<head::Source> =
        config.sources.into_iter().map(|source| (source, Arc::default())).collect();
    let seen = head::seen(&sources, &around.clock);
    let head = head::ingest(&around, sources);
    let done = flow::run_seen(&around, head, Vec::new(), |_| watch.all(seen)).await;
    watch.close().await;
    let done = done?;
    crate::text::print(&report::run(&done.head, around.stop.is_cancelled()))?;
    Ok(ExitCode::SUCCESS)
}

/// Worker 2: until it is told to stop.
pub(crate) async fn enrich(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let Started { config, around, watch, _shutdown } = start(args, Config::read).await?;
    serve(&around, watch, vec![stages::enrich(Arc::new(Lookups::new(config.enrich)))]).await
}

/// Worker 3, both stages: until it is told to stop.
pub(crate) async fn detect(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let Started { config, around, watch, _shutdown } = start(args, Config::read).await?;
    let matching = stages::matching(&around, Arc::clone(&config.rules)).await?;
    let correlate = stages::correlate(&around, config.rules);
    serve(&around, watch, matching.into_iter().chain([correlate]).collect()).await
}

/// Worker 4, all configured sinks: until it is told to stop.
pub(crate) async fn sink(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let Started { config, around, watch, _shutdown } = start(args, Config::read).await?;
    let seats = stages::sinks(&around, &config.sinks)?;
    serve(&around, watch, seats).await
}

async fn start(args: &WorkerArgs, read: Read) -> anyhow::Result<Started> {
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
    let around = Surroundings {
        logs: config.log.open(clock.clone(), config.readers())?,
        member: args.member.clone(),
        limits: config.limits,
        clock,
        stop: shutdown.token().clone(),
    };
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
    let done = flow::run_seen(around, head, levels, |stages| watch.all(stages)).await;
    watch.close().await;
    let done = done.context("the worker failed")?;
    crate::text::print(&report::stages(&done.tallies))?;
    Ok(ExitCode::SUCCESS)
}
