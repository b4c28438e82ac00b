//! Standard output, with an eye on readers that leave early: `weir … | head` must not end in an error. And numbers.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

/// Writes `text` to standard output.
///
/// # Errors
/// What the terminal or the pipe says; a reader that went away is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    stream(|out| out.write_all(text.as_bytes()))
}

/// Lets `write` write to standard output, of which no more than a buffer is held.
///
/// # Errors
/// As [`print`], and what `write` says itself.
pub(crate) fn stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Lets `write` write to standard output, and sees it out at once; false when nobody reads any more.
///
/// # Errors
/// As [`stream`].
pub(crate) fn now(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
}

/// How many of something there are, in words that agree.
pub(crate) fn count(number: impl Display, what: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {what}{ending}")
}
