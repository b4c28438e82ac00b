//! The company's data leaves: by a flow, by a share, by mail.

use super::{ADMINS, Dice, Duty, Entity, Scenario, Stage, Story, Telling, When};
use crate::tenant::estate::{Flow, INSIDE, PRIVATE, Rhythm, inside};
use crate::tenant::people::Person;
use crate::tenant::runs::row;
use crate::tenant::shapes::platform::{self, Share};
use crate::tenant::shapes::{mail, sign_in};
use crate::tenant::words::{FLOWS, FREE_MAIL};

/// A flow joins the company's files with private mail or storage, and runs some times.
pub(super) fn exfiltration(stage: &mut Stage<'_>, dice: Dice) {
    let duties = [Duty::Maker, Duty::Member];
    let Some(mut story) = stage.cast(dice, &duties, When::AtWork) else { return };
    let world = stage.world;
    let private = story.scene.dice.pick(&PRIVATE).copied().unwrap_or_default();
    let own = story.own_flows();
    let edits = !own.is_empty() && story.scene.dice.chance(500);
    let mut flow = match own.into_iter().next() {
        Some(flow) if edits => flow,
        _ => story.new_flow(inside(&mut Dice::of(world.seed, "carried", &[]), 1)),
    };
    if !flow.connectors.iter().any(|one| one.1 == "sharepointonline") {
        flow.connectors.extend(INSIDE.first());
    }
    flow.connectors.push(private);
    if story.scene.dice.chance(500) {
        story.records.push(sign_in::done(&mut story.scene));
        story.scene.later(60, 400);
    }
    story.records.push(platform::connection(&mut story.scene, private, flow.environment));
    story.scene.later(30, 300);
    story.save(if edits { "EditFlow" } else { "CreateFlow" }, &flow);
    for _ in 0..story.scene.dice.between(0, 2) {
        story.scene.later(60, 600);
        story.save("EditFlow", &flow);
    }
    let shown = Flow {
        id: flow.id.clone(),
        workflow_id: flow.workflow_id.clone(),
        name: story.scene.dice.word(&FLOWS).to_owned(),
        owner: story.index,
        environment: flow.environment,
        connectors: Vec::new(),
        rhythm: Rhythm::Manual(0),
        made: None,
    };
    for _ in 0..story.scene.dice.between(1, 5) {
        story.scene.later(30, 500);
        let time = story.time();
        story.runs.push(row(world, &shown, time, &mut story.scene.dice));
    }
    let description = format!("flow {} carries SharePoint files to {}", flow.id, private.0);
    let entity = story.actor();
    stage.keep(
        story,
        Telling { scenario: Scenario::Exfiltration, description, entity, should_be_found: true },
    );
}

/// A flow gets an owner who is a guest or belongs to nobody we know.
pub(super) fn shared(stage: &mut Stage<'_>, dice: Dice) {
    let Some(mut story) = stage.cast(dice, &[Duty::Maker, Duty::Member], When::AtWork) else { return };
    let guests: Vec<&Person> = stage.world.people.iter().filter(|person| person.is_guest()).collect();
    let guest = story.scene.dice.pick(&guests).map(|person| person.upn.clone());
    let with = match guest {
        Some(guest) if story.scene.dice.chance(500) => guest,
        _ => private_address(&mut story),
    };
    let mut flows = 0;
    for _ in 0..story.scene.dice.between(1, 3) {
        let flow = story.inside_flow();
        let reference = flow.reference(stage.world);
        let share = Share { with: &with, owner: true };
        story.records.push(platform::flow_shared(&mut story.scene, &reference, &share));
        story.scene.later(40, 900);
        flows += 1;
    }
    let description = format!("{with} becomes an owner of {flows} flow(s)");
    let entity = story.actor();
    stage.keep(
        story,
        Telling { scenario: Scenario::SharedOutside, description, entity, should_be_found: true },
    );
}

/// A mailbox sends its mail on to private mail.
pub(super) fn forwarding(stage: &mut Stage<'_>, dice: Dice) {
    let mut dice = dice;
    let way = dice.below(3);
    let duties: &[Duty] = if way == 0 { &ADMINS } else { &[Duty::Member, Duty::Maker] };
    let Some(mut story) = stage.cast(dice, duties, When::AtWork) else { return };
    let address = private_address(&mut story);
    let mut mailbox = story.scene.who.upn.to_lowercase();
    match way {
        0 => {
            for _ in 0..story.scene.dice.between(1, 2) {
                let Some(person) = crate::tenant::life::colleague(&mut story.scene) else { return };
                story.records.push(mail::forwarding(&mut story.scene, person, &address));
                mailbox = person.upn.to_lowercase();
                story.scene.later(60, 900);
            }
        }
        1 => {
            let action = story.scene.dice.word(&["ForwardTo", "RedirectTo", "ForwardAsAttachmentTo"]);
            let name = story.scene.dice.word(&[".", "Copies", "Info"]);
            let mut rule = vec![(action, address.as_str())];
            if story.scene.dice.chance(400) {
                rule.push(("SubjectOrBodyContainsWords", "invoice;payment"));
            }
            story.records.push(mail::inbox_rule(&mut story.scene, name, &rule));
        }
        _ => story.records.push(mail::client_rule(&mut story.scene, "Copies", &address)),
    }
    let description = format!("the mail of {mailbox} goes on to {address}");
    let entity = Entity { kind: "mailbox", id: mailbox };
    stage.keep(
        story,
        Telling { scenario: Scenario::MailForwarding, description, entity, should_be_found: true },
    );
}

/// An address at a provider of mail for anybody.
fn private_address(story: &mut Story<'_>) -> String {
    let dice = &mut story.scene.dice;
    let provider = dice.word(&FREE_MAIL);
    format!("{}{}@{provider}", dice.word(&["k.miller", "box", "r2d", "anna.l", "jj"]), dice.between(10, 9999))
}
