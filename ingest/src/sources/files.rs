//! Source `files`: exported or downloaded audit logs and flow runs, read in order, in portions.
//!
//! A file's form is told by its content: JSON lines, a JSON list, a Web API page (`{"value":[…]}`), Azure Monitor's
//! `{"records":[…]}`, objects one after the other, or CSV with a column `AuditData`; each also as gzip. Reading runs on
//! a thread of its own, one portion ahead of the log. Folders can be watched (`watch`): then what is new, has grown or
//! comes late is read when it is there.
//!
//! Limits: 64 KiB are read at a time; a record of 16 MiB is held whole, a longer one leaves in parts; a portion holds at
//! most as much as the source's configuration says: 4,096 records or 4 MiB (one record may exceed that alone).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use pipeline::Clock;
use schemas::ledger::LedgerEntry;
use tokio::sync::mpsc::Sender;

use crate::decode::{self, Decoded, Origin};
use crate::error::IngestError;
use crate::portion::{Blobs, Found, Part, Portion, What};
use crate::progress::Progress;
use crate::sources::{Produce, Source, Start, Time};

mod balance;
mod config;
mod csv;
mod frame;
mod frames;
mod gunzip;
mod head;
mod input;
mod keys;
mod lines;
mod open;
mod paths;
mod resume;
mod split;
mod tail;
mod values;
mod watch;

pub use config::{AtEnd, FilesConfig, Watch};
pub use frame::{Content, Frame, RECORD_BYTES_MAX};
pub use frames::Frames;
pub use paths::{Problem, list};
pub use resume::Known;
use resume::{Counted, Resume};
use tail::Take;

/// So many small files share a portion.
const PORTION_PARTS_MAX: usize = 256;

/// What to read: files in order, each with what the ledger knows of it.
#[derive(Debug)]
pub struct Job {
    /// The files.
    pub files: Vec<(PathBuf, Option<Known>)>,
    /// What the source says about its records.
    pub origin: Origin,
    /// Where to count.
    pub progress: Arc<Progress>,
    /// A portion holds at most so many records.
    pub records_max: usize,
    /// A portion ends once it holds so many bytes.
    pub bytes_max: usize,
}

impl Source for FilesConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    fn time(&self) -> Time {
        match self.at_end {
            AtEnd::EndOfTime => Time::EventsToTheEnd,
            AtEnd::GreatestEventTime => Time::Events,
        }
    }

    fn ends(&self) -> bool {
        self.watch.is_none()
    }

    fn open(&self) -> Result<Produce, IngestError> {
        let source = Arc::new(self.clone());
        if let Some(how) = self.watch {
            return Ok(Box::new(move |start| Box::pin(watch::watch(source.as_ref().clone(), how, start))));
        }
        let paths = Arc::new(self.files().map_err(IngestError::Paths)?);
        Ok(Box::new(move |start| {
            let (source, paths) = (Arc::clone(&source), Arc::clone(&paths));
            Box::pin(async move {
                let reading = tokio::task::spawn_blocking(move || source.read_all(&paths, start));
                reading.await.map_err(|_| IngestError::Reader)
            })
        }))
    }

    fn blobs(&self, _ledger: &mut dyn Iterator<Item = &LedgerEntry>) -> Option<Blobs> {
        None
    }

    fn check(&self, _clock: Clock) -> BoxFuture<'_, Result<Vec<String>, IngestError>> {
        Box::pin(std::future::ready(self.open().map(|_| Vec::new())))
    }
}

impl FilesConfig {
    fn read_all(&self, paths: &[PathBuf], start: Start) {
        let Start { ledger, portions, progress, .. } = start;
        let known = resume::known(&ledger);
        let bytes = paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum();
        progress.begin(paths.len() as u64, bytes);
        let files = paths.iter().map(|path| (path.clone(), known.get(&unit(path)).cloned()));
        read(&Job { files: files.collect(), ..self.job(progress) }, &portions);
    }

    /// A job without files yet.
    fn job(&self, progress: Arc<Progress>) -> Job {
        let (records_max, bytes_max) = (self.step_records_max, self.step_bytes_max);
        Job { files: Vec::new(), origin: self.origin(), progress, records_max, bytes_max }
    }
}

/// Reads everything and sends it in portions; ends early when nobody takes them any more.
pub fn read(job: &Job, portions: &Sender<Portion>) {
    let mut reading = Reading::new(job, portions);
    for (path, known) in &job.files {
        if !reading.file(path, known.as_ref(), None) {
            return;
        }
    }
    reading.portion.last = true;
    reading.send();
}

