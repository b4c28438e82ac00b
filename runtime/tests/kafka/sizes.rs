//! Records that a topic does not take, alone or together.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use libtest_mimic::Trial;
use pipeline::{
    Incoming, LogError, Logs as _, Outgoing, Step,
    log::{From, Positions},
};
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use runtime::kafka::{KafkaConfig, KafkaLogs};
use schemas::{Offset, Topic};

use crate::{
    broker::{self, Broker, Kafka},
    hand::{Hand, OUTPUT, feed, numbers, record_of, seen},
};

pub(crate) fn trials(address: &str) -> Vec<Trial> {
    type Case = fn(Broker) -> BoxFuture<'static, ()>;
    let cases: [(&str, Case); 4] = [
        ("a_record_that_the_broker_finds_too_large_is_named", |b| too_large(b).boxed()),
        ("a_record_that_is_too_large_names_no_others_while_there_is_little_room", |b| little_room(b).boxed()),
        ("records_that_are_too_large_only_together_go_through", |b| large_together(b).boxed()),
        ("a_record_larger_than_any_is_named_without_asking", |b| far_too_large(b).boxed()),
    ];
    let trial = |(name, case): (&str, Case)| {
        let address = address.to_owned();
        Trial::test(format!("kafka::{name}"), move || broker::run(&Broker::new(&address), case))
    };
    cases.into_iter().map(trial).collect()
}

pub(crate) async fn takes_at_most(kafka: &Kafka, topic: Topic, bytes: &str) {
    let name = format!("{}{topic}", kafka.prefix);
    let config = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("max.message.bytes", bytes);
    let altered = kafka.admin().alter_configs(&[config], &AdminOptions::new()).await;
    altered.expect("it is asked")[0].as_ref().expect("it is altered");
}

/// So many bytes that no compression makes fewer.
pub(crate) fn noise(bytes: u32, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..bytes).map(|_| next()).collect()
}

fn sized(bytes: u32, seed: u32) -> Outgoing {
    Outgoing { value: Some(noise(bytes, seed).into()), ..record_of(OUTPUT, "x") }
}

fn lengths(records: &[Incoming]) -> Vec<usize> {
    records.iter().map(|record| record.value.as_ref().map_or(0, bytes::Bytes::len)).collect()
}

pub(crate) async fn all_of(logs: &KafkaLogs, topic: Topic) -> Vec<Incoming> {
    let mut reader = logs.reader().await.expect("a reader opens");
    let (mut all, mut from) = (Vec::new(), From::Start);
    loop {
        let changes = reader.follow(topic, from).await.expect("the topic is read");
        all.extend(changes.records);
        if changes.caught_up {
            return all;
        }
        from = From::At(changes.next);
    }
}

/// Of a step's records, those that the topic does not take are named; nothing of the step is there; it comes back, and
/// without them it goes through. Nobody waits for the transaction to grow old: that would be longer than a case may take.
async fn too_large(broker: Broker) {
    let kafka = broker.make(1).await;
    takes_at_most(&kafka, OUTPUT, "50000").await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let config = KafkaConfig {
        transaction_timeout: Duration::from_secs(600),
        ..broker::config(&kafka.address, &kafka.prefix)
    };
    let logs = KafkaLogs::new(config).expect("the settings are sound");
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let batch = hand.batch().await;
    let mut step = hand.copying(&batch);
    step.records = vec![sized(100, 1), sized(200_000, 2), sized(300, 3), sized(60_000, 4), sized(500, 5)];
    step.records.extend((6..60).map(|number| sized(1_000, number)));
    let mut named = Vec::new();
    // Which of them is known first is the broker's.
    while let Err(error) = hand.log.commit(step.clone()).await {
        let LogError::TooLarge(places) = error else { panic!("{error}") };
        let back = hand.log.take_back().expect("it comes back");
        assert!(back.records == step.records && back.finished == step.finished);
        assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, Vec::<String>::new());
        named.extend(places.iter().map(|place| back.records[*place].bytes() > 50_000));
        let left = step.records.into_iter().enumerate().filter(|(place, _)| !places.contains(place));
        step.records = left.map(|(_, record)| record).collect();
    }
    assert_eq!(named, [true, true], "no others are named");
    let there = lengths(&all_of(&kafka.logs, OUTPUT).await);
    assert_eq!((there.len(), &there[..3]), (57, &[100, 300, 500][..]));
    hand.log.leave().await.expect("it leaves");
    let again = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    assert!(again.position() >= Offset(5), "its positions went with it");
}

/// The client has room for some of the records only, so that it hears of the large one while it is given others.
async fn little_room(broker: Broker) {
    let kafka = broker.make(1).await;
    takes_at_most(&kafka, OUTPUT, "12000").await;
    let mut config = broker::config(&kafka.address, &kafka.prefix);
    let small = [("message.max.bytes", "60000"), ("queue.buffering.max.kbytes", "64")];
    for (name, value) in small.into_iter().chain([("compression.type", "none")]) {
        config.extra.insert(name.to_owned(), value.to_owned());
    }
    let logs = KafkaLogs::new(config).expect("the settings are sound");
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let records =
        (0..120).map(|number| sized(if number == 3 { 20_000 } else { 3_000 }, number + 1)).collect();
    let step = Step { lease: hand.lease, finished: Positions::new(), records };
    assert_eq!(hand.log.commit(step).await, Err(LogError::TooLarge(vec![3])));
    let mut back = hand.log.take_back().expect("it comes back");
    back.records.remove(3);
    hand.log.commit(back).await.expect("the others fit");
    assert_eq!(lengths(&all_of(&kafka.logs, OUTPUT).await), [3_000; 119]);
}

async fn large_together(broker: Broker) {
    let kafka = broker.make(1).await;
    takes_at_most(&kafka, OUTPUT, "50000").await;
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    for round in 0..3 {
        let records = (0..10).map(|n| sized(20_000, 7 + n + 10 * round)).collect();
        let step = Step { lease: hand.lease, finished: Positions::new(), records };
        hand.log.commit(step).await.expect("each of them fits");
    }
    assert_eq!(lengths(&all_of(&kafka.logs, OUTPUT).await), [20_000; 30]);
}

async fn far_too_large(broker: Broker) {
    let kafka = broker.make(1).await;
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let records = vec![sized(10, 1), sized(1_200_000, 2)];
    let step = Step { lease: hand.lease, finished: Positions::new(), records };
    assert_eq!(hand.log.commit(step).await, Err(LogError::TooLarge(vec![1])));
    let mut back = hand.log.take_back().expect("it comes back");
    assert!(hand.log.take_back().is_none(), "once");
    back.records.truncate(1);
    hand.log.commit(back).await.expect("the other fits");
    assert_eq!(lengths(&all_of(&kafka.logs, OUTPUT).await), [10]);
}
