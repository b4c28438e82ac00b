//! Somebody acts in another's name, or opens what was closed: changes at night from far away, policies, consents.

use super::{ADMINS, Dice, Duty, Entity, Scenario, Stage, Story, Telling, When};
use crate::tenant::estate::{INSIDE, PRIVATE, inside};
use crate::tenant::life::colleague;
use crate::tenant::places::strange_address;
use crate::tenant::shapes::directory::{self, Application, Grant};
use crate::tenant::shapes::policies::{self, Act};
use crate::tenant::shapes::{platform, sign_in};
use crate::tenant::words::LARGE_APPLICATIONS;

/// Much of what one person may do.
const WIDE: [&str; 4] = [
    "Mail.ReadWrite Mail.Send User.Read offline_access",
    "Files.ReadWrite.All Sites.ReadWrite.All User.Read offline_access",
    "MailboxSettings.ReadWrite Mail.ReadWrite User.Read offline_access",
    "Directory.ReadWrite.All User.Read offline_access",
];

/// What an administrator may let an application read of everybody's.
const FOR_ALL: [&str; 3] =
    ["Mail.Read Files.Read.All User.Read.All", "Sites.Read.All offline_access", "User.Read Calendars.Read"];

/// At night, from a land where nobody of the tenant works.
pub(super) fn off_hours(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &[Duty::Maker, Duty::Member], When::AtRest) else { return };
    let address = strange_address(&mut story.scene.dice);
    story.from(address);
    story.records.push(sign_in::done(&mut story.scene));
    story.scene.later(60, 600);
    let changes = story.scene.dice.between(2, 5);
    change_things(&mut story, changes);
    let description = format!("{changes} changes at night, from a place that is not the person's");
    let entity = story.actor();
    stage.keep(story, Telling { scenario: Scenario::OffHours, description, entity, should_be_found: true });
}

/// So many changes to flows, apps and connections that are harmless in themselves; the first is to a flow.
pub(super) fn change_things(story: &mut Story<'_>, changes: i64) {
    let flow = story.inside_flow();
    for turn in 0..changes {
        let app = story.scene.dice.pick(&story.scene.world.estate.apps);
        match (if turn == 0 { 0 } else { story.scene.dice.below(4) }, app) {
            (1, Some(app)) => story.records.push(platform::app(&mut story.scene, "UpdatePowerApp", app)),
            (2, Some(app)) => {
                let with = colleague(&mut story.scene).map(|person| person.object_id.clone());
                let with = with.unwrap_or_default();
                story.records.push(platform::app_shared(&mut story.scene, app, &with));
            }
            (3, _) => {
                let connector = inside(&mut story.scene.dice, 1).first().copied().unwrap_or_default();
                story.records.push(platform::connection(&mut story.scene, connector, flow.environment));
            }
            _ => story.save("EditFlow", &flow),
        }
        story.scene.later(40, 400);
    }
}

/// An administrator opens a gap in what may be joined with what, or with whom.
pub(super) fn policy(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &[Duty::PlatformAdmin], When::AtWork) else { return };
    let world = stage.world;
    let Some(policy) = story.scene.dice.pick(&world.estate.policies) else { return };
    let private = story.scene.dice.pick(&PRIVATE).copied().unwrap_or_default();
    let own = story.scene.dice.pick(&INSIDE).copied().unwrap_or_default();
    let (description, entity) = match story.scene.dice.below(4) {
        0 => {
            story.records.push(policies::policy(&mut story.scene, policy, &Act::Delete));
            (format!("the data policy {:?} is deleted", policy.name), policy.id.clone())
        }
        1 => {
            story.records.push(policies::isolation(&mut story.scene, false));
            ("tenant isolation is switched off".to_owned(), String::new())
        }
        2 => {
            let after = story.scene.dice.word(&["General", "Confidential"]);
            let act = Act::Move(private, "Blocked", after);
            story.records.push(policies::policy(&mut story.scene, policy, &act));
            (format!("{} is no longer blocked in {:?}", private.0, policy.name), policy.id.clone())
        }
        _ => {
            let act = Act::Move(own, "Confidential", "General");
            story.records.push(policies::policy(&mut story.scene, policy, &act));
            (format!("{} may be joined with anything in {:?}", own.0, policy.name), policy.id.clone())
        }
    };
    let entity = match entity.is_empty() {
        true => Entity { kind: "tenant", id: world.tenant_id.clone() },
        false => Entity { kind: "policy", id: entity },
    };
    stage.keep(
        story,
        Telling { scenario: Scenario::PolicyWeakened, description, entity, should_be_found: true },
    );
}

/// An application is let in that may do much: by one person for themselves, or by an administrator for all.
pub(super) fn consent(stage: &mut Stage<'_>, dice: Dice) {
    let mut dice = dice;
    let for_all = dice.chance(400);
    let duties: &[Duty] = if for_all { &ADMINS } else { &[Duty::Member, Duty::Maker] };
    let Some(mut story) = stage.cast(dice, duties, When::AtWork) else { return };
    let application = Application::new(&mut story.scene, &LARGE_APPLICATIONS);
    let scope = story.scene.dice.word(if for_all { &FOR_ALL } else { &WIDE });
    let records = directory::consent(&mut story.scene, &application, &Grant { scope, for_all });
    story.records.extend(records);
    let whom = if for_all { "everybody" } else { "one person" };
    let description = format!("{:?} is let in for {whom}: {scope}", application.name);
    let entity = Entity { kind: "application", id: application.app_id };
    stage.keep(story, Telling { scenario: Scenario::Consent, description, entity, should_be_found: true });
}
