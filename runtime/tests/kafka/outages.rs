//! What brokers and operators do to running members: no transactions, retention that runs ahead, topics that go and come
//! back, partitions that come, rights that go, records that do not fit, answers that come too late or not at all.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use libtest_mimic::Trial;
use pipeline::{
    Incoming, LogError, Logs, Next, Step,
    log::{Missed, Positions},
    metrics::{Samples, Value},
};
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    admin::AdminOptions,
    consumer::{BaseConsumer, Consumer as _},
    producer::Producer as _,
};
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicPlan};
use schemas::{Offset, Partition, Topic, TopicPartition};

use crate::{
    broker::{self, Broker, Kafka},
    hand::{Hand, INPUT, OUTPUT, at, feed, look, member, numbers, record_of, seen, text},
    proxy::{Fault, INIT_PRODUCER_ID, Proxy},
    sizes::noise,
    transactions::behind,
};

pub(crate) fn trials(address: &str) -> Vec<Trial> {
    type Case = fn(Broker) -> BoxFuture<'static, ()>;
    let cases: [(&str, Case); 14] = [
        ("a_broker_without_transactions_is_refused", |b| no_transactions(b).boxed()),
        ("retention_that_passes_a_member_is_told", |b| passed(b).boxed()),
        ("marks_that_retention_takes_are_nobodys_loss", |b| settled(b).boxed()),
        ("a_topic_made_anew_is_read_from_its_beginning", |b| made_anew(b).boxed()),
        ("a_partition_that_is_added_is_read", |b| added(b).boxed()),
        ("rights_that_are_taken_away_end_the_handle_and_nothing_is_half_done", |b| refused(b).boxed()),
        ("a_commit_that_is_late_commits_nothing_else", |b| late(b).boxed()),
        ("a_transaction_that_gets_no_further_is_begun_anew", |b| stuck(b).boxed()),
        ("records_that_are_not_delivered_in_time_are_sent_again", |b| undelivered(b).boxed()),
        ("a_handle_and_its_log_close_while_the_broker_is_away", |b| closed_in_vain(b).boxed()),
        ("a_member_that_does_not_answer_gives_up_within_its_bound", |b| bounded(b).boxed()),
        ("a_restored_table_a_group_and_its_aborts_are_counted", |b| counted(b).boxed()),
        ("what_is_not_ours_is_handed_out_as_it_is", |b| foreign(b).boxed()),
        ("a_name_that_is_still_held_ends_the_newer_protocols_member", |b| held(b).boxed()),
    ];
    let trial = |(name, case): (&str, Case)| {
        let address = address.to_owned();
        Trial::test(format!("kafka::{name}"), move || broker::run(&Broker::new(&address), case))
    };
    cases.into_iter().map(trial).collect()
}

/// What the handle says next besides batches and assignments; its records are kept.
async fn told(hand: &mut Hand, records: &mut Vec<Incoming>) -> Vec<Missed> {
    for _ in 0..4000 {
        match hand.next().await {
            Next::Missed { ranges, .. } => return ranges,
            Next::Batch(batch) => records.extend(batch.records),
            Next::Assigned(_) | Next::Revoking { .. } | Next::Idle => {}
        }
    }
    panic!("nothing was told");
}

fn numbers_of(logs: &KafkaLogs, thing: &str) -> BTreeMap<Vec<String>, f64> {
    let mut samples = Samples::default();
    for measure in logs.measures() {
        measure.measure(&mut samples);
    }
    let of_thing = samples.taken.into_iter().filter(|sample| sample.family == format!("weir_log_{thing}"));
    let number = |value| if let Value::Number(number) = value { number } else { f64::NAN };
    of_thing.map(|sample| (sample.labels, number(sample.value))).collect()
}

fn of_group(logs: &KafkaLogs, thing: &str, group: &str) -> f64 {
    numbers_of(logs, thing).get(&vec![group.to_owned()]).copied().unwrap_or(f64::NAN)
}

