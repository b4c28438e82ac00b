//! What only a broker can show: transactions that are open, aborted, fenced, or of which nobody knows how they ended.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use libtest_mimic::Trial;
use pipeline::{Log, LogError, Logs, Next, Outgoing, Step, log::Positions};
use rdkafka::{
    ClientConfig,
    admin::{AdminOptions, AlterConfig, ResourceSpecifier},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use runtime::kafka::{KafkaConfig, KafkaLogs, TopicChange, TopicPlan};
use schemas::{FindingGroup, Offset, Topic};

use crate::{
    broker::{self, Broker, Kafka},
    hand::{Hand, INPUT, OUTPUT, at, feed, look, member, numbers, record_of, seen},
    proxy::{ADD_OFFSETS, Fault, Proxy},
    sizes::noise,
};

pub(crate) fn trials(address: &str) -> Vec<Trial> {
    type Case = fn(Broker) -> BoxFuture<'static, ()>;
    let cases: [(&str, Case); 15] = [
        ("aborted_and_open_transactions_stay_invisible", |b| invisible(b).boxed()),
        ("nobody_is_idle_before_an_open_transaction_is_decided", |b| undecided(b).boxed()),
        ("a_fenced_producer_cannot_commit", |b| fenced(b).boxed()),
        ("a_name_that_was_taken_is_heard_of_while_records_are_handed_over", |b| fenced_midway(b).boxed()),
        ("a_name_that_was_taken_during_a_long_transaction_is_not_taken_back", |b| outlived(b).boxed()),
        ("a_silent_handle_whose_name_was_taken_leaves_the_group", |b| silent(b).boxed()),
        ("a_zombies_open_transaction_ends_when_its_name_is_opened", |b| zombie(b).boxed()),
        ("a_step_is_not_doubled_when_the_answer_to_its_commit_is_lost", |b| {
            unknown(b, Fault::LoseAnswer).boxed()
        }),
        ("a_step_is_not_lost_when_its_commit_never_arrives", |b| unknown(b, Fault::LoseRequest).boxed()),
        ("a_step_without_positions_is_not_doubled_either", |b| unknown_without_positions(b).boxed()),
        ("steps_in_a_row_do_not_wait_for_the_marks_of_the_one_before", |b| in_a_row(b).boxed()),
        ("missing_topics_are_all_named", |b| missing(b).boxed()),
        ("topics_are_planned_made_and_grown", |b| topics(b).boxed()),
        ("a_partition_that_went_while_it_was_paused_flows_when_it_is_back", |b| paused(b).boxed()),
        ("a_static_member_comes_back_to_its_partitions", |b| static_member(b).boxed()),
    ];
    let trial = |(name, case): (&str, Case)| {
        let address = address.to_owned();
        Trial::test(format!("kafka::{name}"), move || broker::run(&Broker::new(&address), case))
    };
    cases.into_iter().map(trial).collect()
}

/// A transactional producer that is none of ours, initialised.
#[expect(clippy::disallowed_methods, reason = "a stranger's client, not one of ours")]
pub(crate) fn stranger(kafka: &Kafka, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.address)
        .set("transactional.id", format!("{}{transactional_id}", kafka.prefix))
        .create()
        .expect("a producer is made");
    producer.init_transactions(Duration::from_secs(20)).expect("it is initialised");
    producer
}

/// Begins a transaction with these texts in `topic`, and makes sure that the broker has them.
pub(crate) fn begin(kafka: &Kafka, producer: &BaseProducer, topic: Topic, texts: &[String]) {
    producer.begin_transaction().expect("a transaction begins");
    let name = format!("{}{topic}", kafka.prefix);
    for text in texts {
        let record = BaseRecord::to(&name).partition(0).key(text.as_str()).payload(text.as_str());
        producer.send(record).map_err(|(error, _)| error).expect("a record is sent");
    }
    producer.flush(Duration::from_secs(20)).expect("the broker has them");
}

