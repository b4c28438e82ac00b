//! How a topic that is there is set, and where that differs from what a new one would be given.
//!
//! What loses records, or state, is refused: there are fewer copies than configured, or two where one suffices for a
//! record to count, or a policy that deletes what must stay. What an operator may have chosen is only shown: a shorter
//! time, a size, another `min.insync.replicas` where the number of copies is left to the brokers.

use std::time::Duration;

use schemas::Topic;

use super::{COPIES_SAFE, IN_SYNC_LEAST, TopicChange, days, days_least};

const DAY: Duration = Duration::from_hours(24);

/// As the broker says it; a setting that it does not say is empty.
pub(in crate::kafka) struct Standing<'a> {
    /// Of the partition that has the fewest.
    pub(in crate::kafka) copies: u32,
    pub(in crate::kafka) cleanup: &'a str,
    pub(in crate::kafka) retention_ms: &'a str,
    pub(in crate::kafka) retention_bytes: &'a str,
    pub(in crate::kafka) in_sync: &'a str,
}

impl Standing<'_> {
    /// Where `topic`, which stands so, differs; `replication`: how many copies are configured.
    pub(in crate::kafka) fn changes(&self, topic: Topic, replication: Option<u16>) -> Vec<TopicChange> {
        let copies = replication.filter(|wanted| u32::from(*wanted) > self.copies);
        let copies = copies.map(|wanted| TopicChange::FewCopies { topic, has: self.copies, wanted });
        let kept = [self.cleanup(topic), self.time(topic), self.size(topic)];
        kept.into_iter().chain([copies, self.in_sync(topic, replication)]).flatten().collect()
    }

    fn cleanup(&self, topic: Topic) -> Option<TopicChange> {
        let has = |policy| self.cleanup.split(',').any(|part| part.trim() == policy);
        let (compact, compacts) = (topic.is_compacted(), has("compact"));
        let is_other = compact != compacts || compact && has("delete");
        is_other.then_some(TopicChange::OtherCleanup { topic, compact, compacts })
    }

    /// What has no end (-1) is no number here.
    fn time(&self, topic: Topic) -> Option<TopicChange> {
        let planned = days(topic)?;
        let kept = Duration::from_millis(self.retention_ms.parse().ok()?);
        let is_short = |days: u64| kept.as_millis() < DAY.as_millis() * u128::from(days);
        match days_least(topic).filter(|least| is_short(*least)) {
            Some(least) => Some(TopicChange::Forgets { topic, kept, least }),
            None => is_short(planned).then_some(TopicChange::Shorter { topic, kept, planned }),
        }
    }

    fn size(&self, topic: Topic) -> Option<TopicChange> {
        let bytes = self.retention_bytes.parse().ok()?;
        (!topic.is_compacted()).then_some(TopicChange::Bounded { topic, bytes })
    }

    fn in_sync(&self, topic: Topic, replication: Option<u16>) -> Option<TopicChange> {
        let (has, copies): (u32, u32) = (self.in_sync.parse().ok()?, self.copies);
        let is_few = has < IN_SYNC_LEAST && copies >= u32::from(COPIES_SAFE);
        if is_few && replication >= Some(COPIES_SAFE) {
            return Some(TopicChange::FewInSync { topic, has, copies });
        }
        // A topic with one copy has nothing to choose.
        let is_all = has >= copies && has > 1;
        (is_few || is_all).then_some(TopicChange::InSync { topic, has, copies })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the broker has it by default, with a `retention.ms` that ends never.
    const SOUND: Standing<'static> =
        Standing { copies: 3, cleanup: "delete", retention_ms: "-1", retention_bytes: "-1", in_sync: "2" };

    fn lines(standing: &Standing<'_>, topic: Topic, replication: Option<u16>) -> Vec<String> {
        standing.changes(topic, replication).iter().map(ToString::to_string).collect()
    }

    /// Whoever set `min.insync.replicas` to 2 on a single copy would be told off by some brokers at each write.
    #[test]
    fn copies_are_counted_as_they_are_not_as_they_are_configured() {
        for (copies, in_sync, replication, expected) in [
            (3, "2", Some(3), None),
            (3, "2", None, None),
            (1, "1", None, None),
            (2, "1", None, None),
            (3, "2", Some(2), None),
            (1, "1", Some(3), Some("refused: weir.event.v1 has 1 copy, not 3 (replication)")),
            (2, "1", Some(3), Some("refused: weir.event.v1 has 2 copies, not 3 (replication)")),
            (
                3,
                "1",
                Some(3),
                Some("refused: weir.event.v1 has min.insync.replicas 1, and must have 2 with 3 copies"),
            ),
            (
                3,
                "1",
                None,
                Some(
                    "left as it is: weir.event.v1 has min.insync.replicas 1 with 3 copies: a record may be on one \
                     disk alone",
                ),
            ),
            (
                2,
                "2",
                Some(2),
                Some(
                    "left as it is: weir.event.v1 has min.insync.replicas 2 with 2 copies: nothing is written while \
                     one is away",
                ),
            ),
            (
                1,
                "2",
                None,
                Some(
                    "left as it is: weir.event.v1 has min.insync.replicas 2 with 1 copy: nothing is written while \
                     one is away",
                ),
            ),
        ] {
            let standing = Standing { copies, in_sync, ..SOUND };
            let expected: Vec<&str> = expected.into_iter().collect();
            assert_eq!(lines(&standing, Topic::Event, replication), expected, "{copies} {in_sync}");
        }
    }

    #[test]
    fn what_retention_deletes_of_a_compacted_topic_is_state() {
        let state = "refused: weir.detect-state.v1 is";
        let both = "compacted, and retention deletes of it too (cleanup.policy must be compact alone)";
        for (cleanup, topic, expected) in [
            ("compact", Topic::DetectState, None),
            ("delete", Topic::DetectState, Some(format!("{state} not compacted"))),
            ("compact,delete", Topic::DetectState, Some(format!("{state} {both}"))),
            ("delete, compact", Topic::DetectState, Some(format!("{state} {both}"))),
            ("delete", Topic::Seen, None),
            ("compact", Topic::Seen, Some("refused: weir.seen.v1 is compacted".to_owned())),
            ("compact,delete", Topic::Seen, Some("refused: weir.seen.v1 is compacted".to_owned())),
        ] {
            let standing = Standing { cleanup, ..SOUND };
            assert_eq!(lines(&standing, topic, None), Vec::from_iter(expected), "{cleanup} {topic}");
        }
    }

    #[test]
    fn what_forgets_sooner_than_a_new_one_would_is_shown() {
        for (retention_ms, topic, expected) in [
            ("1209600000", Topic::Event, None),
            ("-1", Topic::Event, None),
            ("", Topic::Event, None),
            (
                "1209599999",
                Topic::Event,
                Some("left as it is: weir.event.v1 keeps 335 hours, and a new one 14 days (retention.ms)"),
            ),
            (
                "604800000",
                Topic::Receipt,
                Some("left as it is: weir.receipt.v1 keeps 7 days, and a new one 90 days (retention.ms)"),
            ),
            (
                "777600000",
                Topic::Seen,
                Some("left as it is: weir.seen.v1 keeps 9 days, and a new one 14 days (retention.ms)"),
            ),
            (
                "691200000",
                Topic::Seen,
                Some("refused: weir.seen.v1 keeps 8 days, and must keep 9 days (retention.ms)"),
            ),
        ] {
            let standing = Standing { retention_ms, ..SOUND };
            let expected: Vec<&str> = expected.into_iter().collect();
            assert_eq!(lines(&standing, topic, None), expected, "{retention_ms} {topic}");
        }
        let compacted = Standing { cleanup: "compact", retention_ms: "1", retention_bytes: "1", ..SOUND };
        assert_eq!(lines(&compacted, Topic::Ledger, None), Vec::<String>::new(), "it deletes nothing by age");
        let sized = Standing { retention_bytes: "1000", ..SOUND };
        let bounded =
            "left as it is: weir.seen.v1 keeps 1000 bytes of each partition, however young (retention.bytes)";
        assert_eq!(lines(&sized, Topic::Seen, None), [bounded]);
    }

    #[test]
    fn only_what_must_not_stay_is_refused() {
        let bad =
            Standing { copies: 1, cleanup: "compact", retention_ms: "1", retention_bytes: "1", in_sync: "2" };
        let standings: Vec<(bool, bool)> =
            bad.changes(Topic::Seen, Some(3)).iter().map(|c| (c.is_applied(), c.is_refused())).collect();
        // Compacted, too short, too small, too few copies, all of them in sync.
        assert_eq!(standings, [(false, true), (false, true), (false, false), (false, true), (false, false)]);
    }
}
