//! `weir topics plan|apply`: what the topics of a Kafka log should be like, and making what is missing. `weir topics rights`
//! connects to nothing.

use std::process::ExitCode;

use crate::args::{RunArgs, TopicsCommand};
use crate::config::Config;
use crate::exit::{self, WrongConfig};
use crate::rights;
use runtime::config::LogConfig;
use runtime::kafka::{KafkaLogs, TopicChange};

/// Says what differs, and changes it where that was asked for; exit code 78 where only an operator can, and must.
pub(crate) async fn topics(command: &TopicsCommand) -> anyhow::Result<ExitCode> {
    let (TopicsCommand::Plan(args) | TopicsCommand::Apply(args) | TopicsCommand::Rights(args)) = command;
    let config = Config::read(&args.config)?;
    let (LogConfig::Kafka { client, .. }, Some(plan)) = (&config.log, config.log.topic_plan()) else {
        let message = "only a Kafka log has topics to create; the others make their own";
        return Err(wrong(args, message).into());
    };
    if let TopicsCommand::Rights(_) = command {
        crate::text::print(&rights::commands(&config, client))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(problem) = client.topics_problem() {
        return Err(wrong(args, &format!("log.kafka.oauth: {problem}")).into());
    }
    let logs = KafkaLogs::new(client.clone())?;
    let changes = match command {
        TopicsCommand::Apply(_) => logs.apply_topics(&plan).await?,
        TopicsCommand::Plan(_) | TopicsCommand::Rights(_) => logs.plan_topics(&plan).await?,
    };
    logs.close().await;
    crate::text::print(&said(&changes))?;
    let is_refused = changes.iter().any(|change| change.is_refused());
    Ok(if is_refused { ExitCode::from(exit::CONFIG) } else { ExitCode::SUCCESS })
}

fn wrong(args: &RunArgs, message: &str) -> WrongConfig {
    WrongConfig(vec![format!("{}: {message}", args.config.display())])
}

/// A difference a line.
fn said(changes: &[TopicChange]) -> String {
    if changes.is_empty() {
        return "every topic is as it should be\n".to_owned();
    }
    changes.iter().map(|change| format!("{change}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Before anything is connected to: nobody listens there, and whoever asked would wait.
    #[tokio::test]
    async fn a_configuration_that_cannot_look_after_topics_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let oauth = "log: {kafka: {bootstrap: \"127.0.0.1:1\", settings: {security.protocol: sasl_ssl, sasl.mechanism: \
                     OAUTHBEARER}, oauth: {token_url: \"https://login.example.org/token\", client_id: weir, \
                     client_secret: {env: SECRET}}}}\n";
        for (text, says) in [
            (
                oauth,
                "log.kafka.oauth: topics are administered with a password or a certificate, not with a token",
            ),
            ("log: {memory: {}}\n", "only a Kafka log has topics to create; the others make their own"),
        ] {
            let config = folder.path().join("weir.yaml");
            std::fs::write(&config, text).unwrap();
            let expected = format!("{}: {says}", config.display());
            let args = || RunArgs { config: config.clone() };
            for command in [TopicsCommand::Plan(args()), TopicsCommand::Apply(args())] {
                let error = topics(&command).await.unwrap_err();
                let wrong = error.downcast_ref::<WrongConfig>().map(ToString::to_string);
                assert_eq!(wrong, Some(expected.clone()));
            }
        }
    }
}
