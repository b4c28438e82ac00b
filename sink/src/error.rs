//! Why a sink cannot start. What goes wrong later is a [`crate::sinks::Verdict`].

use std::path::PathBuf;

use runtime::http::HttpError;

/// A sink that cannot be opened, or that a check found useless.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Its file cannot be opened for appending.
    #[error("sink {sink}: cannot append to {}: {cause}", path.display())]
    Open {
        /// The configured sink.
        sink: String,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// No HTTP client can be made with its settings.
    #[error("sink {sink}: {cause}")]
    Client {
        /// The configured sink.
        sink: String,
        /// What is wrong with them.
        cause: HttpError,
    },
    /// The receiver refuses us: somebody must change a setting.
    #[error("sink {sink}: {what}")]
    Refused {
        /// The configured sink.
        sink: String,
        /// Which setting or permission.
        what: String,
    },
    /// The receiver cannot be reached, or cannot answer now.
    #[error("sink {sink}: {cause}")]
    Away {
        /// The configured sink.
        sink: String,
        /// What happened.
        cause: String,
    },
}
