//! Why ingest ends before it is done.

use pipeline::LogError;
use schemas::CodecError;

use crate::sources::files::Problem;

/// Why ingest ends before it is done. Nothing uncommitted has left a trace.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Paths that name nothing that can be read: a problem of the configuration.
    #[error("cannot read: {}", list(.0))]
    Paths(Vec<Problem>),
    /// The log cannot go on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record of ours cannot be written or read: a defect, or a record that is not ours.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The thread that reads files ended without saying so.
    #[error("the reading of files ended by itself")]
    Reader,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
