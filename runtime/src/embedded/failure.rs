//! What SQLite says, in the log's words. The messages carry SQLite's code, never a value.

use pipeline::LogError;
use rusqlite::{Error, ffi};

/// What a failed operation means where its transaction is known to have been rolled back. Where SQLite says nothing,
/// a row has another shape than expected.
pub(super) fn of(error: &Error) -> LogError {
    let Some(failure) = error.sqlite_error() else { return damaged("a row has another shape than expected") };
    let unusable = |what: &str| LogError::Unusable(format!("the log file {what}"));
    // The low byte is the error, the rest says more about it: <https://sqlite.org/rescode.html>.
    match failure.extended_code & 0xff {
        ffi::SQLITE_FULL => LogError::Full("the disk, or the log file's limit".to_owned()),
        // The file that WAL's readers share cannot be made larger: that is how a full disk shows there.
        ffi::SQLITE_IOERR if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            LogError::Full("the disk".to_owned())
        }
        ffi::SQLITE_PERM | ffi::SQLITE_READONLY => {
            LogError::Refused("the log file cannot be written".to_owned())
        }
        ffi::SQLITE_NOTADB => unusable("is no SQLite database"),
        ffi::SQLITE_CORRUPT => unusable("is damaged"),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => unusable("is written by another program"),
        ffi::SQLITE_CANTOPEN => unusable("cannot be opened"),
        _ => unusable(&format!("cannot be used: SQLite error {}", failure.extended_code)),
    }
}

/// The file holds what no Weir wrote.
pub(super) fn damaged(how: &str) -> LogError {
    LogError::Unusable(format!("the log file is damaged: {how}"))
}