/// Of committed, aborted and open records, readers and groups see the committed ones; a reader knows that it may have
/// missed some while a transaction is open.
async fn invisible(broker: Broker) {
    let kafka = broker.make(1).await;
    let producer = stranger(&kafka, "stranger");
    begin(&kafka, &producer, INPUT, &numbers(0..5));
    producer.commit_transaction(Duration::from_secs(20)).expect("it is committed");
    begin(&kafka, &producer, INPUT, &numbers(5..10));
    producer.abort_transaction(Duration::from_secs(20)).expect("it is aborted");
    begin(&kafka, &producer, INPUT, &numbers(10..15));

    assert_eq!(look(kafka.logs.as_ref(), INPUT).await, (numbers(0..5), false), "one transaction is open");
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let records = hand.batch().await;
    assert_eq!(records.iter().map(crate::hand::text).collect::<Vec<_>>(), numbers(0..5));

    producer.abort_transaction(Duration::from_secs(20)).expect("it is aborted");
    assert_eq!(seen(kafka.logs.as_ref(), INPUT).await, numbers(0..5));
    assert!(matches!(hand.next().await, Next::Idle), "there is nothing more");
}

/// While a transaction is open, what it holds may have been committed by the time it is asked: nobody is idle.
async fn undecided(broker: Broker) {
    let kafka = broker.make(1).await;
    let producer = stranger(&kafka, "stranger");
    begin(&kafka, &producer, INPUT, &numbers(0..5));
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let decided = Arc::new(AtomicBool::new(false));
    let (other, logs) = (Arc::clone(&decided), Arc::clone(&kafka.logs));
    let commit = async move {
        // Each look waits until the reader gives up on the open transaction: several times a handle's patience.
        for _ in 0..5 {
            assert_eq!(look(logs.as_ref(), INPUT).await, (Vec::new(), false));
        }
        other.store(true, Ordering::Release);
        producer.commit_transaction(Duration::from_secs(20)).expect("it is committed");
    };
    let watch = async {
        let mut records = Vec::new();
        loop {
            match hand.next().await {
                Next::Batch(batch) => records.extend(batch.records),
                Next::Idle => return (decided.load(Ordering::Acquire), records.len()),
                Next::Assigned(_) | Next::Revoking { .. } | Next::Missed { .. } => {}
            }
        }
    };
    let ((), idle) = futures_util::future::join(commit, watch).await;
    assert_eq!(idle, (true, 5), "it was idle only after all was decided, and handed out");
}

/// Whoever initialises the transactional id of a handle ends it: it commits nothing any more and says so.
async fn fenced(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let records = hand.batch().await;
    let successor = stranger(&kafka, "weir-group-one");
    let step = hand.copying(&records);
    let fenced = LogError::Fenced(format!("{}weir-group-one", kafka.prefix));
    assert_eq!(hand.log.commit(step.clone()).await, Err(fenced.clone()), "the id is named");
    assert_eq!(hand.log.commit(step).await, Err(fenced.clone()), "it stays fenced");
    assert_eq!(hand.log.next().await.map(drop), Err(fenced));
    drop(successor);
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, Vec::<String>::new());
    let again = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    assert_eq!(again.position(), Offset(0), "no position moved");
}

/// A handle that has nothing to commit, and is not even called, finds out that its name was taken: the second has all.
async fn silent(broker: Broker) {
    let kafka = broker.make(1).await;
    let mut first = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    let other = Kafka::open(&broker.address, &kafka.prefix);
    let second = Hand::assigned(other.logs.as_ref(), "group", "one").await;
    assert_eq!(second.held.len(), 1);
    assert!(fenced_by(&mut first.log).await, "the first is fenced");
}

/// A zombie has a transaction open when its name is opened: it can end it only in vain, and nothing of it appears.
async fn zombie(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let zombie = stranger(&kafka, "weir-group-one");
    begin(&kafka, &zombie, OUTPUT, &["zombie".to_owned()]);
    let mut hand = Hand::assigned(kafka.logs.as_ref(), "group", "one").await;
    assert!(zombie.commit_transaction(Duration::from_secs(20)).is_err(), "a zombie commits");
    hand.copy_all().await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
}

