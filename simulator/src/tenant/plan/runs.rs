//! A flow runs more than it does, in the middle of its working day.

use schemas::Micros;
use schemas::time::{DAY, HOUR, SECOND};

use super::{Dice, Entity, Scenario, Stage, Story, Telling};
use crate::tenant::estate::{Flow, Rhythm};
use crate::tenant::record::Scene;
use crate::tenant::runs::row;

/// Many times as often as its habit, within an hour; sometimes on into the next.
pub(super) fn spike(stage: &mut Stage<'_>, dice: Dice) {
    let mut dice = dice;
    let factor = dice.between(18, 40);
    let goes_on = dice.chance(300);
    let description = format!("runs about {factor} times as often as at that hour of other weeks");
    play(stage, dice, (factor, goes_on), (description, true));
}

/// Three times as often: a busy day.
pub(super) fn busy_hour(stage: &mut Stage<'_>, dice: Dice) {
    let description = "runs three times as often as at that hour of other weeks".to_owned();
    // Two times on top of the habit.
    play(stage, dice, (2, false), (description, false));
}

fn play(stage: &mut Stage<'_>, mut dice: Dice, size: (i64, bool), telling: (String, bool)) {
    let world = stage.world;
    let free: Vec<usize> =
        world.estate.busy().into_iter().filter(|flow| !stage.flows.contains(flow)).collect();
    let Some(index) = dice.pick(&free).copied() else { return };
    let Some(flow) = world.estate.flows.get(index) else { return };
    let Rhythm::Busy(peak) = flow.rhythm else { return };
    let Some(hour) = full_hour(stage, flow, peak, &mut dice) else { return };
    stage.flows.insert(index);
    let (factor, goes_on) = size;
    let runs = i64::from(peak) * factor / 1000;
    let scene = Scene::of_person(world, flow.owner, hour, dice);
    let mut story = Story { scene, index: flow.owner, records: Vec::new(), runs: Vec::new() };
    let mut times: Vec<Micros> = (0..runs).map(|_| hour.plus(within(&mut story))).collect();
    if goes_on {
        times.extend((0..runs / 3).map(|_| hour.plus(HOUR + within(&mut story) / 2)));
    }
    for time in times {
        let row = row(world, flow, time, &mut story.scene.dice);
        story.runs.push(row);
    }
    let (description, should_be_found) = telling;
    let entity = Entity { kind: "flow", id: flow.id.clone() };
    let description = format!("flow {} {description}", flow.id);
    stage.keep(story, Telling { scenario: Scenario::ExecutionSpike, description, entity, should_be_found });
}

/// Somewhere in the hour, but for its first and last minute.
fn within(story: &mut Story<'_>) -> i64 {
    story.scene.dice.between(60, 3540) * SECOND
}

/// An hour of the day in which the flow is at its height from beginning to end.
fn full_hour(stage: &Stage<'_>, flow: &Flow, peak: u32, dice: &mut Dice) -> Option<Micros> {
    let first = stage.world.start.plus(stage.day * DAY);
    let hours = (0..23).map(|hour| first.plus(hour * HOUR));
    let at_height = |time: Micros| stage.world.runs_expected(flow, time) == peak;
    let full: Vec<Micros> =
        hours.filter(|hour| at_height(*hour) && at_height(hour.plus(HOUR - SECOND))).collect();
    dice.pick(&full).copied()
}
