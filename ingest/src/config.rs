//! Configuration of the source `files`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::decode::Origin;
use crate::sources::files::{Problem, list};

/// Files that were exported or downloaded: audit logs and flow runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The source's name, in event ids, the ledger and watermarks: renaming it reads everything again.
    pub name: String,
    /// Files, folders, and names with `*` in their last part.
    pub paths: Vec<PathBuf>,
    /// The tenant of records that name none (flow runs).
    #[serde(default)]
    pub tenant: Option<String>,
    /// The environment of flow runs that name none (rows of Dataverse).
    #[serde(default)]
    pub environment: Option<String>,
    /// A record's own bytes travel with its event up to this size; longer ones go to the dead letter in chunks.
    #[serde(default = "record_bytes_max")]
    pub record_bytes_max: usize,
    /// How far time has come once all files are read.
    #[serde(default)]
    pub at_end: AtEnd,
}

/// How far time has come once all files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtEnd {
    /// To its end: nothing more will come (`weir scan`).
    EndOfTime,
    /// To the greatest event time that was read (`weir run`).
    #[default]
    GreatestEventTime,
}

/// Below every broker's default limit of 1 MB a message.
fn record_bytes_max() -> usize {
    900_000
}

impl FilesConfig {
    /// A source over `paths` with the defaults.
    #[must_use]
    pub fn new(name: &str, paths: Vec<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            paths,
            tenant: None,
            environment: None,
            record_bytes_max: record_bytes_max(),
            at_end: AtEnd::default(),
        }
    }

    /// The files it reads, in order.
    ///
    /// # Errors
    /// Every path that names nothing that can be read, before anything runs.
    pub fn files(&self) -> Result<Vec<PathBuf>, Vec<Problem>> {
        list(&self.paths)
    }

    /// What the decoder needs to know of it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            source: self.name.clone(),
            tenant: self.tenant.clone(),
            environment: self.environment.clone(),
        }
    }
}
