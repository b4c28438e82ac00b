//! Power Automate and Power Apps, both generations: flows (record type 30), apps (45 and 256), connections (79 and 256).
//!
//! No raw record of the types 30, 45 and 79 is public: the fields are those of Microsoft's activity logging pages
//! (power-platform `admin/activity-logging-auditing`). Type 256 follows the one published launch.

use serde_json::{Value, json};

use crate::tenant::estate::{App, Connector};
use crate::tenant::record::{AuditRecord, Scene, pairs};

/// A flow, as a record about it names it.
pub(crate) struct FlowRef<'a> {
    pub(crate) id: &'a str,
    pub(crate) environment_id: &'a str,
    pub(crate) connectors: &'a [Connector],
}

/// With whom a flow is shared, and how.
pub(crate) struct Share<'a> {
    pub(crate) with: &'a str,
    /// As an owner, else to run only.
    pub(crate) owner: bool,
}

/// Somebody does `operation` with a flow.
pub(crate) fn flow(scene: &mut Scene<'_>, operation: &'static str, flow: &FlowRef<'_>) -> AuditRecord {
    flow_fields(scene, operation, flow, json!({}))
}

/// A flow is shared.
pub(crate) fn flow_shared(scene: &mut Scene<'_>, flow: &FlowRef<'_>, share: &Share<'_>) -> AuditRecord {
    let permission = if share.owner { "3" } else { "2" };
    let more = json!({"RecipientUPN": share.with, "SharingPermission": permission, "UserTypeInitiated": "1"});
    flow_fields(scene, "PutPermissions", flow, more)
}

fn flow_fields(
    scene: &mut Scene<'_>,
    operation: &'static str,
    flow: &FlowRef<'_>,
    more: Value,
) -> AuditRecord {
    let who = scene.who.clone();
    let (environment, id) = (flow.environment_id, flow.id);
    let url = format!("https://make.powerautomate.com/environments/{environment}/flows/{id}/details");
    let connectors = names(scene, flow.connectors);
    scene
        .draft((30, "MicrosoftFlow", operation))
        .with_all(json!({
            "UserKey": who.upn,
            "UserUPN": who.upn,
            "ResultStatus": "Success",
            "ClientIP": who.address,
            "ObjectId": "",
            "FlowDetailsUrl": url,
            "FlowConnectorNames": connectors,
            "LicenseDisplayName": "Microsoft Power Automate",
        }))
        .with_all(more)
        .done()
}

