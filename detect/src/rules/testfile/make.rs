//! Enriched events from what a test case says about them.
//!
//! `activity` and `enrich` are laid over an event that knows nothing: only fields that the messages have are taken, and
//! a block that is given has the status `hit` unless it says another.

use schemas::{
    Event, EventId, Micros,
    enriched::{
        ConnectionBlock, ConnectorFact, ConnectorsBlock, EnrichedEvent, EnvironmentBlock, FlowBlock,
        GeoBlock, Provenance, RecipientFact, RecipientsBlock, UserBlock, WorkingTimeBlock, status,
    },
    event::{Activity, Address, Environment, Run},
    record::Record,
    time::{HOUR, MINUTE, SECOND},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

const EVENTS_MAX: usize = 10_000;

/// One event, or several copies of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// The audit record: a mapping, or a text that is JSON.
    record: Value,
    #[serde(default)]
    activity: Option<Value>,
    #[serde(default)]
    enrich: Option<Map<String, Value>>,
    #[serde(default)]
    repeat: Option<usize>,
    #[serde(default)]
    step: Option<String>,
    #[serde(default)]
    each: Option<usize>,
    #[serde(default)]
    after: Option<String>,
}

/// An event as it arrives.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) event: EnrichedEvent,
    /// A watermark so far beyond the event's time comes before it.
    pub(super) after: Option<i64>,
}

/// The events of a case, in the order in which they arrive.
pub(super) fn events(specs: &[EventSpec]) -> Result<Vec<Arrival>, String> {
    let mut arrivals = Vec::new();
    for (place, spec) in specs.iter().enumerate() {
        let copies = spec.repeat.unwrap_or(1).saturating_mul(spec.each.unwrap_or(1));
        if arrivals.len().saturating_add(copies) > EVENTS_MAX {
            return Err(format!("more than {EVENTS_MAX} events"));
        }
        for copy in 1..=copies {
            arrivals
                .push(arrival(spec, copy, copies).map_err(|error| format!("event {}: {error}", place + 1))?);
        }
    }
    Ok(arrivals)
}

fn arrival(spec: &EventSpec, copy: usize, copies: usize) -> Result<Arrival, String> {
    let numbered = |value: &Value| number_texts(value, &copy.to_string());
    let raw = match spec.record.as_str() {
        Some(text) => text.replace("{n}", &copy.to_string()),
        None => numbered(&spec.record).to_string(),
    };
    let mut event = event(raw.into_bytes())?;
    if copies > 1 {
        event.native_id = format!("{}-{copy}", event.native_id);
        event.id = id(&event)?;
    }
    event.time = event.time.plus(moved(spec, copy - 1)?);
    if let Some(activity) = &spec.activity {
        event.activity = lay_over(&event.activity, &numbered(activity), "activity")?;
    }
    let enrich = spec.enrich.clone().map(|blocks| numbered(&Value::Object(blocks)));
    let after = spec.after.as_deref().map(duration).transpose()?;
    Ok(Arrival { event: enriched(event, enrich)?, after })
}

/// How far a copy is from the first one: so many steps, and a second for every copy of the same step.
fn moved(spec: &EventSpec, copy: usize) -> Result<i64, String> {
    let number = |count: usize| i64::try_from(count).map_err(|error| error.to_string());
    let each = spec.each.unwrap_or(1).max(1);
    let step = spec.step.as_deref().map_or(Ok(0), duration)?;
    Ok(step.saturating_mul(number(copy / each)?).saturating_add(SECOND * number(copy % each)?))
}

