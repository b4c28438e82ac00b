//! What the sources of one process wait for: that all of them have been read.
//!
//! A source that says how far time has come while another one still reads makes the stages after it close what the other
//! one's records still belong to. It holds for this process only: who reads elsewhere is not known here.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// The sources that are still read here; made by name, shared by all of them. Of none: whoever asks is the only one.
#[derive(Debug, Default)]
pub struct AllRead {
    reading: Mutex<BTreeSet<String>>,
    all: CancellationToken,
}

impl AllRead {
    /// All of these are to be read.
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        let reading = Mutex::new(sources.into_iter().map(str::to_owned).collect());
        Self { reading, all: CancellationToken::new() }
    }

    /// The source has been read to its end, or is read by another process. Saying it again changes nothing.
    pub(super) fn done(&self, source: &str) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.remove(source);
        if reading.is_empty() {
            self.all.cancel();
        }
    }

    /// Waits for all of them.
    pub(super) async fn wait(&self) {
        self.all.cancelled().await;
    }
}
