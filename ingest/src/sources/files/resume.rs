//! Whether a file is the one the ledger knows, and how far it was read.
//!
//! A file is known by the hash of its first 4,096 bytes (or of as many as it had), and once it is done by its size:
//! the same file needs no reading, a longer one is read on after the records that were counted, any other from its
//! beginning. Deduplication catches what is read twice. The text is `bytes:hash`, and `bytes:hash:size` when done.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use schemas::Hash128;

use super::input::fill;
use crate::progress::Progress;

const PRINT_BYTES: usize = 4096;

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
    pub(super) changed: bool,
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
            changed: false,
            pass_over: 0,
        }
    }

    pub(super) fn when_done(&self) -> String {
        format!("{}:{}", self.fingerprint, self.file_bytes)
    }
}

/// Looks at the file's beginning, and leaves it there.
pub(super) fn decide(file: &mut File, known: Option<&Known>) -> io::Result<Resume> {
    let file_bytes = file.metadata()?.len();
    let mut start = vec![0; PRINT_BYTES];
    let filled = fill(file, &mut start)?;
    start.truncate(filled);
    file.seek(SeekFrom::Start(0))?;
    let fingerprint = print(&start);
    let fresh = Resume { fingerprint, ..Resume::unreadable() };
    let Some(known) = known else { return Ok(Resume { file_bytes, ..fresh }) };

    let mut fields = known.fingerprint.splitn(3, ':');
    let length = fields.next().and_then(|length| length.parse::<usize>().ok());
    let hash = fields.next().unwrap_or_default();
    let size = fields.next().and_then(|size| size.parse::<u64>().ok());
    let same_start = length
        .and_then(|length| start.get(..length))
        .is_some_and(|then| print(then).split_once(':').is_some_and(|(_, now)| now == hash));
    let shorter = size.is_some_and(|size| file_bytes < size);
    if !same_start || shorter {
        return Ok(Resume { file_bytes, changed: true, ..fresh });
    }
    let nothing_new = size == Some(file_bytes);
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
        decide(&mut file, known).unwrap()
    }

    #[test]
    fn a_file_is_known_by_its_beginning_and_when_done_by_its_size() {
        let content = b"{\"Id\":1}\n".repeat(1000);
        let first = decided(&content, None);
        assert!(first.anew && !first.changed && first.pass_over == 0);
        let half_way = Known { fingerprint: first.fingerprint.clone(), read: 300 };
        let again = decided(&content, Some(&half_way));
        assert!(!again.anew && !again.nothing_new && again.pass_over == 300);
        let done = Known { fingerprint: first.when_done(), read: 1000 };
        assert!(decided(&content, Some(&done)).nothing_new);
        let longer = decided(&[&content[..], b"{}\n"].concat(), Some(&done));
        assert!(!longer.nothing_new && !longer.anew && longer.pass_over == 1000);
        let shorter = decided(&content[..8000], Some(&done));
        assert!(shorter.anew && shorter.changed && shorter.pass_over == 0);
        let other = decided(&b"{\"Id\":2}\n".repeat(1000), Some(&done));
        assert!(other.anew && other.changed);
    }

    #[test]
    fn a_short_file_that_grew_is_still_known() {
        let known = Known { fingerprint: decided(b"{}\n", None).when_done(), read: 1 };
        let grown = decided(b"{}\n{}\n", Some(&known));
        assert!(!grown.anew && grown.pass_over == 1);
        assert!(decided(b"[]\n{}\n", Some(&known)).changed);
    }
}
