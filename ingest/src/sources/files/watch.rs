//! Watching: the same paths again and again, for files that are new, have grown, or came late.
//!
//! A pass lists the paths and reads what has changed, as far as `tail` says. After a pass that read something the next one
//! follows at once; one that read nothing is quiet: the source says how far time has come, and waits. A file that cannot
//! be opened, or a path that names nothing, is said once and tried again in every pass; so is a folder that cannot be
//! walked, and until it can be, nothing is said of time: what it hides may be older. How long a file has been as it is is
//! told by the worker's clock from when this process saw it first: what the disk says of times is not used.
//!
//! Memory: about 300 bytes a file. A file that is gone from the disk and was quiet for 8 days is forgotten; its counts
//! go on in the entry of [`FORGOTTEN`].
//!
//! Follows the layout of Azure Monitor's data export: folders `y=/m=/d=/h=/m=`, files `PT05M.json`, then `PT05M_1.json`;
//! records are appended, late ones to old files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pipeline::Clock;
use schemas::Micros;
use schemas::time::DAY;
use tokio::sync::mpsc::Sender;

use super::resume::{self, Known};
use super::tail::{self, Rest};
use super::{FilesConfig, Reading, Watch, paths, unit};
use crate::error::IngestError;
use crate::portion::{Forget, Part, Portion};
use crate::progress::Progress;
use crate::sources::Start;

/// The unit whose entry holds the counts of files that were forgotten. No file's name ends like that.
pub(super) const FORGOTTEN: &str = "forgotten/";

/// As long as ids are remembered: a file that came back later would be read as new.
const FORGET_AFTER: i64 = 8 * DAY;

/// What is told of a file by looking, and since when.
#[derive(Debug, Default)]
struct Looked {
    known: Option<Known>,
    size: Option<(u64, Option<SystemTime>)>,
    since: Micros,
    /// So much of it has been read, in this process.
    taken: Option<u64>,
    /// That it cannot be read has been said.
    said: bool,
}

/// All files of the source.
#[derive(Debug)]
struct Watched {
    source: FilesConfig,
    how: Watch,
    files: BTreeMap<String, Looked>,
    progress: Arc<Progress>,
    clock: Clock,
    portions: Sender<Portion>,
    /// What was wrong with the paths in the last pass.
    problems: BTreeSet<String>,
    /// In the last pass a folder could not be walked.
    hidden: bool,
}

/// Watches until nobody takes portions any more.
pub(super) async fn watch(source: FilesConfig, how: Watch, start: Start) -> Result<(), IngestError> {
    let Start { ledger, portions, progress, clock } = start;
    let since = clock.now();
    let known = resume::known(&ledger).into_iter().filter(|(unit, _)| unit != FORGOTTEN);
    let files = known.map(|(unit, known)| (unit, Looked { known: Some(known), since, ..Looked::default() }));
    let mut watched = Watched {
        source,
        how,
        files: files.collect(),
        progress,
        clock: clock.clone(),
        portions: portions.clone(),
        problems: BTreeSet::new(),
        hidden: false,
    };
    // Said once at the beginning, also when there is nothing new: whoever comes after may have been away.
    let mut moved = true;
    loop {
        let pass = tokio::task::spawn_blocking(move || {
            let read = watched.pass();
            (watched, read)
        });
        let read;
        (watched, read) = pass.await.map_err(|_| IngestError::Reader)?;
        match read {
            None => return Ok(()),
            Some(true) => {
                moved = true;
                continue;
            }
            Some(false) => {}
        }
        let quiet = moved && !watched.hidden;
        let portion = Portion { quiet: quiet.then_some(how.late), ..watched.forget() };
        if (quiet || !portion.forget.is_empty()) && portions.send(portion).await.is_err() {
            return Ok(());
        }
        moved = moved && !quiet;
        clock.sleep(how.every).await;
    }
}

impl Watched {
    /// One look at everything: whether something was read; none when nobody takes portions any more.
    fn pass(&mut self) -> Option<bool> {
        let job = self.source.job(Arc::clone(&self.progress));
        let portions = self.portions.clone();
        let mut reading = Reading::new(&job, &portions);
        let mut read = false;
        for path in self.list() {
            if portions.is_closed() {
                return None;
            }
            read |= self.file(&path, &mut reading)?;
        }
        if !reading.portion.parts.is_empty() && !reading.send() {
            return None;
        }
        Some(read)
    }

