//! The laws of the state, without a broker.

use bytes::Bytes;
use schemas::{Partition, Topic};

use super::*;

fn at(partition: u32) -> TopicPartition {
    TopicPartition::new(Topic::Event, Partition(partition))
}

fn record(partition: u32, offset: u64) -> Incoming {
    let value = Some(Bytes::from_static(b"0123456789"));
    Incoming { at: at(partition), offset: Offset(offset), key: Bytes::new(), value, headers: Vec::new() }
}

fn state() -> State {
    State::new(Limits { records_max: 2, bytes_max: 1000, idle_after: Duration::ZERO }, false)
}

fn holding(partitions: u32) -> State {
    let mut state = state();
    state.assign(&(0..partitions).map(|n| (at(n), Offset(0))).collect::<Vec<_>>());
    state.begin_call();
    assert!(matches!(state.next(), Some(Ok(Next::Assigned(_)))));
    state
}

fn positions(partition: u32, offset: u64) -> Positions {
    Positions::from([(at(partition), Offset(offset))])
}

const FIRST: Lease = Lease { generation: 1 };

#[test]
fn what_is_revoked_can_be_committed_until_the_next_call() {
    let mut state = holding(2);
    state.take_in(vec![record(0, 0), record(1, 0)]);
    state.revoke(&[at(0)], Duration::from_secs(1));
    assert_eq!(state.release_state(), Release::Pending);
    state.begin_call();
    assert!(matches!(state.next(), Some(Ok(Next::Revoking { partitions, .. })) if partitions == [at(0)]));
    assert_eq!(state.check(FIRST, &positions(0, 1)), Ok(()));
    state.begin_call();
    assert_eq!(state.release_state(), Release::Done);
    assert_eq!(state.check(FIRST, &positions(0, 1)), Err(LogError::Lost(vec![at(0)])));
    let Some(Ok(Next::Batch(batch))) = state.next() else { panic!("the other partition goes on") };
    assert_eq!(batch.records, [record(1, 0)]);
}

#[test]
fn a_lost_step_brings_back_what_is_still_held() {
    let mut state = holding(2);
    state.lose(&[at(0)]);
    let both = Positions::from([(at(0), Offset(1)), (at(1), Offset(1))]);
    assert_eq!(state.check(FIRST, &both), Err(LogError::Lost(vec![at(0)])));
    assert_eq!(state.rewinding(), [at(1)]);
    state.take_in(vec![record(1, 5)]);
    state.rewound(&[(at(1), Offset(3))]);
    state.begin_call();
    assert!(matches!(state.next(), Some(Ok(Next::Revoking { within: Duration::ZERO, .. }))));
    let Some(Ok(Next::Assigned(again))) = state.next() else { panic!("it is assigned again") };
    assert!(again.lease > FIRST);
    assert_eq!(again.gained, [(at(1), Offset(3))]);
    assert!(state.next().is_none(), "what was fetched meanwhile is not handed out");
    assert_eq!(
        state.check(FIRST, &positions(1, 4)),
        Err(LogError::Lost(vec![at(1)])),
        "the old lease is void"
    );
}

#[test]
fn a_partition_that_was_never_told_goes_without_a_word() {
    let mut state = state();
    state.assign(&[(at(0), Offset(0))]);
    state.revoke(&[at(0)], Duration::from_secs(1));
    assert_eq!(state.release_state(), Release::Done);
    state.begin_call();
    assert!(state.next().is_none());
    assert!(state.idle(), "it holds nothing");
}

#[test]
fn nothing_is_handed_out_twice() {
    let mut state = holding(1);
    state.take_in(vec![record(0, 0), record(0, 1), record(0, 0), record(0, 1), record(0, 2)]);
    let mut offsets = Vec::new();
    while let Some(Ok(Next::Batch(batch))) = state.next() {
        offsets.extend(batch.records.iter().map(|record| record.offset.0));
    }
    assert_eq!(offsets, [0, 1, 2]);
}

#[test]
fn an_answer_counts_for_its_own_call_only() {
    let mut state = holding(1);
    state.begin_call();
    assert!(!state.idle());
    let Some((call, from)) = state.question() else { panic!("it is asked") };
    assert_eq!(from, positions(0, 0));
    state.begin_call();
    state.answer(call);
    assert!(!state.idle(), "what came before the new call began is not known");
    state.answer(call + 1);
    assert!(state.idle());
}

#[test]
fn a_handle_that_has_not_joined_is_not_idle() {
    let mut state = state();
    state.begin_call();
    assert!(!state.idle());
    state.assign(&[(at(0), Offset(0))]);
    state.lose(&[at(0)]);
    assert!(!state.idle(), "the group has given up on it");
    state.assign(&[]);
    assert!(state.idle());
}

#[test]
fn a_step_without_positions_stands_while_its_lease_holds_anything() {
    let mut state = holding(2);
    state.committed(&positions(1, 9));
    state.lose(&[at(0)]);
    assert_eq!(state.check(FIRST, &Positions::new()), Ok(()));
    assert_eq!(state.positions(FIRST, &Positions::new()), positions(1, 9));
    state.lose(&[at(1)]);
    assert_eq!(state.check(FIRST, &Positions::new()), Err(LogError::Lost(vec![at(0), at(1)])));
}

#[test]
fn a_full_queue_asks_for_no_more_until_it_is_low() {
    let mut state = holding(1);
    state.take_in((0..5).map(|n| record(0, n)).collect());
    assert_eq!(state.flow(), Some((Flow::Paused, vec![at(0)])));
    state.flows(Flow::Paused, &[at(0)]);
    assert_eq!(state.flow(), None);
    assert!(state.next().is_some() && state.next().is_some());
    assert_eq!(state.flow(), Some((Flow::Fetched, vec![at(0)])));
    state.flows(Flow::Fetched, &[at(0)]);
    assert_eq!(state.flow(), None);
}

#[test]
fn a_partition_that_comes_while_others_are_paused_leaves_them_to_be_fetched_again() {
    let mut state = holding(2);
    state.take_in((0..5).map(|n| record(0, n)).collect());
    state.flows(Flow::Paused, &[at(0), at(1)]);
    assert!(state.next().is_some(), "three of the five are left: enough, and not too many");
    assert_eq!(state.flow(), None);
    state.assign(&[(at(2), Offset(0))]);
    assert_eq!(state.flow(), None);
    while let Some(Ok(next)) = state.next() {
        assert!(matches!(next, Next::Assigned(_) | Next::Batch(_)));
    }
    assert_eq!(state.flow(), Some((Flow::Fetched, vec![at(0), at(1)])));
    state.lose(&[at(0)]);
    state.assign(&[(at(0), Offset(5))]);
    assert_eq!(state.flow(), Some((Flow::Fetched, vec![at(1)])), "what comes anew is fetched from the start");
}
