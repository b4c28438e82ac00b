//! What the tenant has: environments, flows with connectors and a run rhythm, apps, sites, data policies.

use schemas::Micros;
use schemas::time::{DAY, HOUR};

use super::dice::Dice;
use super::people::{Duty, Person};
use super::words::{APPS, DEPARTMENTS, FLOWS};

/// A connector by the name people see and by the reference's.
pub(crate) type Connector = (&'static str, &'static str);

/// Connectors to the organisation's own data.
pub(crate) const INSIDE: [Connector; 10] = [
    ("SharePoint", "sharepointonline"),
    ("Office 365 Outlook", "office365"),
    ("Microsoft Teams", "teams"),
    ("Microsoft Dataverse", "commondataserviceforapps"),
    ("OneDrive for Business", "onedriveforbusiness"),
    ("Excel Online (Business)", "excelonlinebusiness"),
    ("Approvals", "approvals"),
    ("SQL Server", "sql"),
    ("Office 365 Users", "office365users"),
    ("Planner", "planner"),
];

/// Connectors to private mail and storage.
pub(crate) const PRIVATE: [Connector; 6] = [
    ("Gmail", "gmail"),
    ("Outlook.com", "outlook"),
    ("Dropbox", "dropbox"),
    ("Google Drive", "googledrive"),
    ("OneDrive", "onedrive"),
    ("Box", "box"),
];

/// Connectors that read the public web.
const PUBLIC: [Connector; 2] = [("RSS", "rss"), ("MSN Weather", "msnweather")];

/// The one outside connector that the company agreed to use with its data.
pub(crate) const AGREED: Connector = ("Mailchimp", "mailchimp");

/// The company's own connector, which nobody else knows.
pub(crate) const OWN: Connector = ("Ledgerbase", "ledgerbase-5f1c");

/// One environment.
pub(crate) struct Environment {
    /// As records have it: `Default-…` for the default one.
    pub(crate) id: String,
    pub(crate) name: String,
}

/// When a flow runs.
#[derive(Clone, Copy)]
pub(crate) enum Rhythm {
    /// On events of the working day: thousandths of runs an hour at its height.
    Busy(u32),
    /// On events round the clock.
    Steady(u32),
    /// At that minute of each hour.
    Hourly(i64),
    /// Once a day, at that minute of the UTC day.
    Daily(i64),
    /// By hand: thousandths an hour at the height of the working day.
    Manual(u32),
}

impl Rhythm {
    /// What the telemetry calls the trigger.
    pub(crate) fn trigger(self) -> &'static str {
        match self {
            Self::Busy(_) | Self::Steady(_) => "Automated",
            Self::Hourly(_) | Self::Daily(_) => "Scheduled",
            Self::Manual(_) => "Instant",
        }
    }
}

/// One cloud flow.
pub(crate) struct Flow {
    pub(crate) id: String,
    pub(crate) workflow_id: String,
    pub(crate) name: String,
    /// Into the people.
    pub(crate) owner: usize,
    /// Into the environments.
    pub(crate) environment: usize,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) rhythm: Rhythm,
    /// When it was made, where that is inside the story.
    pub(crate) made: Option<Micros>,
}

/// One canvas app.
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) owner: usize,
    pub(crate) environment: usize,
}

/// A data policy.
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

/// All of it.
pub(crate) struct Estate {
    /// The default one first, then production, then developers'.
    pub(crate) environments: Vec<Environment>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) apps: Vec<App>,
    pub(crate) departments: Vec<&'static str>,
    pub(crate) policies: Vec<Policy>,
}

impl Estate {
    pub(crate) fn new(seed: u64, start: Micros, tenant_id: &str, people: &[Person]) -> Self {
        let mut dice = Dice::of(seed, "estate", &[]);
        let makers: Vec<usize> = indices(people, Duty::Maker);
        let mut environments = vec![
            Environment { id: format!("Default-{tenant_id}"), name: "Company (default)".to_owned() },
            Environment { id: dice.guid(), name: "Production".to_owned() },
        ];
        for number in 1..=dice.between(1, 3) {
            environments.push(Environment { id: dice.guid(), name: format!("Developer {number}") });
        }
        let flows = flows(&mut dice, start, &makers, environments.len());
        let mut names = APPS;
        dice.shuffle(&mut names);
        let count = usize::try_from(dice.between(5, 11)).unwrap_or_default();
        let apps = names.into_iter().take(count).map(|name| App {
            id: dice.guid(),
            name,
            owner: dice.pick(&makers).copied().unwrap_or_default(),
            environment: environment(&mut dice, environments.len()),
        });
        let apps = apps.collect();
        let mut departments = DEPARTMENTS.to_vec();
        dice.shuffle(&mut departments);
        departments.truncate(usize::try_from(dice.between(4, 7)).unwrap_or_default());
        let names = ["Company data", "Production data", "Developers"];
        let policies = names.into_iter().map(|name| Policy { id: dice.guid(), name }).collect();
        Self { environments, flows, apps, departments, policies }
    }

