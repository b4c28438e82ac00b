//! The fields `weir.*` and `enrich.*`: which there are, and their values in one event.
//!
//! Empty texts, empty lists and facts that are not known are absent.

use std::borrow::Cow;

use rsigma_eval::EventValue;
use schemas::{
    Micros,
    enriched::{EnrichedEvent, Provenance},
    event::{Activity, Event, Run},
};

/// There is no such field.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown;

type Field<'a> = Result<Option<EventValue<'a>>, Unknown>;

/// Whether a name that begins with `weir.` or `enrich.` is a field; other names are the record's own.
pub(super) fn is_known(path: &str) -> bool {
    if let Some(name) = path.strip_prefix("weir.") {
        let run = Activity { run: Some(Run::default()), ..Activity::default() };
        return of_event(None, name).or_else(|_| of_activity(&run, name)).is_ok();
    }
    match path.strip_prefix("enrich.") {
        Some(name) => of_blocks(None, name).is_ok(),
        None => true,
    }
}

/// `weir.<name>`.
pub(super) fn weir<'a>(event: &'a Event, name: &str) -> Field<'a> {
    of_event(Some(event), name).or_else(|_| of_activity(&event.activity, name))
}

/// `enrich.<name>`.
pub(super) fn enrich<'a>(event: &'a EnrichedEvent, name: &str) -> Field<'a> {
    of_blocks(Some(event), name)
}

/// The event's own fields; without an event, only whether there is one of that name.
fn of_event<'a>(event: Option<&'a Event>, name: &str) -> Field<'a> {
    let read: fn(&'a Event) -> Option<EventValue<'a>> = match name {
        "operation" => |event| text(&event.operation),
        "tenant" => |event| text(&event.tenant),
        "source" => |event| text(&event.source),
        "content_type" => |event| text(&event.content_type),
        "workload" => |event| text(&event.workload),
        "record_type" => {
            |event| (event.record_type >= 0).then(|| EventValue::Int(i64::from(event.record_type)))
        }
        "native_id" => |event| text(&event.native_id),
        _ => return Err(Unknown),
    };
    Ok(event.and_then(read))
}

fn of_activity<'a>(activity: &'a Activity, name: &str) -> Field<'a> {
    if let Some(name) = name.strip_prefix("run.") {
        return of_run(activity.run.as_ref(), name);
    }
    Ok(match name {
        "kind" => text(&activity.kind),
        "outcome" => text(&activity.outcome),
        "permission" => text(&activity.permission),
        "actor.id" => text(&activity.actor.id),
        "actor.kind" => text(&activity.actor.kind),
        "actor.object_id" => text(&activity.actor.object_id),
        "resource.kind" => text(&activity.resource.kind),
        "resource.id" => text(&activity.resource.id),
        "resource.name" => text(&activity.resource.name),
        "environment.id" => activity.environment.as_ref().and_then(|environment| text(&environment.id)),
        "environment.is_default" => {
            activity.environment.as_ref().map(|environment| flag(environment.is_default))
        }
        "connectors" => list(activity.connectors.iter().map(String::as_str)),
        "recipients" => list(activity.recipients.iter().map(String::as_str)),
        "address.ip" => activity.address.as_ref().and_then(|address| text(&address.ip)),
        "address.text" => activity.address.as_ref().and_then(|address| text(&address.text)),
        _ => return Err(Unknown),
    })
}

fn of_run<'a>(run: Option<&'a Run>, name: &str) -> Field<'a> {
    let read: fn(&'a Run) -> Option<EventValue<'a>> = match name {
        "id" => |run| text(&run.id),
        "key" => |run| text(&run.key),
        "start" => |run| run.start.map(moment),
        "end" => |run| run.end.map(moment),
        "status" => |run| text(&run.status),
        "trigger" => |run| text(&run.trigger),
        "parent" => |run| text(&run.parent),
        "label" => |run| text(&run.label),
        "reported_by" => |run| text(&run.reported_by),
        _ => return Err(Unknown),
    };
    Ok(run.and_then(read))
}

fn of_blocks<'a>(event: Option<&'a EnrichedEvent>, name: &str) -> Field<'a> {
    let Some((block, fact)) = name.split_once('.') else { return Err(Unknown) };
    let read: fn(&'a EnrichedEvent) -> Option<EventValue<'a>> = match (block, fact) {
        (_, "status") => return status(event, block),
        ("user", "approved_sharer") => |event| event.user.approved_sharer.map(flag),
        ("user", "domain") => |event| text(&event.user.domain),
        ("recipients", "relation") => {
            |event| list(event.recipients.relations.iter().map(|fact| &*fact.relation))
        }
        ("recipients", "domain") => |event| list(event.recipients.relations.iter().map(|fact| &*fact.domain)),
        ("recipients", "has_outside") => |event| event.recipients.has_outside.map(flag),
        ("connectors", "class") => |event| list(event.connectors.classes.iter().map(|fact| &*fact.class)),
        ("connectors", "operator_class") => |event| {
            let decided = event.connectors.classes.iter().filter(|fact| fact.decided_by == "operator");
            list(decided.map(|fact| &*fact.class))
        },
        ("connectors", "has_business") => |event| event.connectors.has_business.map(flag),
        ("connectors", "has_external") => |event| event.connectors.has_external.map(flag),
        ("geo", "country") => |event| text(&event.geo.country),
        ("geo", "city") => |event| text(&event.geo.city),
        ("geo", "asn") => |event| event.geo.asn.map(EventValue::Int),
        ("geo", "network") => |event| text(&event.geo.network),
        ("working_time", "within_hours") => |event| event.working_time.within_hours.map(flag),
        ("working_time", "expected_place") => |event| event.working_time.expected_place.map(flag),
        ("working_time", "zone") => |event| text(&event.working_time.zone),
        ("working_time", "local_minute") => {
            |event| event.working_time.local_minute.map(|minute| EventValue::Int(i64::from(minute)))
        }
        _ => return Err(Unknown),
    };
    Ok(event.and_then(read))
}

/// How a block came to be.
fn status<'a>(event: Option<&'a EnrichedEvent>, block: &str) -> Field<'a> {
    let read: fn(&'a EnrichedEvent) -> &'a Provenance = match block {
        "user" => |event| &event.user.provenance,
        "recipients" => |event| &event.recipients.provenance,
        "flow" => |event| &event.flow.provenance,
        "environment" => |event| &event.environment.provenance,
        "connectors" => |event| &event.connectors.provenance,
        "connection" => |event| &event.connection.provenance,
        "geo" => |event| &event.geo.provenance,
        "working_time" => |event| &event.working_time.provenance,
        _ => return Err(Unknown),
    };
    Ok(event.and_then(|event| text(&read(event).status)))
}

fn text(text: &str) -> Option<EventValue<'_>> {
    (!text.is_empty()).then_some(EventValue::Str(Cow::Borrowed(text)))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Option<EventValue<'a>> {
    let values: Vec<_> = texts.filter_map(text).collect();
    (!values.is_empty()).then_some(EventValue::Array(values))
}

fn flag(value: bool) -> EventValue<'static> {
    EventValue::Bool(value)
}

fn moment(at: Micros) -> EventValue<'static> {
    EventValue::Str(Cow::Owned(at.to_string()))
}
