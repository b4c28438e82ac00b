//! The changelog of correlate: what its records are, and what a restart makes of them.

use bytes::Bytes;
use detect::CorrelateStage;
use futures_util::future::FutureExt;
use pipeline::{
    Clock, Incoming, Stage,
    log::{Assignment, Lease, Table},
};
use schemas::{
    EventId, Hash128, Micros, Offset, Partition, Topic, TopicPartition,
    codec::MESSAGES,
    ids::{self, Answer, Ids},
    signal::Signal,
    state::DetectState,
    time::MINUTE,
};

use crate::{
    correlating::Machine,
    support::{failure, findings, incoming},
};

/// No record of the changelog may be longer, key and value.
const RECORD_BYTES_MAX: usize = 256_000;

/// What a broker takes by default.
const MESSAGE_BYTES_MAX: usize = 1_000_000;

/// Signals of one key: eight a minute, each with a long value of its own.
fn flood(machine: &mut Machine, minutes: std::ops::Range<i64>) -> Vec<Incoming> {
    let [made] = machine.signals(&[failure("a@x", 0)]).try_into().unwrap();
    let made: Signal = schemas::decode(made.value.as_ref().unwrap()).unwrap();
    let numbers = (minutes.start * 8)..(minutes.end * 8);
    let signal = |number: i64| {
        let mut signal = made.clone();
        signal.time = Micros(number / 8 * MINUTE);
        signal.event_id = EventId(Hash128::of(&[&number.to_be_bytes()]));
        signal.origin.offset = 1_000 + number;
        signal.actor = format!("{number:0>120}");
        for rule in &mut signal.rules {
            rule.value = format!("{number:0>120}");
        }
        let offset = u64::try_from(number).unwrap();
        incoming(Topic::Signal, 0, offset, schemas::encode(&signal).unwrap())
    };
    numbers.map(signal).collect()
}

/// A machine whose one key has more state than a message may have bytes.
fn flooded() -> Machine {
    let mut machine = Machine::new();
    let flood = flood(&mut machine, 0..1_200);
    machine.step(flood);
    assert!(bytes(&machine.changelog.0) > MESSAGE_BYTES_MAX);
    machine
}

