//! What the producer knows of its member's standing: whether the group counts on it, and its lease holds.

use std::time::Duration;

use pipeline::{LogError, Step};
use rdkafka::consumer::Consumer as _;

use super::{super::survey::closed, Steps};

/// The part of a session after which two heartbeats have been answered.
const HEARD_WITHIN: u32 = 7;

impl Steps {
    pub(super) fn timed_out(&self, begun: i64) -> bool {
        self.clock.now().0.saturating_sub(begun) >= micros(self.shared.identity.config.transaction_timeout)
    }

    /// Lets a member that has been busy for longer than a session lasts hear what the group says of it: a process that stood
    /// still does not know what happened meanwhile, and must not take back a name that was given to another.
    pub(super) fn hear(&self, begun: i64) -> Result<(), LogError> {
        let session = self.shared.identity.config.session_timeout;
        let is_long = self.clock.now().0.saturating_sub(begun) >= micros(session);
        if is_long && self.shared.consumer().is_some() && self.shared.stop.wait(session / HEARD_WITHIN) {
            return Err(closed());
        }
        self.shared.state().ended().map_or(Ok(()), Err)
    }

    /// Whether the group still counts on this member.
    pub(super) fn is_still_in(&self, step: &Step, begun: i64) -> bool {
        self.hear(begun).is_ok() && !self.is_out() && self.guard(step).is_ok()
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

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
