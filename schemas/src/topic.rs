//! The topics: a closed set. Names never come from event data.

use std::fmt;

/// What a finding is about; each group has its own topic, so that an analyst subscribes to what concerns them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FindingGroup {
    /// Data leaves.
    Exfiltration,
    /// More than usual.
    Volume,
    /// Not as usual: hour, place, client.
    Unusual,
    /// Shared or delegated.
    Sharing,
    /// Policy or logging changed.
    Policy,
    /// Identities, owners, sign-ins.
    Identity,
    /// Consent and applications.
    Consent,
    /// Deleted or damaged.
    Destruction,
    /// Several findings in a row.
    Chain,
    /// Rules on trial.
    Shadow,
    /// Suppressed by an operator's filter.
    Suppressed,
}

impl FindingGroup {
    /// Every group.
    pub const ALL: [Self; 11] = [
        Self::Exfiltration,
        Self::Volume,
        Self::Unusual,
        Self::Sharing,
        Self::Policy,
        Self::Identity,
        Self::Consent,
        Self::Destruction,
        Self::Chain,
        Self::Shadow,
        Self::Suppressed,
    ];

    /// Its name in topics, rules and folders.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exfiltration => "exfiltration",
            Self::Volume => "volume",
            Self::Unusual => "unusual",
            Self::Sharing => "sharing",
            Self::Policy => "policy",
            Self::Identity => "identity",
            Self::Consent => "consent",
            Self::Destruction => "destruction",
            Self::Chain => "chain",
            Self::Shadow => "shadow",
            Self::Suppressed => "suppressed",
        }
    }

    /// The group of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.name() == name)
    }
}

/// The stages, as they appear in dead-letter topics, logs and metrics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum StageName {
    /// Feeds to events.
    Ingest,
    /// Events to enriched events.
    Enrich,
    /// Enriched events to single-event findings and signals.
    Match,
    /// Signals to correlated findings.
    Correlate,
    /// Findings to receivers.
    Sink,
}

impl StageName {
    /// Every stage, in the order of the flow.
    pub const ALL: [Self; 5] = [Self::Ingest, Self::Enrich, Self::Match, Self::Correlate, Self::Sink];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Enrich => "enrich",
            Self::Match => "match",
            Self::Correlate => "correlate",
            Self::Sink => "sink",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A topic of Weir.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// Events, and watermarks between them; key: event id.
    Event,
    /// Enriched events and watermarks; key: event id, partition: that of the event.
    Enriched,
    /// Signals and watermarks; key: tenant and group value.
    Signal,
    /// State of the stateful rules; key: rule and group. Compacted.
    DetectState,
    /// Findings of one group; key: main entity.
    Finding(FindingGroup),
    /// How far each unit of a source has been read; key: source and unit. Compacted.
    Ledger,
    /// Ids of events that arrived, for deduplication; key: source and chunk number.
    Seen,
    /// Losses that the source inflicted; key: tenant.
    Gap,
    /// What a sink did with a finding; key: finding id.
    Receipt,
    /// What a stage could not take, bytes and reason; key: that of the record.
    DeadLetter(StageName),
}

impl Topic {
    /// Every topic.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Event, Self::Enriched, Self::Signal, Self::DetectState];
        all.extend(FindingGroup::ALL.map(Self::Finding));
        all.extend([Self::Ledger, Self::Seen, Self::Gap, Self::Receipt]);
        all.extend(StageName::ALL.map(Self::DeadLetter));
        all
    }

    /// The topics of all finding groups.
    #[must_use]
    pub fn findings() -> Vec<Self> {
        FindingGroup::ALL.map(Self::Finding).to_vec()
    }

    /// The topic of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|topic| topic.to_string() == name)
    }

    /// Whether only the newest value of a key is kept.
    #[must_use]
    pub fn is_compacted(self) -> bool {
        matches!(self, Self::DetectState | Self::Ledger)
    }

    /// Whether its number of partitions may never change: state is bound to them.
    #[must_use]
    pub fn has_fixed_partitions(self) -> bool {
        matches!(self, Self::DetectState | Self::Signal | Self::Ledger | Self::Seen)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event => f.write_str("weir.event.v1"),
            Self::Enriched => f.write_str("weir.enriched.v1"),
            Self::Signal => f.write_str("weir.signal.v1"),
            Self::DetectState => f.write_str("weir.detect-state.v1"),
            Self::Finding(group) => write!(f, "weir.finding.{}.v1", group.name()),
            Self::Ledger => f.write_str("weir.ledger.v1"),
            Self::Seen => f.write_str("weir.seen.v1"),
            Self::Gap => f.write_str("weir.gap.v1"),
            Self::Receipt => f.write_str("weir.receipt.v1"),
            Self::DeadLetter(stage) => write!(f, "weir.dead-letter.{stage}.v1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_found_by_its_name() {
        for topic in Topic::all() {
            assert_eq!(Topic::named(&topic.to_string()), Some(topic));
        }
        assert_eq!(Topic::named("weir.finding.other.v1"), None);
    }
}
