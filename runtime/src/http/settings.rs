//! What an operator can set of a connection.
//!
//! ```yaml
//! http:
//!   ca_file: internal-ca.pem   # trust the certificates of this file, and no other
//!   connect_timeout: 10s
//!   read_timeout: 60s          # without a byte
//!   total_timeout: 5m          # of one exchange; of content that is streamed, for each 300 kB
//! ```

use std::{path::PathBuf, time::Duration};

use crate::config::Section;

/// How to connect. A proxy comes from the environment (`HTTPS_PROXY`, `NO_PROXY`), as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// PEM; trusted in place of the platform's certificates.
    pub ca_file: Option<PathBuf>,
    /// Until there is a connection.
    pub connect_timeout: Duration,
    /// Without a byte.
    pub read_timeout: Duration,
    /// For a whole exchange whose answer is not streamed.
    pub total_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(300),
        }
    }
}

impl HttpSettings {
    /// Reads the section `http`; problems are noted there.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Self {
        let standard = Self::default();
        let some = Duration::from_millis(100)..=Duration::from_secs(3600);
        let ca_file = section.path("ca_file");
        if let Some(path) = &ca_file
            && let Err(problem) = super::client::certificates(path)
        {
            section.problem("ca_file", problem);
        }
        Self {
            ca_file,
            connect_timeout: section.duration("connect_timeout", some.clone(), standard.connect_timeout),
            read_timeout: section.duration("read_timeout", some.clone(), standard.read_timeout),
            total_timeout: section.duration("total_timeout", some, standard.total_timeout),
        }
    }
}
