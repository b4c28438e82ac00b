//! Where a tenant's happenings come out: audit records as blobs of the feed, flow runs as rows of a data-export folder.
//!
//! Time goes in steps of a quarter of an hour. What becomes available in a step becomes one blob for each content type and
//! 200 records, created in the step's last second, and rows at the ends of their files, which may be old ones (Azure Monitor,
//! "Log Analytics workspace data export": late rows go to the file of their time). The same tenant gives the same blobs and
//! rows: an outlet that is made anew after a kill publishes nothing twice and appends nothing twice.
//!
//! Rows that are not to be seen yet are held in memory: those of the time that blobs are published ahead.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use schemas::{
    Micros,
    time::{MINUTE, SECOND},
};

use crate::{
    feed::{Publication, content_id},
    simulator::Simulator,
    tenant::{AuditRecord, Feed, Happenings, RunRow, Tenant},
};

/// How far time goes at once.
pub const STEP: i64 = 15 * MINUTE;

/// A blob holds at most so many records.
const BLOB_RECORDS_MAX: usize = 200;

/// A tenant that tells what happens.
#[derive(Debug)]
pub struct Outlet {
    tenant: String,
    feed: Feed,
    simulator: Simulator,
    exports: PathBuf,
    reached: Micros,
    /// Rows that are not to be seen yet, with the ends of their steps.
    rows: VecDeque<(Micros, Vec<RunRow>)>,
    blobs: BTreeMap<String, Vec<String>>,
}

/// What came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Blobs that were published.
    pub blobs: u64,
    /// Audit records in them.
    pub records: u64,
    /// Rows of runs.
    pub runs: u64,
}

