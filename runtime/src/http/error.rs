//! Why an exchange came to nothing.

use std::error::Error;

/// Why there is no answer, or not all of it. Whether the other side took the request is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: the name, the address, or the certificate.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The other side took too long.
    #[error("no answer in time")]
    Timeout,
    /// The answer is longer than its caller takes.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// The connection broke, or what came is no HTTP.
    #[error("the exchange broke off: {0}")]
    Broken(String),
    /// The client cannot be made: its settings.
    #[error("{0}")]
    Settings(String),
}

impl HttpError {
    /// What the library says, without the URL.
    pub(super) fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_timeout() {
            return Self::Timeout;
        }
        let connecting = error.is_connect();
        let why = root_cause(&error);
        if connecting { Self::Unreachable(why) } else { Self::Broken(why) }
    }
}

/// The innermost cause says what happened; what wraps it says only where.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
