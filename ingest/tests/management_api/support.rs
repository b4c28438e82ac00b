//! What the tests share: a tenant in a box, a source over it as a configuration makes it, a log in memory, and a clock that
//! goes on whenever the source waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ingest::sources::Here;
use ingest::{Context, IngestError, Progress, Source, Summary, group, worker};
use pipeline::log::{From, Incoming, Limits, Member};
use pipeline::worker::Control;
use pipeline::{Clock, Log, Logs, MemoryLog, MemoryOptions};
use runtime::config::{Document, Problems};
use schemas::gap::Gap;
use schemas::ledger::{Counts, LedgerEntry};
use schemas::time::SECOND;
use schemas::watermark::Watermark;
use schemas::{Event, Micros, Partition, StageName, Topic, decode};
use simulator::entra::{App, READ, READ_DLP};
use simulator::feed::{FeedOptions, Publication};
use simulator::{FaultRule, Faults, Options, Server, Simulator};
use tokio_util::sync::CancellationToken;

pub(crate) const TENANT: &str = "0f1e2d3c-0000-4000-8000-00000000000a";
pub(crate) const CLIENT: &str = "9a8b7c6d-0000-4000-8000-00000000000b";
pub(crate) const GENERAL: &str = "Audit.General";
pub(crate) const SECRET: &str = "the secret";

/// Small, so that a blob of a few hundred records takes several steps.
pub(crate) const STEP_RECORDS: usize = 100;

/// So often others may go on while nobody waits for the clock: more means that nobody will any more.
const YIELDS_MAX: usize = 5_000_000;

/// The moment at which every test begins.
pub(crate) fn start() -> Micros {
    Micros::parse("2026-03-02T08:00:00Z").unwrap()
}

