//! `weir check`: what every worker does before it starts (of Kafka: are there the topics, and transactions?), one question to
//! each service that sources ask (is the token taken, what is subscribed?), and one to each receiver of findings, without a
//! finding: would it take one? So an embedded log and a sink's file that do not exist yet are made. For a log that does not
//! answer it waits 30 s, where workers wait on. A service or receiver that refuses us is exit 77, one that is away 69.

use std::process::ExitCode;
use std::time::Duration;

use pipeline::log::{Limits, Member};
use pipeline::{Clock, LogError, Logs};
use runtime::kafka::NO_RIGHT;
use schemas::Topic;

use crate::args::CheckArgs;
use crate::config::Config;
use crate::text::count;

/// Workers wait for a broker that is away; who checks wants an answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Reads the configuration, and opens the log and the sinks unless told not to.
pub(crate) async fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read_to_check(&args.config)?;
    let mut text = format!(
        "{}: {}, {}, {}\n",
        args.config.display(),
        count(config.sources.len(), "source"),
        count(config.rules.len(), "rule"),
        count(config.sinks.len(), "sink")
    );
    if !args.offline {
        config.log.settle_schemas().await?;
        let logs = config.log.open(Clock::machine(), config.readers())?;
        tokio::time::timeout(ANSWERS_WITHIN, answers(logs.as_ref()))
            .await
            .map_err(|_| LogError::Unusable(format!("no answer within {} s", ANSWERS_WITHIN.as_secs())))??;
        for source in &config.sources {
            for line in source.check(Clock::machine()).await? {
                text.push_str(&format!("source {}: {line}\n", source.name()));
            }
        }
        for sink in &config.sinks {
            sink::sinks::probe(sink, &Clock::machine()).await?;
        }
        text.push_str("every sink would take findings; the log answers, and every topic is there\n");
    }
    crate::text::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Every topic is there, and steps can be committed: a broker that knows no transactions says so here, as it would to every
/// worker. One that knows them, and lets us begin none, is as good: they are the workers' right.
async fn answers(logs: &dyn Logs) -> Result<(), LogError> {
    for topic in Topic::all() {
        logs.partitions(topic).await?;
    }
    let (name, limits) = ("check".to_owned(), Limits::default());
    match logs.open(Member { group: name.clone(), name, topics: Vec::new(), limits }).await {
        Ok(mut log) => log.leave().await,
        Err(LogError::Refused(why)) if why.starts_with(NO_RIGHT) => Ok(()),
        Err(error) => Err(error),
    }
}
