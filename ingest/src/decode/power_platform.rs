//! Power Platform, both generations. Legacy records (types 30, 45, 79, 187) have fields of their own; unified ones
//! (256) name/value pairs in `PropertyCollection`. Shapes: Microsoft's activity logging pages (power-platform
//! `admin/activity-logging-auditing`); no public raw record of types 30, 45, 79 and 187 is known.
//!
//! Ids are lower case and without path prefixes, so that both generations name one thing alike.

use schemas::event::{Activity, Environment, kind};
use schemas::record::Record;

use super::text;

const APP_PREFIXES: [&str; 1] = ["/providers/microsoft.powerapps/apps/"];
const ENVIRONMENT_PREFIXES: [&str; 2] = [
    "/providers/microsoft.businessappplatform/environments/",
    "/providers/microsoft.powerapps/environments/",
];
const CONNECTOR_PREFIXES: [&str; 2] = ["/providers/microsoft.powerapps/apis/", "shared_"];

/// A property of a unified record, below `powerplatform.analytics.`.
fn property(record: &Record<'_>, name: &str) -> Option<String> {
    text::first(record, &[format!("PropertyCollection.powerplatform.analytics.{name}").as_str()])
}

/// The environment a text names.
pub(super) fn environment_of(text: &str) -> Option<Environment> {
    let id = text::stripped(text, &ENVIRONMENT_PREFIXES);
    let (id, is_default) = match id.strip_prefix("default-") {
        Some(rest) => (rest.to_owned(), true),
        None => (id, false),
    };
    (!id.is_empty()).then_some(Environment { id, is_default })
}

/// A connector's name: `shared_sql`, a path that ends in it, or the name itself.
pub(super) fn connector(text: &str) -> String {
    let id = text.trim().to_lowercase();
    // The path of a connection or of an environment's own connector names the connector after `apis`.
    let named = segment_after(&id, "apis").unwrap_or(id.as_str());
    text::stripped(named, &CONNECTOR_PREFIXES)
}

/// The environment the record names; `resource.environment.id` says whether it is the default one, `EnvironmentId`
/// does not always.
pub(super) fn environment(record: &Record<'_>) -> Option<Environment> {
    let flow_url =
        || segment_after(&record.text("FlowDetailsUrl")?.to_lowercase(), "environments").map(str::to_owned);
    property(record, "resource.environment.id")
        .or_else(|| text::first(record, &["EnvironmentId", "EnvironmentName"]))
        .or_else(flow_url)
        .or_else(|| {
            text::first(record, &["AdditionalInfo.EnvironmentName", "AdditionalInfo.environmentName"])
        })
        .and_then(|text| environment_of(&text))
}

/// The resource of an operation that is not in the table, where a unified record names one.
pub(super) fn name_resource(record: &Record<'_>, activity: &mut Activity) {
    if let Some(id) = property(record, "resource.id") {
        activity.resource.id = text::stripped(&id, &APP_PREFIXES);
    }
    if let Some(name) = property(record, "resource.display_name") {
        activity.resource.name = name;
    }
}

/// Flows: the legacy record carries environment and flow in one URL.
pub(super) fn flow(record: &Record<'_>, activity: &mut Activity) {
    "flow".clone_into(&mut activity.resource.kind);
    let url = record.text("FlowDetailsUrl").unwrap_or_default().to_lowercase();
    let id = segment_after(&url, "flows").map(str::to_owned);
    let id =
        id.or_else(|| property(record, "resource.cloud_flow.id")).or_else(|| property(record, "resource.id"));
    activity.resource.id = text::stripped(&id.unwrap_or_default(), &[]);
    activity.resource.name = property(record, "resource.cloud_flow.display_name")
        .or_else(|| property(record, "resource.display_name"))
        .unwrap_or_default();
    for names in record.texts("FlowConnectorNames") {
        for name in text::items(&names) {
            text::add(&mut activity.connectors, connector(&name));
        }
    }
    for recipient in record.texts("RecipientUPN") {
        text::add(&mut activity.recipients, recipient.trim().to_lowercase());
    }
    targets(record, activity);
    activity.permission = match record.text("SharingPermission").as_deref().map(str::trim) {
        Some("3") => "owner".to_owned(),
        Some("2") => "run_only".to_owned(),
        Some(other) if !other.is_empty() => other.to_lowercase(),
        _ => permission_type(record),
    };
}