/// A tenant in a box, and the worker's side of it.
pub(crate) struct World {
    pub(crate) clock: Clock,
    /// The service's clock, and by how much it is before the worker's.
    there: Clock,
    pub(crate) ahead: i64,
    pub(crate) sim: Simulator,
    pub(crate) server: Server,
    pub(crate) log: MemoryLog,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) progress: Arc<Progress>,
    /// Of one exchange, in real time.
    pub(crate) total_timeout: &'static str,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(0, |_| {}).await
    }

    /// A world whose service is so far ahead of the worker, and otherwise as `make` makes it.
    pub(crate) async fn with(ahead: i64, make: impl FnOnce(&mut Options)) -> Self {
        let (clock, there) = (Clock::manual(start()), Clock::manual(start().plus(ahead)));
        let mut options = Options::new(there.clone());
        let mut app = App::with_secret(TENANT, CLIENT, SECRET);
        app.roles = vec![READ.to_owned(), READ_DLP.to_owned()];
        options.apps = vec![app];
        options.feed = FeedOptions::of(TENANT);
        options.feed.page_entries = 3;
        options.feed.requests_per_minute = None;
        make(&mut options);
        let sim = Simulator::open(options).unwrap();
        let server = Server::start(&sim, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), server.ca().pem()).unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        let options = MemoryOptions { partitions: 2, keep: Topic::all(), ..MemoryOptions::default() };
        let (log, progress) = (MemoryLog::new(options), Arc::default());
        Self { clock, there, ahead, sim, server, log, folder, progress, total_timeout: "5m" }
    }

    /// A source over one content type, with more settings where there are any.
    pub(crate) fn source(&self, more: &str) -> Arc<dyn Source> {
        self.source_at(&self.server.origin(), more)
    }

    pub(crate) fn source_at(&self, origin: &str, more: &str) -> Arc<dyn Source> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let types = if more.contains("content_types") { "" } else { "content_types: [Audit.General]" };
        let text = format!(
            "sources:\n  - name: contoso\n    kind: management-api\n    tenant: {TENANT}\n    api: {origin}\n    \
             entra: {{authority: \"{origin}\", client_id: {CLIENT}, client_secret: {{file: {}}}}}\n    \
             http: {{ca_file: {}, read_timeout: 300ms, total_timeout: {}}}\n    end_margin_s: 0\n    {types}\n    {more}\n",
            at("secret"),
            at("ca.pem"),
            self.total_timeout,
        );
        let path = self.folder.path().join("weir.yaml");
        std::fs::write(&path, text).unwrap();
        let document = Document::read(&path).unwrap();
        let problems = Problems::default();
        let root = document.root(&problems);
        let mut sources = ingest::config::read_all(
            &root,
            Here::Yes,
            &Limits { records_max: STEP_RECORDS, ..Limits::default() },
        );
        root.finish();
        problems.into_result().unwrap();
        sources.remove(0)
    }

    /// What goes wrong from now on.
    pub(crate) fn faults(&self, rules: Vec<FaultRule>) {
        self.sim.set_faults(Faults { seed: 1, rules, ..Faults::default() });
    }

    /// Publishes a blob of these records, so long after the start.
    pub(crate) fn publish(&self, after: i64, ids: std::ops::Range<usize>) -> Vec<String> {
        self.publish_late(after, None, ids)
    }

    pub(crate) fn publish_late(
        &self,
        after: i64,
        listed: Option<i64>,
        ids: std::ops::Range<usize>,
    ) -> Vec<String> {
        self.publish_of(GENERAL, after, listed, ids)
    }

    pub(crate) fn publish_of(
        &self,
        content_type: &str,
        after: i64,
        listed: Option<i64>,
        ids: std::ops::Range<usize>,
    ) -> Vec<String> {
        let records: Vec<Bytes> = ids.map(record).collect();
        let at = |after| start().plus(self.ahead + after);
        let publication = Publication {
            content_type,
            content_id: None,
            created: at(after),
            listed_from: listed.map(at),
            records: &records,
        };
        self.sim.publish(TENANT, publication)
    }

    pub(crate) fn context(&self) -> Context {
        let (stop, drain) = (CancellationToken::new(), CancellationToken::new());
        let control = Control { stop, drain, clock: self.clock.clone() };
        Context { control, progress: Arc::clone(&self.progress), all_read: Arc::default() }
    }

    pub(crate) async fn open(&self) -> Box<dyn Log> {
        self.open_as("one").await
    }

    pub(crate) async fn open_as(&self, name: &str) -> Box<dyn Log> {
        let member = Member {
            group: group("contoso"),
            name: name.to_owned(),
            topics: worker::TOPICS.to_vec(),
            limits: Limits::default(),
        };
        self.log.open(member).await.unwrap()
    }

    /// Runs the source for so long, by its clock.
    pub(crate) async fn run(&self, source: &Arc<dyn Source>, time: i64) -> Summary {
        let mut log = self.open().await;
        self.run_on(log.as_mut(), source, time).await.unwrap()
    }

    /// The same over a handle of the test's own.
    pub(crate) async fn run_on(
        &self,
        log: &mut dyn Log,
        source: &Arc<dyn Source>,
        time: i64,
    ) -> Result<Summary, IngestError> {
        let context = self.context();
        let stop = context.control.stop.clone();
        let running = ingest::run(log, &self.log, source.as_ref(), context);
        let driving = async {
            self.drive(self.clock.now().plus(time)).await;
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            ended = running => ended,
            () = driving => unreachable!("it waits"),
        }
    }

    /// Moves the clock on to whatever is waited for, until then.
    async fn drive(&self, until: Micros) {
        while self.clock.now() < until {
            let wake = self.somebody_waits().await.min(until);
            self.clock.set(wake);
            self.there.set(wake.plus(self.ahead));
        }
        // What that last moment brought is to be on the log.
        self.somebody_waits().await;
    }

    async fn somebody_waits(&self) -> Micros {
        for _ in 0..YIELDS_MAX {
            // The worker behind the source may have something to do yet.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if let Some(wake) = self.clock.next_wake().filter(|wake| *wake > self.clock.now()) {
                return wake;
            }
        }
        panic!("nobody waits for the clock");
    }

    /// The worker is away for so long.
    pub(crate) fn go(&self, time: i64) {
        let now = self.clock.now().plus(time);
        self.clock.set(now);
        self.there.set(now.plus(self.ahead));
    }

    /// The units the ledger knows, without marks.
    pub(crate) async fn ledger_units(&self) -> Vec<String> {
        let mut units = Vec::new();
        for partition in [Partition(0), Partition(1)] {
            let table = self.log.reader().await.unwrap().restore(Topic::Ledger, partition).await.unwrap();
            units.extend(
                table.values().filter_map(|value| decode::<LedgerEntry>(value).ok()).map(|one| one.unit),
            );
        }
        units
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

    /// The events by their native id, each once.
    pub(crate) async fn events(&self) -> BTreeMap<String, Event> {
        let mut events = BTreeMap::new();
        for record in self.on(Topic::Event).await {
            if let Ok(event) = decode::<Event>(&record.value.unwrap()) {
                assert!(events.insert(event.native_id.clone(), event).is_none(), "an event came twice");
            }
        }
        events
    }

    /// The watermarks of a content type on the first partition, in order.
    pub(crate) async fn marks(&self, content_type: &str) -> Vec<Micros> {
        let records = self.on(Topic::Event).await;
        let first = records.into_iter().filter(|record| record.at.partition.0 == 0);
        let marks = first.filter_map(|record| decode::<Watermark>(&record.value.unwrap()).ok());
        let own = marks.flat_map(|watermark| watermark.marks);
        own.filter(|mark| mark.tenant == TENANT && mark.content_type == content_type)
            .map(|mark| mark.time)
            .collect()
    }

    pub(crate) async fn gaps(&self) -> Vec<Gap> {
        let gaps = self.on(Topic::Gap).await;
        gaps.iter().map(|record| decode(record.value.as_ref().unwrap()).unwrap()).collect()
    }

    /// How often starting a subscription was asked for.
    pub(crate) fn starts(&self) -> u64 {
        let requests = self.sim.ledger().requests;
        let starts = requests.iter().filter(|((_, route, _), _)| *route == simulator::Route::Start);
        starts.map(|(_, count)| count).sum()
    }

    pub(crate) async fn dead_letters(&self) -> usize {
        self.on(Topic::DeadLetter(StageName::Ingest)).await.len()
    }

    /// Law: every second from the first listing on was listed, up to here, and every blob that was published went out.
    pub(crate) fn assert_listed(&self, from: Micros, until: Micros) {
        let ledger = self.sim.ledger();
        assert_eq!(ledger.unlisted(TENANT, GENERAL, from, until), [], "never listed");
        let served = ledger.blobs.get(&(TENANT.to_owned(), GENERAL.to_owned())).cloned().unwrap_or_default();
        for id in self.sim.published(TENANT, GENERAL).keys() {
            assert!(served.contains_key(id), "never served: {id}");
        }
    }
}

/// A record as the service has it.
pub(crate) fn record(id: usize) -> Bytes {
    let time = Micros::parse("2026-03-02T07:00:00Z").unwrap().plus(id as i64 * SECOND);
    let time = time.to_string();
    Bytes::from(format!(
        "{{\"CreationTime\":\"{}\",\"Id\":\"id-{id}\",\"Operation\":\"Op\",\"OrganizationId\":\"{TENANT}\",\
         \"RecordType\":30,\"UserId\":\"u\",\"Workload\":\"MicrosoftFlow\"}}",
        time.trim_end_matches('Z')
    ))
}

/// Law: nothing is lost and nothing doubled: so many records became events, the sums hold, all blobs were fetched.
pub(crate) fn assert_sums(summary: &Summary, read: i64, emitted: i64) {
    let Counts { read: was_read, emitted: was_emitted, rejected, skipped, .. } = summary.ledger;
    assert!(summary.ledger.balance(), "{:?}", summary.ledger);
    assert_eq!((was_read, was_emitted, rejected, skipped), (read, emitted, 0, 0), "{:?}", summary.ledger);
    let blobs = summary.blobs.unwrap();
    assert_eq!(blobs.listed, blobs.fetched + blobs.expired, "{blobs:?}");
}
