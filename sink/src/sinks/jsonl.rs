//! The sink `jsonl`: one OCSF Detection Finding a line, appended to a file.
//!
//! A batch is written, flushed and synced to the disk before it counts as delivered; after that a power cut does not
//! take it away. The file always holds whole lines: what a failed write left is cut off again, and what a kill left is
//! moved to `<file>.torn` when the file is next opened.
//!
//! Duplicate lines are possible after a kill between the sync and the commit: at least once. Whoever reads the file
//! keeps, for each `finding_info.uid`, the line with the highest `metadata.sequence` (the revision), and leaves out
//! those whose `activity_id` is 3 (close).
//!
//! The file is opened for every batch, so that renaming it away (rotation) is safe at any time; Weir itself does not
//! rotate. While it writes it holds the file's lock, so that two processes take turns and never mix their lines. A batch
//! that meets the lock held is tried again like any other; at the start it is waited for half a second at most.
//!
//! Limits: one batch is held in memory as text, three times the log's batch (4 MiB) or so.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use schemas::finding::Finding;

use super::{Sink, Verdict};
use crate::{error::SinkError, ocsf};

mod file;

/// The receiver will never take what cannot be written as JSON.
const NOT_ENCODABLE: &str = "not_encodable";

/// Another Weir holds the file for one batch and its sync. Whoever holds it longer than this holds it for good.
const START_WAIT: Duration = Duration::from_millis(500);

/// The sink.
#[derive(Debug)]
pub(super) struct Jsonl {
    path: PathBuf,
}

impl Jsonl {
    /// Makes sure that the file can be appended to, and that it ends in a whole line.
    pub(super) fn open(name: &str, path: &Path) -> Result<Self, SinkError> {
        match file::append(path, &[], START_WAIT) {
            Ok(()) => Ok(Self { path: path.to_owned() }),
            Err(cause) => Err(SinkError::Open { sink: name.to_owned(), path: path.to_owned(), cause }),
        }
    }
}

impl Sink for Jsonl {
    fn deliver<'a>(&'a mut self, findings: &'a [Finding]) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            let (lines, mut verdicts) = encode(findings);
            let path = self.path.clone();
            let written =
                tokio::task::spawn_blocking(move || file::append(&path, &lines, Duration::ZERO)).await;
            let cause = match written {
                Ok(Ok(())) => return verdicts,
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            for verdict in &mut verdicts {
                if *verdict == Verdict::Delivered {
                    *verdict = Verdict::TryAgain { after: None, cause: cause.clone() };
                }
            }
            verdicts
        }
        .boxed()
    }
}

/// The lines of a batch, and what becomes of each finding if they can be written.
fn encode(findings: &[Finding]) -> (Vec<u8>, Vec<Verdict>) {
    let mut lines = Vec::with_capacity(findings.len() * 2048);
    let mut verdicts = Vec::with_capacity(findings.len());
    for finding in findings {
        let whole = lines.len();
        verdicts.push(match ocsf::write_line(finding, &mut lines) {
            Ok(()) => Verdict::Delivered,
            Err(_) => {
                lines.truncate(whole);
                Verdict::Refused(NOT_ENCODABLE)
            }
        });
    }
    (lines, verdicts)
}

#[cfg(test)]
mod tests;
