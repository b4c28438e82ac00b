//! Flow runs as Azure Monitor's data export writes them: rows of `AppRequests`, JSON lines in a folder tree.
//!
//! Columns: Azure Monitor's table reference and Microsoft's page on Application Insights for cloud flows. Folders and
//! file names: Azure Monitor's page on data export (container `am-AppRequests`, five minutes a file, by `TimeGenerated`;
//! what is late is appended to its old file).

use schemas::Micros;
use schemas::time::{HOUR, MINUTE, SECOND};
use serde_json::json;

use super::dice::Dice;
use super::estate::{Flow, Rhythm};
use super::world::World;

/// The latest that a row is written after its run began.
const DELAY_MAX: i64 = 9 * HOUR;

/// One run of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// The row's `OperationId`.
    pub run_id: String,
    /// The row's `Name`.
    pub flow_id: String,
    /// When the run began: the row's `TimeGenerated`.
    pub time: Micros,
    /// When the row is appended to its file.
    pub available: Micros,
    /// The file, below the export's root.
    pub path: String,
    /// One line of JSON, with its line end.
    pub line: Vec<u8>,
}

/// The runs of all flows in the hour that begins at `hour`.
pub(crate) fn of_hour(world: &World, hour: Micros) -> Vec<RunRow> {
    let number = hour.0.div_euclid(HOUR);
    let mut rows = Vec::new();
    for (index, flow) in world.estate.flows.iter().enumerate() {
        let mut dice = Dice::of(world.seed, "runs", &[number, i64::try_from(index).unwrap_or_default()]);
        for second in seconds(world, flow, hour, &mut dice) {
            let time = hour.plus(second * SECOND + dice.between(0, SECOND - 1));
            if flow.made.is_none_or(|made| time > made) {
                rows.push(row(world, flow, time, &mut dice));
            }
        }
    }
    rows
}

/// When in the hour the flow's rhythm starts it.
fn seconds(world: &World, flow: &Flow, hour: Micros, dice: &mut Dice) -> Vec<i64> {
    match flow.rhythm {
        Rhythm::Busy(_) | Rhythm::Steady(_) | Rhythm::Manual(_) => {
            dice.arrivals(world.runs_expected(flow, hour))
        }
        Rhythm::Hourly(minute) => vec![minute * 60 + dice.between(0, 20)],
        Rhythm::Daily(minute) => {
            let first = (hour.0 - world.start.0).rem_euclid(24 * HOUR) / MINUTE;
            let second = (minute - first) * 60 + dice.between(0, 20);
            (first..first + 60).contains(&minute).then_some(second).into_iter().collect()
        }
    }
}

/// One run of `flow` that begins at `time`.
pub(crate) fn row(world: &World, flow: &Flow, time: Micros, dice: &mut Dice) -> RunRow {
    let failed = dice.chance(25);
    let (result, code) = if failed { (false, "Failed") } else { (true, "Succeeded") };
    let run_id =
        format!("0858{}CU{:02}", dice.between(10_i64.pow(15), 10_i64.pow(16) - 1), dice.between(1, 28));
    let id = dice.hex(16).to_lowercase();
    let environment = world.estate.environment_id(flow.environment);
    let maker = world.people.get(flow.owner).map_or("", |owner| owner.object_id.as_str());
    let data = json!({
        "FlowDisplayName": flow.name,
        "tags": {
            "xrmWorkflowId": flow.workflow_id,
            "createdBy": maker,
            "environmentName": world.estate.environment_name(flow.environment),
            "triggerType": flow.rhythm.trigger(),
        },
    });
    let row = json!({
        "TimeGenerated": time.to_string(),
        "Type": "AppRequests",
        "TenantId": Dice::of(world.seed, "workspace", &[]).guid(),
        "_ResourceId": resource(world),
        "Name": flow.id,
        "OperationName": flow.id,
        "OperationId": run_id,
        "ParentId": "",
        "Id": id,
        "DurationMs": dice.between(400, 45_000),
        "Success": result,
        "ResultCode": code,
        "ItemCount": 1,
        "Properties": {
            "resourceProvider": "Cloud Flow",
            "signalCategory": "Cloud flow runs",
            "environmentId": environment,
            "resourceId": flow.id,
            "Data": data.to_string(),
        },
    });
    let mut line = row.to_string().into_bytes();
    line.push(b'\n');
    let available = time.plus(delay(dice));
    RunRow { run_id, flow_id: flow.id.clone(), time, available, path: path(world, time), line }
}

/// The file of a row.
fn path(world: &World, time: Micros) -> String {
    let stamp = time.to_string();
    let part = |from: usize, to: usize| stamp.get(from..to).unwrap_or_default().to_owned();
    let (year, month, day, hour) = (part(0, 4), part(5, 7), part(8, 10), part(11, 13));
    let minute = part(14, 16).parse::<u32>().unwrap_or_default() / 5 * 5;
    let workspace = workspace(world);
    format!(
        "am-AppRequests/WorkspaceResourceId={workspace}/y={year}/m={month}/d={day}/h={hour}/m={minute:02}/PT05M.json"
    )
}

fn workspace(world: &World) -> String {
    format!("{}/providers/microsoft.operationalinsights/workspaces/flows", group(world))
}

fn resource(world: &World) -> String {
    format!("{}/providers/microsoft.insights/components/flows", group(world))
}

fn group(world: &World) -> String {
    let subscription = Dice::of(world.seed, "subscription", &[]).guid();
    format!("/subscriptions/{subscription}/resourcegroups/monitoring")
}

/// How long until a row is written: minutes, seldom hours.
fn delay(dice: &mut Dice) -> i64 {
    if dice.chance(985) { dice.between(2 * MINUTE, 12 * MINUTE) } else { dice.between(HOUR, DELAY_MAX) }
}
