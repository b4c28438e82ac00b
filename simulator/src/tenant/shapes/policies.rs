//! Data policies, tenant isolation and environment settings, both generations (record types 187 and 256).
//!
//! Shapes: Microsoft's pages on data policy activity logging (the older one has `AdditionalInfo` with a `changeSet`) and
//! on administrator activity logging (`GovernanceApiPolicyOperation`).

use serde_json::json;

use super::platform::unified;
use crate::tenant::estate::{Connector, Policy};
use crate::tenant::record::{AuditRecord, Scene};

/// What is done to a policy.
pub(crate) enum Act {
    Delete,
    /// A connector moves from one class to another.
    Move(Connector, &'static str, &'static str),
}

/// An administrator does that to a data policy.
pub(crate) fn policy(scene: &mut Scene<'_>, policy: &Policy, act: &Act) -> AuditRecord {
    let operation = match act {
        Act::Delete => "DeleteDlpPolicy",
        Act::Move(..) => "UpdateDlpPolicy",
    };
    let info = info(policy, act);
    if scene.dice.chance(500) {
        return legacy(scene, operation, &info);
    }
    let properties = [
        ("powerplatform.analytics.resource.tenant.governance.api_policy.operation_name", operation),
        ("powerplatform.analytics.resource.tenant.governance.api_policy.operation_result", "True"),
        ("powerplatform.analytics.resource.tenant.governance.api_policy.id", policy.id.as_str()),
        ("powerplatform.analytics.resource.tenant.governance.api_policy.display_name", policy.name),
        ("powerplatform.analytics.resource.tenant.governance.api_policy.additional_resources", info.as_str()),
        ("powerplatform.analytics.resource.type", "ApiPolicy"),
    ];
    unified(scene, "GovernanceApiPolicyOperation", &properties)
}

/// Tenant isolation is switched.
pub(crate) fn isolation(scene: &mut Scene<'_>, on: bool) -> AuditRecord {
    let enabled = if on { "True" } else { "False" };
    let properties = [
        ("powerplatform.analytics.resource.tenant.isolation_policy.enabled", enabled),
        ("powerplatform.analytics.resource.type", "TenantIsolationPolicy"),
    ];
    unified(scene, "TenantIsolationOperation", &properties)
}

/// An environment gets another name.
pub(crate) fn environment_renamed(scene: &mut Scene<'_>, index: usize) -> AuditRecord {
    let id = scene.world.estate.environment_id(index);
    let name = scene.world.estate.environment_name(index);
    let number = scene.dice.between(2, 9);
    let change = format!("Property: DisplayName, Old Value: {name}, New Value: {name} {number}");
    let properties = [
        ("powerplatform.analytics.resource.environment.id", id),
        ("powerplatform.analytics.resource.environment.name", name),
        ("powerplatform.analytics.resource.type", "Environment"),
        ("powerplatform.analytics.resource.environment.property_change", change.as_str()),
    ];
    unified(scene, "EnvironmentPropertyChange", &properties)
}

fn legacy(scene: &mut Scene<'_>, operation: &'static str, info: &str) -> AuditRecord {
    let who = scene.who.clone();
    scene
        .draft((187, "PowerPlatform", operation))
        .with_all(json!({
            "UserKey": who.object_id,
            "ResultStatus": "Success",
            "ClientIP": who.address,
            "ObjectId": "",
            "AdditionalInfo": info,
        }))
        .done()
}

/// The details, as one text: the fields stand in the order of Microsoft's page, which a JSON map would not keep.
fn info(policy: &Policy, act: &Act) -> String {
    let (id, name) = (json!(policy.id), json!(policy.name));
    let head = format!(
        "\"policyId\":{id},\"displayName\":{name},\"policyType\":\"AllEnvironments\",\"defaultConnectorClassification\":\"General\""
    );
    let Act::Move((shown, connector), before, after) = act else { return format!("{{{head}}}") };
    let (shown, path) =
        (json!(shown), json!(format!("/providers/Microsoft.PowerApps/apis/shared_{connector}")));
    let (before, after) = (json!({"classification": before}), json!({"classification": after}));
    let change =
        format!("{{\"name\":{shown},\"id\":{path},\"previousValue\":{before},\"currentValue\":{after}}}");
    format!("{{{head},\"changeSet\":{{\"changedProperties\":[],\"connectorChanges\":[{change}]}}}}")
}
