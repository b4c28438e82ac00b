//! The embedded log, as the law takes it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pipeline::Logs;
use pipeline::conformance::Instance;
use runtime::embedded::{EmbeddedLog, EmbeddedOptions};
use tempfile::TempDir;

struct InFile {
    log: Arc<EmbeddedLog>,
    options: EmbeddedOptions,
    _folder: TempDir,
}

/// A log in a fresh file.
pub(crate) fn fresh(partitions: u32) -> Box<dyn Instance> {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { partitions, ..EmbeddedOptions::new(folder.path().join("weir.db")) };
    let log = Arc::new(EmbeddedLog::open(&options).unwrap());
    Box::new(InFile { log, options, _folder: folder })
}

impl Instance for InFile {
    fn logs(&self) -> Arc<dyn Logs> {
        Arc::<EmbeddedLog>::clone(&self.log)
    }

    /// Breaks the log off after the transaction that is under way.
    fn crash(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.log.close().await;
            self.log = Arc::new(EmbeddedLog::open(&self.options).unwrap());
        })
    }
}
