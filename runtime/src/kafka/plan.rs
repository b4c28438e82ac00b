//! What topics should be like, and where one differs from that.

mod standing;

use std::{fmt, time::Duration};

use schemas::Topic;

pub(super) use standing::Standing;

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
        /// How long it keeps.
        kept: Duration,
        /// How many days it must keep.
        least: u64,
    },
    /// It has fewer copies than configured: disks that fail may take records along that should have outlived them.
    FewCopies {
        /// The topic.
        topic: Topic,
        /// What the partition has that has the fewest.
        has: u32,
        /// What is configured.
        wanted: u16,
    },
    /// It takes records that a single broker has, where there are copies enough for two: that broker's disk may take them
    /// along.
    FewInSync {
        /// The topic.
        topic: Topic,
        /// Its `min.insync.replicas`.
        has: u32,
        /// How many copies there are.
        copies: u32,
    },
    /// It is compacted and should not be, or the other way round, or it loses state to retention. Only an operator can know
    /// what another policy would lose.
    OtherCleanup {
        /// The topic.
        topic: Topic,
        /// Whether it should be compacted.
        compact: bool,
        /// Whether it is.
        compacts: bool,
    },
    /// It forgets sooner than a new one would, and may.
    Shorter {
        /// The topic.
        topic: Topic,
        /// How long it keeps.
        kept: Duration,
        /// How many days a new one would keep.
        planned: u64,
    },
    /// It forgets what is over a size, however young that is.
    Bounded {
        /// The topic.
        topic: Topic,
        /// Its `retention.bytes`.
        bytes: u64,
    },
    /// Its `min.insync.replicas` is neither what a new one would have nor wrong.
    InSync {
        /// The topic.
        topic: Topic,
        /// Its `min.insync.replicas`.
        has: u32,
        /// How many copies there are.
        copies: u32,
    },
}

impl TopicChange {
    /// Whether applying the plan carries it out.
    #[must_use]
    pub fn is_applied(self) -> bool {
        self.wanted().is_some()
    }

    /// Whether it must not stay so, and only an operator can mend it. What is neither applied nor refused is an operator's
    /// choice, which is only shown.
    #[must_use]
    pub fn is_refused(self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Forgets { .. }
            | Self::FewCopies { .. }
            | Self::FewInSync { .. }
            | Self::OtherCleanup { .. } => true,
            Self::Create { .. }
            | Self::Grow { .. }
            | Self::Shorter { .. }
            | Self::Bounded { .. }
            | Self::InSync { .. } => false,
        }
    }

    /// How many partitions the topic will have, where applying the plan changes that.
    pub(super) fn wanted(self) -> Option<(Topic, u32)> {
        match self {
            Self::Create { topic, partitions } => Some((topic, partitions)),
            Self::Grow { topic, to, .. } => Some((topic, to)),
            Self::Refused { .. }
            | Self::Forgets { .. }
            | Self::FewCopies { .. }
            | Self::FewInSync { .. }
            | Self::OtherCleanup { .. }
            | Self::Shorter { .. }
            | Self::Bounded { .. }
            | Self::InSync { .. } => None,
        }
    }

    /// What stands before it.
    fn fate(self) -> &'static str {
        match (self.is_applied(), self.is_refused()) {
            (true, _) => "",
            (false, true) => "refused: ",
            (false, false) => "left as it is: ",
        }
    }
}

impl fmt::Display for TopicChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fate())?;
        match self {
            Self::Create { topic, partitions } => {
                write!(f, "create {topic} with {partitions} partitions, {}", kept(*topic))
            }
            Self::Grow { topic, from, to } => write!(f, "grow {topic} from {from} to {to} partitions"),
            Self::Refused { topic, has, wanted } => write!(f, "{topic} has {has} partitions, not {wanted}"),
            Self::Forgets { topic, kept, least } => {
                write!(f, "{topic} keeps {}, and must keep {least} days (retention.ms)", spelled(*kept))
            }
            Self::FewCopies { topic, has, wanted } => {
                write!(f, "{topic} has {}, not {wanted} (replication)", copies(*has))
            }
            Self::FewInSync { topic, has, copies: all } => {
                let (least, all) = (IN_SYNC_LEAST, copies(*all));
                write!(f, "{topic} has min.insync.replicas {has}, and must have {least} with {all}")
            }
            Self::OtherCleanup { topic, compact: false, .. } => write!(f, "{topic} is compacted"),
            Self::OtherCleanup { topic, compacts: false, .. } => write!(f, "{topic} is not compacted"),
            Self::OtherCleanup { topic, .. } => write!(
                f,
                "{topic} is compacted, and retention deletes of it too (cleanup.policy must be compact alone)"
            ),
            Self::Shorter { topic, kept, planned } => {
                write!(f, "{topic} keeps {}, and a new one {planned} days (retention.ms)", spelled(*kept))
            }
            Self::Bounded { topic, bytes } => {
                write!(f, "{topic} keeps {bytes} bytes of each partition, however young (retention.bytes)")
            }
            Self::InSync { topic, has, copies: all } => {
                let alone = "a record may be on one disk alone";
                let what = if has < all { alone } else { "nothing is written while one is away" };
                write!(f, "{topic} has min.insync.replicas {has} with {}: {what}", copies(*all))
            }
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

const HOUR_MILLIS: u64 = 60 * 60 * 1000;
pub(super) const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;

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

/// A length of time in an operator's words.
fn spelled(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match (millis / DAY_MILLIS, millis % DAY_MILLIS) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) => format!("{days} days"),
        _ if millis >= HOUR_MILLIS => format!("{} hours", millis / HOUR_MILLIS),
        _ => format!("{time:?}"),
    }
}

fn copies(count: u32) -> String {
    if count == 1 { "1 copy".to_owned() } else { format!("{count} copies") }
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
    }

    #[test]
    fn times_are_spelled_in_the_largest_unit_that_fits() {
        for (millis, expected) in [
            (604_800_000, "7 days"),
            (86_400_000, "1 day"),
            (129_600_000, "36 hours"),
            (60_000, "60s"),
            (0, "0 days"),
        ] {
            assert_eq!(spelled(Duration::from_millis(millis)), expected);
        }
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
