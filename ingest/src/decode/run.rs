//! Flow runs, in the three shapes that are documented: a row of the Dataverse table `flowruns`; a row of the platform's
//! telemetry (`AppRequests`, or `requests` with its other column names); an event `FlowExecution` that a maker sends.
//!
//! Rows of triggers and actions (`AppDependencies`) are no runs and are left out, as are other applications' rows.
//! No real row is public: field names are those of Microsoft's pages (powerapps-docs `flowrun`, power-platform
//! `app-insights-cloud-flow`, Azure Monitor table reference).

use schemas::event::{Activity, Actor, Environment, Resource, Run, kind};
use schemas::record::Record;
use schemas::{Event, Hash128, Micros};

use super::{Kind, Origin, Refused, audit, outcome, power_platform, reason, text};

/// In a workspace, in Application Insights, and as its rows name their kind.
const TELEMETRY_TABLES: [&str; 9] = [
    "AppRequests",
    "requests",
    "request",
    "AppDependencies",
    "dependencies",
    "dependency",
    "AppEvents",
    "customEvents",
    "customEvent",
];

/// What the three shapes have in common once they are read.
#[derive(Default)]
struct Found {
    native_id: String,
    operation: String,
    environment: Option<Environment>,
    flow: String,
    name: String,
    owner: String,
    connectors: Vec<String>,
    run: Run,
    /// A text of a time; which one is the run's start or, without one, the next best.
    time: String,
}

pub(super) fn decode(record: &Record<'_>, origin: &Origin) -> Result<Kind, Refused> {
    let found = if record.has("flowrunid") {
        dataverse(record, origin)
    } else if let Some(fields) = execution_fields(record) {
        execution(record, fields, origin)
    } else if let Some(fields) = telemetry_fields(record) {
        match telemetry(record, fields) {
            Some(found) => found,
            None => return Ok(Kind::Skip(reason::ACTION_RUN)),
        }
    } else if is_telemetry(record) {
        return Ok(Kind::Skip(reason::NOT_A_FLOW));
    } else {
        let message = "an object that is neither an audit record nor a flow run".to_owned();
        return Err(Refused(reason::UNKNOWN_SHAPE, message));
    };
    event(record, origin, found).map(Kind::Event)
}

/// A. A row of the table `flowruns`. It does not name its environment.
fn dataverse(record: &Record<'_>, origin: &Origin) -> Found {
    let field = |names: &[&str]| text::first(record, names).unwrap_or_default();
    let started = field(&["starttime"]);
    let start = Micros::parse(&started).ok();
    let duration = || start.zip(dataverse_duration_ms(&field(&["duration"])));
    let end = Micros::parse(&field(&["endtime"])).ok();
    Found {
        native_id: field(&["flowrunid"]),
        operation: "FlowRun".to_owned(),
        environment: origin.environment.as_deref().and_then(power_platform::environment_of),
        flow: field(&["resourceid", "workflowid", "_workflow_value"]).trim().to_lowercase(),
        name: field(&["workflowname"]),
        owner: field(&["_ownerid_value", "ownerid"]).trim().to_lowercase(),
        connectors: Vec::new(),
        run: Run {
            id: field(&["name"]),
            start,
            end: end.or_else(|| duration().map(|(start, duration)| start.plus(micros_of(duration)))),
            status: field(&["status"]),
            trigger: field(&["triggertype"]),
            parent: field(&["parentrunid"]),
            reported_by: "dataverse".to_owned(),
            ..Run::default()
        },
        time: if started.is_empty() { field(&["createdon"]) } else { started },
    }
}

/// Milliseconds, as the table's own reference has the column `duration` (`DurationInMs`). The page on run history has it
/// in seconds: below 100 it is taken for these, as hardly a run is that short in the one and most are in the other. A run
/// that goes on has none, or 0.
fn dataverse_duration_ms(duration: &str) -> Option<f64> {
    const SECONDS_BELOW: f64 = 100.0;
    let duration = duration.trim().parse::<f64>().ok();
    let duration = duration.filter(|duration| duration.is_finite() && *duration > 0.0)?;
    Some(if duration < SECONDS_BELOW { duration * 1000.0 } else { duration })
}

