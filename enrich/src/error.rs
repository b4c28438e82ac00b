//! Why a file that the configuration names cannot be used. No part of the file is in a message.

/// A lookup file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is larger than a lookup may be.
    #[error("has more than {0} bytes")]
    TooLarge(u64),
    /// It is not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// It is no MaxMind database, or a damaged one.
    #[error("is no usable MaxMind database: {0}")]
    NoDatabase(String),
}