/// The connection breaks around a commit and stays away until nobody can know its outcome. The handle finds out: the
/// step is there once.
async fn unknown(broker: Broker, fault: Fault) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let proxy = Proxy::to(&broker.address);
    let logs = behind(&proxy, &kafka);
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let records = hand.batch().await;
    proxy.arm(fault);
    let step = hand.copying(&records);
    assert_eq!(hand.log.commit(step).await, Ok(()));
    assert!(proxy.has_struck(), "the fault was met");
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
    hand.copy_all().await;
    hand.log.leave().await.expect("it leaves");
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
}

/// The same for a step that has no position of its own: its token travels with an unchanged one.
async fn unknown_without_positions(broker: Broker) {
    let kafka = broker.make(1).await;
    let proxy = Proxy::to(&broker.address);
    let logs = behind(&proxy, &kafka);
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    proxy.arm(Fault::LoseAnswer);
    let step =
        Step { lease: hand.lease, finished: Positions::new(), records: vec![record_of(OUTPUT, "once")] };
    assert_eq!(hand.log.commit(step).await, Ok(()));
    assert!(proxy.has_struck(), "the fault was met");
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, ["once"]);
}

/// The same log through a proxy. The transaction's time is short: only after it the outcome is nobody's to know.
pub(crate) fn behind(proxy: &Proxy, kafka: &Kafka) -> KafkaLogs {
    let config = KafkaConfig {
        transaction_timeout: Duration::from_secs(2),
        session_timeout: Duration::from_secs(20),
        ..broker::config(&proxy.address(), &kafka.prefix)
    };
    KafkaLogs::new(config).expect("the settings are sound")
}

async fn missing(broker: Broker) {
    let kafka = Kafka::open(&broker.address, &broker::fresh_prefix());
    let opened = kafka.logs.open(member("group", "one", &[Topic::Event, Topic::Signal], 5)).await;
    let Err(LogError::Missing(names)) = opened.map(drop) else { panic!("the topics do not exist") };
    for topic in [Topic::Event, Topic::Signal] {
        assert!(names.contains(&format!("{}{topic}", kafka.prefix)), "{names} lacks {topic}");
    }
    assert!(matches!(kafka.logs.partitions(Topic::Ledger).await, Err(LogError::Missing(_))));
}

/// What is missing is made, with the right way of cleaning up; partitions are added where that is harmless; the rest is
/// told and left.
async fn topics(broker: Broker) {
    let kafka = broker.make(2).await;
    assert_eq!(kafka.logs.plan_topics(&TopicPlan::all(2)).await, Ok(Vec::new()), "all is as planned");
    let plan = TopicPlan {
        partitions: vec![(Topic::Event, 3), (Topic::Signal, 3), (Topic::Gap, 1)],
        replication: None,
    };
    let expected = [
        TopicChange::Grow { topic: Topic::Event, from: 2, to: 3 },
        TopicChange::Refused { topic: Topic::Signal, has: 2, wanted: 3 },
        TopicChange::Refused { topic: Topic::Gap, has: 2, wanted: 1 },
    ];
    assert_eq!(kafka.logs.apply_topics(&plan).await, Ok(expected.to_vec()));
    assert_eq!(kafka.logs.partitions(Topic::Event).await, Ok(3));
    assert_eq!(kafka.logs.partitions(Topic::Signal).await, Ok(2), "state is bound to its partitions");
    let finding = Topic::Finding(FindingGroup::Chain);
    assert_eq!(kafka.logs.partitions(finding).await, Ok(2));

    set(&kafka, Topic::DetectState, &[("cleanup.policy", "compact,delete")]).await;
    set(&kafka, Topic::Receipt, &[("retention.ms", "604800000")]).await;
    let three = TopicPlan {
        partitions: vec![(Topic::Seen, 2), (Topic::DetectState, 2), (Topic::Receipt, 2)],
        replication: Some(3),
    };
    let kept = Duration::from_hours(7 * 24);
    let few = |topic| TopicChange::FewCopies { topic, has: 1, wanted: 3 };
    let expected = [
        few(Topic::Seen),
        TopicChange::OtherCleanup { topic: Topic::DetectState, compact: true, compacts: true },
        few(Topic::DetectState),
        TopicChange::Shorter { topic: Topic::Receipt, kept, planned: 90 },
        few(Topic::Receipt),
    ];
    assert_eq!(kafka.logs.plan_topics(&three).await, Ok(expected.to_vec()), "there is one broker");
}