async fn no_transactions(broker: Broker) {
    let kafka = broker.make(1).await;
    let proxy = Proxy::to(&broker.address);
    proxy.hide_transactions();
    let opened = behind(&proxy, &kafka).open(member("group", "one", &[INPUT], 5)).await;
    let Err(LogError::Unusable(why)) = opened.map(drop) else { panic!("it cannot do transactions") };
    assert!(proxy.has_struck(), "the broker's list was cut");
    assert!(why.contains("a broker with transactions is needed"), "{why}");
}

/// A member has read everything and is cut off for a while; what is written meanwhile is deleted before it is back. It is
/// told where, and goes on behind.
async fn passed(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let proxy = Proxy::to(&broker.address);
    let config = KafkaConfig {
        session_timeout: Duration::from_secs(60),
        ..broker::config(&proxy.address(), &kafka.prefix)
    };
    let logs = KafkaLogs::new(config).expect("the settings are sound");
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    hand.copy_all().await;
    let begin = written_end(&kafka, INPUT);
    proxy.cut(true);
    feed(kafka.logs.as_ref(), &numbers(5..10)).await;
    let end = written_end(&kafka, INPUT);
    kafka.delete_before(&Positions::from([(at(INPUT), end)])).await;
    proxy.cut(false);
    let mut records = Vec::new();
    let ranges = told(&mut hand, &mut records).await;
    assert_eq!(records, [], "what is gone is not handed out");
    assert_eq!(ranges.len(), 1);
    assert!(ranges[0].at == at(INPUT) && ranges[0].to == end, "{ranges:?}");
    assert!(ranges[0].from <= begin, "all of it is told: {ranges:?} from {begin:?}");
    let finished = Positions::from([(at(INPUT), end)]);
    let step = Step { lease: hand.lease, finished, records: vec![record_of(OUTPUT, "gap")] };
    hand.log.commit(step).await.expect("the gap is committed");
    let missed = of_group(&logs, "missed_offsets_total", "group");
    assert!(missed >= 5.0, "{missed}");
    feed(kafka.logs.as_ref(), &numbers(10..12)).await;
    hand.copy_all().await;
    let expected = [numbers(0..5), vec!["gap".to_owned()], numbers(10..12)].concat();
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, expected);
}

#[expect(clippy::disallowed_methods, reason = "a stranger's client, not one of ours")]
fn watcher(kafka: &Kafka, group: &str) -> BaseConsumer {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &kafka.address).set("group.id", format!("{}{group}", kafka.prefix));
    config.create().expect("a consumer is made")
}

/// Where a topic's first partition ends as it is written.
fn written_end(kafka: &Kafka, topic: Topic) -> Offset {
    let name = format!("{}{topic}", kafka.prefix);
    let (_, end) =
        watcher(kafka, "watcher").fetch_watermarks(&name, 0, Duration::from_secs(20)).expect("an end");
    Offset(u64::try_from(end).expect("an offset"))
}

/// A member that has nothing to do lets its position stand behind the marks that end the input's transactions: when
/// retention takes them, whoever comes next is told nothing.
async fn settled(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    hand.copy_all().await;
    let end = written_end(&kafka, INPUT);
    let watcher = watcher(&kafka, "group");
    let mut list = TopicPartitionList::new();
    list.add_partition(&format!("{}{INPUT}", kafka.prefix), 0);
    let reached = KafkaOffset::Offset(i64::try_from(end.0).expect("an offset"));
    for round in 0.. {
        let found = watcher.committed_offsets(list.clone(), Duration::from_secs(20)).expect("they are known");
        if found.elements()[0].offset() == reached {
            break;
        }
        assert!(round < 2000, "the position stays at {:?}", found.elements()[0].offset());
        assert!(matches!(hand.next().await, Next::Idle), "nothing is new");
    }
    hand.log.leave().await.expect("it leaves");
    kafka.delete_before(&Positions::from([(at(INPUT), end)])).await;
    feed(kafka.logs.as_ref(), &numbers(5..7)).await;
    let mut again = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let Next::Batch(batch) = again.next().await else { panic!("nothing was lost, so nothing is told") };
    assert_eq!(batch.records.iter().map(text).collect::<Vec<_>>(), numbers(5..7));
}

