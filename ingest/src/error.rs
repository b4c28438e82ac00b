//! Why ingest ends before it is done.

use pipeline::LogError;
use schemas::{CodecError, TopicPartition};

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
    /// A record of ours cannot be written: a defect.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// What the source has kept is damaged. To go on without it would be to forget what was read.
    #[error("{at}: a record of source {name} ({what}) is damaged: {why}")]
    Damaged {
        /// Where it lies.
        at: TopicPartition,
        /// The source.
        name: String,
        /// Which message it was.
        what: &'static str,
        /// Why it cannot be read.
        why: CodecError,
    },
    /// The source ended without saying so.
    #[error("the source ended by itself")]
    Reader,
    /// What a source needs cannot be made from its settings.
    #[error("source {name}: {why}")]
    Settings {
        /// The source.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The service refuses the source: somebody must change a setting or a permission.
    #[error("source {name}: {why}")]
    Refused {
        /// The source.
        name: String,
        /// Which setting or permission, and what to do.
        why: String,
    },
    /// The service does not answer, or not with what it should.
    #[error("source {name}: {why}")]
    Away {
        /// The source.
        name: String,
        /// What came instead.
        why: String,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
