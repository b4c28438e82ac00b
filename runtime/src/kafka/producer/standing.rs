//! What the producer knows of its member's standing: whether the group counts on it, and its lease holds.

use std::time::Duration;

use pipeline::{LogError, Step};
use rdkafka::consumer::Consumer as _;

use super::{
    super::{client::BEATS_A_SESSION, settings::KafkaConfig, survey::closed},
    Steps,
};

/// How often the broker is heard of where it settles that itself (`group.consumer.heartbeat.interval.ms`, by default).
const HEARTBEAT_OF_BROKER: Duration = Duration::from_secs(5);
/// So many heartbeats are waited for: one may have been under way.
const HEARTBEATS: u32 = 2;

impl Steps {
    pub(super) fn timed_out(&self, begun: i64) -> bool {
        self.clock.now().0.saturating_sub(begun) >= micros(self.shared.identity.config.transaction_timeout)
    }

    /// Lets a member that has been busy for longer than a session lasts hear what the group says of it: a process that stood
    /// still does not know what happened meanwhile, and must not take back a name that was given to another.
    pub(super) fn hear(&self, begun: i64) -> Result<(), LogError> {
        let config = &self.shared.identity.config;
        let is_long = self.clock.now().0.saturating_sub(begun) >= micros(config.session_timeout);
        if is_long
            && self.shared.consumer().is_some()
            && self.shared.stop.wait(heartbeat(config) * HEARTBEATS)
        {
            return Err(closed());
        }
        self.shared.state().ended().map_or(Ok(()), Err)
    }

    /// Whether the group still counts on this member.
    pub(super) fn is_still_in(&self, begun: i64) -> bool {
        self.hear(begun).is_ok() && !self.is_out()
    }

    /// Whether the group has given up on this member: then the name may be another's by now, and must not be taken back.
    pub(super) fn is_out(&self) -> bool {
        self.shared.consumer().is_some_and(|consumer| consumer.assignment_lost())
    }

    /// Whether the step's lease holds.
    pub(super) fn guard(&self, step: &Step) -> Result<(), LogError> {
        if self.shared.consumer().is_none() && self.shared.state().ended().is_none() {
            return if self.shared.stop.is_stopped() { Err(closed()) } else { Ok(()) };
        }
        self.shared.state().check(step.lease, &step.finished)
    }
}

fn heartbeat(config: &KafkaConfig) -> Duration {
    if config.extra.get("group.protocol").is_some_and(|protocol| protocol == "consumer") {
        return HEARTBEAT_OF_BROKER;
    }
    let passed = config.extra.get("heartbeat.interval.ms").and_then(|millis| millis.parse().ok());
    passed.map_or(config.session_timeout / BEATS_A_SESSION, Duration::from_millis)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
