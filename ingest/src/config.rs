//! The `sources` list of a configuration.
//!
//! ```yaml
//! sources:
//!   - name: exports          # in event ids, the ledger and watermarks: renaming it reads everything again
//!     kind: files
//!     paths: [exports, old/audit-*.csv.gz]
//!     tenant: 0f1e…          # of records that name none
//!     environment: 9a8b…     # of flow runs that name none
//! ```

use std::path::PathBuf;

use runtime::config::Section;

use crate::decode::Origin;
use crate::sources::files::{Problem, list};

/// Files that were exported or downloaded: audit logs and flow runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// The source's name, in event ids, the ledger and watermarks: renaming it reads everything again.
    pub name: String,
    /// Files, folders, and names with `*` in their last part.
    pub paths: Vec<PathBuf>,
    /// The tenant of records that name none (flow runs).
    pub tenant: Option<String>,
    /// The environment of flow runs that name none (rows of Dataverse).
    pub environment: Option<String>,
    /// A record's own bytes travel with its event up to this size, and as long as the event has 700,000 at most; longer
    /// ones go to the dead letter in chunks.
    pub record_bytes_max: usize,
    /// How far time has come once all files are read.
    pub at_end: AtEnd,
    /// A step takes at most so many records.
    pub step_records_max: usize,
    /// A step ends once its records hold so many bytes; one record may exceed it alone.
    pub step_bytes_max: usize,
}

/// How far time has come once all files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtEnd {
    /// To its end: nothing more will come (`weir scan`).
    EndOfTime,
    /// To the greatest event time that was read, now at most (`weir run`).
    #[default]
    GreatestEventTime,
}

/// Below every broker's default limit of 1 MB a message.
const RECORD_BYTES_MAX: usize = 900_000;

/// As a batch of the other stages: a transaction of that size costs nothing that can be measured.
const STEP_RECORDS_MAX: usize = 4096;
const STEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest name of a source: it becomes part of a group's name.
const NAME_CHARS_MAX: usize = 40;

impl FilesConfig {
    /// Reads the list `sources` of the whole configuration; problems are noted there.
    #[must_use]
    pub fn read_all(root: &Section<'_>) -> Vec<Self> {
        Self::read_list(root, |_, _| {})
    }

    /// The same for whoever is going to read them: a path that names nothing is a problem too.
    #[must_use]
    pub fn read_all_here(root: &Section<'_>) -> Vec<Self> {
        Self::read_list(root, |section, source| {
            if source.paths.is_empty() {
                return;
            }
            for problem in source.files().err().unwrap_or_default() {
                section.problem("paths", problem.to_string());
            }
        })
    }

    fn read_list(root: &Section<'_>, check: impl Fn(&Section<'_>, &Self)) -> Vec<Self> {
        let mut sources: Vec<Self> = Vec::new();
        for section in root.list("sources") {
            let source = Self::read(&section);
            if !source.name.is_empty() && sources.iter().any(|other| other.name == source.name) {
                section.problem("name", "each source needs a name of its own");
            }
            check(&section, &source);
            sources.push(source);
        }
        if sources.is_empty() {
            root.problem("sources", "\"sources\" must name at least one source");
        }
        sources
    }

    fn read(section: &Section<'_>) -> Self {
        section.require("name");
        section.require("kind");
        section.choice("kind", &[("files", ())], ());
        let paths: Vec<PathBuf> = section.texts("paths").into_iter().map(PathBuf::from).collect();
        if paths.is_empty() {
            section.problem("paths", "\"paths\" must name at least one file or folder");
        }
        Self {
            tenant: section.text("tenant"),
            environment: section.text("environment"),
            record_bytes_max: section.number("record_bytes_max", 1..=RECORD_BYTES_MAX, RECORD_BYTES_MAX),
            ..Self::new(&section.text_as("name", check_name).unwrap_or_default(), paths)
        }
    }

    /// A source over `paths` with the defaults.
    #[must_use]
    pub fn new(name: &str, paths: Vec<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            paths,
            tenant: None,
            environment: None,
            record_bytes_max: RECORD_BYTES_MAX,
            at_end: AtEnd::default(),
            step_records_max: STEP_RECORDS_MAX,
            step_bytes_max: STEP_BYTES_MAX,
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

fn check_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(fits) {
        return Err(format!("must be 1 to {NAME_CHARS_MAX} lower-case letters, digits and dashes"));
    }
    Ok(text.to_owned())
}
