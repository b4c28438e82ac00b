//! The law of the whole flow over a real broker: see `support/law.rs`. One member of each stage: a partition that
//! changes hands belongs to nobody for some heartbeats, and a flow in one process does not wait for that at its end.
//!
//! Runs where WEIR_KAFKA names one (`.ci/kafka start`), for instance `WEIR_KAFKA=127.0.0.1:19092 cargo test -p weir
//! --test laws_kafka`; otherwise it says that it was skipped.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails so")]
#![expect(clippy::print_stdout, reason = "says that it was skipped")]

#[path = "support/flows.rs"]
mod flows;
#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/law.rs"]
mod law;
#[path = "support/logs.rs"]
mod logs;
#[path = "support/records.rs"]
mod records;
#[path = "support/six.rs"]
mod six;

use std::process::ExitCode;
use std::time::Duration;

use law::{Bounds, Breaks, Kind, holds};
use libtest_mimic::{Arguments, Trial};

const KAFKA: Kind =
    Kind { make: |partitions| Box::pin(kafka::fresh(partitions)), idle_after: Duration::from_millis(50) };

/// A step is a transaction of about 10 ms, so not every record has one of its own.
const ONCE: Bounds = Bounds { cases: 2, records_max_from: 16, replicas: 1, breaks: Breaks::None };

fn main() -> ExitCode {
    if kafka::address().is_none() {
        println!("kafka laws skipped: WEIR_KAFKA is not set (start a broker with .ci/kafka start)");
        return ExitCode::SUCCESS;
    }
    let trial = |name: &str, bounds| Trial::test(name, move || Ok(holds(KAFKA, bounds)?));
    let trials = vec![
        trial("kafka::the_same_records_give_the_same_findings", ONCE),
        trial(
            "kafka::a_record_a_step_gives_the_same_findings",
            Bounds { cases: 1, records_max_from: 1, ..ONCE },
        ),
        trial(
            "kafka::a_flow_that_is_broken_off_finds_the_same",
            Bounds { cases: 1, breaks: Breaks::Any, ..ONCE },
        ),
    ];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(kafka::clean_up());
    runtime.shutdown_background();
    conclusion.exit_code()
}