/// As an operator does by hand; what was set before is forgotten.
async fn set(kafka: &Kafka, topic: Topic, settings: &[(&str, &str)]) {
    let name = format!("{}{topic}", kafka.prefix);
    let mut config = AlterConfig::new(ResourceSpecifier::Topic(&name));
    for (key, value) in settings {
        config = config.set(key, value);
    }
    let altered = kafka.admin().alter_configs(&[config], &AdminOptions::new()).await;
    altered.expect("it is asked")[0].as_ref().expect("it is altered");
}

/// Back-pressure pauses partitions; one that goes to another member meanwhile, and comes back, is read to its end.
async fn paused(broker: Broker) {
    let kafka = broker.make(2).await;
    let config =
        KafkaConfig { revoke_within: Duration::ZERO, ..broker::config(&kafka.address, &kafka.prefix) };
    let logs = &KafkaLogs::new(config).expect("the settings are sound");
    let mut feeder = Hand::new(logs.open(member("feeder", "feeder", &[], 1)).await.expect("a feeder opens"));
    let to = |number: u32| pipeline::Route::Exact(schemas::Partition(number % 2));
    let records = (0..16).map(|n| record_of(INPUT, &format!("{n:03}")).to(to(n))).collect();
    let step = Step { lease: feeder.lease, finished: Positions::new(), records };
    feeder.log.commit(step).await.expect("the input is written");

    let mut first = Hand::assigned(logs, "group", "one").await;
    // Eleven more wait: one too many, so it pauses. Without one of its partitions it is far from that, and never pauses,
    // nor resumes, again.
    assert_eq!(first.batch().await.len(), 5);
    // It does not call meanwhile: what is asked back is taken.
    let mut second = Hand::assigned(logs, "group", "two").await;
    assert_eq!(second.held.len(), 1);
    second.log.leave().await.expect("it leaves");
    // Told of what it has lost, then that it is back.
    while !matches!(first.next().await, Next::Revoking { .. }) {}
    while first.held.len() < 2 {
        first.copy_all().await;
    }
    first.copy_all().await;
    let mut reader = logs.reader().await.expect("a reader opens");
    let held: Vec<_> = first.held.keys().copied().collect();
    first.log.leave().await.expect("it leaves");
    let again = Hand::assigned(logs, "group", "one").await;
    let changes = reader.follow(INPUT, pipeline::log::From::At(again.held)).await.expect("the rest is read");
    assert!(
        changes.records.iter().all(|record| !held.contains(&record.at)),
        "{} left",
        changes.records.len()
    );
}

/// A static member that is gone without a word is followed by its namesake at once, in its own partitions.
async fn static_member(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..10)).await;
    let config = || KafkaConfig {
        static_membership: true,
        session_timeout: Duration::from_secs(60),
        ..broker::config(&kafka.address, &kafka.prefix)
    };
    let logs = KafkaLogs::new(config()).expect("the settings are sound");
    let mut first = Hand::assigned(&logs, "group", "one").await;
    let records = first.batch().await;
    let step = first.copying(&records);
    first.log.commit(step).await.expect("it is committed");
    // Nobody waits for a session to end: that would take a minute, and 4,000 calls of next take longer.
    let mut second = Hand::assigned(&KafkaLogs::new(config()).expect("sound"), "group", "one").await;
    assert_eq!(second.held.get(&at(INPUT)), Some(&records[4].offset.next()));
    assert!(fenced_by(&mut first.log).await, "the first is fenced");
    second.copy_all().await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..10));
}

