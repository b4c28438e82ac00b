//! What goes over the wire no more often than it must, counted by a proxy.

use futures_util::future::{BoxFuture, FutureExt as _};
use libtest_mimic::Trial;
use pipeline::{
    Logs as _, Outgoing, Step,
    log::{Limits, Member, Positions},
};

use crate::{
    broker::{self, Broker, Kafka},
    hand::{Hand, INPUT, OUTPUT, feed, member, numbers, record_of},
    proxy::{ADD_OFFSETS, FETCH, Proxy},
    sizes::noise,
};

pub(crate) fn trials(address: &str) -> Vec<Trial> {
    type Case = fn(Broker) -> BoxFuture<'static, ()>;
    let cases: [(&str, Case); 2] = [
        ("steps_in_a_row_do_not_wait_for_the_marks_of_the_one_before", |b| in_a_row(b).boxed()),
        ("what_was_fetched_ahead_is_not_fetched_again", |b| fetched_once(b).boxed()),
    ];
    let trial = |(name, case): (&str, Case)| {
        let address = address.to_owned();
        Trial::test(format!("kafka::{name}"), move || broker::run(&Broker::new(&address), case))
    };
    cases.into_iter().map(trial).collect()
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
    assert_eq!(proxy.traffic(ADD_OFFSETS).asked, usize::try_from(STEPS).expect("few steps"));
}

/// A handle that is slower than the broker, but goes on, is sent everything about once, however little it takes at a time:
/// pausing would throw away what librdkafka has fetched ahead, each time.
async fn fetched_once(broker: Broker) {
    const RECORDS: u32 = 2000;
    const BYTES: u32 = 10_000;
    let kafka = broker.make(1).await;
    let mut feeder =
        Hand::new(kafka.logs.open(member("feeder", "feeder", &[], 1)).await.expect("a feeder opens"));
    for begin in (0..RECORDS).step_by(200) {
        let large = |seed| Outgoing { value: Some(noise(BYTES, seed).into()), ..record_of(INPUT, "x") };
        let records = (begin..begin + 200).map(|number| large(number + 1)).collect();
        let step = Step { lease: feeder.lease, finished: Positions::new(), records };
        feeder.log.commit(step).await.expect("the input is written");
    }
    let proxy = Proxy::to(&kafka.address);
    let proxied = Kafka::open(&proxy.address(), &kafka.prefix);
    let limits = Limits { records_max: 20, ..Limits::default() };
    let one = Member { limits, ..member("group", "one", &[INPUT], 1) };
    let mut hand = Hand::new(proxied.logs.open(one).await.expect("a handle opens"));
    hand.hold().await;
    let mut read = 0;
    while read < RECORDS {
        let records = hand.batch().await;
        read += u32::try_from(records.len()).expect("few records");
        let finished = records.iter().map(|record| (record.at, record.offset.next())).collect();
        let step = Step { lease: hand.lease, finished, records: vec![record_of(OUTPUT, "x")] };
        hand.log.commit(step).await.expect("it is committed");
    }
    let all = usize::try_from(RECORDS * BYTES).expect("20 MB");
    let fetched = proxy.traffic(FETCH).answer_bytes;
    assert!(fetched >= all && fetched < all * 2, "{fetched} bytes for {all}");
}
