//! The Kafka log's side of `bench/kafka`, which says what is measured and starts this with its words. One line of JSON
//! each; CPU time is that of the process.
//!
//! `bench-kafka prepare BROKER PREFIX EVENTS FILE`                  topics, so many events, the records as lines
//! `bench-kafka chain BROKER PREFIX GROUP STEP_BYTES EVENTS STAGE`  consume, decode, encode, produce, commit
//! `bench-kafka produce BROKER PREFIX FILE STEP_BYTES`              the file's lines, a step after the other
//! `bench-kafka slow BROKER PREFIX GROUP SECONDS`                   when steps are committed at a low load
//!
//! STAGE is `codec`, which only decodes and encodes, or `enrich`, the shipped one with nothing configured.

mod kafka_stage;
mod kafka_timed;
mod records;

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use enrich::{EnrichStage, Lookups};
use ingest::decode::{Decoded, Origin, decode};
use pipeline::counters::Counters;
use pipeline::log::{Lease, Limits, Member, Positions};
use pipeline::worker::{self, Control};
use pipeline::{Clock, Log, Logs as _, Next, Outgoing, Route, Stage, Step};
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicPlan};
use schemas::{Event, Partition, Topic};
use tokio_util::sync::CancellationToken;

use crate::kafka_stage::CodecStage;
use crate::kafka_timed::{Moment, Timed};

type Failure = Box<dyn std::error::Error>;
type Outcome = Result<(), Failure>;

const PARTITIONS: u32 = 4;
/// So many lines go to one partition before the next one's turn.
const TURN: usize = 1000;
/// Never what ends a batch here: bytes do.
const RECORDS_MAX: usize = 100_000;
const FILL_BYTES: usize = 8 * 1024 * 1024;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    let line = match words.as_slice() {
        ["prepare", broker, prefix, events, file] => {
            runtime.block_on(prepare(&logs(broker, prefix)?, events.parse()?, file))
        }
        ["chain", broker, prefix, group, step, events, stage] => {
            let limits = Limits { records_max: RECORDS_MAX, bytes_max: step.parse()?, ..Limits::default() };
            let mut stage = stage_named(stage)?;
            runtime.block_on(chain(
                &logs(broker, prefix)?,
                member(group, Topic::Event, limits),
                events.parse()?,
                stage.as_mut(),
            ))
        }
        ["produce", broker, prefix, file, step] => {
            runtime.block_on(produce(&logs(broker, prefix)?, file, step.parse()?))
        }
        ["slow", broker, prefix, group, seconds] => {
            runtime.block_on(slow(&logs(broker, prefix)?, group, Duration::from_secs(seconds.parse()?)))
        }
        _ => Err("prepare, chain, produce or slow, with their words".into()),
    }?;
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

fn logs(broker: &str, prefix: &str) -> Result<KafkaLogs, Failure> {
    Ok(KafkaLogs::new(KafkaConfig { prefix: prefix.to_owned(), ..KafkaConfig::new(broker) })?)
}

fn member(group: &str, topic: Topic, limits: Limits) -> Member {
    Member { group: group.to_owned(), name: "0".to_owned(), topics: vec![topic], limits }
}

fn stage_named(name: &str) -> Result<Box<dyn Stage>, Failure> {
    match name {
        "codec" => Ok(Box::new(CodecStage)),
        "enrich" => Ok(Box::new(EnrichStage::new(Arc::new(Lookups::default())))),
        other => Err(format!("no stage {other}").into()),
    }
}

/// Fills the topic of events from the corpus, in turn, and the file with the records they were made from.
async fn prepare(logs: &KafkaLogs, events: usize, file: &str) -> Result<String, Failure> {
    logs.apply_topics(&TopicPlan::all(PARTITIONS)).await?;
    let origin = Origin { source: "bench".to_owned(), tenant: None, environment: None };
    let mut pairs = Vec::new();
    for record in records::corpus()? {
        if let Decoded::Event(event) = decode(record.clone(), &origin) {
            pairs.push((record, event.id.to_string(), Bytes::from(schemas::encode(event.as_ref())?)));
        }
    }
    let mut filled = Filled::open(logs).await?;
    let mut lines = BufWriter::new(File::create(file)?);
    let (mut records, mut bytes, mut bytes_of_lines) = (Vec::new(), 0, 0);
    for (number, (line, key, value)) in pairs.iter().cycle().take(events).enumerate() {
        lines.write_all(line)?;
        lines.write_all(b"\n")?;
        bytes_of_lines += line.len();
        bytes += value.len();
        records.push(to_partition(number, key.clone().into(), value.clone()));
        if bytes_of(&records) >= FILL_BYTES {
            filled.step(std::mem::take(&mut records)).await?;
        }
    }
    filled.step(records).await?;
    filled.log.leave().await?;
    lines.flush()?;
    Ok(format!(
        "{{\"records\": {}, \"event_bytes\": {}, \"line_bytes\": {}}}",
        pairs.len(),
        bytes / events.max(1),
        bytes_of_lines / events.max(1)
    ))
}

