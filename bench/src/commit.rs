//! What a step of 1,000 records costs on each log: CPU of this process, and the time until it is committed.

use std::io::Write;
use std::sync::Arc;

use pipeline::log::{Lease, Limits, Member, Step};
use pipeline::{Clock, Log, Logs, MemoryLog, MemoryOptions, Next, Outgoing};
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicPlan};
use schemas::{Event, Topic};

use crate::measure::{Failure, Outcome, Times, cpu_us};

const RECORDS: usize = 1000;
const STEPS: usize = 30;

/// Every log that is there.
///
/// # Errors
/// When a log cannot be opened or written.
pub(crate) fn all(events: &[Event], out: &mut impl Write) -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    let records = records(events)?;
    writeln!(out, "a step of {RECORDS} events:")?;
    let memory = Arc::new(MemoryLog::new(MemoryOptions::default()));
    runtime.block_on(one("memory", memory, &records, out))?;
    let folder = tempfile::tempdir()?;
    let options =
        EmbeddedOptions { clock: Clock::machine(), ..EmbeddedOptions::new(folder.path().join("bench.db")) };
    runtime.block_on(one("embedded", Arc::new(EmbeddedLog::open(&options)?), &records, out))?;
    match std::env::var("WEIR_KAFKA") {
        Ok(bootstrap) => runtime.block_on(kafka(bootstrap, &records, out)),
        Err(_) => Ok(writeln!(out, "  kafka     not measured: WEIR_KAFKA is not set")?),
    }
}

fn records(events: &[Event]) -> Result<Vec<Outgoing>, Failure> {
    let mut records = Vec::new();
    for event in events.iter().cycle().take(RECORDS) {
        records.push(Outgoing::keyed(Topic::Event, event.id.to_string(), schemas::encode(event)?));
    }
    Ok(records)
}

async fn kafka(bootstrap: String, records: &[Outgoing], out: &mut impl Write) -> Outcome {
    let prefix = format!("bench-{}.", std::process::id());
    let logs = Arc::new(KafkaLogs::new(KafkaConfig { prefix, ..KafkaConfig::new(bootstrap) })?);
    logs.apply_topics(&TopicPlan::all(1)).await?;
    let measured = one("kafka", Arc::clone(&logs) as Arc<dyn Logs>, records, out).await;
    logs.delete_topics().await?;
    logs.close().await;
    measured
}

async fn one(name: &str, logs: Arc<dyn Logs>, records: &[Outgoing], out: &mut impl Write) -> Outcome {
    let member = Member {
        group: "bench".to_owned(),
        name: "0".to_owned(),
        topics: vec![Topic::Ledger],
        limits: Limits::default(),
    };
    let mut log = logs.open(member).await?;
    let lease = assigned(log.as_mut()).await?;
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let clock = Clock::machine();
    for _ in 0..STEPS {
        let step = Step { lease: lease.0, finished: lease.1.clone(), records: records.to_vec() };
        let (cpu_start, start) = (cpu_us(), clock.now().0);
        log.commit(step).await?;
        cpu.push(cpu_us() - cpu_start);
        #[expect(clippy::cast_precision_loss, reason = "a step takes less than a day")]
        wall.push((clock.now().0 - start) as f64);
    }
    log.leave().await?;
    writeln!(out, "  {name:<9} CPU {}, committed after {}", Times::of(cpu).per(1), Times::of(wall).per(1))?;
    Ok(())
}

async fn assigned(log: &mut dyn Log) -> Result<(Lease, pipeline::log::Positions), Failure> {
    loop {
        if let Next::Assigned(assignment) = log.next().await? {
            return Ok((assignment.lease, assignment.gained.into_iter().collect()));
        }
    }
}