/// B. Where the custom dimensions of a cloud flow's row are.
fn telemetry_fields(record: &Record<'_>) -> Option<&'static str> {
    ["Properties", "customDimensions"].into_iter().find(|fields| {
        let field = |name: &str| record.text(&format!("{fields}.{name}")).unwrap_or_default().to_lowercase();
        field("resourceProvider") == "cloud flow" || field("signalCategory").starts_with("cloud flow")
    })
}

/// B and C. A row of the tables that runs, their actions and makers' events are in: other applications write there too.
fn is_telemetry(record: &Record<'_>) -> bool {
    ["Type", "itemType"].iter().any(|field| {
        let table = record.text(field).unwrap_or_default();
        TELEMETRY_TABLES.iter().any(|name| table.eq_ignore_ascii_case(name))
    })
}

/// B. A row of a run; none for that of a trigger or an action.
fn telemetry(record: &Record<'_>, fields: &str) -> Option<Found> {
    let own = |names: &[&str]| text::first(record, names).unwrap_or_default();
    let dimension =
        |name: &str| text::first(record, &[format!("{fields}.{name}").as_str()]).unwrap_or_default();
    let category = dimension("signalCategory").to_lowercase();
    let is_dependency = own(&["Type", "itemType"]).to_lowercase().contains("dependenc");
    if is_dependency || (!category.is_empty() && category != "cloud flow runs") {
        return None;
    }
    let run_id = own(&["OperationId", "operation_Id"]);
    let time = own(&["TimeGenerated", "timestamp"]);
    let start = Micros::parse(&time).ok();
    let duration_ms = own(&["DurationMs", "duration"]).trim().parse::<f64>().ok();
    let code = own(&["ResultCode", "resultCode"]);
    let success = own(&["Success", "success"]).to_lowercase();
    let status = match success.as_str() {
        _ if !code.is_empty() && code.parse::<i64>().is_err() => code,
        "true" => "Succeeded".to_owned(),
        "false" => "Failed".to_owned(),
        _ => code,
    };
    let flow = dimension("resourceId");
    Some(Found {
        native_id: format!("{}{run_id}", own(&["Id", "id"])),
        operation: "FlowRun".to_owned(),
        environment: power_platform::environment_of(&dimension("environmentId"))
            .or_else(|| power_platform::environment_of(&dimension("Data.tags.environmentName"))),
        flow: if flow.is_empty() { own(&["Name", "name"]) } else { flow }.trim().to_lowercase(),
        name: dimension("Data.FlowDisplayName"),
        owner: dimension("Data.tags.createdBy").trim().to_lowercase(),
        connectors: Vec::new(),
        run: Run {
            id: run_id,
            start,
            end: start.zip(duration_ms).map(|(start, duration)| start.plus(micros_of(duration))),
            status,
            trigger: dimension("Data.tags.triggerType"),
            reported_by: "platform_telemetry".to_owned(),
            ..Run::default()
        },
        time,
    })
}

/// C. Where the maker's properties of an event `FlowExecution` are: in a track envelope, or in a row.
fn execution_fields(record: &Record<'_>) -> Option<&'static str> {
    let named = |path: &str| record.text(path).is_some_and(|name| name == "FlowExecution");
    if named("data.baseData.name") {
        return Some("data.baseData.properties");
    }
    if !named("Name") && !named("name") {
        return None;
    }
    ["Properties", "customDimensions"].into_iter().find(|fields| record.has(fields))
}

/// C. An event of the maker's own: every value is a text, any may be missing.
fn execution(record: &Record<'_>, fields: &str, origin: &Origin) -> Found {
    let property =
        |name: &str| text::first(record, &[format!("{fields}.{name}").as_str()]).unwrap_or_default();
    let (run_id, status) = (property("RunId"), property("Status"));
    let time = text::first(record, &["time", "TimeGenerated", "timestamp"]).unwrap_or_default();
    let started = status.eq_ignore_ascii_case("started");
    let mut connectors = Vec::new();
    // Some makers send a list, some a text that holds one.
    for used in record.texts(&format!("{fields}.ConnectorsUsed")) {
        for name in text::items(&used) {
            text::add(&mut connectors, power_platform::connector(&name));
        }
    }
    let environment = power_platform::environment_of(&property("Environment"));
    Found {
        native_id: if run_id.is_empty() { String::new() } else { format!("{run_id}|{status}") },
        operation: "FlowExecution".to_owned(),
        environment: environment
            .or_else(|| origin.environment.as_deref().and_then(power_platform::environment_of)),
        flow: property("FlowName").trim().to_lowercase(),
        name: property("FlowDisplayName"),
        owner: property("User").trim().to_lowercase(),
        connectors,
        run: Run {
            id: run_id,
            start: started.then(|| Micros::parse(&time).ok()).flatten(),
            status,
            trigger: property("TriggerType"),
            label: property("DataClassification"),
            reported_by: "flow_execution".to_owned(),
            ..Run::default()
        },
        time,
    }
}

fn event(record: &Record<'_>, origin: &Origin, mut found: Found) -> Result<Box<Event>, Refused> {
    if found.time.is_empty() {
        return Err(Refused(reason::NO_TIME, "a flow run without a time".to_owned()));
    }
    let time = Micros::parse(&found.time)
        .map_err(|_| Refused(reason::BAD_TIME, "the flow run's time is not a time".to_owned()))?;
    let tenant = audit::default_tenant(origin);
    // Without an id of its own a row is known by its content alone, and is a run of its own.
    let content = || record.content_hash().to_string();
    if found.native_id.is_empty() {
        found.native_id = content();
    }
    let run_id = if found.run.id.is_empty() { content() } else { found.run.id.clone() };
    let environment = found.environment.as_ref().map_or("", |environment| environment.id.as_str());
    let parts = ["run", tenant.as_str(), environment, found.flow.as_str(), run_id.as_str()];
    found.run.key = Hash128::of(&parts.map(str::as_bytes)).to_string();

    let mut event = super::event(record, origin, tenant, found.native_id);
    "FlowRun".clone_into(&mut event.content_type);
    event.operation = found.operation;
    event.time = time;
    event.activity = Activity {
        kind: kind::FLOW_RUN.to_owned(),
        actor: Actor { id: found.owner, kind: "unknown".to_owned(), object_id: String::new() },
        outcome: outcome::of_word(&found.run.status).to_owned(),
        resource: Resource { kind: "flow".to_owned(), id: found.flow, name: found.name },
        environment: found.environment,
        connectors: found.connectors,
        run: Some(found.run),
        ..Activity::default()
    };
    Ok(event)
}

/// Milliseconds, with a fraction, as whole microseconds; at most 10,000 days.
fn micros_of(duration_ms: f64) -> i64 {
    const MOST_MS: f64 = 864_000_000_000.0;
    let micros = (duration_ms.clamp(0.0, MOST_MS) * 1000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "held inside the range above; NaN becomes 0")]
    let micros = micros as i64;
    micros
}
