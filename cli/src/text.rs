//! Standard output, with an eye on readers that leave early: `weir … | head` must not end in an error.

use std::io::{self, Write as _};

/// Writes `text` to standard output.
///
/// # Errors
/// What the terminal or the pipe says; a reader that went away is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
