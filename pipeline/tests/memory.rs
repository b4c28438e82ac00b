//! The conformance suite over the memory log: one trial a law.
#![expect(clippy::expect_used, reason = "a trial that cannot start its runtime has failed")]

use std::sync::Arc;

use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use pipeline::{
    Logs, MemoryLog, MemoryOptions,
    conformance::{CASES, Case, Harness, Instance},
};
use schemas::Topic;

struct Memory;

impl Harness for Memory {
    fn fresh(&self, partitions: u32) -> BoxFuture<'_, Box<dyn Instance>> {
        let options = MemoryOptions { partitions, keep: Topic::all(), ..MemoryOptions::default() };
        let instance: Box<dyn Instance> = Box::new(InMemory(Arc::new(MemoryLog::new(options))));
        Box::pin(std::future::ready(instance))
    }
}

struct InMemory(Arc<MemoryLog>);

impl Instance for InMemory {
    fn logs(&self) -> Arc<dyn Logs> {
        Arc::<MemoryLog>::clone(&self.0)
    }

    fn crash(&mut self) -> BoxFuture<'_, ()> {
        self.0 = Arc::new(self.0.crashed());
        Box::pin(std::future::ready(()))
    }
}

fn trial(case: Case) -> Trial {
    Trial::test(format!("memory::{}", case.name), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on((case.run)(Arc::new(Memory)));
        Ok(())
    })
}

fn main() {
    libtest_mimic::run(&Arguments::from_args(), CASES.iter().copied().map(trial).collect()).exit();
}
