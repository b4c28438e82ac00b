//! The Kafka log against a real broker: the conformance suite, and what only a broker can show.
//!
//! Runs where WEIR_KAFKA names one (`.ci/kafka start`), for instance `WEIR_KAFKA=127.0.0.1:19092 cargo test -p runtime
//! --test kafka`; otherwise it says that it was skipped. Every case has topics and groups of its own.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a case fails by panicking")]
#![expect(clippy::print_stdout, reason = "whoever reads a test's output should see what was skipped")]

#[path = "kafka/broker.rs"]
mod broker;
#[path = "kafka/hand.rs"]
mod hand;
#[path = "kafka/killed.rs"]
mod killed;
#[path = "kafka/outages.rs"]
mod outages;
#[path = "kafka/proxy.rs"]
mod proxy;
#[path = "kafka/sizes.rs"]
mod sizes;
#[path = "kafka/transactions.rs"]
mod transactions;
#[path = "kafka/traps.rs"]
mod traps;
#[path = "kafka/worked.rs"]
mod worked;

use std::{process::ExitCode, sync::Arc};

use broker::Broker;
use libtest_mimic::{Arguments, Trial};
use pipeline::conformance::CASES;

fn main() -> ExitCode {
    if let Some(script) = killed::asked() {
        return killed::child(&script);
    }
    let Some(address) = broker::address() else {
        println!("{SKIPPED}");
        return ExitCode::SUCCESS;
    };
    let mut trials = Vec::new();
    for case in CASES {
        let (address, case) = (address.clone(), *case);
        trials.push(Trial::test(format!("kafka::{}", case.name), move || {
            broker::run(&Broker::new(&address), |broker| (case.run)(Arc::new(broker)))
        }));
    }
    trials.extend(transactions::trials(&address));
    trials.extend(killed::trials(&address));
    trials.extend(outages::trials(&address));
    trials.extend(sizes::trials(&address));
    trials.extend(worked::trials(&address));
    let traps = traps::trials(&trials);
    trials.extend(traps);
    // The same laws where the broker hands out the partitions (KIP-848).
    for case in CASES.iter().filter(|case| !UNTOLD.contains(&case.name)) {
        let (address, case) = (address.clone(), *case);
        trials.push(Trial::test(format!("kafka_consumer_protocol::{}", case.name), move || {
            broker::run(&Broker::new(&address).of_protocol("consumer"), |broker| (case.run)(Arc::new(broker)))
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// librdkafka (2.12) does not say that the newer protocol has given a member nothing, so that such a member is never
/// idle: named as a limit in `runtime::kafka`.
const UNTOLD: [&str; 1] = ["an_idle_member_takes_over"];

const SKIPPED: &str =
    "kafka conformance skipped: WEIR_KAFKA is not set (start a broker with .ci/kafka start)";
