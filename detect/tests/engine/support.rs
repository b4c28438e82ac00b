//! Rules, events and logs for these tests.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use detect::{Pack, RuleSet, rules::RuleProblem};
use futures_util::future::{BoxFuture, FutureExt};
use pipeline::{
    Batch, Incoming, Log, LogError, Logs, Outcome, Outgoing, Reader, Route, Stage, Work,
    log::{Assignment, Changes, From, Lease, Member, Table},
};
use schemas::{
    Event, EventId, Hash128, Message, Micros, Offset, Partition, Topic, TopicPartition,
    enriched::{
        ConnectionBlock, ConnectorsBlock, EnrichedEvent, EnvironmentBlock, FlowBlock, GeoBlock, Provenance,
        RecipientsBlock, UserBlock, WorkingTimeBlock,
    },
    event::{Activity, Actor, Address},
    finding::Finding,
    signal::Signal,
    watermark::{Mark, Watermark},
};

pub(crate) fn pack() -> Pack {
    folder("rules").unwrap()
}

/// The rules of a folder among the fixtures.
pub(crate) fn folder(name: &str) -> Result<Pack, Vec<RuleProblem>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    Pack::default().and_folder(&folder)
}

pub(crate) fn rules() -> Arc<RuleSet> {
    Arc::new(RuleSet::compile(&pack()).unwrap())
}

/// An event of this record, by `ann@x`, from one address, at that minute.
pub(crate) fn event(record: &str, minute: i64) -> EnrichedEvent {
    let miss = || Provenance::new("miss", "none");
    let parsed = schemas::record::Record::parse(record.as_bytes()).unwrap();
    let user = parsed.text("UserId").unwrap_or("Ann@x".to_owned()).to_lowercase();
    let event = Event {
        id: EventId(Hash128::of(&[record.as_bytes(), &minute.to_be_bytes()])),
        tenant: "t".to_owned(),
        source: "s".to_owned(),
        content_type: "c".to_owned(),
        native_id: String::new(),
        record_type: 8,
        workload: String::new(),
        operation: parsed.text("Operation").unwrap_or_default(),
        time: Micros(minute * schemas::time::MINUTE),
        activity: Activity {
            actor: Actor { id: user, kind: "user".to_owned(), object_id: String::new() },
            address: Some(Address { text: "198.51.100.7:443".to_owned(), ip: "198.51.100.7".to_owned() }),
            ..Activity::default()
        },
        raw: record.as_bytes().to_vec(),
        raw_bytes: 0,
        raw_in_dead_letter: false,
    };
    EnrichedEvent {
        event,
        user: UserBlock { provenance: miss(), approved_sharer: None, domain: String::new() },
        recipients: RecipientsBlock { provenance: miss(), relations: Vec::new(), has_outside: None },
        flow: FlowBlock { provenance: miss() },
        environment: EnvironmentBlock { provenance: miss() },
        connectors: ConnectorsBlock {
            provenance: miss(),
            classes: Vec::new(),
            has_business: None,
            has_external: None,
        },
        connection: ConnectionBlock { provenance: miss() },
        geo: GeoBlock {
            provenance: miss(),
            country: "IS".to_owned(),
            city: String::new(),
            asn: None,
            network: String::new(),
        },
        working_time: WorkingTimeBlock {
            provenance: miss(),
            zone: String::new(),
            local_minute: None,
            within_hours: None,
            expected_place: None,
        },
    }
}

