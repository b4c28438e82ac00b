//! Acts that must be found.

use super::{Dice, Scenario, Stage, identity, outward, runs};

pub(super) fn play(stage: &mut Stage<'_>, scenario: Scenario, dice: Dice) {
    match scenario {
        Scenario::Exfiltration => outward::exfiltration(stage, dice),
        Scenario::ExecutionSpike => runs::spike(stage, dice),
        Scenario::OffHours => identity::off_hours(stage, dice),
        Scenario::SharedOutside => outward::shared(stage, dice),
        Scenario::PolicyWeakened => identity::policy(stage, dice),
        Scenario::MailForwarding => outward::forwarding(stage, dice),
        Scenario::Consent => identity::consent(stage, dice),
    }
}
