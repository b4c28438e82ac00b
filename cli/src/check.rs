//! `weir check`: what every worker does before it starts, and nothing else.

use std::process::ExitCode;

use pipeline::Clock;
use schemas::Topic;

use crate::args::CheckArgs;
use crate::config::Config;
use crate::exit::WrongConfig;

/// Reads the configuration, and opens the log unless told not to.
pub(crate) async fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let mut problems = Vec::new();
    for source in &config.sources {
        if let Err(found) = source.files() {
            problems.extend(found.iter().map(|problem| format!("source {}: {problem}", source.name)));
        }
    }
    if !problems.is_empty() {
        return Err(WrongConfig(problems).into());
    }
    let mut text = format!(
        "{}: {} sources, {} rules, {} sinks\n",
        args.config.display(),
        config.sources.len(),
        config.rules.len(),
        config.sinks.len()
    );
    if !args.offline {
        let logs = config.log.open(Clock::machine())?;
        for topic in Topic::all() {
            logs.partitions(topic).await?;
        }
        text.push_str("the log answers, and every topic is there\n");
    }
    crate::text::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