/// What the record itself says.
fn event(raw: Vec<u8>) -> Result<Event, String> {
    let record = Record::parse(&raw).map_err(|error| format!("record: {error}"))?;
    let text = |field: &str| record.text(field).unwrap_or_default();
    let time =
        Micros::parse(&text("CreationTime")).map_err(|error| format!("record: CreationTime: {error}"))?;
    let mut activity = Activity { outcome: "unknown".to_owned(), ..Activity::default() };
    activity.actor.id = text("UserId").to_lowercase();
    activity.actor.kind = "unknown".to_owned();
    activity.resource.id = text("ObjectId");
    let address = record.text("ClientIP").or_else(|| record.text("ClientIPAddress")).unwrap_or_default();
    if let Ok(ip) = address.parse::<std::net::IpAddr>() {
        activity.address = Some(Address { text: address, ip: ip.to_canonical().to_string() });
    }
    let tenant = match text("OrganizationId") {
        none if none.is_empty() => "test-tenant".to_owned(),
        tenant => tenant.to_lowercase(),
    };
    let mut event = Event {
        id: EventId::default(),
        tenant,
        source: "test".to_owned(),
        content_type: content_type(&text("Workload"), &text("Operation")).to_owned(),
        native_id: text("Id"),
        record_type: text("RecordType").parse().unwrap_or(-1),
        workload: text("Workload"),
        operation: text("Operation"),
        time,
        activity,
        raw_bytes: i64::try_from(raw.len()).unwrap_or(i64::MAX),
        raw_in_dead_letter: false,
        raw: Vec::new(),
    };
    event.raw = raw;
    event.id = id(&event)?;
    Ok(event)
}

fn id(event: &Event) -> Result<EventId, String> {
    let record = Record::parse(&event.raw).map_err(|error| format!("record: {error}"))?;
    Ok(EventId::of(&event.tenant, &event.source, &event.native_id, record.content_hash()))
}

fn content_type(workload: &str, operation: &str) -> &'static str {
    match (workload, operation) {
        (_, "FlowRun" | "FlowExecution") => "FlowRun",
        ("Exchange", _) => "Audit.Exchange",
        ("AzureActiveDirectory", _) => "Audit.AzureActiveDirectory",
        ("SharePoint" | "OneDrive", _) => "Audit.SharePoint",
        _ => "Audit.General",
    }
}

/// An event with the blocks that a case gives; the others are misses.
fn enriched(event: Event, blocks: Option<Value>) -> Result<EnrichedEvent, String> {
    let miss = || Provenance::new(status::MISS, "none");
    let domain =
        event.activity.actor.id.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
    let nothing = EnrichedEvent {
        event,
        user: UserBlock { provenance: miss(), approved_sharer: None, domain },
        recipients: RecipientsBlock { provenance: miss(), relations: Vec::new(), has_outside: None },
        flow: FlowBlock { provenance: miss() },
        environment: EnvironmentBlock { provenance: miss() },
        connectors: ConnectorsBlock {
            provenance: miss(),
            classes: Vec::new(),
            has_business: None,
            has_external: None,
        },
        connection: ConnectionBlock { provenance: miss() },
        geo: GeoBlock {
            provenance: miss(),
            country: String::new(),
            city: String::new(),
            asn: None,
            network: String::new(),
        },
        working_time: WorkingTimeBlock {
            provenance: miss(),
            zone: String::new(),
            local_minute: None,
            within_hours: None,
            expected_place: None,
        },
    };
    let Some(Value::Object(blocks)) = blocks else { return Ok(nothing) };
    let mut made = nothing;
    for (name, mut block) in blocks {
        let path = format!("enrich.{name}");
        let facts = block.as_object_mut().ok_or_else(|| format!("{path} is no mapping"))?;
        let status = facts.remove("status").unwrap_or_else(|| Value::from(status::HIT));
        facts.insert("provenance".to_owned(), serde_json::json!({"status": status, "source": "test"}));
        match name.as_str() {
            "user" => made.user = lay_over(&made.user, &block, &path)?,
            "recipients" => made.recipients = lay_over(&made.recipients, &block, &path)?,
            "flow" => made.flow = lay_over(&made.flow, &block, &path)?,
            "environment" => made.environment = lay_over(&made.environment, &block, &path)?,
            "connectors" => made.connectors = lay_over(&made.connectors, &block, &path)?,
            "connection" => made.connection = lay_over(&made.connection, &block, &path)?,
            "geo" => made.geo = lay_over(&made.geo, &block, &path)?,
            "working_time" => made.working_time = lay_over(&made.working_time, &block, &path)?,
            _ => return Err(format!("{path} is no block")),
        }
    }
    Ok(made)
}