fn to_partition(number: usize, key: Bytes, value: Bytes) -> Outgoing {
    let partition = u32::try_from(number / TURN).unwrap_or(0) % PARTITIONS;
    Outgoing::keyed(Topic::Event, key, value).to(Route::Exact(Partition(partition)))
}

fn bytes_of(records: &[Outgoing]) -> usize {
    records.len() * records.last().map_or(0, Outgoing::bytes)
}

/// A handle that only writes. It finishes, again and again, where it began, so that every step is one that can be fenced.
struct Filled {
    log: Box<dyn Log>,
    lease: Lease,
    finished: Positions,
}

impl Filled {
    async fn open(logs: &KafkaLogs) -> Result<Self, Failure> {
        let mut log = logs.open(member("bench-fill", Topic::Ledger, Limits::default())).await?;
        loop {
            if let Next::Assigned(assignment) = log.next().await? {
                let finished = assignment.gained.into_iter().collect();
                return Ok(Self { log, lease: assignment.lease, finished });
            }
        }
    }

    async fn step(&mut self, records: Vec<Outgoing>) -> Outcome {
        let step = Step { lease: self.lease, finished: self.finished.clone(), records };
        Ok(self.log.commit(step).await?)
    }
}

async fn produce(logs: &KafkaLogs, file: &str, step_max: usize) -> Result<String, Failure> {
    let mut filled = Filled::open(logs).await?;
    // A first transaction finds out where its partitions are.
    filled.step(Vec::new()).await?;
    let start = Moment::now();
    let (mut records, mut bytes, mut count, mut steps) = (Vec::new(), 0, 0, 0);
    for (number, line) in BufReader::new(File::open(file)?).split(b'\n').enumerate() {
        let line = line?;
        bytes += line.len();
        count += 1;
        records.push(to_partition(number, Bytes::new(), line.into()));
        if bytes >= step_max {
            filled.step(std::mem::take(&mut records)).await?;
            (bytes, steps) = (0, steps + 1);
        }
    }
    if !records.is_empty() {
        filled.step(records).await?;
        steps += 1;
    }
    let line = start.line(count, steps);
    filled.log.leave().await?;
    Ok(line)
}

/// The worker's own loop, from the moment it is given its partitions until so many events are committed.
async fn chain(
    logs: &KafkaLogs,
    member: Member,
    events: usize,
    stage: &mut dyn Stage,
) -> Result<String, Failure> {
    let control = control();
    let mut timed = Timed::new(logs.open(member).await?, events, control.stop.clone());
    worker::run(&mut timed, stage, &control, &Counters::default()).await?;
    let (start, commits) = timed.times()?;
    let (last, before) = commits.split_last().ok_or("nothing was committed")?;
    Ok(start.line_until(last.moment, last.events, before.len() + 1))
}

fn control() -> Control {
    Control { stop: CancellationToken::new(), drain: CancellationToken::new(), clock: Clock::machine() }
}

/// How long it is between commits, once everything that was there at the start has been committed.
async fn slow(logs: &KafkaLogs, group: &str, during: Duration) -> Result<String, Failure> {
    let control = control();
    let member = member(group, Topic::Event, Limits::default());
    let mut timed = Timed::new(logs.open(member).await?, usize::MAX, control.stop.clone());
    let (mut stage, counters) = (EnrichStage::new(Arc::new(Lookups::default())), Counters::default());
    tokio::select! {
        ended = worker::run(&mut timed, &mut stage, &control, &counters) => ended?,
        () = control.clock.sleep(during) => {}
    }
    let (_, commits) = timed.times()?;
    let times: Vec<String> = commits
        .iter()
        .map(|commit| format!("[{}, {}, {}]", commit.moment.micros, commit.events, commit.took_micros))
        .collect();
    Ok(format!("{{\"commits\": [{}]}}", times.join(", ")))
}

/// Whether a value is an event of ours that was encoded well; the stages say so of each.
fn recoded(value: &[u8]) -> Option<Bytes> {
    let event: Event = schemas::decode(value).ok()?;
    schemas::encode(&event).ok().map(Bytes::from)
}