    /// The environment's id; empty where there is none.
    pub(crate) fn environment_id(&self, index: usize) -> &str {
        self.environments.get(index).map_or("", |environment| environment.id.as_str())
    }

    pub(crate) fn environment_name(&self, index: usize) -> &str {
        self.environments.get(index).map_or("", |environment| environment.name.as_str())
    }

    /// The flows that depend on the working day and run several times an hour.
    pub(crate) fn busy(&self) -> Vec<usize> {
        let busy = |flow: &Flow| matches!(flow.rhythm, Rhythm::Busy(_)) && flow.made.is_none();
        self.flows.iter().enumerate().filter(|(_, flow)| busy(flow)).map(|(index, _)| index).collect()
    }
}

/// The people with that duty.
pub(crate) fn indices(people: &[Person], duty: Duty) -> Vec<usize> {
    people.iter().enumerate().filter(|(_, person)| person.duty == duty).map(|(index, _)| index).collect()
}

fn environment(dice: &mut Dice, environments: usize) -> usize {
    let any = usize::try_from(dice.below(environments as u64)).unwrap_or_default();
    if dice.chance(500) { 1 } else { any }
}

fn flows(dice: &mut Dice, start: Micros, makers: &[usize], environments: usize) -> Vec<Flow> {
    let mut rhythms = vec![Rhythm::Daily(330), Rhythm::Daily(dice.between(0, 1439))];
    rhythms.extend((0..dice.between(3, 5)).map(|_| Rhythm::Busy(thousandths(dice, 5_000, 9_000))));
    rhythms.extend((0..dice.between(1, 3)).map(|_| Rhythm::Steady(thousandths(dice, 700, 2_500))));
    rhythms.extend((0..dice.between(2, 4)).map(|_| Rhythm::Hourly(dice.between(0, 59))));
    rhythms.extend((0..dice.between(2, 5)).map(|_| Rhythm::Daily(dice.between(0, 1439))));
    rhythms.extend((0..dice.between(4, 8)).map(|_| Rhythm::Manual(thousandths(dice, 100, 500))));
    let mut flows: Vec<Flow> =
        rhythms.into_iter().map(|rhythm| flow(dice, makers, environments, rhythm)).collect();
    // New ones, made inside the story.
    for _ in 0..dice.between(2, 4) {
        let made = start.plus(dice.between(2, 18) * DAY + dice.between(9, 14) * HOUR);
        let rhythm = Rhythm::Daily(dice.between(0, 1439));
        flows.push(Flow { made: Some(made), ..flow(dice, makers, environments, rhythm) });
    }
    if let Some(first) = flows.first_mut() {
        first.name = "Newsletter dispatch".to_owned();
        first.connectors = vec![("SharePoint", "sharepointonline"), AGREED];
    }
    flows
}

fn flow(dice: &mut Dice, makers: &[usize], environments: usize, rhythm: Rhythm) -> Flow {
    let connectors = if dice.chance(80) {
        PUBLIC.to_vec()
    } else {
        let count = usize::try_from(dice.between(1, 3)).unwrap_or(1);
        let mut connectors = inside(dice, count);
        connectors.extend(dice.chance(100).then_some(OWN));
        connectors
    };
    let name = dice.word(&FLOWS);
    Flow {
        id: dice.guid(),
        workflow_id: dice.guid(),
        name: format!("{name} {}", dice.between(1, 99)),
        owner: dice.pick(makers).copied().unwrap_or_default(),
        environment: environment(dice, environments),
        connectors,
        rhythm,
        made: None,
    }
}

/// So many connectors to the organisation's own data.
pub(crate) fn inside(dice: &mut Dice, count: usize) -> Vec<Connector> {
    let mut all = INSIDE;
    dice.shuffle(&mut all);
    all.into_iter().take(count).collect()
}

fn thousandths(dice: &mut Dice, first: i64, last: i64) -> u32 {
    u32::try_from(dice.between(first, last)).unwrap_or_default()
}
