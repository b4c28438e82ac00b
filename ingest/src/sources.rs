//! The sources: what each can do, and the registry of what ingest reads from.
//!
//! A source is a folder here, a configuration, and a line in [`KINDS`]. It makes [`Portion`]s in order; decoding,
//! deduplication, counting and writing are the worker's.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pipeline::Clock;
use runtime::config::Section;
use schemas::ledger::LedgerEntry;
use tokio::sync::mpsc::Sender;

use crate::error::IngestError;
use crate::portion::{Blobs, Portion};
use crate::progress::Progress;

pub mod files;
pub mod management_api;

/// How a source's section of the configuration is read; none where it names a problem.
type Read = fn(&Section<'_>, Here, &Common) -> Option<Arc<dyn Source>>;

/// Every kind of source: its name in a configuration, and who reads its settings.
pub const KINDS: [(&str, Read); 2] =
    [("files", files::FilesConfig::read), ("management-api", management_api::ManagementConfig::read)];

/// Whether what a source reads must be there, where its settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// It is read by this process.
    Yes,
    /// It is read by another one.
    No,
}

/// What every source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// Its name, in event ids, the ledger and watermarks: renaming it reads everything again.
    pub name: String,
    /// A record's own bytes travel with its event up to this size.
    pub record_bytes_max: usize,
    /// A step takes at most so many records.
    pub step_records_max: usize,
    /// A step ends once its records hold so many bytes; one record may exceed it alone.
    pub step_bytes_max: usize,
}

/// Where a source begins, and what it needs.
#[derive(Debug)]
pub struct Start {
    /// What the ledger knows of the source's units.
    pub ledger: Vec<LedgerEntry>,
    /// Takes the portions.
    pub portions: Sender<Portion>,
    /// Where to count.
    pub progress: Arc<Progress>,
    /// The time, and waiting for it.
    pub clock: Clock,
}

/// Sends portions until all is read, or nobody takes them any more; begun anew where the shard was lost. It may be dropped
/// whenever it waits.
pub type Produce = Box<dyn Fn(Start) -> BoxFuture<'static, Result<(), IngestError>> + Send + Sync>;

/// One configured source.
pub trait Source: Send + Sync + Debug {
    /// Its name.
    fn name(&self) -> &str;

    /// A record's own bytes travel with its event up to this size, and as long as the event has 700,000 at most; longer
    /// ones go to the dead letter in chunks.
    fn record_bytes_max(&self) -> usize;

    /// How it tells how far time has come.
    fn time(&self) -> Time;

    /// Whether it has an end. One that has none works until the process is told to stop.
    fn ends(&self) -> bool;

    /// Gets ready, before the log is touched.
    ///
    /// # Errors
    /// [`IngestError::Paths`] for paths that name nothing, [`IngestError::Settings`] for what cannot be used.
    fn open(&self) -> Result<Produce, IngestError>;

    /// What the ledger says of blobs, where the source has blobs.
    fn blobs(&self, ledger: &mut dyn Iterator<Item = &LedgerEntry>) -> Option<Blobs>;

    /// Asks whether it would work, with the code that starts it; a line for each thing that was found.
    ///
    /// # Errors
    /// [`IngestError::Refused`] where an operator must change something, [`IngestError::Away`] where nobody answers.
    fn check(&self, clock: Clock) -> BoxFuture<'_, Result<Vec<String>, IngestError>>;
}

/// How a source tells how far time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// By the events: the greatest event time, said when the source says so.
    Events,
    /// By the events, and once all is read time is at its end.
    EventsToTheEnd,
    /// By the source alone.
    Told,
}
