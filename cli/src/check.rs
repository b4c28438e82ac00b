//! `weir check`: what every worker does before it starts, and nothing else.

use std::process::ExitCode;

use pipeline::Clock;
use schemas::Topic;

use crate::args::CheckArgs;
use crate::config::Config;

/// Reads the configuration, and opens the log unless told not to.
pub(crate) async fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read_with_sources(&args.config)?;
    let mut text = format!(
        "{}: {} sources, {} rules, {} sinks\n",
        args.config.display(),
        config.sources.len(),
        config.rules.len(),
        config.sinks.len()
    );
    if !args.offline {
        let logs = config.log.open(Clock::machine(), config.readers())?;
        for topic in Topic::all() {
            logs.partitions(topic).await?;
        }
        text.push_str("the log answers, and every topic is there\n");
    }
    crate::text::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
