//! The day of the attack: which acts are planted, by whom, when. Eight that must be found (one of each scenario, and one
//! more) and two that only resemble them, so that a fifth must stay silent. Actor, time, order, number and size of the
//! acts depend on the seed.

use std::collections::BTreeSet;

use schemas::Micros;
use schemas::time::{DAY, HOUR, SECOND};

use super::dice::Dice;
use super::estate::{Connector, Flow, inside};
use super::label::{Entity, Label, Scenario};
use super::people::Duty;
use super::record::{AuditRecord, Scene};
use super::runs::RunRow;
use super::shapes::platform::{self, FlowRef};
use super::world::World;

mod identity;
mod loud;
mod outward;
mod quiet;
mod runs;

/// So many acts that only resemble the others.
const QUIET: usize = 2;

/// Who may act on other people's accounts: three of each tenant, as many as two scenarios and one more can need.
const ADMINS: [Duty; 2] = [Duty::DirectoryAdmin, Duty::HelpDesk];

/// What the day of the attack adds to ordinary life.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) records: Vec<AuditRecord>,
    pub(crate) runs: Vec<RunRow>,
    pub(crate) labels: Vec<Label>,
}

impl Plan {
    pub(crate) fn new(world: &World, day: i64) -> Self {
        let mut dice = Dice::of(world.seed, "plan", &[]);
        let mut scenarios = Scenario::ALL.to_vec();
        scenarios.extend(dice.pick(&Scenario::ALL));
        let mut stage =
            Stage { world, day, people: BTreeSet::new(), flows: BTreeSet::new(), plan: Self::default() };
        for (turn, scenario) in scenarios.into_iter().enumerate() {
            let dice = Dice::of(world.seed, scenario.name(), &[i64::try_from(turn).unwrap_or_default()]);
            loud::play(&mut stage, scenario, dice);
        }
        let mut looks = quiet::ALL;
        dice.shuffle(&mut looks);
        let before = stage.plan.labels.len();
        for (turn, look) in looks.into_iter().enumerate() {
            if stage.plan.labels.len() < before + QUIET {
                let dice = Dice::of(world.seed, "quiet", &[i64::try_from(turn).unwrap_or_default()]);
                quiet::play(&mut stage, look, dice);
            }
        }
        stage.plan
    }
}

/// The plan while it is made: nobody and no flow is cast twice.
struct Stage<'w> {
    world: &'w World,
    day: i64,
    people: BTreeSet<usize>,
    flows: BTreeSet<usize>,
    plan: Plan,
}

/// One act that is being played: the scene, and what it has left behind so far.
struct Story<'w> {
    scene: Scene<'w>,
    index: usize,
    records: Vec<AuditRecord>,
    runs: Vec<RunRow>,
}

/// What is said about it.
struct Telling {
    scenario: Scenario,
    description: String,
    entity: Entity,
    should_be_found: bool,
}

/// When somebody acts.
#[derive(Clone, Copy)]
enum When {
    AtWork,
    AtRest,
}

