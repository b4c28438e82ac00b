//! What makers do: they build flows and apps with the company's own connectors and share them inside.

use schemas::Micros;
use schemas::time::HOUR;

use super::colleague;
use crate::tenant::dice::Dice;
use crate::tenant::estate::{App, Flow, inside};
use crate::tenant::record::{AuditRecord, Scene};
use crate::tenant::shapes::platform::{self, FlowRef, Share};
use crate::tenant::world::World;

#[derive(Clone, Copy)]
enum Step {
    EditFlow,
    EditApp,
    PublishApp,
    Connect,
    ShareFlow,
    ShareApp,
    TryOut,
}

const STEPS: [(u32, Step); 7] = [
    (40, Step::EditFlow),
    (22, Step::EditApp),
    (14, Step::PublishApp),
    (12, Step::Connect),
    (5, Step::ShareFlow),
    (5, Step::ShareApp),
    (4, Step::TryOut),
];

/// One step of a maker's.
pub(super) fn make(scene: &mut Scene<'_>, index: usize, records: &mut Vec<AuditRecord>) {
    let world = scene.world;
    let own: Vec<&Flow> = world.estate.flows.iter().filter(|flow| is_own(flow, index, scene.time)).collect();
    let flow = scene.dice.pick(&own).copied();
    let apps: Vec<&App> = world.estate.apps.iter().filter(|app| app.owner == index).collect();
    let app = scene.dice.pick(&apps).copied();
    match scene.dice.weighted(&STEPS) {
        Some(Step::EditFlow) => {
            if let Some(flow) = flow {
                records.push(platform::flow(scene, "EditFlow", &reference(world, flow)));
            }
        }
        Some(Step::EditApp) => records.extend(app.map(|app| platform::app(scene, "UpdatePowerApp", app))),
        Some(Step::PublishApp) => records.extend(app.map(|app| platform::app(scene, "PublishPowerApp", app))),
        Some(Step::Connect) => {
            let environment = flow.map_or(0, |flow| flow.environment);
            if let Some(connector) = inside(&mut scene.dice, 1).first() {
                records.push(platform::connection(scene, *connector, environment));
            }
        }
        Some(Step::ShareFlow) => {
            if let (Some(flow), Some(with)) = (flow, colleague(scene)) {
                let share = Share { with: &with.upn, owner: scene.dice.chance(500) };
                records.push(platform::flow_shared(scene, &reference(world, flow), &share));
            }
        }
        Some(Step::ShareApp) => {
            if let (Some(app), Some(with)) = (app, colleague(scene)) {
                records.push(platform::app_shared(scene, app, &with.object_id));
            }
        }
        Some(Step::TryOut) => try_out(scene, records),
        None => {}
    }
}

/// A flow that is made, looked at and thrown away.
fn try_out(scene: &mut Scene<'_>, records: &mut Vec<AuditRecord>) {
    let (id, connectors) = (scene.dice.guid(), inside(&mut scene.dice, 2));
    let environment_id = scene.world.estate.environment_id(0);
    let flow = FlowRef { id: &id, environment_id, connectors: &connectors };
    records.push(platform::flow(scene, "CreateFlow", &flow));
    if scene.dice.chance(500) {
        scene.later(120, 900);
        records.push(platform::flow(scene, "DeleteFlow", &flow));
    }
}

/// The flows whose life begins in this hour.
pub(super) fn flows_made(world: &World, hour: Micros, records: &mut Vec<AuditRecord>) {
    for (index, flow) in world.estate.flows.iter().enumerate() {
        let Some(made) = flow.made.filter(|made| *made >= hour && *made < hour.plus(HOUR)) else { continue };
        let id = i64::try_from(index).unwrap_or_default();
        let mut scene = Scene::of_person(world, flow.owner, made, Dice::of(world.seed, "made", &[id]));
        records.push(platform::flow(&mut scene, "CreateFlow", &reference(world, flow)));
    }
}

/// A flow as its records name it.
pub(crate) fn reference<'w>(world: &'w World, flow: &'w Flow) -> FlowRef<'w> {
    let environment_id = world.estate.environment_id(flow.environment);
    FlowRef { id: &flow.id, environment_id, connectors: &flow.connectors }
}

fn is_own(flow: &Flow, index: usize, time: Micros) -> bool {
    flow.owner == index && flow.made.is_none_or(|made| made < time)
}
