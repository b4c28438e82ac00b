//! How much of a file can be taken while somebody may still be writing it.
//!
//! JSON lines are taken up to their last line break. What stands behind it waits: until the file has not changed from one
//! look to the next and the line is a whole value, or until the file has been quiet for so long that nothing more
//! will come. Any other form is taken whole, once the file has not changed from one look to the next; JSON also has to
//! have all its brackets closed, or to be quiet.
//!
//! Limits: 64 KiB are read at a time.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::head::{self, Form, HEAD_BYTES};
use super::input::{GZIP_MAGIC, fill};

/// How long the file has been as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rest {
    /// It is new, or has just changed.
    Changing,
    /// It was the same when it was looked at before.
    Still,
    /// Nobody writes it any more.
    Quiet,
}

/// What can be taken of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Take {
    /// So many of its bytes; 0 for none yet.
    pub(super) bytes: u64,
    /// They are lines and end with a line break: what they end on stays as it is, however the file grows.
    pub(super) at_line_end: bool,
}

/// How much of it can be taken.
pub(super) fn bytes_to_take(file: &mut File, bytes: u64, rest: Rest) -> io::Result<Take> {
    let mut head = vec![0; HEAD_BYTES];
    let filled = fill(&mut file.by_ref().take(bytes), &mut head)?;
    let head = head.get(..filled).unwrap_or_default();
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let whole = filled < HEAD_BYTES && head.ends_with(b"\n");
    let json = text.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
    let taken = match rest {
        Rest::Quiet => bytes,
        _ if json && is_lines(head, whole) => lines_to_take(file, bytes, rest)?,
        Rest::Still if !json || closes(file, 0, bytes)? => bytes,
        Rest::Still | Rest::Changing => 0,
    };
    // The form of what is taken, as who reads it will tell it: without the torn line the file may look another.
    let kept = head.get(..usize::try_from(taken).unwrap_or(usize::MAX)).unwrap_or(head);
    let lines = taken > 0 && is_lines(kept, kept.len() < HEAD_BYTES);
    let at_line_end = lines && last_byte(file, taken)? == Some(b'\n');
    Ok(Take { bytes: taken, at_line_end })
}

fn is_lines(head: &[u8], whole: bool) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    !head.starts_with(&GZIP_MAGIC) && matches!(head::form(text, whole), Form::Lines)
}

/// The last of its first `bytes`.
fn last_byte(file: &mut File, bytes: u64) -> io::Result<Option<u8>> {
    file.seek(SeekFrom::Start(bytes.saturating_sub(1)))?;
    let mut byte = [0];
    let filled = fill(file, &mut byte)?;
    Ok(byte.first().copied().filter(|_| filled > 0))
}

fn lines_to_take(file: &mut File, bytes: u64, rest: Rest) -> io::Result<u64> {
    let ended = last_line_end(file, bytes)?;
    let closed = rest == Rest::Still && ended < bytes && closes(file, ended, bytes)?;
    Ok(if closed { bytes } else { ended })
}