/// A file's name in the ledger, in logs and in dead letters. No two files have the same: one whose name is no UTF-8, which
/// would be shown with other characters, is refused when the files are listed.
fn unit(path: &Path) -> String {
    path.display().to_string()
}

struct Reading<'a> {
    job: &'a Job,
    portions: &'a Sender<Portion>,
    portion: Portion,
    records: usize,
    bytes: usize,
    /// What is known now of the file that was read last; none where there was nothing new in it.
    now_known: Option<Known>,
}

impl<'a> Reading<'a> {
    fn new(job: &'a Job, portions: &'a Sender<Portion>) -> Self {
        Self { job, portions, portion: Portion::default(), records: 0, bytes: 0, now_known: None }
    }

    /// Reads one file, of one that may still grow what `take` says; false when nobody takes portions any more.
    fn file(&mut self, path: &Path, known: Option<&Known>, take: Option<Take>) -> bool {
        self.now_known = None;
        let bytes = take.map(|take| take.bytes);
        let opened = File::open(path).and_then(|mut file| {
            let resume = resume::decide(&mut file, known, bytes)?;
            Ok((file, resume))
        });
        let (frames, resume) = match opened {
            Ok((file, resume)) => {
                if resume.nothing_new {
                    self.job.progress.read(resume.file_bytes);
                    self.job.progress.file_done();
                    return true;
                }
                let counted = Counted::new(file, Arc::clone(&self.job.progress));
                (Frames::new(counted.take(bytes.unwrap_or(u64::MAX))), resume)
            }
            Err(error) => (Frames::none(input::unreadable(&error)), Resume::unreadable()),
        };
        let unit = unit(path);
        if let Some(note) = resume.note {
            tracing::info!(file = unit, "{note}");
        }
        self.open_part(&unit, resume.fingerprint.clone(), resume.anew);
        let Some(read) = self.records(&unit, frames, &resume) else { return false };
        if let Some(part) = self.portion.parts.last_mut() {
            // The last record is always in the part that is done.
            let rejected = part.found.last().is_some_and(|found| matches!(found.what, What::Reject { .. }));
            let may_change = !take.is_some_and(|take| take.at_line_end);
            part.fingerprint = resume.when_done(rejected && may_change);
            part.done = true;
            self.now_known = Some(Known { fingerprint: part.fingerprint.clone(), read });
        }
        self.job.progress.file_done();
        (self.portion.parts.len() < PORTION_PARTS_MAX && !self.is_full()) || self.send()
    }

    /// How many records the file has; none when nobody takes portions any more.
    fn records(&mut self, unit: &str, frames: Frames, resume: &Resume) -> Option<u64> {
        let mut ended = 0_u64;
        for frame in frames {
            let passed_over = ended < resume.pass_over;
            if frame.ends_a_record() {
                ended += 1;
                self.job.progress.found();
            }
            if passed_over {
                if ended.is_multiple_of(1024) && self.portions.is_closed() {
                    return None;
                }
                continue;
            }
            // Not before another one is there: the last one and the end of its file are one step.
            if self.is_full() {
                if !self.send() {
                    return None;
                }
                self.open_part(unit, resume.fingerprint.clone(), false);
            }
            let found = decoded(frame, &self.job.origin);
            self.records += 1;
            self.bytes += found.what.bytes();
            if let Some(part) = self.portion.parts.last_mut() {
                part.found.push(found);
            }
        }
        Some(ended.max(resume.pass_over))
    }

    fn is_full(&self) -> bool {
        self.records >= self.job.records_max || self.bytes >= self.job.bytes_max
    }

    fn open_part(&mut self, unit: &str, fingerprint: String, anew: bool) {
        self.portion.parts.push(Part { unit: unit.to_owned(), fingerprint, anew, ..Part::default() });
    }

    fn send(&mut self) -> bool {
        (self.records, self.bytes) = (0, 0);
        self.portions.blocking_send(std::mem::take(&mut self.portion)).is_ok()
    }
}

/// What a frame holds.
pub(in crate::sources) fn decoded(frame: Frame, origin: &Origin) -> Found {
    let what = match frame.content {
        Content::Record(bytes) => match decode::decode(bytes, origin) {
            Decoded::Event(event) => What::Event(event),
            Decoded::Skip(reason) => What::Skip(reason),
            Decoded::Reject { reason, message, bytes } => {
                What::Reject { reason, message, bytes: bytes.into(), last: true }
            }
        },
        Content::Refused { reason, message, bytes, last } => What::Reject { reason, message, bytes, last },
    };
    Found { line: frame.line, what }
}
