//! Source `files`: exported or downloaded audit logs and flow runs, read in order, in portions.
//!
//! A file's form is told by its content: JSON lines, a JSON list, a Web API page (`{"value":[…]}`), Azure Monitor's
//! `{"records":[…]}`, objects one after the other, or CSV with a column `AuditData`; each also as gzip. Reading runs on
//! a thread of its own, one portion ahead of the log.
//!
//! Limits: 64 KiB are read at a time; a record of 16 MiB is held whole, a longer one leaves in parts; a portion holds at
//! most as much as the source's configuration says: 4,096 records or 4 MiB (one record may exceed that alone).

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use pipeline::Reason;
use schemas::Event;
use tokio::sync::mpsc::Sender;

use crate::decode::{self, Decoded, Origin};
use crate::progress::Progress;

mod balance;
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
mod values;

pub use frame::{Content, Frame, RECORD_BYTES_MAX};
pub use frames::Frames;
pub use paths::{Problem, list};
pub use resume::Known;
use resume::{Counted, Resume};

/// So many small files share a portion.
const PORTION_PARTS_MAX: usize = 256;
/// What a record's typed fields add to its bytes, roughly.
const TYPED_BYTES: usize = 512;

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

/// What goes into one step.
#[derive(Debug, Default)]
pub struct Portion {
    /// In the files' order.
    pub parts: Vec<Part>,
    /// Everything has been read.
    pub last: bool,
}

/// Some of a file.
#[derive(Debug)]
pub struct Part {
    /// Which file of the job.
    pub file: usize,
    /// What tells the file from another of its name, for the ledger.
    pub fingerprint: String,
    /// The file begins here, from its first record: what the ledger knew of it is void.
    pub anew: bool,
    /// In the file's order.
    pub found: Vec<Found>,
    /// It has been read to its end.
    pub done: bool,
}

/// One record of a file, or one part of something that is none.
#[derive(Debug)]
pub struct Found {
    /// The line it began on.
    pub line: u64,
    /// What it is.
    pub what: What,
}

/// What a record was decoded into.
#[derive(Debug)]
pub enum What {
    /// An event.
    Event(Box<Event>),
    /// Left out on purpose.
    Skip(Reason),
    /// No record. The whole counts at its last part.
    Reject {
        /// Why.
        reason: Reason,
        /// One line that says more.
        message: String,
        /// Its bytes, or the next of them.
        bytes: Bytes,
        /// Whether they end here.
        last: bool,
    },
}

/// Reads everything and sends it in portions; ends early when nobody takes them any more.
pub fn read(job: &Job, portions: &Sender<Portion>) {
    let mut reading = Reading { job, portions, portion: Portion::default(), records: 0, bytes: 0 };
    for index in 0..job.files.len() {
        if !reading.file(index) {
            return;
        }
    }
    reading.portion.last = true;
    reading.send();
}

struct Reading<'a> {
    job: &'a Job,
    portions: &'a Sender<Portion>,
    portion: Portion,
    records: usize,
    bytes: usize,
}

impl Reading<'_> {
    /// Reads one file; false when nobody takes portions any more.
    fn file(&mut self, index: usize) -> bool {
        let Some((path, known)) = self.job.files.get(index) else { return true };
        let opened = File::open(path).and_then(|mut file| {
            let resume = resume::decide(&mut file, known.as_ref())?;
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
                (Frames::new(counted), resume)
            }
            Err(error) => (Frames::none(input::unreadable(&error)), Resume::unreadable()),
        };
        if let Some(note) = resume.note {
            let file = path.display().to_string();
            tracing::info!(file, "{note}");
        }
        self.open_part(index, resume.fingerprint.clone(), resume.anew);
        if !self.records(index, frames, &resume) {
            return false;
        }
        if let Some(part) = self.portion.parts.last_mut() {
            // The last record is always in the part that is done.
            let cut = part.found.last().is_some_and(|found| matches!(found.what, What::Reject { .. }));
            part.fingerprint = resume.when_done(cut);
            part.done = true;
        }
        self.job.progress.file_done();
        (self.portion.parts.len() < PORTION_PARTS_MAX && !self.is_full()) || self.send()
    }

    fn records(&mut self, index: usize, frames: Frames, resume: &Resume) -> bool {
        let mut ended = 0_u64;
        for frame in frames {
            let passed_over = ended < resume.pass_over;
            if frame.ends_a_record() {
                ended += 1;
                self.job.progress.found();
            }
            if passed_over {
                if ended.is_multiple_of(1024) && self.portions.is_closed() {
                    return false;
                }
                continue;
            }
            // Not before another one is there: the last one and the end of its file are one step.
            if self.is_full() {
                if !self.send() {
                    return false;
                }
                self.open_part(index, resume.fingerprint.clone(), false);
            }
            let found = self.found(frame);
            if let Some(part) = self.portion.parts.last_mut() {
                part.found.push(found);
            }
        }
        true
    }

    fn is_full(&self) -> bool {
        self.records >= self.job.records_max || self.bytes >= self.job.bytes_max
    }

    fn found(&mut self, frame: Frame) -> Found {
        let what = match frame.content {
            Content::Record(bytes) => match decode::decode(bytes, &self.job.origin) {
                Decoded::Event(event) => What::Event(event),
                Decoded::Skip(reason) => What::Skip(reason),
                Decoded::Reject { reason, message, bytes } => {
                    What::Reject { reason, message, bytes: bytes.into(), last: true }
                }
            },
            Content::Refused { reason, message, bytes, last } => {
                What::Reject { reason, message, bytes, last }
            }
        };
        self.records += 1;
        self.bytes += TYPED_BYTES
            + match &what {
                What::Event(event) => event.raw.len(),
                What::Skip(_) => 0,
                What::Reject { bytes, .. } => bytes.len(),
            };
        Found { line: frame.line, what }
    }

    fn open_part(&mut self, file: usize, fingerprint: String, anew: bool) {
        self.portion.parts.push(Part { file, fingerprint, anew, found: Vec::new(), done: false });
    }

    fn send(&mut self) -> bool {
        (self.records, self.bytes) = (0, 0);
        self.portions.blocking_send(std::mem::take(&mut self.portion)).is_ok()
    }
}
