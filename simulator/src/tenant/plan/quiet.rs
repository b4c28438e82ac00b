//! Acts that only resemble the others: of each pair of circumstances just one, or the same thing inside the company.

use super::{Dice, Duty, Entity, Scenario, Stage, Telling, When, identity, runs};
use crate::tenant::estate::{PRIVATE, inside};
use crate::tenant::life::colleague;
use crate::tenant::places::strange_address;
use crate::tenant::shapes::directory::{self, Application, Grant};
use crate::tenant::shapes::mail;
use crate::tenant::shapes::platform::{self, Share};
use crate::tenant::shapes::policies::{self, Act};
use crate::tenant::words::SMALL_APPLICATIONS;

#[derive(Clone, Copy)]
pub(super) enum Look {
    TwoInside,
    BusyHour,
    NightAtHome,
    DayFarAway,
    SharedInside,
    PolicyTightened,
    ForwardedInside,
    SmallConsent,
}

pub(super) const ALL: [Look; 8] = [
    Look::TwoInside,
    Look::BusyHour,
    Look::NightAtHome,
    Look::DayFarAway,
    Look::SharedInside,
    Look::PolicyTightened,
    Look::ForwardedInside,
    Look::SmallConsent,
];

const MAKERS: [Duty; 2] = [Duty::Maker, Duty::Member];

pub(super) fn play(stage: &mut Stage<'_>, look: Look, dice: Dice) {
    match look {
        Look::TwoInside => two_inside(stage, dice),
        Look::BusyHour => runs::busy_hour(stage, dice),
        Look::NightAtHome => changes(stage, dice, false),
        Look::DayFarAway => changes(stage, dice, true),
        Look::SharedInside => shared_inside(stage, dice),
        Look::PolicyTightened => policy_tightened(stage, dice),
        Look::ForwardedInside => forwarded_inside(stage, dice),
        Look::SmallConsent => small_consent(stage, dice),
    }
}

fn telling(scenario: Scenario, description: &str, entity: Entity) -> Telling {
    Telling { scenario, description: description.to_owned(), entity, should_be_found: false }
}

fn two_inside(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &MAKERS, When::AtWork) else { return };
    let connectors = inside(&mut story.scene.dice, 2);
    let flow = story.new_flow(connectors);
    story.save("CreateFlow", &flow);
    let entity = story.actor();
    stage.keep(
        story,
        telling(Scenario::Exfiltration, "a new flow joins two of the company's own services", entity),
    );
}

/// Far away in working hours, or at the usual place at night.
fn changes(stage: &mut Stage<'_>, dice: Dice, far_away: bool) {
    let when = if far_away { When::AtWork } else { When::AtRest };
    let Some(mut story) = stage.cast(dice, &MAKERS, when) else { return };
    if far_away {
        let address = strange_address(&mut story.scene.dice);
        story.from(address);
    }
    let count = story.scene.dice.between(1, 3);
    identity::change_things(&mut story, count);
    let description = if far_away {
        "changes from far away in working hours"
    } else {
        "changes at night from the usual place"
    };
    let entity = story.actor();
    stage.keep(story, telling(Scenario::OffHours, description, entity));
}

fn shared_inside(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &MAKERS, When::AtWork) else { return };
    let partner = story.scene.dice.pick(&stage.world.partners).copied().unwrap_or_default();
    let with = match colleague(&mut story.scene) {
        Some(person) if story.scene.dice.chance(500) => person.upn.clone(),
        _ => format!("automation@{partner}"),
    };
    let flow = story.inside_flow();
    let reference = flow.reference(stage.world);
    let share = Share { with: &with, owner: true };
    story.records.push(platform::flow_shared(&mut story.scene, &reference, &share));
    let entity = story.actor();
    stage.keep(
        story,
        telling(Scenario::SharedOutside, "a colleague or a partner becomes a flow's owner", entity),
    );
}

fn policy_tightened(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &[Duty::PlatformAdmin], When::AtWork) else { return };
    let Some(policy) = story.scene.dice.pick(&stage.world.estate.policies) else { return };
    let connector = story.scene.dice.pick(&PRIVATE).copied().unwrap_or_default();
    let act = Act::Move(connector, "General", "Blocked");
    story.records.push(policies::policy(&mut story.scene, policy, &act));
    let entity = Entity { kind: "policy", id: policy.id.clone() };
    stage.keep(story, telling(Scenario::PolicyWeakened, "a data policy becomes stricter", entity));
}

fn forwarded_inside(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &[Duty::Member], When::AtWork) else { return };
    let Some(person) = colleague(&mut story.scene) else { return };
    let action = [("ForwardTo", person.upn.as_str())];
    story.records.push(mail::inbox_rule(&mut story.scene, "While away", &action));
    let entity = Entity { kind: "mailbox", id: story.scene.who.upn.to_lowercase() };
    stage.keep(story, telling(Scenario::MailForwarding, "mail goes on to a colleague", entity));
}

fn small_consent(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &MAKERS, When::AtWork) else { return };
    let application = Application::new(&mut story.scene, &SMALL_APPLICATIONS);
    let grant = Grant { scope: "User.Read", for_all: false };
    let records = directory::consent(&mut story.scene, &application, &grant);
    story.records.extend(records);
    let entity = Entity { kind: "application", id: application.app_id };
    stage.keep(story, telling(Scenario::Consent, "an application may read who its user is", entity));
}
