//! Back-pressure: nothing is fetched while enough waits for the handle.
//!
//! A pause throws away what librdkafka has fetched ahead, up to all that it may hold. So a handle that needs only a moment to
//! make room is given it, and meanwhile nothing is asked of librdkafka at all; only where that takes longer, partitions
//! are paused, and the group is heard of again.

use schemas::TopicPartition;

use crate::kafka::state::Flow;

/// The moment that a handle is given. A change of the group is heard of that much later.
const WITHIN_MILLIS: i64 = 250;

/// What to do before anything else is fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing: there is room, or what is held is paused.
    Fetch,
    /// Wait a little, and look again.
    Wait,
    /// Pause these, or let them be fetched.
    Set(Flow, Vec<TopicPartition>),
}

#[derive(Debug, Default)]
pub(super) struct Room {
    /// Since when more waits for the handle than it should, in milliseconds.
    full_since: Option<i64>,
}

impl Room {
    /// `wanted`: what the state says should be set otherwise. `now`: in milliseconds.
    pub(super) fn turn(&mut self, wanted: Option<(Flow, Vec<TopicPartition>)>, now: i64) -> Turn {
        match wanted {
            Some((Flow::Paused, partitions)) => {
                let since = *self.full_since.get_or_insert(now);
                // A clock that was set back must not make it wait.
                if (0..WITHIN_MILLIS).contains(&now.saturating_sub(since)) {
                    Turn::Wait
                } else {
                    Turn::Set(Flow::Paused, partitions)
                }
            }
            Some((Flow::Fetched, partitions)) => {
                self.full_since = None;
                Turn::Set(Flow::Fetched, partitions)
            }
            None => {
                self.full_since = None;
                Turn::Fetch
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Partition, Topic};

    use super::*;

    fn one(flow: Flow) -> Option<(Flow, Vec<TopicPartition>)> {
        Some((flow, vec![TopicPartition::new(Topic::Event, Partition(0))]))
    }

    #[test]
    fn a_handle_that_makes_room_in_time_is_never_paused() {
        let mut room = Room::default();
        for begin in (0..10_000).step_by(500) {
            assert_eq!(room.turn(one(Flow::Paused), begin), Turn::Wait);
            assert_eq!(room.turn(one(Flow::Paused), begin + WITHIN_MILLIS - 1), Turn::Wait);
            assert_eq!(room.turn(None, begin + WITHIN_MILLIS), Turn::Fetch, "there is room");
        }
    }

    #[test]
    fn one_that_does_not_is_paused_so_that_the_group_is_heard_of() {
        let mut room = Room::default();
        assert_eq!(room.turn(one(Flow::Paused), 1000), Turn::Wait);
        let paused = one(Flow::Paused).expect("one partition");
        assert_eq!(room.turn(one(Flow::Paused), 1000 + WITHIN_MILLIS), Turn::Set(paused.0, paused.1));
        assert_eq!(
            room.turn(None, 9000),
            Turn::Fetch,
            "it is paused: asking brings changes of the group only"
        );
        let fetched = one(Flow::Fetched).expect("one partition");
        assert_eq!(room.turn(one(Flow::Fetched), 9001), Turn::Set(fetched.0, fetched.1));
        assert_eq!(room.turn(one(Flow::Paused), 9002), Turn::Wait, "it is given its moment anew");
        let paused = one(Flow::Paused).expect("one partition");
        assert_eq!(
            room.turn(one(Flow::Paused), 8000),
            Turn::Set(paused.0, paused.1),
            "the clock was set back"
        );
    }
}