/// Somebody deletes the topic and makes it again. Whatever the running handle says to that (it is told of the hole, or
/// ends because the topic is missing), the new topic is read from its beginning.
async fn made_anew(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..20)).await;
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    hand.copy_all().await;
    let name = format!("{}{INPUT}", kafka.prefix);
    let deleted = kafka.admin().delete_topics(&[name.as_str()], &AdminOptions::new()).await;
    deleted.expect("it is asked")[0].as_ref().expect("it is deleted");
    kafka.logs.apply_topics(&TopicPlan::all(1)).await.expect("it is made again");
    feed(kafka.logs.as_ref(), &numbers(20..23)).await;
    let mut got = Vec::new();
    for _ in 0..4000 {
        match hand.log.next().await {
            Ok(Next::Batch(batch)) => got.extend(batch.records),
            Ok(Next::Missed { ranges, .. }) => {
                assert!(ranges.iter().all(|missed| missed.to == Offset(0)), "{ranges:?}");
            }
            Ok(Next::Assigned(_) | Next::Revoking { .. } | Next::Idle) => {}
            Err(LogError::Missing(_)) => {
                hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
            }
            Err(error) => panic!("{error}"),
        }
        if got.len() == 3 {
            break;
        }
    }
    assert_eq!(got.iter().map(text).collect::<Vec<_>>(), numbers(20..23));
}

/// A topic grows under a running member: it is given the new partition and reads it; and who wrote to it before finds the
/// new one at once.
async fn added(broker: Broker) {
    let kafka = broker.make(1).await;
    let mut config = broker::config(&kafka.address, &kafka.prefix);
    config.extra.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let logs = KafkaLogs::new(config).expect("the settings are sound");
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let mut feeder = Hand::new(logs.open(member("feeder", "feeder", &[], 1)).await.expect("a feeder opens"));
    // It has counted the partitions by now.
    let records = vec![record_of(INPUT, "old")];
    let step = Step { lease: feeder.lease, finished: Positions::new(), records };
    feeder.log.commit(step).await.expect("it is written");
    assert_eq!(text(&hand.batch().await[0]), "old");
    let plan = TopicPlan { partitions: vec![(INPUT, 2)], ..TopicPlan::all(1) };
    logs.apply_topics(&plan).await.expect("it grows");
    let second = TopicPartition::new(INPUT, Partition(1));
    let record = record_of(INPUT, "new").to(pipeline::Route::Exact(second.partition));
    let step = Step { lease: feeder.lease, finished: Positions::new(), records: vec![record] };
    feeder.log.commit(step).await.expect("it is written");
    let records = hand.batch().await;
    assert_eq!((records[0].at, text(&records[0])), (second, "new".to_owned()));
    let step = hand.copying(&records);
    hand.log.commit(step).await.expect("it is committed");
}

/// The broker no longer lets us: the handle says so, and nothing of the step is to be seen.
async fn refused(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..10)).await;
    let proxy = Proxy::to(&broker.address);
    let logs = behind(&proxy, &kafka);
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let first = hand.batch().await;
    let step = hand.copying(&first);
    hand.log.commit(step).await.expect("it is committed");
    let second = hand.batch().await;
    proxy.refuse_groups();
    let step = hand.copying(&second);
    let Err(LogError::Refused(why)) = hand.log.commit(step).await else { panic!("it has no right") };
    assert!(proxy.has_struck() && why.contains("group"), "{why}");
    drop(hand);
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
    let again = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    assert_eq!(again.position(), Offset(5), "no position moved");
}