impl<'w> Stage<'w> {
    /// Somebody with one of those duties who has no part yet, on a day that is theirs.
    fn cast(&mut self, mut dice: Dice, duties: &[Duty], when: When) -> Option<Story<'w>> {
        let world = self.world;
        let mut free: Vec<usize> =
            (0..world.people.len()).filter(|index| !self.people.contains(index)).collect();
        dice.shuffle(&mut free);
        let noon = world.start.plus(self.day * DAY + DAY / 2);
        for index in free {
            let Some(person) = world.people.get(index) else { continue };
            let fits = duties.contains(&person.duty)
                && person.leaves.is_none()
                && person.joins.is_none()
                && !world.is_away(index, noon);
            let moment = match when {
                When::AtWork => world.working_moment(index, self.day, &mut dice),
                When::AtRest => world.resting_moment(index, self.day, &mut dice),
            };
            let Some(time) = moment.filter(|_| fits) else { continue };
            self.people.insert(index);
            let scene = Scene::of_person(world, index, time, dice);
            return Some(Story { scene, index, records: Vec::new(), runs: Vec::new() });
        }
        None
    }

    /// Keeps what was played, with its label.
    fn keep(&mut self, story: Story<'_>, telling: Telling) {
        let Story { scene, records, runs, .. } = story;
        let times = || records.iter().map(|record| record.time).chain(runs.iter().map(|row| row.time));
        let (first, last) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        // How often a flow runs is a matter of whole hours, with the ordinary runs in them.
        let step = if records.is_empty() { HOUR } else { SECOND };
        let from = Micros(first.0.div_euclid(step) * step);
        let until = Micros(last.0.div_euclid(step) * step).plus(step);
        let ids = records.iter().map(|record| record.id.clone());
        let event_ids = ids.chain(runs.iter().map(|row| row.run_id.clone())).collect();
        self.plan.labels.push(Label {
            scenario: telling.scenario,
            description: telling.description,
            actor: scene.who.upn.to_lowercase(),
            entity: telling.entity,
            event_ids,
            from,
            until,
            should_be_found: telling.should_be_found,
        });
        self.plan.records.extend(records);
        self.plan.runs.extend(runs);
    }
}

/// A flow that a story is about: an old one of the actor's, or one made in the story.
struct Cast {
    id: String,
    workflow_id: String,
    environment: usize,
    connectors: Vec<Connector>,
}

impl Cast {
    fn of(flow: &Flow) -> Self {
        Self {
            id: flow.id.clone(),
            workflow_id: flow.workflow_id.clone(),
            environment: flow.environment,
            connectors: flow.connectors.clone(),
        }
    }

    fn reference<'a>(&'a self, world: &'a World) -> FlowRef<'a> {
        let environment_id = world.estate.environment_id(self.environment);
        FlowRef { id: &self.id, environment_id, connectors: &self.connectors }
    }
}

impl Story<'_> {
    /// The actor, as an entity.
    fn actor(&self) -> Entity {
        Entity { kind: "user", id: self.scene.who.upn.to_lowercase() }
    }

    /// The flows that the actor has owned for long.
    fn own_flows(&self) -> Vec<Cast> {
        let flows = self.scene.world.estate.flows.iter();
        flows.filter(|flow| flow.owner == self.index && flow.made.is_none()).map(Cast::of).collect()
    }

    /// A new flow of the actor's, not yet saved.
    fn new_flow(&mut self, connectors: Vec<Connector>) -> Cast {
        let dice = &mut self.scene.dice;
        let environment = usize::from(dice.chance(500));
        Cast { id: dice.guid(), workflow_id: dice.guid(), environment, connectors }
    }

    /// An old flow of the actor's, or one that is saved now, with connectors to the company's own data only.
    fn inside_flow(&mut self) -> Cast {
        let own = self.own_flows();
        let known = |flow: &&Cast| flow.connectors.iter().all(|one| super::estate::INSIDE.contains(one));
        let own: Vec<Cast> = own.into_iter().filter(|flow| known(&flow)).collect();
        if let Some(index) = (!own.is_empty()).then(|| self.scene.dice.below(own.len() as u64)) {
            let index = usize::try_from(index).unwrap_or_default();
            if let Some(flow) = own.into_iter().nth(index) {
                return flow;
            }
        }
        let connectors = inside(&mut self.scene.dice, 2);
        let flow = self.new_flow(connectors);
        self.save("CreateFlow", &flow);
        self.scene.later(60, 300);
        flow
    }

    /// Saves a flow.
    fn save(&mut self, operation: &'static str, flow: &Cast) {
        let reference = flow.reference(self.scene.world);
        self.records.push(platform::flow(&mut self.scene, operation, &reference));
    }

    /// The actor is somewhere else.
    fn from(&mut self, address: String) {
        self.scene.who.address = address;
    }

    fn time(&self) -> Micros {
        self.scene.time
    }
}
