//! How far a run has come, read from its log file while it writes to it: which of the tenant's happenings are events, and up
//! to when its sources have been read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use pipeline::log::From;
use pipeline::{Incoming, Reader as _};
use runtime::embedded::Watched;
use schemas::finding::Finding;
use schemas::receipt::Receipt;
use schemas::time::{DAY, HOUR};
use schemas::watermark::Watermark;
use schemas::{Event, Message, Micros, Partition, StageName, Topic, decode};
use simulator::tenant::{DELAY_MAX, Feed, Settings, Tenant};
use tokio::runtime::Runtime;

/// The configured sinks.
const SINKS: [&str; 2] = ["splunk", "sentinel"];
/// As `weir.yaml` has it by default.
const PARTITIONS: u32 = 4;
/// Content types that are read without special rights, and the runs of the folder.
const AUDITED: [&str; 4] =
    ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General"];
const RUNS: &str = "FlowRun";
/// As late as a watched file's rows may be, and as late as a stateful rule waits.
const LATE: i64 = DAY;

/// What happens in a tenant that lives for so many days.
#[derive(Default)]
pub(crate) struct Life {
    /// The names of its records and runs.
    names: BTreeSet<String>,
    /// When nothing more happens.
    over: Micros,
}

impl Life {
    /// The tenant as `weir simulate --days` builds it.
    pub(crate) fn of(seed: u64, start: Micros, days: u16) -> Self {
        let settings = Settings { attack_day: Some(days - 1), ..Settings::default() };
        let tenant = Arc::new(Tenant::new(seed, start, settings));
        let over = tenant.attack().unwrap().1.plus(DELAY_MAX + HOUR);
        let happenings = Feed::new(Arc::clone(&tenant), start).advance(over);
        let records = happenings.records.into_iter().map(|record| record.id);
        let names = records.chain(happenings.runs.into_iter().map(|run| run.run_id)).collect();
        Self { names, over }
    }
}

/// What has been read of a log.
pub(crate) struct Flowed {
    log: Watched,
    runtime: Runtime,
    from: From,
    /// Event's id → what the tenant calls it.
    events: BTreeMap<String, String>,
    /// (partition, content type) → up to when it has been read.
    marks: BTreeMap<(Partition, String), Micros>,
    last_run: Micros,
}

impl Flowed {
    /// Nothing has been read yet. None where there is no log yet.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        Some(Self {
            log: Watched::open(path).ok()?,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            from: From::Start,
            events: BTreeMap::new(),
            marks: BTreeMap::new(),
            last_run: Micros::START,
        })
    }

    /// Whether everything that happened is there, and every source has been read so far beyond it that it can be judged.
    /// A gap ends the wait: what is gone at the service never comes.
    pub(crate) fn is_all(&mut self, life: &Life) -> bool {
        self.look();
        let gaps = follow(&self.runtime, &mut self.log, Topic::Gap, &mut From::Start).len();
        assert_eq!(
            gaps, 0,
            "the run was so far behind that content was gone: this machine has too little time"
        );
        let reached = |content_type: &&str| {
            let until = if *content_type == RUNS { self.last_run.plus(-LATE) } else { life.over.plus(LATE) };
            let mark = |partition| self.marks.get(&(Partition(partition), (*content_type).to_owned()));
            (0..PARTITIONS).all(|partition| mark(partition).is_some_and(|mark| *mark >= until))
        };
        let names: BTreeSet<&String> = self.events.values().collect();
        names.len() >= life.names.len() && AUDITED.iter().chain([&RUNS]).all(reached)
    }

    fn look(&mut self) {
        let records = follow(&self.runtime, &mut self.log, Topic::Event, &mut self.from);
        for record in records {
            let value = record.value.as_deref().unwrap();
            if let Ok(Watermark { marks, .. }) = decode(value) {
                for mark in marks {
                    self.marks.insert((record.at.partition, mark.content_type), mark.time);
                }
                continue;
            }
            let event: Event = decode(value).unwrap();
            if event.activity.run.is_some() {
                self.last_run = self.last_run.max(event.time);
            }
            let name = event.activity.run.map_or(event.native_id, |run| run.id);
            let twice = self.events.insert(event.id.to_string(), name);
            assert_eq!(twice, None, "an event is there twice");
        }
    }

    /// The revisions that the log holds, once the run has ended. Every law of the log is asserted on the way: each thing
    /// that happened is one event, each revision has one receipt of each sink, nothing was lost or set aside.
    pub(crate) fn revisions(&mut self, life: &Life) -> BTreeSet<(String, i64)> {
        self.look();
        let names: BTreeSet<String> = self.events.values().cloned().collect();
        assert!(names == life.names, "{:?}", names.symmetric_difference(&life.names).collect::<Vec<_>>());
        assert_eq!(self.events.len(), names.len(), "what happened is one event");
        let nothing = [Topic::Gap].into_iter().chain(StageName::ALL.map(Topic::DeadLetter));
        for topic in nothing {
            let found = follow(&self.runtime, &mut self.log, topic, &mut From::Start);
            assert!(found.is_empty(), "{topic} holds {} records", found.len());
        }
        let mut revisions = BTreeSet::new();
        for topic in Topic::findings() {
            for finding in self.messages::<Finding>(topic) {
                let revision = (finding.id.to_string(), i64::from(finding.revision));
                assert!(revisions.insert(revision), "a revision is there twice");
            }
        }
        let mut receipts = BTreeSet::new();
        for Receipt { finding, revision, sink, outcome, .. } in self.messages(Topic::Receipt) {
            assert_eq!(outcome, "delivered");
            assert!(
                receipts.insert((sink, finding.to_string(), i64::from(revision))),
                "a receipt is there twice"
            );
        }
        let of_sink = |sink: &str| receipts.iter().filter(|(of, _, _)| of == sink).count();
        assert!(receipts.iter().all(|(_, id, number)| revisions.contains(&(id.clone(), *number))));
        assert!(SINKS.iter().all(|sink| of_sink(sink) == revisions.len()), "a revision has no receipt");
        revisions
    }

    fn messages<T: Message>(&mut self, topic: Topic) -> Vec<T> {
        let records = follow(&self.runtime, &mut self.log, topic, &mut From::Start);
        let own = |record: Incoming| {
            let value = record.value.unwrap();
            decode::<Watermark>(&value).is_err().then(|| decode(&value).unwrap())
        };
        records.into_iter().filter_map(own).collect()
    }
}

fn follow(runtime: &Runtime, log: &mut Watched, topic: Topic, from: &mut From) -> Vec<Incoming> {
    let mut all = Vec::new();
    loop {
        let changes = runtime.block_on(log.follow(topic, from.clone())).unwrap();
        all.extend(changes.records);
        *from = From::At(changes.next);
        if changes.caught_up {
            return all;
        }
    }
}
