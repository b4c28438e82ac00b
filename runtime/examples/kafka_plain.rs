//! What `bench/kafka` holds the Kafka log against: the same work by a plain loop over the same client, without a log, a
//! lease or a worker, and without transactions or with them. Not shipped; it lies here because only this crate may name
//! the client. Settings are those of `runtime/src/kafka/client.rs`.
//!
//! `kafka_plain chain BROKER PREFIX GROUP STEP_BYTES EVENTS MODE`    consume, decode, encode, produce, commit
//! `kafka_plain produce BROKER PREFIX FILE STEP_BYTES MODE`          the file's lines, a flush (or commit) a step
//! `kafka_plain feed BROKER PREFIX PER_SECOND SECONDS`               the first event of partition 0, again and again
//! `kafka_plain ends BROKER PREFIX`                                  the sum of the ends of all partitions of events
//!
//! MODE is `plain` (idempotent, positions committed by themselves after each step) or `transactions`. Prints one line
//! of JSON. CPU time is the scheduler's, of all threads that live at the end.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pipeline::Clock;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};
use schemas::Event;

type Failure = Box<dyn Error>;

const PARTITIONS: i32 = 4;
/// So many lines go to one partition before the next one's turn.
const TURN: usize = 1000;
const WITHIN: Duration = Duration::from_secs(60);

/// Hears whether a record was not delivered.
#[derive(Debug, Default)]
struct Deliveries(AtomicBool);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.store(true, Ordering::Release);
        }
    }
}

struct Producer {
    inner: ThreadedProducer<Deliveries>,
    is_transactional: bool,
}

impl Producer {
    fn new(broker: &str, id: &str, mode: &str) -> Result<Self, Failure> {
        let is_transactional = match mode {
            "plain" => false,
            "transactions" => true,
            other => return Err(format!("no mode {other}").into()),
        };
        let mut config = config(broker);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("delivery.report.only.error", "true")
            .set("message.max.bytes", "1000000")
            .set("compression.type", "lz4")
            .set("linger.ms", "0")
            .set("batch.num.messages", "10000")
            .set("queue.buffering.max.messages", "100000");
        if is_transactional {
            config.set("transactional.id", id);
        }
        let inner = ThreadedProducer::from_config_and_context(&config, Deliveries::default())?;
        if is_transactional {
            inner.init_transactions(WITHIN)?;
        }
        Ok(Self { inner, is_transactional })
    }

    fn begin(&self) -> Result<(), Failure> {
        if self.is_transactional {
            self.inner.begin_transaction()?;
        }
        Ok(())
    }

