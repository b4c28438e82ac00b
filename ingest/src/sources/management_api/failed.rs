//! Why a call came to nothing, and what is done about it.

use std::time::Duration;

use runtime::entra::EntraError;
use runtime::http::HttpError;

use super::table::{Does, Row};

/// Why there is no answer that serves.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failed {
    /// The service says what it is.
    #[error("{} ({})", .row.means, .row.code)]
    Answer { row: &'static Row, wait: Option<Duration> },
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] EntraError),
    /// An answer names an address of another host.
    #[error("an answer names an address of another host; it was not asked")]
    Foreign,
    /// An answer is not what it should be.
    #[error("the answer is {0}")]
    Malformed(&'static str),
}

impl Failed {
    /// What is done about it.
    pub(super) fn does(&self) -> Does {
        match self {
            Self::Answer { row, .. } if row.does == Does::Refresh => Does::Wait,
            Self::Answer { row, .. } => row.does,
            Self::Token(error) if error.is_refusal() => Does::Park,
            Self::Foreign => Does::ListAgain,
            Self::Http(_) | Self::Token(_) | Self::Malformed(_) => Does::Wait,
        }
    }

    /// How long the service says to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Answer { wait, .. } => *wait,
            Self::Http(_) | Self::Token(_) | Self::Foreign | Self::Malformed(_) => None,
        }
    }

    /// Whether the service itself has taken the call and judged it.
    pub(super) fn is_judged(&self) -> bool {
        matches!(self, Self::Answer { row, .. } if row.code.starts_with("AF2") || row.code.contains("429"))
    }

    /// What counters call it.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Answer { row, .. } => row.code,
            Self::Http(HttpError::Timeout) => "timeout",
            Self::Http(HttpError::Unreachable(_)) => "unreachable",
            Self::Http(HttpError::TooLong(_)) => "too_long",
            Self::Http(HttpError::Broken(_) | HttpError::Settings(_)) => "broken_off",
            Self::Token(_) => "no_token",
            Self::Foreign => "foreign_host",
            Self::Malformed(_) => "malformed",
        }
    }
}