/// The broker ends a transaction because of its age, before the request to commit it arrives. The step is done again,
/// once, and the late request commits nothing.
async fn late(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..10)).await;
    let proxy = Proxy::to(&broker.address);
    let logs = behind(&proxy, &kafka);
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let records = hand.batch().await;
    proxy.arm(Fault::Late);
    let step = hand.copying(&records);
    let watch = async {
        while !proxy.has_struck() {
            look(kafka.logs.as_ref(), OUTPUT).await;
        }
        // Decided: the broker has ended it.
        while look(kafka.logs.as_ref(), OUTPUT).await != (Vec::new(), true) {}
        proxy.release();
    };
    let (committed, ()) = futures_util::future::join(hand.log.commit(step), watch).await;
    assert_eq!(committed, Ok(()));
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
    hand.copy_all().await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..10));
    assert!(of_group(&logs, "aborts_total", "group") >= 1.0);
}

/// The broker puts a transaction off for longer than it may last: a new client begins it anew, and it is there once.
async fn stuck(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let proxy = Proxy::to(&broker.address);
    let logs = behind(&proxy, &kafka);
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let records = hand.batch().await;
    let step = hand.copying(&records);
    let before = proxy.asked(INIT_PRODUCER_ID);
    proxy.put_groups_off(true);
    let watch = async {
        while proxy.asked(INIT_PRODUCER_ID) == before {
            look(kafka.logs.as_ref(), OUTPUT).await;
        }
        proxy.put_groups_off(false);
    };
    let (committed, ()) = futures_util::future::join(hand.log.commit(step), watch).await;
    assert_eq!(committed, Ok(()));
    assert!(proxy.has_struck(), "it was put off");
    hand.copy_all().await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
}

/// The broker is away for longer than records are waited for: the producer gives them up, and the step sends them again.
async fn undelivered(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..10)).await;
    let proxy = Proxy::to(&broker.address);
    let config = KafkaConfig {
        transaction_timeout: Duration::from_secs(1),
        session_timeout: Duration::from_secs(60),
        ..broker::config(&proxy.address(), &kafka.prefix)
    };
    let logs = KafkaLogs::new(config).expect("the settings are sound");
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let records = hand.batch().await;
    let first = hand.copying(&records);
    hand.log.commit(first).await.expect("the broker is there");
    let records = hand.batch().await;
    let step = hand.copying(&records);
    proxy.cut(true);
    let watch = async {
        while of_group(&logs, "aborts_total", "group") < 1.0 {
            look(kafka.logs.as_ref(), OUTPUT).await;
        }
        proxy.cut(false);
    };
    let (committed, ()) = futures_util::future::join(hand.log.commit(step), watch).await;
    assert_eq!(committed, Ok(()));
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..10));
}

/// Closing is bounded, whatever librdkafka waits for.
async fn closed_in_vain(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let proxy = Proxy::to(&broker.address);
    let logs = behind(&proxy, &kafka);
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let records = hand.batch().await;
    let step = hand.copying(&records);
    proxy.cut(true);
    // A commit that nobody waits for any longer.
    assert!(hand.log.commit(step).now_or_never().is_none(), "the broker is away");
    drop(hand.log.leave().await);
    logs.close().await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, Vec::<String>::new());
    let again = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    assert_eq!(again.position(), Offset(0));
}

/// A member that is not called does not hold its group up for longer than agreed, and what it tries afterwards is lost.
async fn bounded(broker: Broker) {
    let kafka = broker.make(2).await;
    let config = KafkaConfig {
        revoke_within: Duration::from_millis(300),
        ..broker::config(&kafka.address, &kafka.prefix)
    };
    let logs = &KafkaLogs::new(config).expect("the settings are sound");
    let mut first = Hand::assigned(logs, "group", "one").await;
    let lease = first.lease;
    let second = Hand::assigned(logs, "group", "two").await;
    let (taken, position) = second.held.iter().next().map(|(at, position)| (*at, *position)).expect("one");
    let finished = Positions::from([(taken, position)]);
    let step = Step { lease, finished, records: vec![record_of(OUTPUT, "late")] };
    assert_eq!(first.log.commit(step).await, Err(LogError::Lost(vec![taken])));
    assert_eq!(seen(logs, OUTPUT).await, Vec::<String>::new());
    assert!(of_group(logs, "rebalances_total", "group") >= 2.0);
}

