//! `weir topics plan|apply`: what the topics of a Kafka log should be like, and making what is missing.

use std::process::ExitCode;

use crate::args::{RunArgs, TopicsCommand};
use crate::config::Config;
use crate::exit::{self, WrongConfig};
use crate::rights;
use runtime::config::LogConfig;
use runtime::kafka::{KafkaLogs, TopicChange};

/// Says what differs, and changes it where that was asked for; exit code 78 where only an operator can.
pub(crate) async fn topics(command: &TopicsCommand) -> anyhow::Result<ExitCode> {
    let (TopicsCommand::Plan(args) | TopicsCommand::Apply(args) | TopicsCommand::Rights(args)) = command;
    let config = Config::read(&args.config)?;
    let (LogConfig::Kafka { client, .. }, Some(plan)) = (&config.log, config.log.topic_plan()) else {
        return Err(no_topics(args).into());
    };
    if let TopicsCommand::Rights(_) = command {
        crate::text::print(&rights::commands(&config, client))?;
        return Ok(ExitCode::SUCCESS);
    }
    let logs = KafkaLogs::new(client.clone())?;
    let changes = match command {
        TopicsCommand::Apply(_) => logs.apply_topics(&plan).await?,
        TopicsCommand::Plan(_) | TopicsCommand::Rights(_) => logs.plan_topics(&plan).await?,
    };
    logs.close().await;
    crate::text::print(&said(&changes))?;
    let is_settled = changes.iter().all(|change| change.is_applied());
    Ok(if is_settled { ExitCode::SUCCESS } else { ExitCode::from(exit::CONFIG) })
}

fn no_topics(args: &RunArgs) -> WrongConfig {
    let message = "only a Kafka log has topics to create; the others make their own";
    WrongConfig(vec![format!("{}: {message}", args.config.display())])
}

/// A difference a line.
fn said(changes: &[TopicChange]) -> String {
    if changes.is_empty() {
        return "every topic is as it should be\n".to_owned();
    }
    changes.iter().map(|change| format!("{change}\n")).collect()
}