    /// The files that are there. What is wrong with the paths is said when it changes.
    fn list(&mut self) -> BTreeSet<PathBuf> {
        let listing = paths::found(&self.source.paths);
        let problems: BTreeSet<String> = listing.problems.iter().map(ToString::to_string).collect();
        for problem in problems.difference(&self.problems) {
            tracing::warn!(source = self.source.name, problem, "cannot watch");
        }
        self.problems = problems;
        self.hidden = !listing.is_whole;
        listing.files
    }

    /// Reads what is new in a file; none when nobody takes portions any more.
    fn file(&mut self, path: &Path, reading: &mut Reading<'_>) -> Option<bool> {
        let (now, how) = (self.clock.now(), self.how);
        let looked = self.files.entry(unit(path)).or_default();
        let Ok(metadata) = fs::metadata(path) else { return Some(false) };
        let size = Some((metadata.len(), metadata.modified().ok()));
        if looked.size != size {
            (looked.size, looked.since) = (size, now);
            looked.taken = None;
        }
        if looked.taken == Some(metadata.len()) {
            return Some(false);
        }
        let take = File::open(path)
            .and_then(|mut file| tail::bytes_to_take(&mut file, metadata.len(), looked.rest(now, how)));
        let take = match take {
            Ok(take) => take,
            Err(error) => {
                if !looked.said {
                    let (file, why) = (path.display().to_string(), error.kind().to_string());
                    tracing::warn!(file, why, "cannot be read now");
                }
                looked.said = true;
                return Some(false);
            }
        };
        looked.said = false;
        if take.bytes == 0 || looked.taken == Some(take.bytes) {
            return Some(false);
        }
        if !reading.file(path, looked.known.as_ref(), Some(take)) {
            return None;
        }
        looked.taken = Some(take.bytes);
        let Some(known) = reading.now_known.take() else { return Some(false) };
        looked.known = Some(known);
        Some(true)
    }

    /// Takes out what is gone and was quiet for long.
    fn forget(&mut self) -> Portion {
        let now = self.clock.now();
        let gone = |unit: &str, looked: &Looked| {
            now >= looked.since.plus(FORGET_AFTER) && !Path::new(unit).try_exists().unwrap_or(true)
        };
        let units: Vec<String> = self
            .files
            .iter()
            .filter(|(unit, looked)| gone(unit, looked))
            .map(|(unit, _)| unit.clone())
            .collect();
        let mut portion = Portion::default();
        for unit in units {
            self.files.remove(&unit);
            portion.forget.push(Forget { unit, into: FORGOTTEN.to_owned() });
        }
        if !portion.forget.is_empty() {
            portion.parts.push(Part { unit: FORGOTTEN.to_owned(), done: true, ..Part::default() });
        }
        portion
    }
}

impl Looked {
    fn rest(&self, now: Micros, how: Watch) -> Rest {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let unchanged = now.0.saturating_sub(self.since.0);
        if unchanged >= micros(how.late).max(micros(how.every)) {
            Rest::Quiet
        } else if unchanged >= micros(how.every) {
            Rest::Still
        } else {
            Rest::Changing
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Said {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_folder_that_cannot_be_walked_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("deep/".repeat(70))).unwrap();
        let mut watched = Watched {
            source: FilesConfig::new("files", vec![folder.path().to_path_buf()]),
            how: Watch { every: Duration::from_secs(30), late: Duration::from_secs(3600) },
            files: BTreeMap::new(),
            progress: Arc::default(),
            clock: Clock::manual(Micros(0)),
            portions: tokio::sync::mpsc::channel(1).0,
            problems: BTreeSet::new(),
            hidden: false,
        };
        let said = Said::default();
        let writer = said.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..3 {
                assert!(watched.list().is_empty() && watched.hidden);
            }
        });
        let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.matches("folders nested deeper than 64").count(), 1, "{said}");
    }
}
