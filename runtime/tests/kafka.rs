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
#[path = "kafka/proxy.rs"]
mod proxy;
#[path = "kafka/transactions.rs"]
mod transactions;

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
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

const SKIPPED: &str =
    "kafka conformance skipped: WEIR_KAFKA is not set (start a broker with .ci/kafka start)";
