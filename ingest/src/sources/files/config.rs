//! The settings of a source of kind `files`.
//!
//! ```yaml
//!   - name: exports
//!     kind: files
//!     paths: [exports, old/audit-*.csv.gz, "export/**/PT05M*.json"]
//!     tenant: 0f1e…          # of records that name none
//!     environment: 9a8b…     # of flow runs that name none
//!     watch: true            # or {every_s: 30}: look again for files that are new or have grown
//!     late_files_hours: 24   # of a watched folder: how late a record may be written
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime::config::Section;

use super::paths::{self, Problem};
use crate::config::RECORD_BYTES_MAX;
use crate::decode::Origin;
use crate::sources::{Common, Here, Source};

/// Files that were exported or downloaded: audit logs and flow runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// The source's name, in event ids, the ledger and watermarks: renaming it reads everything again.
    pub name: String,
    /// Files, folders, and patterns: `*` in a name, `**` for folders.
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
    /// Look again and again, for what is new.
    pub watch: Option<Watch>,
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

/// How a folder is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// It is looked at so often.
    pub every: Duration,
    /// A record may be written so long after what it tells of: the watermark stays behind by that. A line without an
    /// end is taken for whole after the same time.
    pub late: Duration,
}

/// As a batch of the other stages: a transaction of that size costs nothing that can be measured.
const STEP_RECORDS_MAX: usize = 4096;
const STEP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An export of Azure Monitor writes a file every 5 minutes.
const EVERY_S: u64 = 30;
/// The house's: what comes later than that is late.
const LATE_HOURS: u64 = 24;
/// Longer than the sources keep anything.
const LATE_HOURS_MAX: u64 = 30 * 24;

impl FilesConfig {
    /// Reads the section of one source; problems are noted there.
    pub(in crate::sources) fn read(
        section: &Section<'_>,
        here: Here,
        common: &Common,
    ) -> Option<Arc<dyn Source>> {
        let paths: Vec<PathBuf> = section.texts("paths").into_iter().map(PathBuf::from).collect();
        if paths.is_empty() {
            section.problem("paths", "\"paths\" must name at least one file or folder");
        }
        let source = Self {
            tenant: section.text("tenant"),
            environment: section.text("environment"),
            record_bytes_max: common.record_bytes_max,
            step_records_max: common.step_records_max,
            step_bytes_max: common.step_bytes_max,
            watch: read_watch(section),
            ..Self::new(&common.name, paths)
        };
        // What is watched may come later.
        if here == Here::Yes && source.watch.is_none() && !source.paths.is_empty() {
            for problem in source.files().err().unwrap_or_default() {
                section.problem("paths", problem.to_string());
            }
        }
        Some(Arc::new(source))
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
            watch: None,
        }
    }

    /// The files it reads, in order.
    ///
    /// # Errors
    /// Every path that names nothing that can be read, before anything runs.
    pub fn files(&self) -> Result<Vec<PathBuf>, Vec<Problem>> {
        paths::list(&self.paths)
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

/// `true`, `false`, or `{every_s: …}`.
fn read_watch(section: &Section<'_>) -> Option<Watch> {
    let hours = section.number("late_files_hours", 0..=LATE_HOURS_MAX, LATE_HOURS);
    let late = Duration::from_secs(hours * 3600);
    let every_s = if section.has_section("watch") {
        section.section("watch").number("every_s", 1..=86_400, EVERY_S)
    } else if section.flag("watch", false) {
        EVERY_S
    } else {
        if section.has("late_files_hours") {
            section.problem("late_files_hours", "is for a folder that is watched: add \"watch: true\"");
        }
        return None;
    };
    Some(Watch { every: Duration::from_secs(every_s), late })
}