async fn counted(broker: Broker) {
    let kafka = broker.make(1).await;
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let state = (0..100).map(|n| record_of(Topic::DetectState, &format!("{n:03}"))).collect();
    let step = Step { lease: hand.lease, finished: Positions::new(), records: state };
    hand.log.commit(step).await.expect("state is written");
    let mut reader = kafka.logs.reader().await.expect("a reader opens");
    let table = reader.restore(Topic::DetectState, Partition(0)).await.expect("it is restored");
    assert_eq!(table.len(), 100);
    let restored = numbers_of(&kafka.logs, "restored_records_total");
    assert_eq!(restored, BTreeMap::from([(vec![Topic::DetectState.to_string()], 100.0)]));
    while !matches!(hand.next().await, Next::Idle) {}
    let behind = of_group(&kafka.logs, "behind_seconds", "group");
    assert!((0.0..60.0).contains(&behind), "{behind}");
    assert_eq!(of_group(&kafka.logs, "rebalances_total", "group"), 1.0);
    assert_eq!(of_group(&kafka.logs, "missed_offsets_total", "group"), 0.0);
    hand.log.leave().await.expect("it leaves");
    drop(hand);
    assert!(of_group(&kafka.logs, "behind_seconds", "group").is_nan(), "nobody is behind who is not there");
}

/// What strangers write is handed out byte for byte and the partition goes on: without a key, without a value, of 10 MB,
/// with headers that are no text.
async fn foreign(broker: Broker) {
    let kafka = broker.make(1).await;
    let producer = broker::writer(&kafka, &[("message.max.bytes", "12000000")]);
    let name = format!("{}{INPUT}", kafka.prefix);
    let ten_megabytes = noise(10_000_000, 3);
    let values: [Option<&[u8]>; 5] =
        [None, Some(b""), Some(b"{\"not\": \"ours\"}"), Some(&[0, 0, 0, 9, 9, 1]), Some(&ten_megabytes)];
    for value in values {
        let headers = rdkafka::message::OwnedHeaders::new()
            .insert(rdkafka::message::Header { key: "traceparent", value: Some(&b"\xff\xfe"[..]) })
            .insert(rdkafka::message::Header { key: "none", value: None::<&[u8]> });
        let mut record = rdkafka::producer::BaseRecord::<[u8], [u8]>::to(&name).partition(0).headers(headers);
        record.payload = value;
        producer.send(record).map_err(|(error, _)| error).expect("it is sent");
    }
    producer.flush(Duration::from_secs(60)).expect("the broker has them");
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let mut records = Vec::new();
    while records.len() < values.len() {
        records.extend(hand.batch().await);
    }
    for (record, value) in records.iter().zip(values) {
        assert!(record.value.as_deref() == value, "byte for byte");
        assert!(record.key.is_empty());
        let headers: Vec<(&str, &[u8])> =
            record.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        assert_eq!(headers, [("traceparent", &b"\xff\xfe"[..]), ("none", b"")]);
    }
    let step = hand.copying(&[]);
    let finished = Positions::from([(at(INPUT), records[4].offset.next())]);
    hand.log.commit(Step { finished, ..step }).await.expect("the partition goes on");
}

/// KIP-848: the broker keeps a static name until its session has ended, and the consumer that asks for it is dead. Whoever
/// starts it again gets the name then; one that waited would wait for ever.
async fn held(broker: Broker) {
    let kafka = broker.make(1).await;
    let mut config = KafkaConfig { static_membership: true, ..broker::config(&kafka.address, &kafka.prefix) };
    config.extra.insert("group.protocol".to_owned(), "consumer".to_owned());
    let first = KafkaLogs::new(config.clone()).expect("the settings are sound");
    let holder = Hand::assigned(&first, "group", "one").await;
    let second = KafkaLogs::new(config).expect("the settings are sound");
    let mut late = Hand::new(second.open(member("group", "one", &[INPUT], 5)).await.expect("a handle opens"));
    let error = loop {
        if let Err(error) = late.log.next().await {
            break error;
        }
    };
    assert_eq!(error, LogError::Fenced(format!("{}weir-group-one", kafka.prefix)));
    drop(holder);
}
