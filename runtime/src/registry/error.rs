//! Why the registry was of no use, by what is to be done about it.

use crate::http::HttpError;

/// What failed at the schema registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No answer, or one that says "later" (429, 5xx).
    #[error("the schema registry does not answer: {0}")]
    Away(String),
    /// The credentials or their rights (401, 403).
    #[error("the schema registry refuses us (HTTP {0}): look at user and password of log.kafka.registry")]
    Refused(u16),
    /// These subjects, or our schemas under them, are not there.
    #[error("the schema registry does not have {}; run `weir schema apply`", named(.0))]
    Missing(Vec<String>),
    /// The registry holds the subject to a level that our schema breaks (409).
    #[error("{0}: the schema registry finds our schema incompatible with what is registered")]
    Incompatible(String),
    /// The registry does not take the schema or the level (422).
    #[error("{0}: the schema registry does not take what it was sent (HTTP 422)")]
    Invalid(String),
    /// An answer that a schema registry does not give.
    #[error("what answers is no schema registry ({0}): look at url of log.kafka.registry")]
    NoRegistry(String),
    /// The client cannot be made: its settings.
    #[error("{0}")]
    Settings(String),
}

/// So many names are told.
const NAMES_MAX: usize = 3;

fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl From<HttpError> for RegistryError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Settings(why) => Self::Settings(why),
            HttpError::TooLong(_) => Self::NoRegistry(error.to_string()),
            HttpError::Unreachable(_) | HttpError::Timeout | HttpError::Broken(_) => {
                Self::Away(error.to_string())
            }
        }
    }
}
