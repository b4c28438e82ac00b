//! The conformance suite over the embedded log: one trial a law.
#![expect(clippy::expect_used, reason = "a trial that cannot be set up has failed")]

use std::sync::Arc;

use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use pipeline::{
    Clock, Logs,
    conformance::{CASES, Case, Harness, Instance},
    log::Positions,
};
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use schemas::Micros;
use tempfile::TempDir;

struct Embedded;

impl Harness for Embedded {
    fn fresh(&self, partitions: u32) -> BoxFuture<'_, Box<dyn Instance>> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = EmbeddedOptions { partitions, ..EmbeddedOptions::new(folder.path().join("weir.db")) };
        let log = Arc::new(EmbeddedLog::open(&options).expect("a fresh file opens"));
        let instance: Box<dyn Instance> = Box::new(InFile { log, options, _folder: folder });
        Box::pin(std::future::ready(instance))
    }
}

struct InFile {
    log: Arc<EmbeddedLog>,
    options: EmbeddedOptions,
    _folder: TempDir,
}

impl Instance for InFile {
    fn logs(&self) -> Arc<dyn Logs> {
        Arc::<EmbeddedLog>::clone(&self.log)
    }

    /// Breaks the log off after the transaction that is under way. (What a killed process leaves is tried in
    /// `embedded_crash`.)
    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.log.close().await;
            self.log = Arc::new(EmbeddedLog::open(&self.options).expect("the file opens again"));
        })
    }

    /// Everything is older than its retention. The log deletes of it what every group has finished, when it is opened.
    fn age(&mut self, _old: Positions) -> BoxFuture<'_, ()> {
        let later = self.options.clock.now().0 + 10 * 24 * 3_600_000_000;
        self.options.clock = Clock::manual(Micros(later));
        Box::pin(async move {
            self.crash().await;
            // Closing waits for what opening has begun.
            self.crash().await;
        })
    }
}

fn trial(case: Case) -> Trial {
    Trial::test(format!("embedded::{}", case.name), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on((case.run)(Arc::new(Embedded)));
        Ok(())
    })
}

fn main() {
    libtest_mimic::run(&Arguments::from_args(), CASES.iter().copied().map(trial).collect()).exit();
}