/// A failed sign-in of that user.
pub(crate) fn failure(user: &str, minute: i64) -> EnrichedEvent {
    event(&format!(r#"{{"Operation":"UserLoginFailed","ErrorNumber":"50126","UserId":"{user}"}}"#), minute)
}

pub(crate) fn watermark(time: Micros, through: Option<i32>, of: Option<i32>) -> Watermark {
    let mark = Mark { tenant: "t".to_owned(), source: "s".to_owned(), content_type: "c".to_owned(), time };
    Watermark { marks: vec![mark], through, of }
}

pub(crate) fn incoming(topic: Topic, partition: u32, offset: u64, value: Vec<u8>) -> Incoming {
    Incoming {
        at: TopicPartition::new(topic, Partition(partition)),
        offset: Offset(offset),
        key: Bytes::new(),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

pub(crate) fn batch(records: Vec<Incoming>) -> Batch {
    Batch { lease: Lease { generation: 1 }, records }
}

/// What a stage makes of records; none of these futures ever waits.
pub(crate) fn work(stage: &mut dyn Stage, records: Vec<Incoming>) -> Work {
    stage.work(&batch(records)).now_or_never().unwrap().unwrap()
}

pub(crate) fn assign(stage: &mut dyn Stage, partitions: &[u32]) {
    let gained =
        partitions.iter().map(|number| (TopicPartition::new(Topic::Signal, Partition(*number)), Offset(0)));
    let assignment = Assignment { lease: Lease { generation: 1 }, gained: gained.collect() };
    stage.assigned(&assignment).now_or_never().unwrap().unwrap();
}

/// Each outcome in a word.
pub(crate) fn words(work: &Work) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Emit(_) => "emit",
        Outcome::Skip(reason) | Outcome::Reject(reason, _) => reason,
        Outcome::Retry { .. } => "retry",
        Outcome::Stop(_) => "stop",
    };
    work.outcomes.iter().map(word).collect()
}

/// Every record that came of a batch.
pub(crate) fn records(work: &Work) -> Vec<&Outgoing> {
    let emitted = work.outcomes.iter().flat_map(|outcome| match outcome {
        Outcome::Emit(records) => records.as_slice(),
        Outcome::Skip(_) | Outcome::Reject(..) | Outcome::Retry { .. } | Outcome::Stop(_) => &[],
    });
    emitted.chain(&work.also).collect()
}

/// The messages of one type among them.
fn messages<T: Message>(work: &Work, wanted: fn(Topic) -> bool) -> Vec<T> {
    let records = records(work).into_iter().filter(|record| wanted(record.topic));
    records.filter_map(|record| schemas::decode(record.value.as_ref()?).ok()).collect()
}

pub(crate) fn findings(work: &Work) -> Vec<Finding> {
    messages(work, |topic| matches!(topic, Topic::Finding(_)))
}

pub(crate) fn signals(work: &Work) -> Vec<Signal> {
    messages(work, |topic| topic == Topic::Signal)
}

/// The changelog of one partition, for a stage to restore from.
#[derive(Default)]
pub(crate) struct Changelog(pub(crate) Table);

impl Changelog {
    /// What a step adds to it. Every record must be for that partition.
    pub(crate) fn add(&mut self, work: &Work, partition: u32) {
        for record in records(work).into_iter().filter(|record| record.topic == Topic::DetectState) {
            assert_eq!(record.route, Route::Exact(Partition(partition)));
            match &record.value {
                Some(value) => self.0.insert(record.key.clone(), value.clone()),
                None => self.0.remove(&record.key),
            };
        }
    }

    pub(crate) fn logs(&self) -> Arc<dyn Logs> {
        Arc::new(Only(self.0.clone()))
    }
}

/// A log that holds one table and nothing else.
struct Only(Table);

impl Logs for Only {
    fn open(&self, _member: Member) -> BoxFuture<'_, Result<Box<dyn Log>, LogError>> {
        Box::pin(async { Err(LogError::Missing("nothing to read".to_owned())) })
    }
    fn reader(&self) -> BoxFuture<'_, Result<Box<dyn Reader>, LogError>> {
        let reader = Only(self.0.clone());
        Box::pin(async { Ok(Box::new(reader) as Box<dyn Reader>) })
    }
    fn partitions(&self, _topic: Topic) -> BoxFuture<'_, Result<u32, LogError>> {
        Box::pin(async { Ok(1) })
    }
}

impl Reader for Only {
    fn restore(&mut self, topic: Topic, _partition: Partition) -> BoxFuture<'_, Result<Table, LogError>> {
        assert_eq!(topic, Topic::DetectState);
        Box::pin(async { Ok(self.0.clone()) })
    }
    fn follow(&mut self, _topic: Topic, _from: From) -> BoxFuture<'_, Result<Changes, LogError>> {
        Box::pin(async { Err(LogError::Missing("nothing to follow".to_owned())) })
    }
}
