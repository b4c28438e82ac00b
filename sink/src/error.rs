//! Why a sink cannot start. What goes wrong later is a [`crate::sinks::Verdict`].

use std::path::PathBuf;

/// A sink that cannot be opened.
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
}
