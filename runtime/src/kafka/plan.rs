//! What topics should be like, and where one differs from that.

use std::fmt;

use schemas::Topic;

/// What topics should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// The topics with their partitions.
    pub partitions: Vec<(Topic, u32)>,
    /// Copies of each; `None`: as the broker has it by default.
    pub replication: Option<u16>,
}

impl TopicPlan {
    /// Every topic with so many partitions.
    #[must_use]
    pub fn all(partitions: u32) -> Self {
        Self {
            partitions: Topic::all().into_iter().map(|topic| (topic, partitions)).collect(),
            replication: None,
        }
    }
}

/// Where a topic differs from its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicChange {
    /// It is not there, and will be made.
    Create {
        /// The topic.
        topic: Topic,
        /// With so many partitions.
        partitions: u32,
    },
    /// Partitions will be added.
    Grow {
        /// The topic.
        topic: Topic,
        /// What it has.
        from: u32,
        /// What it should have.
        to: u32,
    },
    /// It has another number of partitions, and may not change: state is bound to them, or they would be fewer.
    Refused {
        /// The topic.
        topic: Topic,
        /// What it has.
        has: u32,
        /// What it should have.
        wanted: u32,
    },
    /// It forgets sooner than deduplication needs. Only an operator can know what the room is for.
    Forgets {
        /// The topic.
        topic: Topic,
        /// How many days it keeps.
        days: u64,
        /// How many it must keep.
        least: u64,
    },
    /// It takes records that a single broker has, where three should have them: that broker's disk may take them along.
    FewInSync {
        /// The topic.
        topic: Topic,
        /// Its `min.insync.replicas`.
        has: u32,
    },
    /// It is compacted and should not be, or the other way round. Only an operator can know what that would lose.
    OtherCleanup {
        /// The topic.
        topic: Topic,
        /// Whether it should be compacted.
        compact: bool,
    },
}

impl TopicChange {
    /// Whether applying the plan carries it out; otherwise it is for an operator to decide.
    #[must_use]
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Create { .. } | Self::Grow { .. })
    }
}

impl fmt::Display for TopicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { topic, partitions } => {
                write!(f, "create {topic} with {partitions} partitions, {}", kept(*topic))
            }
            Self::Grow { topic, from, to } => write!(f, "grow {topic} from {from} to {to} partitions"),
            Self::Refused { topic, has, wanted } => {
                write!(f, "refused: {topic} has {has} partitions, not {wanted}")
            }
            Self::Forgets { topic, days, least } => {
                write!(f, "refused: {topic} keeps {days} days, and must keep {least} (retention.ms)")
            }
            Self::FewInSync { topic, has } => {
                let least = IN_SYNC_LEAST;
                write!(
                    f,
                    "refused: {topic} has min.insync.replicas {has}, and must have {least} where there are 3 copies"
                )
            }
            Self::OtherCleanup { topic, compact: true } => write!(f, "refused: {topic} is not compacted"),
            Self::OtherCleanup { topic, compact: false } => write!(f, "refused: {topic} is compacted"),
        }
    }
}

/// What the number of partitions asks for.
pub(super) fn change(topic: Topic, has: Option<u32>, wanted: u32) -> Option<TopicChange> {
    match has {
        None => Some(TopicChange::Create { topic, partitions: wanted }),
        Some(has) if has == wanted => None,
        Some(from) if from < wanted && !topic.has_fixed_partitions() => {
            Some(TopicChange::Grow { topic, from, to: wanted })
        }
        Some(has) => Some(TopicChange::Refused { topic, has, wanted }),
    }
}

pub(super) fn cleanup(topic: Topic) -> &'static str {
    if topic.is_compacted() { "compact" } else { "delete" }
}

pub(super) const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// How many days a new topic keeps its records: what the source hands out (7 days) twice over, findings for a quarter.
/// Compacted topics keep by key.
pub(super) fn days(topic: Topic) -> Option<u64> {
    match topic {
        Topic::Event | Topic::Enriched | Topic::Signal | Topic::Seen => Some(14),
        Topic::Finding(_) | Topic::Receipt | Topic::Gap => Some(90),
        Topic::DeadLetter(_) => Some(30),
        Topic::DetectState | Topic::Ledger => None,
    }
}

/// How many days a topic must keep: ids are looked for through 8.
pub(super) fn days_least(topic: Topic) -> Option<u64> {
    matches!(topic, Topic::Seen).then_some(9)
}

/// How many days `retention.ms` stands for; none when it has no end.
pub(super) fn days_of(retention: &str) -> Option<u64> {
    retention.parse::<u64>().ok().map(|millis| millis / DAY_MILLIS)
}

/// What a new topic forgets, in an operator's words.
fn kept(topic: Topic) -> String {
    days(topic)
        .map_or_else(|| "the newest record of each key kept".to_owned(), |days| format!("kept {days} days"))
}

/// With so many copies or more, one may be away without stopping the writers, and without a record on a single disk.
pub(super) const COPIES_SAFE: u16 = 3;
/// What `min.insync.replicas` is then.
pub(super) const IN_SYNC_LEAST: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_topics_keep_at_least_what_they_must() {
        for topic in Topic::all() {
            assert_eq!(days(topic).is_none(), topic.is_compacted(), "{topic}");
            assert!(days(topic) >= days_least(topic), "{topic}");
        }
        assert_eq!((days_of("604800000"), days_of("-1")), (Some(7), None));
    }

    #[test]
    fn partitions_are_added_only_where_no_state_is_bound_to_them() {
        assert_eq!(
            change(Topic::Event, None, 3),
            Some(TopicChange::Create { topic: Topic::Event, partitions: 3 })
        );
        assert_eq!(change(Topic::Event, Some(3), 3), None);
        assert_eq!(
            change(Topic::Event, Some(3), 6),
            Some(TopicChange::Grow { topic: Topic::Event, from: 3, to: 6 })
        );
        for topic in Topic::all().into_iter().filter(|topic| topic.has_fixed_partitions()) {
            assert_eq!(change(topic, Some(3), 6), Some(TopicChange::Refused { topic, has: 3, wanted: 6 }));
        }
        assert_eq!(
            change(Topic::Event, Some(6), 3),
            Some(TopicChange::Refused { topic: Topic::Event, has: 6, wanted: 3 })
        );
    }
}