    fn send(&self, topic: &str, partition: i32, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).key(key).payload(value);
        loop {
            match self.inner.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    std::thread::park_timeout(Duration::from_millis(1));
                    record = back;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Everything that was sent is there, and nothing was lost.
    fn finish(&self) -> Result<(), Failure> {
        // The client's own flush looks only every 100 ms whether something is left; afterwards it has nothing to wait
        // for. Not by `poll`, which spins through the last millisecond of its time.
        while self.inner.in_flight_count() > 0 {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if self.is_transactional {
            self.inner.commit_transaction(WITHIN)?;
        } else {
            self.inner.flush(WITHIN)?;
        }
        if self.inner.context().0.load(Ordering::Acquire) {
            return Err("a record was not delivered".into());
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "it is measured against the one place that makes clients")]
fn config(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    config
}

fn reader(broker: &str, group: &str) -> Result<BaseConsumer, Failure> {
    let mut config = config(broker);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "4096")
        .set("fetch.queue.backoff.ms", "20");
    Ok(config.create()?)
}

/// Events in, the same events decoded and encoded again out.
fn chain(words: &[String]) -> Result<(), Failure> {
    let [broker, prefix, group, step, events, mode] = words else { return Err("six words, please".into()) };
    let (step_max, wanted): (usize, u64) = (step.parse()?, events.parse()?);
    let (from, to) = (format!("{prefix}weir.event.v1"), format!("{prefix}weir.enriched.v1"));
    let producer = Producer::new(broker, group, mode)?;
    let consumer = reader(broker, group)?;
    consumer.subscribe(&[&from])?;
    let mut first = None;
    while first.is_none() && consumer.assignment()?.count() == 0 {
        first = consumer.poll(Duration::from_millis(10)).transpose()?;
    }
    let start = Start::now()?;
    let (mut done, mut steps) = (0, 0);
    while done < wanted {
        let (mut bytes, mut count) = (0, 0);
        let mut positions = BTreeMap::new();
        while bytes < step_max && done + count < wanted {
            // What is there makes a step, as with the log.
            let wait = if count == 0 { Duration::from_secs(10) } else { Duration::ZERO };
            let message = match first.take() {
                Some(message) => message,
                None => match consumer.poll(wait).transpose()? {
                    Some(message) => message,
                    None if count == 0 => return Err("no more events".into()),
                    None => break,
                },
            };
            if count == 0 {
                producer.begin()?;
            }
            let value = message.payload().unwrap_or_default();
            let event: Event = schemas::decode(value)?;
            let (key, partition) = (message.key().unwrap_or_default(), message.partition());
            producer.send(&to, partition, key, &schemas::encode(&event)?)?;
            positions.insert(partition, message.offset() + 1);
            bytes += value.len() + key.len();
            count += 1;
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in positions {
            list.add_partition_offset(&from, partition, Offset::Offset(offset))?;
        }
        if producer.is_transactional {
            let metadata = consumer.group_metadata().ok_or("no group")?;
            producer.inner.send_offsets_to_transaction(&list, &metadata, WITHIN)?;
            producer.finish()?;
        } else {
            producer.finish()?;
            consumer.commit(&list, CommitMode::Sync)?;
        }
        done += count;
        steps += 1;
    }
    start.print(done, steps)
}

fn produce(words: &[String]) -> Result<(), Failure> {
    let [broker, prefix, file, step, mode] = words else { return Err("five words, please".into()) };
    let step_max: usize = step.parse()?;
    let topic = format!("{prefix}weir.event.v1");
    let producer = Producer::new(broker, "kafka-plain", mode)?;
    let start = Start::now()?;
    let (mut done, mut steps, mut bytes, mut partition) = (0_u64, 0, 0, 0);
    for (number, line) in BufReader::new(fs::File::open(file)?).split(b'\n').enumerate() {
        let line = line?;
        if bytes == 0 {
            producer.begin()?;
        }
        if number % TURN == 0 {
            partition = (partition + 1) % PARTITIONS;
        }
        producer.send(&topic, partition, &[], &line)?;
        bytes += line.len();
        done += 1;
        if bytes >= step_max {
            producer.finish()?;
            (bytes, steps) = (0, steps + 1);
        }
    }
    if bytes > 0 {
        producer.finish()?;
        steps += 1;
    }
    start.print(done, steps)
}

/// Evenly, by the clock: whoever is late does not catch up in a burst that would hide pauses.
fn feed(words: &[String]) -> Result<(), Failure> {
    let [broker, prefix, rate, seconds] = words else { return Err("four words, please".into()) };
    let (rate, seconds): (u32, u32) = (rate.parse()?, seconds.parse()?);
    let topic = format!("{prefix}weir.event.v1");
    let consumer = reader(broker, "kafka-plain-feed")?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning)?;
    consumer.assign(&list)?;
    let message = consumer.poll(WITHIN).transpose()?.ok_or("partition 0 is empty")?;
    let value = message.payload().unwrap_or_default().to_vec();
    let producer = Producer::new(broker, "", "plain")?;
    let start = Start::now()?;
    let (pause, (_never, wait)) = (Duration::from_secs(1) / rate, std::sync::mpsc::channel::<()>());
    for number in 0..rate * seconds {
        producer.send(&topic, i32::try_from(number)? % PARTITIONS, &number.to_be_bytes(), &value)?;
        let due = start.micros + i64::try_from((pause * (number + 1)).as_micros())?;
        let left = u64::try_from(due - Clock::machine().now().0).unwrap_or(0);
        // Nobody sends anything: it is the clock that is waited for.
        if wait.recv_timeout(Duration::from_micros(left)).is_ok() {
            break;
        }
    }
    producer.finish()?;
    start.print((rate * seconds).into(), 0)
}

fn ends(words: &[String]) -> Result<(), Failure> {
    let [broker, prefix] = words else { return Err("two words, please".into()) };
    let consumer = reader(broker, "kafka-plain-ends")?;
    let mut sum = 0;
    for partition in 0..PARTITIONS {
        sum += consumer.fetch_watermarks(&format!("{prefix}weir.event.v1"), partition, WITHIN)?.1;
    }
    writeln!(std::io::stdout().lock(), "{{\"ends\": {sum}}}")?;
    Ok(())
}

/// When measuring began.
struct Start {
    micros: i64,
    cpu_nanos: u64,
}

impl Start {
    fn now() -> Result<Self, Failure> {
        Ok(Self { micros: Clock::machine().now().0, cpu_nanos: cpu_nanos()? })
    }

    fn print(&self, events: u64, steps: u64) -> Result<(), Failure> {
        let (wall, cpu) = (Clock::machine().now().0 - self.micros, (cpu_nanos()? - self.cpu_nanos) / 1000);
        let line =
            format!("{{\"events\": {events}, \"steps\": {steps}, \"wall_us\": {wall}, \"cpu_us\": {cpu}}}");
        writeln!(std::io::stdout().lock(), "{line}")?;
        Ok(())
    }
}

/// What the scheduler gave to all threads so far.
fn cpu_nanos() -> Result<u64, Failure> {
    let mut sum = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(sum)
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((what, rest)) if what == "chain" => chain(rest),
        Some((what, rest)) if what == "produce" => produce(rest),
        Some((what, rest)) if what == "feed" => feed(rest),
        Some((what, rest)) if what == "ends" => ends(rest),
        _ => Err("chain, produce, feed or ends".into()),
    }
}