async fn fenced_by(log: &mut Box<dyn Log>) -> bool {
    for _ in 0..4000 {
        match log.next().await {
            Err(LogError::Fenced(_)) => return true,
            Err(_) => return false,
            Ok(_) => {}
        }
    }
    false
}

/// The client has room for some of the records only, so that it hears of the successor before it has been given them all.
async fn fenced_midway(broker: Broker) {
    let kafka = broker.make(1).await;
    let mut config = broker::config(&kafka.address, &kafka.prefix);
    for (name, value) in [("message.max.bytes", "60000"), ("queue.buffering.max.kbytes", "64")] {
        config.extra.insert(name.to_owned(), value.to_owned());
    }
    config.extra.insert("compression.type".to_owned(), "none".to_owned());
    let logs = KafkaLogs::new(config).expect("the settings are sound");
    let mut hand = Hand::assigned(&logs, "group", "one").await;
    let successor = stranger(&kafka, "weir-group-one");
    let large = |number| Outgoing { value: Some(noise(3_000, number).into()), ..record_of(OUTPUT, "x") };
    let records = (1..=200).map(large).collect();
    let step = Step { lease: hand.lease, finished: Positions::new(), records };
    let fenced = LogError::Fenced(format!("{}weir-group-one", kafka.prefix));
    assert_eq!(hand.log.commit(step).await, Err(fenced), "the name is not taken back");
    begin(&kafka, &successor, OUTPUT, &numbers(0..1));
    successor.commit_transaction(Duration::from_secs(20)).expect("it is the successor's");
}

/// Whoever looks up what became of a step takes its name anew. A static member whose name has been given to another
/// meanwhile does not: the newer one goes on.
async fn outlived(broker: Broker) {
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..5)).await;
    let proxy = Proxy::to(&kafka.address);
    let settings = |address: &str| KafkaConfig {
        static_membership: true,
        transaction_timeout: Duration::from_secs(10),
        ..broker::config(address, &kafka.prefix)
    };
    let logs = KafkaLogs::new(settings(&proxy.address())).expect("the settings are sound");
    let mut older = Hand::assigned(&logs, "group", "one").await;
    let records = older.batch().await;
    let step = older.copying(&records);
    proxy.arm(Fault::Late);
    let newer = async {
        while !proxy.has_struck() {
            tokio::task::yield_now().await;
        }
        let direct = KafkaLogs::new(settings(&kafka.address)).expect("the settings are sound");
        (Hand::assigned(&direct, "group", "one").await, direct)
    };
    // The commit is given up after the transaction's time.
    let (ended, (mut newer, _direct)) = futures_util::future::join(older.log.commit(step), newer).await;
    proxy.release();
    let name = [format!("{}weir-group-one", kafka.prefix), "one".to_owned()];
    assert!(matches!(&ended, Err(LogError::Fenced(fenced)) if name.contains(fenced)), "{ended:?}");
    newer.copy_all().await;
    assert_eq!(seen(kafka.logs.as_ref(), OUTPUT).await, numbers(0..5));
}

/// A step begins while the broker still writes the marks of the one before. Whoever names the group then is put off, and
/// librdkafka waits 100 ms: one question a step says that nobody was.
async fn in_a_row(broker: Broker) {
    const STEPS: u32 = 50;
    let kafka = broker.make(1).await;
    feed(kafka.logs.as_ref(), &numbers(0..STEPS)).await;
    let proxy = Proxy::to(&kafka.address);
    let proxied = Kafka::open(&proxy.address(), &kafka.prefix);
    let one = member("group", "one", &[INPUT], 1);
    let mut hand = Hand::new(proxied.logs.open(one).await.expect("a handle opens"));
    hand.hold().await;
    for _ in 0..STEPS {
        let records = hand.batch().await;
        hand.log.commit(hand.copying(&records)).await.expect("it is committed");
    }
    assert_eq!(proxy.asked(ADD_OFFSETS), usize::try_from(STEPS).expect("few steps"));
}
