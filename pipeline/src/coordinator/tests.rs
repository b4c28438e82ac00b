//! Laws of the coordinator, with times that the tests make up.

use proptest::prelude::*;
use schemas::{Partition, Topic, TopicPartition};

use super::*;

const HAND_OVER: Duration = Duration::from_secs(30);
const NOW: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(32);

fn at(number: u32) -> TopicPartition {
    TopicPartition::new(Topic::Event, Partition(number))
}

fn join(coordinator: &mut Coordinator, name: &str, partitions: u32) -> SeatId {
    coordinator.join("group", name, &[(Topic::Event, partitions)], NOW)
}

/// Takes turns until there is nothing new; returns the lease and what is held.
fn settle(coordinator: &mut Coordinator, id: SeatId) -> (Lease, Vec<TopicPartition>) {
    loop {
        match coordinator.turn("group", id, NOW).unwrap() {
            Turn::Revoking { .. } => {}
            Turn::Gained(gained) => assert!(coordinator.accept("group", id, &gained).is_some()),
            Turn::Holds { lease, partitions, .. } => return (lease, partitions),
        }
    }
}

#[test]
fn a_holder_is_told_and_its_next_turn_releases() {
    let mut coordinator = Coordinator::new(HAND_OVER);
    let a = join(&mut coordinator, "a", 4);
    let (lease, _) = settle(&mut coordinator, a);
    let b = join(&mut coordinator, "b", 4);
    assert_eq!(settle(&mut coordinator, b).1, [], "nothing is free yet");
    let Some(Turn::Revoking { partitions, within }) = coordinator.turn("group", a, NOW) else {
        panic!("not told")
    };
    assert_eq!((partitions.len(), within), (2, HAND_OVER));
    assert_eq!(settle(&mut coordinator, b).1, [], "told is not released");
    assert_eq!(coordinator.begin(("group", "a"), a, lease, &partitions), Ok(()));
    coordinator.end("group", &partitions, NOW);
    assert_eq!(settle(&mut coordinator, a).1.len(), 2);
    assert_eq!(settle(&mut coordinator, b).1, partitions);
    assert_eq!(coordinator.begin(("group", "a"), a, lease, &partitions), Err(LogError::Lost(partitions)));
}

#[test]
fn a_holder_that_takes_no_turn_loses_what_it_was_asked_for() {
    let mut coordinator = Coordinator::new(HAND_OVER);
    let a = join(&mut coordinator, "a", 2);
    let (lease, both) = settle(&mut coordinator, a);
    let b = join(&mut coordinator, "b", 2);
    let Some(Turn::Holds { next_deadline, .. }) = coordinator.turn("group", b, NOW) else {
        panic!("it holds nothing")
    };
    assert_eq!(next_deadline, Some(NOW + HAND_OVER));
    let Some(Turn::Gained(gained)) = coordinator.turn("group", b, LATE) else { panic!("it was not evicted") };
    assert_eq!(gained.len(), 1);
    assert_eq!(coordinator.begin(("group", "a"), a, lease, &both), Err(LogError::Lost(gained.clone())));
    let told = Turn::Revoking { partitions: gained, within: Duration::ZERO };
    assert_eq!(coordinator.turn("group", a, LATE), Some(told), "it hears of it");
}

#[test]
fn a_partition_changes_hands_only_once_the_step_over_it_is_known() {
    let mut coordinator = Coordinator::new(HAND_OVER);
    let a = join(&mut coordinator, "a", 1);
    let (lease, held) = settle(&mut coordinator, a);
    coordinator.begin(("group", "a"), a, lease, &held).unwrap();
    let again = join(&mut coordinator, "a", 1);
    assert_eq!(coordinator.turn("group", a, NOW), None, "fenced");
    assert_eq!(settle(&mut coordinator, again).1, []);
    coordinator.end("group", &held, NOW);
    assert_eq!(settle(&mut coordinator, again).1, held);
}

#[test]
fn what_a_lost_step_touched_is_gained_anew() {
    let mut coordinator = Coordinator::new(HAND_OVER);
    let a = join(&mut coordinator, "a", 2);
    let (lease, mut step) = settle(&mut coordinator, a);
    let foreign = TopicPartition::new(Topic::Signal, Partition(0));
    step.push(foreign);
    assert_eq!(coordinator.begin(("group", "a"), a, lease, &step), Err(LogError::Lost(vec![foreign])));
    assert_eq!(coordinator.turn("group", a, NOW), Some(Turn::Gained(vec![at(0), at(1)])));
    let newer = coordinator.accept("group", a, &[at(0), at(1)]).unwrap();
    assert!(newer > lease);
    assert_eq!(
        coordinator.begin(("group", "a"), a, lease, &[at(0)]),
        Err(LogError::Lost(vec![at(0)])),
        "an old lease"
    );
}

#[test]
fn members_are_given_only_what_they_read() {
    let mut coordinator = Coordinator::new(HAND_OVER);
    let events = coordinator.join("group", "events", &[(Topic::Event, 5)], NOW);
    let both = coordinator.join("group", "both", &[(Topic::Event, 5), (Topic::Signal, 1)], NOW);
    settle(&mut coordinator, events);
    let (_, of_both) = settle(&mut coordinator, both);
    let (_, of_events) = settle(&mut coordinator, events);
    assert!(of_events.iter().all(|partition| partition.topic == Topic::Event));
    assert!(of_both.contains(&TopicPartition::new(Topic::Signal, Partition(0))));
    assert_eq!((of_events.len(), of_both.len()), (3, 3));
}

proptest! {
    /// Whoever comes and goes in whatever order: no partition ever has two holders, and once everybody has had turns,
    /// each has one, and the members' counts differ by at most one.
    #[test]
    fn every_partition_has_one_holder(partitions in 1_u32..9, moves in prop::collection::vec((0_usize..5, 0_u8..4), 1..60)) {
        let mut coordinator = Coordinator::new(HAND_OVER);
        let mut seats: BTreeMap<usize, SeatId> = BTreeMap::new();
        for (who, what) in moves {
            let name = who.to_string();
            match (seats.get(&who).copied(), what) {
                (Some(id), 0) => {
                    coordinator.leave("group", id, NOW);
                    seats.remove(&who);
                }
                (Some(id), 1 | 2) => {
                    if let Some(Turn::Gained(gained)) = coordinator.turn("group", id, NOW) {
                        prop_assert!(coordinator.accept("group", id, &gained).is_some());
                    }
                }
                _ => {
                    seats.insert(who, join(&mut coordinator, &name, partitions));
                }
            }
            prop_assert!(holders(&coordinator).values().all(|holders| *holders == 1));
        }
        for id in seats.values().cycle().take(seats.len() * 4) {
            settle(&mut coordinator, *id);
        }
        let counts: Vec<usize> = seats.values().map(|id| settle(&mut coordinator, *id).1.len()).collect();
        if let (Some(most), Some(least)) = (counts.iter().max(), counts.iter().min()) {
            prop_assert_eq!(counts.iter().sum::<usize>(), partitions as usize);
            prop_assert!(most - least <= 1, "{:?}", counts);
        }
    }
}

fn holders(coordinator: &Coordinator) -> BTreeMap<TopicPartition, usize> {
    let mut holders = BTreeMap::new();
    for partition in
        coordinator.groups.values().flat_map(|g| g.seats.values()).flat_map(|seat| seat.holds.keys())
    {
        *holders.entry(*partition).or_default() += 1;
    }
    holders
}
