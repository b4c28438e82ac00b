//! A sink's stage over a log in memory, driven by the worker's loop on a virtual clock.

use std::sync::Arc;

use pipeline::{
    Clock, Logs as _, MemoryLog, MemoryOptions, Next, Outgoing, Step,
    log::{From, Limits, Member},
    worker::{Control, Counters, Tally, run},
};
use schemas::{
    FindingGroup, Micros, StageName, Topic, decode, encode, finding::Finding, receipt::Receipt, time::MINUTE,
};
use sink::{SinkConfig, SinkStage, sinks};
use tokio_util::sync::CancellationToken;

use super::finding::START;

/// A log with findings on it, for one or more sinks.
pub(crate) struct Flow {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) clock: Clock,
}

impl Flow {
    /// A log that keeps what `sinks` will read.
    pub(crate) fn new(sinks: &[SinkConfig]) -> Self {
        let log = MemoryLog::new(MemoryOptions {
            keep: vec![Topic::Receipt, Topic::DeadLetter(StageName::Sink)],
            readers: sinks.iter().map(|sink| (sink.group(), Topic::findings())).collect(),
            ..MemoryOptions::default()
        });
        Self { log: Arc::new(log), clock: Clock::manual(START) }
    }

    /// Puts findings on the log.
    pub(crate) async fn fill(&self, findings: &[Finding]) {
        let topics = vec![Topic::Event];
        let member =
            Member { group: "fill".to_owned(), name: "0".to_owned(), topics, limits: Limits::default() };
        let mut handle = self.log.open(member).await.unwrap();
        let Next::Assigned(assignment) = handle.next().await.unwrap() else { panic!("nothing was assigned") };
        let to = Topic::Finding(FindingGroup::Sharing);
        let record = |finding: &Finding| Outgoing::keyed(to, finding.key(), encode(finding).unwrap());
        let records = findings.iter().map(record).collect();
        handle.commit(Step { lease: assignment.lease, finished: [].into(), records }).await.unwrap();
        handle.leave().await.unwrap();
    }

    /// Runs one sink until everything is settled.
    pub(crate) async fn drain(&self, config: &SinkConfig) -> Tally {
        let drain = CancellationToken::new();
        drain.cancel();
        self.run(config, drain, CancellationToken::new(), &Counters::default()).await
    }

    /// Runs one sink until it is told to stop, or to drain.
    pub(crate) async fn run(
        &self,
        config: &SinkConfig,
        drain: CancellationToken,
        stop: CancellationToken,
        counters: &Counters,
    ) -> Tally {
        let limits = Limits { idle_after: std::time::Duration::from_millis(1), ..Limits::default() };
        let (group, name, topics) = (config.group(), "0".to_owned(), Topic::findings());
        let mut handle = self.log.open(Member { group, name, topics, limits }).await.unwrap();
        let opened = sinks::open(config, &self.clock).unwrap();
        let mut stage = SinkStage::new(config.name.as_str(), opened, self.clock.clone());
        let control = Control { stop, drain, clock: self.clock.clone() };
        run(&mut *handle, &mut stage, &control, counters).await.unwrap();
        let tally = counters.read();
        assert!(tally.balance());
        tally
    }

    /// Moves the clock to whoever waits, until `done` says that it is; then stands still. Fails after `minutes`.
    pub(crate) async fn pass_time(&self, minutes: i64, done: impl Fn(Micros) -> bool) {
        let end = self.clock.now().plus(minutes * MINUTE);
        while !done(self.clock.now()) {
            assert!(self.clock.now() <= end, "not done after {minutes} minutes");
            if let Some(at) = self.clock.next_wake() {
                self.clock.set(at);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The receipts, and how many dead letters.
    pub(crate) async fn left(&self) -> (Vec<Receipt>, usize) {
        let mut reader = self.log.reader().await.unwrap();
        let receipts = reader.follow(Topic::Receipt, From::Start).await.unwrap().records;
        let read = |value: &Option<bytes::Bytes>| decode(value.as_ref().unwrap()).unwrap();
        let letters = self.log.records(Topic::DeadLetter(StageName::Sink));
        (receipts.iter().map(|record| read(&record.value)).collect(), letters)
    }
}
