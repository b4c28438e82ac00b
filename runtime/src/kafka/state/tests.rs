//! The laws of the state, without a broker.

use bytes::Bytes;
use pipeline::Incoming;
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
    State::new(Limits { records_max: 2, bytes_max: 1000, idle_after: Duration::ZERO }, false, 0)
}

fn fetched(records: Vec<Incoming>) -> Vec<Fetched> {
    let written = |record: Incoming| Fetched { written_at: i64::try_from(record.offset.0).unwrap(), record };
    records.into_iter().map(written).collect()
}

fn holding(partitions: u32) -> State {
    let mut state = state();
    state.assign(&(0..partitions).map(|n| found(n, Offset(0))).collect::<Vec<_>>());
    state.begin_call();
    assert!(matches!(state.next(), Some(Ok(Next::Assigned(_)))));
    state
}

fn found(partition: u32, position: Offset) -> Found {
    Found { at: at(partition), position, is_new: false }
}

fn positions(partition: u32, offset: u64) -> Positions {
    Positions::from([(at(partition), Offset(offset))])
}

const FIRST: Lease = Lease { generation: 1 };

#[test]
fn what_is_revoked_can_be_committed_until_the_next_call() {
    let mut state = holding(2);
    state.take_in(fetched(vec![record(0, 0), record(1, 0)]));
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
    state.take_in(fetched(vec![record(1, 5)]));
    state.rewound(&[found(1, Offset(3))]);
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
    state.assign(&[found(0, Offset(0))]);
    state.revoke(&[at(0)], Duration::from_secs(1));
    assert_eq!(state.release_state(), Release::Done);
    state.begin_call();
    assert!(state.next().is_none());
    assert!(state.idle(0), "it holds nothing");
}

#[test]
fn nothing_is_handed_out_twice() {
    let mut state = holding(1);
    state.take_in(fetched(vec![record(0, 0), record(0, 1), record(0, 0), record(0, 1), record(0, 2)]));
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
    assert!(!state.idle(0));
    let Some((call, from)) = state.question() else { panic!("it is asked") };
    assert_eq!(from, positions(0, 0));
    state.begin_call();
    state.answer(call);
    assert!(!state.idle(0), "what came before the new call began is not known");
    state.answer(call + 1);
    assert!(state.idle(0));
}

#[test]
fn a_handle_that_has_not_joined_is_not_idle() {
    let mut state = state();
    state.begin_call();
    assert!(!state.idle(0));
    state.assign(&[found(0, Offset(0))]);
    state.lose(&[at(0)]);
    assert!(!state.idle(0), "the group has given up on it");
    state.assign(&[]);
    assert!(state.idle(0));
}

#[test]
fn a_step_without_positions_stands_while_its_lease_holds_anything() {
    let mut state = holding(2);
    state.committed(&positions(1, 9), 0);
    state.lose(&[at(0)]);
    assert_eq!(state.check(FIRST, &Positions::new()), Ok(()));
    assert_eq!(state.positions(FIRST, &Positions::new()), positions(1, 9));
    state.lose(&[at(1)]);
    assert_eq!(state.check(FIRST, &Positions::new()), Err(LogError::Lost(vec![at(0), at(1)])));
}

#[test]
fn a_full_queue_asks_for_no_more_until_it_is_low() {
    let mut state = holding(1);
    state.take_in(fetched((0..5).map(|n| record(0, n)).collect()));
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
    state.take_in(fetched((0..5).map(|n| record(0, n)).collect()));
    state.flows(Flow::Paused, &[at(0), at(1)]);
    assert!(state.next().is_some(), "three of the five are left: enough, and not too many");
    assert_eq!(state.flow(), None);
    state.assign(&[found(2, Offset(0))]);
    assert_eq!(state.flow(), None);
    while let Some(Ok(next)) = state.next() {
        assert!(matches!(next, Next::Assigned(_) | Next::Batch(_)));
    }
    assert_eq!(state.flow(), Some((Flow::Fetched, vec![at(0), at(1)])));
    state.lose(&[at(0)]);
    state.assign(&[found(0, Offset(5))]);
    assert_eq!(state.flow(), Some((Flow::Fetched, vec![at(1)])), "what comes anew is fetched from the start");
}

fn told(state: &mut State) -> Vec<Missed> {
    match state.next() {
        Some(Ok(Next::Missed { ranges, .. })) => ranges,
        other => panic!("{other:?}"),
    }
}

