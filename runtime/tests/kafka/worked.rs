//! A worker over a real broker that has lost records, and that takes only small ones: what is to be seen afterwards.

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use libtest_mimic::Trial;
use pipeline::{
    Batch, Clock, Halt, Incoming, Logs as _, Outcome, Outgoing, Stage, Work,
    log::{Assignment, Positions},
    worker::{self, Control, Counters, TOO_LARGE, Tally},
};
use schemas::{Offset, StageName, Topic, TopicPartition, dead_letter, gap::Gap};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::{self, Broker, Kafka},
    hand::{Hand, INPUT, OUTPUT, at, feed, member, numbers, record_of, seen, text},
    sizes::{all_of, noise, takes_at_most},
};

pub(crate) fn trials(address: &str) -> Vec<Trial> {
    type Case = fn(Broker) -> BoxFuture<'static, ()>;
    let cases: [(&str, Case); 2] = [
        ("a_worker_makes_a_gap_record_of_what_was_lost", |b| lost(b).boxed()),
        ("a_worker_sets_aside_what_makes_too_large_a_record", |b| large(b).boxed()),
    ];
    let trial = |(name, case): (&str, Case)| {
        let address = address.to_owned();
        Trial::test(format!("kafka::{name}"), move || broker::run(&Broker::new(&address), case))
    };
    cases.into_iter().map(trial).collect()
}

/// Copies every record; of one text it makes a large one.
struct Copying {
    large: Option<String>,
}

impl Stage for Copying {
    fn name(&self) -> StageName {
        StageName::Enrich
    }

    fn assigned<'a>(&'a mut self, _: &'a Assignment) -> BoxFuture<'a, Result<(), Halt>> {
        ready(Ok(())).boxed()
    }

    fn dropped(&mut self, _: &[TopicPartition]) {}

    fn work<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Work, Halt>> {
        let copy = |record: &Incoming| {
            let text = text(record);
            let is_large = self.large.as_ref() == Some(&text);
            let copy = record_of(OUTPUT, &text);
            let value = if is_large { Some(noise(60_000, 5).into()) } else { copy.value };
            Outcome::Emit(vec![Outgoing { value, ..record_of(OUTPUT, &text) }])
        };
        let outcomes = batch.records.iter().map(copy).collect();
        ready(Ok(Work { outcomes, also: Vec::new() })).boxed()
    }
}

/// Runs a worker until all has been worked on; says what it did.
async fn worked(kafka: &Kafka, large: Option<&str>) -> Tally {
    let mut log = kafka.logs.open(member("group", "one", &[INPUT], 5)).await.expect("a handle opens");
    let drain = CancellationToken::new();
    drain.cancel();
    let control = Control { stop: CancellationToken::new(), drain, clock: Clock::machine() };
    let (mut stage, counters) = (Copying { large: large.map(str::to_owned) }, Counters::default());
    worker::run(log.as_mut(), &mut stage, &control, &counters).await.expect("it works");
    counters.read()
}

async fn lost(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    worked(&kafka, None).await;
    feed(kafka.logs.as_ref(), &numbers(5..10)).await;
    // Where the next one will be.
    feed(kafka.logs.as_ref(), &numbers(10..12)).await;
    let first = all_of(&kafka.logs, INPUT).await.into_iter().find(|record| text(record) == "10");
    let begin = first.expect("it was written").offset;
    kafka.delete_before(&Positions::from([(at(INPUT), begin)])).await;
    worked(&kafka, None).await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, [numbers(0..5), numbers(10..12)].concat());
    let gaps = all_of(&kafka.logs, Topic::Gap).await;
    assert_eq!(gaps.len(), 1, "one range, one gap");
    let gap: Gap = schemas::decode(gaps[0].value.as_deref().expect("a value")).expect("a gap");
    assert_eq!((gap.reason.as_str(), gap.content_type), ("offset_out_of_range", INPUT.to_string()));
    assert!(gap.unit.ends_with(&format!("to {}", begin.0)), "{}", gap.unit);
    worked(&kafka, None).await;
    assert_eq!(all_of(&kafka.logs, Topic::Gap).await.len(), 1, "it is told once");
}

async fn large(broker: Broker) {
    let kafka = broker.make(1).await;
    takes_at_most(&kafka, OUTPUT, "50000").await;
    feed(kafka.logs.as_ref(), &numbers(0..12)).await;
    let tally = worked(&kafka, Some("07")).await;
    let rest: Vec<String> = numbers(0..12).into_iter().filter(|text| text != "07").collect();
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, rest);
    let letters = all_of(&kafka.logs, Topic::DeadLetter(StageName::Enrich)).await;
    assert_eq!(letters.iter().map(text).collect::<Vec<_>>(), ["07"], "the bytes that were read");
    let header =
        |name: &str| letters[0].headers.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    assert_eq!(header(dead_letter::REASON).as_deref(), Some(TOO_LARGE.as_bytes()));
    assert_eq!((tally.read, tally.emitted, tally.rejected.get(TOO_LARGE)), (12, 11, Some(&1)));
    let again = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    assert!(again.position() >= Offset(12), "the partition went on");
}