fn bytes(table: &Table) -> usize {
    table.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn longest(table: &Table) -> usize {
    table.iter().map(|(key, value)| key.len() + value.len()).max().unwrap()
}

/// What a stage says that restores from this changelog.
fn restored(machine: &Machine) -> Result<(), String> {
    let mut stage =
        CorrelateStage::new(machine.rules.clone(), machine.changelog.logs(), Clock::manual(Micros(5)));
    let gained = vec![(TopicPartition::new(Topic::Signal, Partition(0)), Offset(0))];
    let assignment = Assignment { lease: Lease { generation: 1 }, gained };
    stage.assigned(&assignment).now_or_never().unwrap().map_err(|halt| halt.to_string())
}

/// Law: with restarts or without, the same findings and the same changelog, whatever the state's size.
#[test]
fn a_key_with_more_state_than_a_message_may_hold_survives_restarts() {
    let (mut kept, mut restarted) = (flooded(), flooded());
    let mut lengths = Vec::new();
    for step in 0..4 {
        assert!(longest(&kept.changelog.0) <= RECORD_BYTES_MAX, "{}", longest(&kept.changelog.0));
        restarted.restart();
        assert!(kept.changelog.0 == restarted.changelog.0, "step {step}");
        lengths.push(kept.changelog.0.len());
        let said = [&mut kept, &mut restarted].map(|machine| {
            let mut said = match step {
                0 => {
                    let more = flood(machine, 1_200..1_201);
                    findings(&machine.step(more))
                }
                1 => findings(&machine.mark(Micros(2_400 * MINUTE))),
                _ => findings(&machine.mark(Micros::END)),
            };
            said.sort_by_key(|finding| finding.id);
            said
        });
        assert!(said[0] == said[1], "step {step}");
        assert_eq!(!said[0].is_empty(), step == 0, "step {step}");
    }
    assert!(lengths[0] > 4 && lengths[1] == lengths[0], "{lengths:?}");
    assert!(lengths[2] < lengths[1], "what froze takes its records along: {lengths:?}");
    assert_eq!(lengths[3], 1, "only the partition's own state is left");
}

#[test]
fn half_a_state_stops_the_stage() {
    let whole = flooded();
    for key in whole.changelog.0.keys() {
        let mut machine = Machine::new();
        machine.changelog.0 = whole.changelog.0.clone();
        machine.changelog.0.remove(key);
        let is_own = key.as_ref() == b"\x1f";
        assert_eq!(restored(&machine).is_ok(), is_own, "the key's state is whole or none");
    }
}

/// Parts of two states of one key are none: each carries the hash of the whole that it is part of.
#[test]
fn parts_of_two_writings_stop_the_stage() {
    let mut machine = flooded();
    let before = machine.changelog.0.clone();
    let more = flood(&mut machine, 1_200..1_201);
    machine.step(more);
    assert_eq!(restored(&machine), Ok(()));
    let (key, value) = before.iter().find(|(key, _)| key.ends_with(b"\xff1")).unwrap();
    machine.changelog.0.insert(key.clone(), value.clone());
    assert!(restored(&machine).unwrap_err().contains("parts"));
}

#[test]
fn what_is_not_ours_is_left_aside_and_what_is_ours_and_damaged_stops_the_stage() {
    let mut machine = Machine::new();
    let signals = machine.signals(&[failure("a@x", 0), failure("b@x", 1), failure("c@x", 2)]);
    machine.step(signals[..2].to_vec());
    let ours = machine.changelog.0.clone();
    let under_another_key = DetectState { tenant: "t".to_owned(), ..DetectState::default() };
    let foreign = [
        b"{\"hello\":1}".to_vec(),
        Vec::new(),
        b"\0\0".to_vec(),
        b"\0\0\0\0\x08\0".to_vec(),
        schemas::encode(&failure("a@x", 0)).unwrap(),
        schemas::encode(&under_another_key).unwrap(),
    ];
    for (number, value) in foreign.into_iter().enumerate() {
        machine.changelog.0.insert(Bytes::from(format!("foreign{number}")), value.into());
    }
    machine.restart();
    let said = findings(&machine.step(signals[2..].to_vec()));
    assert_eq!(said.len(), 1, "what was counted before is still there");
    for (key, value) in &ours {
        machine.changelog.0 = ours.clone();
        machine.changelog.0.insert(key.clone(), value.slice(..value.len() - 1));
        assert!(restored(&machine).is_err());
    }
}

/// The ids of a registry that gives out the fixed ones, so that no other test of this program is touched.
fn settle() {
    let given: Vec<(u32, Vec<u32>)> = MESSAGES.iter().map(|(id, ..)| (*id, vec![*id])).collect();
    let ask = |id| match id {
        STRANGERS => {
            Answer::Schema(r#"{"type": "record", "name": "io.other.State", "fields": []}"#.to_owned())
        }
        NOBODYS => Answer::None,
        _ => Answer::Away,
    };
    ids::install(Ids::new(&given, Box::new(ask))).unwrap();
}

const STRANGERS: u32 = 701;
const NOBODYS: u32 = 702;
const UNANSWERED: u32 = 703;
const NOT_MET: u32 = 704;

/// With a registry, whoever may write to the changelog may write any id there. That stops nothing while the registry says
/// whose it is; what it does not say may be the state of a newer worker.
#[test]
fn a_strangers_id_is_left_aside_and_one_that_could_not_be_asked_for_stops_the_stage() {
    settle();
    let mut machine = Machine::new();
    let signals = machine.signals(&[failure("a@x", 0), failure("b@x", 1), failure("c@x", 2)]);
    machine.step(signals[..2].to_vec());
    let written = |id: u32| [&[0][..], &id.to_be_bytes(), b"\0\0\0"].concat();
    for id in [STRANGERS, NOBODYS] {
        assert!(!ids::meet(&written(id)));
        machine.changelog.0.insert(Bytes::from(format!("stranger{id}")), written(id).into());
    }
    machine.restart();
    let said = findings(&machine.step(signals[2..].to_vec()));
    assert_eq!(said.len(), 1, "what was counted before is still there");
    assert!(!ids::meet(&written(UNANSWERED)));
    for id in [UNANSWERED, NOT_MET] {
        let mut machine = Machine::new();
        machine.changelog.0.insert(Bytes::from_static(b"newer"), written(id).into());
        assert!(restored(&machine).unwrap_err().contains(&id.to_string()));
    }
}
