//! `weir topics apply`: creates what a Kafka log is missing.

use std::process::ExitCode;

use crate::args::{RunArgs, TopicsCommand};
use crate::config::Config;
use crate::exit::{self, WrongConfig};
use runtime::config::LogConfig;
use runtime::kafka::KafkaLogs;

/// Applies the topics.
pub(crate) async fn topics(command: &TopicsCommand) -> anyhow::Result<ExitCode> {
    match command {
        TopicsCommand::Apply(args) => apply(args).await,
    }
}

async fn apply(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let (LogConfig::Kafka { client, .. }, Some(plan)) = (&config.log, config.log.topic_plan()) else {
        let message = "only a Kafka log has topics to create; the others make their own";
        return Err(WrongConfig(vec![format!("{}: {message}", args.config.display())]).into());
    };
    let logs = KafkaLogs::new(client.clone())?;
    let changes = logs.apply_topics(&plan).await?;
    logs.close().await;
    let mut text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    if changes.is_empty() {
        text.push_str("every topic is as it should be\n");
    }
    crate::text::print(&text)?;
    Ok(if changes.iter().all(|change| change.is_applied()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::CONFIG)
    })
}
