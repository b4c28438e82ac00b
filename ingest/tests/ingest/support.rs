//! What the tests share: the corpus, a log in memory, and what was written to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ingest::decode::{Decoded, Origin, decode};
use ingest::sources::files::{Content, Frame, Frames};
use ingest::{AtEnd, Context, FilesConfig, IngestError, Summary, group, worker};
use pipeline::log::{From, Incoming, Limits, Member, Next, Positions, Route};
use pipeline::worker::Control;
use pipeline::{Clock, Log, Logs, MemoryLog, MemoryOptions, Outgoing, Step};
use schemas::watermark::Watermark;
use schemas::{Event, Micros, Partition, StageName, Topic};
use tokio_util::sync::CancellationToken;

/// The six files of the README's command, with their records.
pub(crate) const CORPUS: [(&str, usize); 6] = [
    ("det-eng-samples", 119),
    ("splunk-security-content", 18),
    ("pnp-analytics-insights", 21),
    ("pnp-cli-microsoft365", 6),
    ("plaso", 4),
    ("microsoft-docs", 13),
];

pub(crate) fn corpus_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(format!("{name}.jsonl"))
}

/// The records of the six files, in order.
pub(crate) fn corpus_lines() -> Vec<String> {
    let text = |name| std::fs::read_to_string(corpus_path(name)).unwrap();
    CORPUS.iter().flat_map(|(name, _)| text(name).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

pub(crate) fn origin() -> Origin {
    Origin { source: "files".to_owned(), tenant: None, environment: None }
}

/// The event a record decodes into.
pub(crate) fn event_of(text: &str) -> Event {
    let Decoded::Event(event) = decode(text.as_bytes().to_vec(), &origin()) else {
        panic!("no event: {text}")
    };
    *event
}

/// The reason a record is rejected for, or left out.
pub(crate) fn reason_of(text: &[u8]) -> &'static str {
    match decode(text.to_vec(), &origin()) {
        Decoded::Event(event) => panic!("an event: {event:?}"),
        Decoded::Skip(reason) | Decoded::Reject { reason, .. } => reason,
    }
}

pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    Frames::new(std::io::Cursor::new(bytes.to_vec())).collect()
}

/// Each frame as text, or its reason in brackets; parts of one refusal once.
pub(crate) fn texts(bytes: &[u8]) -> Vec<(u64, String)> {
    let text = |frame: Frame| match frame.content {
        Content::Record(bytes) => Some((frame.line, String::from_utf8_lossy(&bytes).into_owned())),
        Content::Refused { reason, last, .. } => last.then(|| (frame.line, format!("<{reason}>"))),
    };
    frames(bytes).into_iter().filter_map(text).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A log in memory that keeps everything, and a clock that stands.
pub(crate) struct Bench {
    pub(crate) log: MemoryLog,
    pub(crate) clock: Clock,
    pub(crate) folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(partitions: u32) -> Self {
        let log =
            MemoryLog::new(MemoryOptions { partitions, keep: Topic::all(), ..MemoryOptions::default() });
        let clock = Clock::manual(Micros::parse("2024-06-01T00:00:00Z").unwrap());
        Self { log, clock, folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a file into the bench's folder.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A source over the bench's folder.
    pub(crate) fn source(&self) -> FilesConfig {
        FilesConfig::new("files", vec![self.folder.path().to_path_buf()])
    }

    pub(crate) fn context(&self) -> Context {
        let control = Control {
            stop: CancellationToken::new(),
            drain: CancellationToken::new(),
            clock: self.clock.clone(),
        };
        Context { control, progress: Arc::default(), all_read: Arc::default() }
    }

    pub(crate) async fn open(&self, source: &str, name: &str) -> Box<dyn Log> {
        let member = Member {
            group: group(source),
            name: name.to_owned(),
            topics: worker::TOPICS.to_vec(),
            limits: Limits::default(),
        };
        self.log.open(member).await.unwrap()
    }

    pub(crate) async fn run(&self, source: &FilesConfig) -> Result<Summary, IngestError> {
        let mut log = self.open(&source.name, "one").await;
        ingest::run(log.as_mut(), &self.log, source, self.context()).await
    }

    /// Puts a record where the source's own lie, as a stranger would.
    pub(crate) async fn put(&self, topic: Topic, key: &[u8], value: &[u8]) {
        let mut other = self.open("stranger", "x").await;
        let lease = loop {
            if let Next::Assigned(assignment) = other.next().await.unwrap() {
                break assignment.lease;
            }
        };
        let record = Outgoing::keyed(topic, key.to_vec(), value.to_vec()).to(Route::Exact(Partition(0)));
        other.commit(Step { lease, finished: Positions::new(), records: vec![record] }).await.unwrap();
        other.leave().await.unwrap();
    }

    /// Everything on a topic.
    pub(crate) async fn on(&self, topic: Topic) -> Vec<Incoming> {
        let mut reader = self.log.reader().await.unwrap();
        let (mut records, mut from) = (Vec::new(), From::Start);
        loop {
            let changes = reader.follow(topic, from).await.unwrap();
            records.extend(changes.records);
            if changes.caught_up {
                return records;
            }
            from = From::At(changes.next);
        }
    }

    /// The events, by id, and the watermarks with their partitions.
    pub(crate) async fn events(&self) -> (BTreeMap<String, Event>, Vec<(u32, Watermark)>) {
        let (mut events, mut marks) = (BTreeMap::new(), Vec::new());
        for record in self.on(Topic::Event).await {
            let value = record.value.unwrap();
            match schemas::decode::<Event>(&value) {
                Ok(event) => {
                    assert_eq!(record.key, event.id.to_string().as_bytes());
                    assert!(events.insert(event.id.to_string(), event).is_none(), "an event came twice");
                }
                Err(_) => marks.push((record.at.partition.0, schemas::decode(&value).unwrap())),
            }
        }
        (events, marks)
    }

    /// The dead letters: headers and value.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let letter = |record: Incoming| DeadLetter {
            headers: record
                .headers
                .into_iter()
                .map(|(name, value)| (name, String::from_utf8(value.to_vec()).unwrap()))
                .collect(),
            value: record.value.unwrap().to_vec(),
        };
        self.on(Topic::DeadLetter(StageName::Ingest)).await.into_iter().map(letter).collect()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Vec<u8>,
}

/// A source that ends the world's time, as `scan` does.
pub(crate) fn scanning(mut source: FilesConfig) -> FilesConfig {
    source.at_end = AtEnd::EndOfTime;
    source
}

/// Where log lines go that a test looks at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