/// The connectors of a flow in one text, by the names people see or by reference.
fn names(scene: &Scene<'_>, connectors: &[Connector]) -> String {
    let shown = scene.world.shows_display_names;
    let name = |connector: &Connector| match shown {
        true => connector.0.to_owned(),
        false => format!("shared_{}", connector.1),
    };
    connectors.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Somebody does `operation` with an app.
pub(crate) fn app(scene: &mut Scene<'_>, operation: &'static str, app: &App) -> AuditRecord {
    app_fields(scene, operation, app, &[])
}

/// An app is shared with somebody, by object id.
pub(crate) fn app_shared(scene: &mut Scene<'_>, app: &App, with: &str) -> AuditRecord {
    let permission = if scene.dice.chance(700) { "CanView" } else { "CanEdit" };
    let more = [("targetuser.id", with), ("powerplatform.analytics.resource.permission_type", permission)];
    app_fields(scene, "PowerAppPermissionEdited", app, &more)
}

fn app_fields(
    scene: &mut Scene<'_>,
    operation: &'static str,
    app: &App,
    more: &[(&str, &str)],
) -> AuditRecord {
    let environment = scene.world.estate.environment_id(app.environment);
    // The older generation still comes now and then.
    if more.is_empty() && scene.dice.chance(150) {
        return legacy_app(scene, operation, app);
    }
    let path = format!("/providers/Microsoft.PowerApps/apps/{}", app.id);
    let id = if scene.dice.chance(500) { app.id.as_str() } else { path.as_str() };
    let mut properties = vec![
        ("powerplatform.analytics.resource.power_app.display_name", app.name),
        ("powerplatform.analytics.resource.power_app.id", id),
        ("powerplatform.analytics.resource.type", "PowerApp"),
        ("powerplatform.analytics.resource.environment.id", environment),
        (
            "powerplatform.analytics.resource.environment.name",
            scene.world.estate.environment_name(app.environment),
        ),
    ];
    properties.extend_from_slice(more);
    unified(scene, operation, &properties)
}

fn legacy_app(scene: &mut Scene<'_>, operation: &'static str, app: &App) -> AuditRecord {
    let who = scene.who.clone();
    let environment = scene.world.estate.environment_id(app.environment);
    scene
        .draft((45, "PowerApps", operation))
        .with_all(json!({
            "UserKey": who.object_id,
            "ResultStatus": "Succeeded",
            "ClientIP": who.address,
            "ObjectId": "",
            "AppName": app.id,
            "EnvironmentName": environment,
            "AdditionalInfo": json!({"AppName": app.id, "EnvironmentName": environment}).to_string(),
        }))
        .done()
}

/// Somebody makes or renews a connection.
pub(crate) fn connection(scene: &mut Scene<'_>, connector: Connector, environment: usize) -> AuditRecord {
    let environment_id = scene.world.estate.environment_id(environment);
    let id = scene.dice.hex(32).to_lowercase();
    let path = format!("/providers/Microsoft.PowerApps/apis/shared_{}/connections/{id}", connector.1);
    if scene.dice.chance(300) {
        let who = scene.who.clone();
        let info = json!({"EnvironmentName": environment_id, "ActionName": "PutConnection"}).to_string();
        return scene
            .draft((79, "PowerApps", "PutConnection"))
            .with_all(json!({
                "UserKey": who.object_id,
                "ResultStatus": "Succeeded",
                "ClientIP": who.address,
                "ObjectId": "",
                "ResourceId": path,
                "AdditionalInfo": info,
            }))
            .done();
    }
    let properties = [
        ("powerplatform.analytics.resource.connection.id", path.as_str()),
        ("powerplatform.analytics.resource.connection.action_name", "PutConnection"),
        ("powerplatform.analytics.resource.type", "Connection"),
        ("powerplatform.analytics.resource.environment.id", environment_id),
    ];
    unified(scene, "PutConnection", &properties)
}

/// A record of the second generation, with what all of them have.
pub(crate) fn unified(
    scene: &mut Scene<'_>,
    operation: &'static str,
    properties: &[(&str, &str)],
) -> AuditRecord {
    let who = scene.who.clone();
    let tenant = scene.world.tenant_id.clone();
    let correlation = scene.dice.guid();
    let mapped = !who.address.contains(':') && scene.dice.chance(400);
    let address = if mapped { format!("::ffff:{}", who.address) } else { who.address.clone() };
    let draft = scene.draft((256, "PowerPlatform", operation));
    let id = draft.id().to_owned();
    let role = if who.user_type == 2 { "Admin" } else { "Regular" };
    let mut all = properties.to_vec();
    all.extend([
        ("powerplatform.analytics.operation.is_successful", "True"),
        ("powerplatform.analytics.activity.name", operation),
        ("powerplatform.analytics.activity.id", id.as_str()),
        ("powerplatform.analytics.resource.telemetry_correlation.id", correlation.as_str()),
        ("powerplatform.analytics.resource.tenant.id", tenant.as_str()),
        ("enduser.id", who.object_id.as_str()),
        ("enduser.principal_name", who.upn.as_str()),
        ("enduser.role", role),
        ("enduser.ip_address", address.as_str()),
        ("user_agent.original", who.agent),
        ("type", "PowerPlatformAdministratorActivityRecord"),
        ("version", "1.0"),
    ]);
    let environment = all.iter().find(|(name, _)| name.ends_with("resource.environment.id"));
    let environment = environment.map_or("", |(_, id)| id).to_owned();
    let collection = pairs(&all);
    draft
        .with_all(json!({
            "UserKey": who.object_id,
            "ResultStatus": "Succeeded",
            "ClientIP": who.address,
            "EnvironmentId": environment,
            "RequiresCustomerKeyEncryption": false,
            "PropertyCollection": collection,
        }))
        .done()
}