/// Where the last line break is over.
fn last_line_end(file: &mut File, bytes: u64) -> io::Result<u64> {
    let mut block = vec![0; HEAD_BYTES];
    let mut end = bytes;
    while end > 0 {
        let start = end.saturating_sub(HEAD_BYTES as u64);
        file.seek(SeekFrom::Start(start))?;
        let filled = fill(&mut file.by_ref().take(end - start), &mut block)?;
        if let Some(at) = block.get(..filled).and_then(|block| memchr::memrchr(b'\n', block)) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether brackets and strings that begin there are closed at the end, and there were any.
fn closes(file: &mut File, from: u64, until: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(from))?;
    let mut rest = file.by_ref().take(until.saturating_sub(from));
    let mut block = vec![0; HEAD_BYTES];
    let (mut depth, mut inside, mut escaped, mut any) = (0_i64, false, false, false);
    loop {
        let filled = fill(&mut rest, &mut block)?;
        for byte in block.get(..filled).unwrap_or_default() {
            match (byte, inside) {
                _ if escaped => escaped = false,
                (b'\\', true) => escaped = true,
                (b'"', _) => inside = !inside,
                (b'{' | b'[', false) => (depth, any) = (depth + 1, true),
                (b'}' | b']', false) => depth -= 1,
                _ => {}
            }
        }
        if filled < block.len() {
            return Ok(any && depth == 0 && !inside);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn taken(content: &[u8], rest: Rest) -> usize {
        usize::try_from(take(content, rest).bytes).unwrap()
    }

    fn take(content: &[u8], rest: Rest) -> Take {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        bytes_to_take(&mut file, content.len() as u64, rest).unwrap()
    }

    #[test]
    fn only_lines_that_have_their_ends_stay_as_they_are() {
        for (content, rest, expected) in [
            (&b"{\"a\":1}\n{\"a\":2}\n"[..], Rest::Changing, true),
            (b"{\"a\":1}\n{\"a\":2}\n", Rest::Quiet, true),
            (b"{\"a\":1}\n{\"a\":2", Rest::Still, true),
            (b"{\"a\":1}\n{\"a\":2", Rest::Quiet, false),
            (b"{\"a\":1}\n{\"a\":2}", Rest::Still, false),
            (b"oops\n{\"a\":1}\n", Rest::Still, true),
            (b"oops\n{\"a\":1", Rest::Still, false),
            (b"AuditData\n\"{}\"\n", Rest::Still, false),
            (b"{\n \"a\": 1\n", Rest::Quiet, false),
            (b"\x1f\x8b\n{\"\n", Rest::Still, false),
            (b"{\"a\":\n{\"a\":1", Rest::Changing, false),
            (b"{\"a\":1", Rest::Still, false),
            (b"", Rest::Quiet, false),
        ] {
            assert_eq!(take(content, rest).at_line_end, expected, "{content:?} {rest:?}");
        }
    }

    #[test]
    fn lines_are_taken_up_to_the_last_line_break_and_a_torn_one_waits() {
        let whole = b"{\"a\":1}\n{\"a\":2}\n";
        for rest in [Rest::Changing, Rest::Still, Rest::Quiet] {
            assert_eq!(taken(whole, rest), whole.len(), "{rest:?}");
        }
        let torn = b"{\"a\":1}\n{\"a\":2";
        assert_eq!(taken(torn, Rest::Changing), 8);
        assert_eq!(taken(torn, Rest::Still), 8);
        assert_eq!(taken(torn, Rest::Quiet), torn.len());
        let unbroken = b"{\"a\":1}\n{\"a\":2}";
        assert_eq!(taken(unbroken, Rest::Changing), 8);
        assert_eq!(taken(unbroken, Rest::Still), unbroken.len());
        let long = [b"{\"a\":1}\n{\"a\":\"".to_vec(), vec![b'x'; 200_000]].concat();
        assert_eq!(taken(&long, Rest::Still), 8, "a torn line longer than what is read at a time");
    }

    #[test]
    fn a_first_line_without_its_end_waits_too() {
        for torn in [&b"{\"a\":"[..], b"{\"a\":{\"b\":1}", b"{", b""] {
            assert_eq!((taken(torn, Rest::Changing), taken(torn, Rest::Still)), (0, 0), "{torn:?}");
            assert_eq!(taken(torn, Rest::Quiet), torn.len());
        }
        assert_eq!((taken(b"{\"a\":1}", Rest::Changing), taken(b"{\"a\":1}", Rest::Still)), (0, 7));
    }

    #[test]
    fn other_forms_are_taken_whole_once_they_are_still() {
        for whole in [&b"[{\"a\":1},\n{\"a\":2}]"[..], b"{\n \"a\": 1\n}", b"AuditData\n\"{}\"\n"] {
            assert_eq!((taken(whole, Rest::Changing), taken(whole, Rest::Still)), (0, whole.len()));
        }
        let cut = b"[{\"a\":1},\n{\"a\":2}";
        assert_eq!((taken(cut, Rest::Still), taken(cut, Rest::Quiet)), (0, cut.len()));
    }
}