impl Outlet {
    /// The tenant tells what becomes available from the step of `from` on: blobs to `simulator`, rows to the folder
    /// `exports`, which is made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(tenant: Arc<Tenant>, from: Micros, simulator: Simulator, exports: &Path) -> io::Result<Self> {
        fs::create_dir_all(exports)?;
        let reached = Micros(from.0.div_euclid(STEP) * STEP);
        let id = tenant.id().to_owned();
        let feed = Feed::new(tenant, reached);
        let (rows, blobs, exports) = (VecDeque::new(), BTreeMap::new(), exports.to_owned());
        Ok(Self { tenant: id, feed, simulator, exports, reached, rows, blobs })
    }

    /// Up to here every blob has been published.
    #[must_use]
    pub fn reached(&self) -> Micros {
        self.reached
    }

    /// The ids of the records in each blob that was published, by the blob's id.
    #[must_use]
    pub fn blobs(&self) -> &BTreeMap<String, Vec<String>> {
        &self.blobs
    }

    /// Tells everything that becomes available before `until`, in whole steps.
    ///
    /// # Errors
    /// A row cannot be written.
    pub fn advance(&mut self, until: Micros) -> io::Result<Told> {
        self.advance_ahead(until, until)
    }

    /// The same; blobs are published up to `ahead` already. No listing shows them before they are created, and whoever
    /// lists that moment finds them, however late this is called the next time. Rows are there once somebody looks, so they
    /// wait for `until`.
    ///
    /// # Errors
    /// A row cannot be written.
    pub fn advance_ahead(&mut self, until: Micros, ahead: Micros) -> io::Result<Told> {
        let mut told = Told::default();
        while self.reached.plus(STEP) <= ahead {
            let end = self.reached.plus(STEP);
            let Happenings { records, runs } = self.feed.advance(end);
            self.publish(end.plus(-SECOND), records, &mut told);
            self.rows.push_back((end, runs));
            self.reached = end;
        }
        while let Some((end, runs)) = self.rows.pop_front() {
            if end > until {
                self.rows.push_front((end, runs));
                break;
            }
            self.append(&runs)?;
            told.runs += count(runs.len());
        }
        Ok(told)
    }

    fn publish(&mut self, created: Micros, records: Vec<AuditRecord>, told: &mut Told) {
        told.records += count(records.len());
        let mut of_type: BTreeMap<&str, (Vec<String>, Vec<Bytes>)> = BTreeMap::new();
        for record in records {
            let (ids, bytes) = of_type.entry(record.content_type).or_default();
            ids.push(record.id);
            bytes.push(record.bytes.into());
        }
        for (content_type, (ids, records)) in of_type {
            let chunks = ids.chunks(BLOB_RECORDS_MAX).zip(records.chunks(BLOB_RECORDS_MAX));
            for (number, (ids, records)) in chunks.enumerate() {
                let id = content_id(content_type, created, number);
                let content_id = Some(id.as_str());
                let publication =
                    Publication { content_type, content_id, created, listed_from: None, records };
                for blob in self.simulator.publish(&self.tenant, publication) {
                    told.blobs += 1;
                    self.blobs.insert(blob, ids.to_vec());
                }
            }
        }
    }

    fn append(&self, runs: &[RunRow]) -> io::Result<()> {
        let mut files: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
        for run in runs {
            files.entry(&run.path).or_default().push(&run.line);
        }
        files.into_iter().try_for_each(|(path, lines)| append(&self.exports.join(path), &lines))
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Appends the lines that the file does not hold, after cutting off the torn one that a kill may have left.
fn append(path: &Path, lines: &[&[u8]]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut there = Vec::new();
    if path.exists() {
        let _bytes = File::open(path)?.read_to_end(&mut there)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let whole = there.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < there.len() {
        file.set_len(count(whole))?;
        there.truncate(whole);
    }
    let held: Vec<&[u8]> = there.split_inclusive(|byte| *byte == b'\n').collect();
    let fresh: Vec<&[u8]> = lines.iter().copied().filter(|line| !held.contains(line)).collect();
    file.write_all(&fresh.concat())
}

#[cfg(test)]
mod tests {
    use pipeline::Clock;
    use schemas::time::{DAY, HOUR};

    use super::*;
    use crate::{feed::FeedOptions, options::Options, tenant::Settings};

    const START: Micros = Micros(1_767_571_200_000_000);

    fn tenant() -> Arc<Tenant> {
        Arc::new(Tenant::new(3, START, Settings { attack_day: None, ..Settings::default() }))
    }

    fn simulator(tenant: &Tenant) -> Simulator {
        let clock = Clock::manual(START);
        Simulator::open(Options { feed: FeedOptions::of(tenant.id()), ..Options::new(clock) }).unwrap()
    }

    fn rows(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    #[test]
    fn everything_comes_out_once_and_whoever_begins_anew_repeats_nothing() {
        let tenant = tenant();
        let folder = tempfile::tempdir().unwrap();
        let simulator = simulator(&tenant);
        let noon = START.plus(DAY + 12 * HOUR);
        let open = |from| Outlet::new(Arc::clone(&tenant), from, simulator.clone(), folder.path()).unwrap();

        let mut outlet = open(START);
        let told = outlet.advance(noon.plus(STEP / 2)).unwrap();
        assert_eq!(outlet.reached(), noon, "a step that has not ended is not told");
        let expected = Feed::new(Arc::clone(&tenant), START).advance(noon);
        assert!(!expected.records.is_empty() && !expected.runs.is_empty());
        let counts = (count(expected.records.len()), count(expected.runs.len()));
        assert_eq!((told.records, told.runs), counts);
        let published = || {
            let blobs =
                crate::feed::CONTENT_TYPES.map(|content_type| simulator.published(tenant.id(), content_type));
            let records: u64 = blobs.iter().flat_map(BTreeMap::values).sum();
            (blobs.iter().map(BTreeMap::len).sum::<usize>(), records)
        };
        assert_eq!(published(), (usize::try_from(told.blobs).unwrap(), told.records));
        let written = rows(folder.path());
        let lines: usize =
            written.values().map(|file| file.iter().filter(|byte| **byte == b'\n').count()).sum();
        assert_eq!(count(lines), told.runs);

        // Blobs may be there before their time, rows may not.
        let ahead = outlet.advance_ahead(noon, noon.plus(DAY)).unwrap();
        assert_eq!((outlet.reached(), ahead.runs), (noon.plus(DAY), 0));
        assert!(ahead.blobs > 0 && rows(folder.path()) == written);
        let then = outlet.advance_ahead(noon.plus(DAY), noon.plus(DAY)).unwrap();
        assert!(then.blobs == 0 && then.runs > 0);
        let (written, records) = (rows(folder.path()), told.records + ahead.records);

        // A kill tore a row off.
        let (path, file) = written.iter().next_back().unwrap();
        fs::write(path, &file[..file.len() - 5]).unwrap();
        open(START.plus(DAY)).advance(noon.plus(DAY)).unwrap();
        assert_eq!(rows(folder.path()), written);
        assert_eq!(published().1, records);
    }
}
