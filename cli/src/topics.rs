//! `weir topics apply`: creates what a Kafka log is missing.

use std::process::ExitCode;

use crate::args::{RunArgs, TopicsCommand};
use crate::config::Config;
use crate::exit::WrongConfig;
use runtime::config::LogConfig;

/// Applies the topics.
pub(crate) async fn topics(command: &TopicsCommand) -> anyhow::Result<ExitCode> {
    match command {
        TopicsCommand::Apply(args) => apply(args).await,
    }
}

async fn apply(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let LogConfig::Kafka(kafka) = &config.log else {
        let message = "only a Kafka log has topics to create; the others make their own";
        return Err(WrongConfig(vec![format!("{}: {message}", args.config.display())]).into());
    };
    let lines = kafka.apply_topics().await?;
    crate::text::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}