/// Apps: in legacy records `AppName` is the app's id.
pub(super) fn app(record: &Record<'_>, activity: &mut Activity) {
    "app".clone_into(&mut activity.resource.kind);
    let id = property(record, "resource.power_app.id")
        .or_else(|| text::first(record, &["AppName"]))
        .or_else(|| property(record, "resource.id"));
    if let Some(id) = id {
        activity.resource.id = text::stripped(&id, &APP_PREFIXES);
    }
    activity.resource.name = property(record, "resource.power_app.display_name")
        .or_else(|| property(record, "resource.display_name"))
        .unwrap_or_default();
    targets(record, activity);
    activity.permission = permission_type(record);
}

/// Connections and custom connectors.
pub(super) fn connection(record: &Record<'_>, activity: &mut Activity) {
    let path = property(record, "resource.connection.id")
        .or_else(|| property(record, "resource.id"))
        .or_else(|| text::first(record, &["ResourceId", "AdditionalInfo.ResourceId"]))
        .unwrap_or_else(|| activity.resource.id.clone())
        .to_lowercase();
    let is_connector = activity.kind == kind::CONNECTOR_EDIT;
    let named_connector =
        is_connector || segment_after(&path, "apis").is_some() || path.starts_with("shared_");
    if named_connector {
        text::add(&mut activity.connectors, connector(&path));
    }
    activity.resource.kind = if is_connector { "connector" } else { "connection" }.to_owned();
    activity.resource.id = if is_connector {
        connector(&path)
    } else {
        segment_after(&path, "connections").map_or_else(|| path.trim().to_owned(), str::to_owned)
    };
    activity.resource.name = property(record, "resource.display_name").unwrap_or_default();
    targets(record, activity);
    activity.permission = permission_type(record);
}

/// Data policies and tenant isolation. The unified operation says in a property what was done.
pub(super) fn policy(record: &Record<'_>, activity: &mut Activity) {
    "policy".clone_into(&mut activity.resource.kind);
    if let Some(done) = property(record, "resource.tenant.governance.api_policy.operation_name") {
        let done = done.trim().to_lowercase();
        let kind = if done.starts_with("create") && !done.starts_with("createor") {
            kind::POLICY_CREATE
        } else if done.starts_with("delete") {
            kind::POLICY_DELETE
        } else {
            kind::POLICY_EDIT
        };
        kind.clone_into(&mut activity.kind);
    }
    let id = property(record, "resource.tenant.governance.api_policy.id")
        .or_else(|| property(record, "resource.id"))
        .or_else(|| text::first(record, &["AdditionalInfo.policyId", "AdditionalInfo.PolicyId"]));
    if let Some(id) = id {
        activity.resource.id = text::stripped(&id, &[]);
    }
    activity.resource.name = property(record, "resource.tenant.governance.api_policy.display_name")
        .or_else(|| property(record, "resource.display_name"))
        .or_else(|| text::first(record, &["AdditionalInfo.policyName", "AdditionalInfo.displayName"]))
        .unwrap_or_default();
    for id in record.texts("AdditionalInfo.changeSet.connectorChanges.id") {
        text::add(&mut activity.connectors, connector(&id));
    }
}

/// An environment is its own resource.
pub(super) fn environment_itself(activity: &mut Activity) {
    "environment".clone_into(&mut activity.resource.kind);
    if let Some(environment) = &activity.environment {
        activity.resource.id.clone_from(&environment.id);
    }
}

/// Who a unified record shares with: object ids, not names.
fn targets(record: &Record<'_>, activity: &mut Activity) {
    for path in
        ["PropertyCollection.targetuser.id", "PropertyCollection.powerplatform.analytics.targetuser.id"]
    {
        for target in record.texts(path) {
            text::add(&mut activity.recipients, target.trim().to_lowercase());
        }
    }
}

fn permission_type(record: &Record<'_>) -> String {
    property(record, "resource.permission_type").unwrap_or_default().trim().to_lowercase()
}

/// The part of a path after the part `name`.
fn segment_after<'t>(path: &'t str, name: &str) -> Option<&'t str> {
    let mut parts = path.split(['/', '?', '#']);
    parts.find(|part| *part == name)?;
    parts.next().filter(|part| !part.is_empty())
}
