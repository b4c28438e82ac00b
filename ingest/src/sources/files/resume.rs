//! Whether a file is the one the ledger knows, and how far it was read.
//!
//! A file is known by the hash of its first 4,096 bytes (or of as many as it had), and once it is done by its size:
//! the same file needs no reading, a longer one is read on after the records that were counted, any other from its
//! beginning. So is a longer one that ended on what was no record: somebody was still writing it, and now it may be one.
//! Deduplication catches what is read twice. The text is `bytes:hash`, `bytes:hash:size` when done, and
//! `bytes:hash:size:cut` when it ended on what was no record.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use schemas::Hash128;
use schemas::ledger::LedgerEntry;

use super::input::fill;
use crate::progress::Progress;

const PRINT_BYTES: usize = 4096;
const CUT: &str = "cut";

/// What the ledger knows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// As it was written to the ledger.
    pub fingerprint: String,
    /// Records that were counted.
    pub read: u64,
}

/// How to read a file.
#[derive(Debug)]
pub(super) struct Resume {
    pub(super) fingerprint: String,
    pub(super) file_bytes: u64,
    pub(super) nothing_new: bool,
    /// The ledger knew another file, or none.
    pub(super) anew: bool,
    /// Why it is read from its beginning although the ledger knew one of its name.
    pub(super) note: Option<&'static str>,
    /// Records that are in the ledger already.
    pub(super) pass_over: u64,
}

impl Resume {
    pub(super) fn unreadable() -> Self {
        Self {
            fingerprint: String::new(),
            file_bytes: 0,
            nothing_new: false,
            anew: true,
            note: None,
            pass_over: 0,
        }
    }

    /// The fingerprint of a file that was read to its end; `cut` when what it ended on was no record.
    pub(super) fn when_done(&self, cut: bool) -> String {
        let done = format!("{}:{}", self.fingerprint, self.file_bytes);
        if cut { format!("{done}:{CUT}") } else { done }
    }
}

/// What the ledger knows of each file.
pub(super) fn known(ledger: &[LedgerEntry]) -> HashMap<String, Known> {
    let known = |entry: &LedgerEntry| {
        let read = u64::try_from(entry.counts.read).unwrap_or_default();
        (entry.unit.clone(), Known { fingerprint: entry.fingerprint.clone(), read })
    };
    ledger.iter().map(known).collect()
}

/// Looks at the beginning of the file, of one that may still grow at that of its first `bytes`, and leaves it there.
pub(super) fn decide(file: &mut File, known: Option<&Known>, bytes: Option<u64>) -> io::Result<Resume> {
    let file_bytes = file.metadata()?.len().min(bytes.unwrap_or(u64::MAX));
    let mut start = vec![0; PRINT_BYTES];
    let filled = fill(&mut file.by_ref().take(file_bytes), &mut start)?;
    start.truncate(filled);
    file.seek(SeekFrom::Start(0))?;
    let fingerprint = print(&start);
    let fresh = Resume { fingerprint, ..Resume::unreadable() };
    let Some(known) = known else { return Ok(Resume { file_bytes, ..fresh }) };

    let mut fields = known.fingerprint.splitn(4, ':');
    let length = fields.next().and_then(|length| length.parse::<usize>().ok());
    let hash = fields.next().unwrap_or_default();
    let size = fields.next().and_then(|size| size.parse::<u64>().ok());
    let cut = fields.next() == Some(CUT);
    let same_start = length
        .and_then(|length| start.get(..length))
        .is_some_and(|then| print(then).split_once(':').is_some_and(|(_, now)| now == hash));
    let shorter = size.is_some_and(|size| file_bytes < size);
    if !same_start || shorter {
        let note = Some("the file is another than before; reading it from its beginning");
        return Ok(Resume { file_bytes, note, ..fresh });
    }
    let nothing_new = size == Some(file_bytes);
    if cut && !nothing_new {
        let note = Some("the file grew where it ended on no record; reading it from its beginning");
        return Ok(Resume { file_bytes, note, ..fresh });
    }
    Ok(Resume { file_bytes, nothing_new, anew: false, pass_over: known.read, ..fresh })
}

fn print(start: &[u8]) -> String {
    format!("{}:{}", start.len(), Hash128::of(&[start]))
}

/// Counts what is read from the disk.
pub(super) struct Counted {
    file: File,
    progress: Arc<Progress>,
}

impl Counted {
    pub(super) fn new(file: File, progress: Arc<Progress>) -> Self {
        Self { file, progress }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.progress.read(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn decided(content: &[u8], known: Option<&Known>) -> Resume {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        decide(&mut file, known, None).unwrap()
    }

    #[test]
    fn a_file_is_known_by_its_beginning_and_when_done_by_its_size() {
        let content = b"{\"Id\":1}\n".repeat(1000);
        let first = decided(&content, None);
        assert!(first.anew && first.note.is_none() && first.pass_over == 0);
        let half_way = Known { fingerprint: first.fingerprint.clone(), read: 300 };
        let again = decided(&content, Some(&half_way));
        assert!(!again.anew && !again.nothing_new && again.pass_over == 300);
        let done = Known { fingerprint: first.when_done(false), read: 1000 };
        assert!(decided(&content, Some(&done)).nothing_new);
        let longer = decided(&[&content[..], b"{}\n"].concat(), Some(&done));
        assert!(!longer.nothing_new && !longer.anew && longer.pass_over == 1000);
        let shorter = decided(&content[..8000], Some(&done));
        assert!(shorter.anew && shorter.note.is_some() && shorter.pass_over == 0);
        let other = decided(&b"{\"Id\":2}\n".repeat(1000), Some(&done));
        assert!(other.anew && other.note.is_some());
    }

    #[test]
    fn a_short_file_that_grew_is_still_known() {
        let known = Known { fingerprint: decided(b"{}\n", None).when_done(false), read: 1 };
        let grown = decided(b"{}\n{}\n", Some(&known));
        assert!(!grown.anew && grown.pass_over == 1);
        assert!(decided(b"[]\n{}\n", Some(&known)).note.is_some());
    }

    #[test]
    fn a_file_that_ended_on_no_record_is_read_anew_once_it_grew() {
        let known = Known { fingerprint: decided(b"{}\n{", None).when_done(true), read: 2 };
        assert!(decided(b"{}\n{", Some(&known)).nothing_new);
        let grown = decided(b"{}\n{}\n", Some(&known));
        assert!(grown.anew && grown.note.is_some() && grown.pass_over == 0 && !grown.nothing_new);
    }
}
