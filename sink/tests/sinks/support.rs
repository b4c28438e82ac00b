//! What the tests share.

pub(crate) mod azure;
pub(crate) mod finding;
pub(crate) mod flow;
pub(crate) mod hec;
pub(crate) mod server;

use std::future::Future;

use runtime::config::{Document, Problems};
use sink::SinkConfig;

/// The sinks of a configuration without a problem.
pub(crate) fn configs(text: &str) -> Vec<SinkConfig> {
    let document = Document::parse("weir.yaml", text).unwrap();
    let problems = Problems::default();
    let root = document.root(&problems);
    let sinks = SinkConfig::read_all(&root);
    root.finish();
    problems.into_result().unwrap();
    sinks
}

/// Runs a test to its end on one thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A file with a secret in it.
pub(crate) fn secret(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