/// What was fetched before the hole comes before it, what lies behind it after.
#[test]
fn a_hole_is_told_in_its_place() {
    let mut state = holding(1);
    state.take_in(fetched(vec![record(0, 0), record(0, 1)]));
    assert!(state.miss(at(0), Offset(10)));
    state.take_in(fetched(vec![record(0, 3), record(0, 10), record(0, 11)]));
    let Some(Ok(Next::Batch(batch))) = state.next() else { panic!("what was fetched before") };
    assert_eq!(batch.records, [record(0, 0), record(0, 1)]);
    assert_eq!(told(&mut state), [Missed { at: at(0), from: Offset(2), to: Offset(10) }]);
    let Some(Ok(Next::Batch(batch))) = state.next() else { panic!("what lies behind") };
    assert_eq!(batch.records, [record(0, 10), record(0, 11)]);
}

/// A partition that was made anew begins below what was read: that is told too, and it is read from its beginning.
#[test]
fn a_partition_that_was_made_anew_is_read_from_its_beginning() {
    let mut state = holding(1);
    state.take_in(fetched(vec![record(0, 40)]));
    assert!(matches!(state.next(), Some(Ok(Next::Batch(_)))));
    assert!(state.miss(at(0), Offset(0)));
    state.take_in(fetched(vec![record(0, 0)]));
    assert_eq!(told(&mut state), [Missed { at: at(0), from: Offset(41), to: Offset(0) }]);
    let Some(Ok(Next::Batch(batch))) = state.next() else { panic!("its first record") };
    assert_eq!(batch.records, [record(0, 0)]);
}

/// Where a group begins is committed with its first step, so that retention cannot take what it never got to in silence.
#[test]
fn where_a_new_group_begins_goes_with_its_first_step() {
    let mut state = state();
    state.assign(&[0, 1].map(|n| Found { at: at(n), position: Offset(7), is_new: true }));
    state.begin_call();
    assert!(matches!(state.next(), Some(Ok(Next::Assigned(_)))));
    let both = Positions::from([(at(0), Offset(9)), (at(1), Offset(7))]);
    assert_eq!(state.positions(FIRST, &positions(0, 9)), both);
    assert_eq!(
        state.settled(),
        Positions::from([(at(0), Offset(7)), (at(1), Offset(7))]),
        "or without a step"
    );
    state.committed(&both, 0);
    assert_eq!(state.positions(FIRST, &positions(0, 10)), positions(0, 10));
    assert_eq!(state.settled(), Positions::new());
}

/// Marks of transactions are no records: that retention took them is nobody's loss, and a position may stand behind
/// them as soon as all before them is finished.
#[test]
fn marks_are_nobodys_loss() {
    let mut state = holding(1);
    state.take_in(fetched(vec![record(0, 0)]));
    assert!(matches!(state.next(), Some(Ok(Next::Batch(_)))));
    state.clear(at(0), Offset(5));
    assert_eq!(state.settled(), Positions::new(), "its record is not finished");
    state.committed(&positions(0, 1), 0);
    assert_eq!(state.settled(), positions(0, 5));
    assert!(!state.miss(at(0), Offset(5)));
    assert!(state.next().is_none());
    assert!(state.miss(at(0), Offset(6)));
    assert_eq!(told(&mut state), [Missed { at: at(0), from: Offset(5), to: Offset(6) }]);
    state.committed(&positions(0, 6), 0);
    assert_eq!(state.settled(), Positions::new());
}

#[test]
fn a_handle_is_as_far_behind_as_its_oldest_unfinished_record() {
    let mut state = holding(1);
    assert_eq!(state.behind(500), 500, "it does not know better");
    state.take_in(fetched(vec![record(0, 100), record(0, 300)]));
    assert_eq!(state.behind(500), 400, "it has been fetched");
    assert!(matches!(state.next(), Some(Ok(Next::Batch(_)))));
    assert_eq!(state.behind(600), 500, "it has been handed out");
    state.committed(&positions(0, 301), 700);
    assert_eq!(state.behind(750), 50, "nothing is in hand");
    assert!(!state.idle(800));
    state.answer(1);
    assert!(state.idle(900));
    assert_eq!(state.behind(900), 0, "it has caught up");
    state.take_in(fetched(vec![record(0, 1000)]));
    assert!(matches!(state.next(), Some(Ok(Next::Batch(_)))));
    state.committed(&Positions::new(), 1590);
    assert_eq!(state.behind(1600), 600, "a step of something else does not finish it");
    state.begin_call();
    assert_eq!(
        state.behind(1600),
        10,
        "who asks for more will not finish it, as ingest other sources' entries"
    );
}
