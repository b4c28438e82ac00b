//! What SQLite says, in the log's words. The messages carry SQLite's code, never a value.

use pipeline::LogError;
use rusqlite::{Error, ErrorCode, ffi};

/// What a failed operation means where its transaction is known to have been rolled back.
pub(super) fn of(error: &Error) -> LogError {
    let Error::SqliteFailure(failure, _) = error else { return of_a_value(error) };
    match failure.code {
        ErrorCode::DiskFull => LogError::Full("the disk, or the log file's limit".to_owned()),
        // The file that WAL's readers share cannot be made larger: that is how a full disk shows there.
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            LogError::Full("the disk".to_owned())
        }
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
            LogError::Refused("the log file cannot be written".to_owned())
        }
        ErrorCode::NotADatabase => LogError::Unusable("the log file is no SQLite database".to_owned()),
        ErrorCode::DatabaseCorrupt => LogError::Unusable("the log file is damaged".to_owned()),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            LogError::Unusable("another program writes to the log file".to_owned())
        }
        ErrorCode::CannotOpen => LogError::Unusable("the log file cannot be opened".to_owned()),
        _ => LogError::Unusable(format!("the log file: SQLite error {}", failure.extended_code)),
    }
}

/// Every other error is about what is in the file: a column that should not be empty, a text that is no text.
fn of_a_value(error: &Error) -> LogError {
    match error {
        Error::InvalidPath(_) => LogError::Unusable("the log file's name cannot be used".to_owned()),
        _ => damaged("it has another shape than expected"),
    }
}

/// The file holds what no Weir wrote.
pub(super) fn damaged(how: &str) -> LogError {
    LogError::Unusable(format!("the log file is damaged: {how}"))
}
