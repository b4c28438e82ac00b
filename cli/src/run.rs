//! `weir run`: every stage in this process, over the configured log, to the end of what the sources hold.

use std::process::ExitCode;
use std::sync::Arc;

use enrich::Lookups;
use runtime::shutdown::Shutdown;

use crate::args::RunArgs;
use crate::config::Config;
use crate::flow::{self, Surroundings};
use crate::progress::{Bar, Screen};
use crate::watch::Watch;
use crate::{head, report, stages};

/// Runs until everything that the sources hold has been delivered, or until it is told to stop.
pub(crate) async fn run(args: &RunArgs, screen: &Screen) -> anyhow::Result<ExitCode> {
    // First of all: a stop that comes while the rules are read is a stop too.
    let shutdown = Shutdown::listen()?;
    let config = Config::read_whole(&args.config)?;
    let clock = config.clock.clone();
    let watch = Watch::open(&config.admin, &clock, shutdown.token()).await?;
    // A stop while the registry is away is a stop too: nothing is begun then.
    shutdown.token().run_until_cancelled(config.log.settle_schemas()).await.transpose()?;
    let around = Surroundings {
        logs: config.log.open(clock.clone(), config.readers())?,
        member: "0".to_owned(),
        limits: config.limits,
        clock,
        stop: shutdown.token().clone(),
    };
    let levels = vec![
        vec![stages::enrich(Arc::new(Lookups::new(config.enrich)))],
        stages::matching(&around, Arc::clone(&config.rules)).await?.into_iter().collect(),
        vec![stages::correlate(&around, config.rules)],
        stages::sinks(&around, &config.sinks)?,
    ];
    let sources: Vec<head::Source> =
        config.sources.into_iter().map(|source| (source, Arc::default())).collect();
    // How far one without an end is cannot be drawn.
    let ending = sources.iter().filter(|(source, _)| source.ends());
    let bar = Bar::start(screen, ending.map(|(_, progress)| Arc::clone(progress)).collect());
    let mut seen = head::seen(&sources, &around.clock);
    let head = head::ingest(&around, sources);
    let done = flow::run_seen(&around, head, levels, |stages| {
        seen.extend(stages);
        watch.all(around.logs.as_ref(), seen)
    })
    .await;
    bar.finish().await;
    watch.close().await;
    let done = done?;
    let stopped = shutdown.token().is_cancelled();
    let mut text = report::run(&done.head, stopped);
    text.push_str(&report::stages(&done.tallies));
    if stopped {
        text.push_str("stopped: the next run goes on from here\n");
    }
    crate::text::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