/// `base` with what `given` says in its place.
fn lay_over<T: Serialize + DeserializeOwned>(base: &T, given: &Value, path: &str) -> Result<T, String> {
    let mut value = serde_json::to_value(base).map_err(|error| error.to_string())?;
    merge(&mut value, given, path)?;
    serde_json::from_value(value).map_err(|error| format!("{path}: {error}"))
}

fn merge(base: &mut Value, given: &Value, path: &str) -> Result<(), String> {
    if let (Value::Object(fields), Value::Object(given)) = (&mut *base, given) {
        for (name, given) in given {
            let path = format!("{path}.{name}");
            let field = fields.get_mut(name).ok_or_else(|| format!("{path} is no field"))?;
            if field.is_null() && given.is_object() {
                *field = blank(name).ok_or_else(|| format!("{path} is no mapping"))?;
            }
            merge(field, given, &path)?;
        }
        return Ok(());
    }
    *base = match (&*base, given) {
        (Value::Array(_), Value::Array(items)) => {
            Value::Array(items.iter().map(|item| element(path, item)).collect::<Result<_, _>>()?)
        }
        // YAML reads `id: 17` as a number where the field is a text.
        (Value::String(_), Value::Number(number)) => Value::from(number.to_string()),
        _ => given.clone(),
    };
    Ok(())
}

/// An optional part of an activity that a case gives.
fn blank(name: &str) -> Option<Value> {
    match name {
        "address" => serde_json::to_value(Address::default()).ok(),
        "environment" => serde_json::to_value(Environment::default()).ok(),
        "run" => serde_json::to_value(Run::default()).ok(),
        _ => None,
    }
}

/// An element of a list: facts may leave fields out, and a relation may be a word.
fn element(path: &str, item: &Value) -> Result<Value, String> {
    let empty = String::new;
    let base = match path {
        "enrich.recipients.relations" => {
            serde_json::to_value(RecipientFact { id: empty(), domain: empty(), relation: empty() })
        }
        "enrich.connectors.classes" => {
            serde_json::to_value(ConnectorFact { name: empty(), class: empty(), decided_by: empty() })
        }
        _ => return Ok(item.clone()),
    };
    let mut base = base.map_err(|error| error.to_string())?;
    match item.as_str().filter(|_| path.ends_with("relations")) {
        Some(relation) => merge(&mut base, &serde_json::json!({"relation": relation}), path)?,
        None => merge(&mut base, item, path)?,
    }
    Ok(base)
}

/// The same value with `{n}` in its texts replaced.
fn number_texts(value: &Value, n: &str) -> Value {
    match value {
        Value::String(text) => Value::from(text.replace("{n}", n)),
        Value::Array(items) => items.iter().map(|item| number_texts(item, n)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), number_texts(field, n))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// `30s`, `5m`, `23h`, `2d`; negative ones too.
fn duration(text: &str) -> Result<i64, String> {
    let unit = |unit: char, micros: i64| text.strip_suffix(unit).map(|count| (count, micros));
    let parts = unit('s', SECOND).or(unit('m', MINUTE)).or(unit('h', HOUR)).or(unit('d', 24 * HOUR));
    let parsed =
        parts.and_then(|(count, micros)| Some(count.trim().parse::<i64>().ok()?.saturating_mul(micros)));
    parsed.ok_or_else(|| format!("{text:?} is no duration like 30s, 5m, 23h or 2d"))
}
