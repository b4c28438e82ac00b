//! Power Platform records of both generations, from the documented fields: no public raw record of the legacy types
//! exists, and one of the unified (the corpus' only one, tested here too).

use schemas::event::{Activity, Environment};

use crate::support::{corpus_path, event_of};

fn record(operation: &str, fields: &str) -> Activity {
    let common = "\"Id\":\"1\",\"CreationTime\":\"2024-05-01T10:00:00\",\"UserId\":\"a@x\"";
    event_of(&format!("{{{common},\"Operation\":\"{operation}\",{fields}}}")).activity
}

/// A unified record with those properties.
fn unified(operation: &str, properties: &[(&str, &str)]) -> Activity {
    let pair = |(name, value): &(&str, &str)| {
        let name = match name.strip_prefix('.') {
            Some(short) => format!("powerplatform.analytics.{short}"),
            None => (*name).to_owned(),
        };
        serde_json::json!({"Name": name, "Value": value}).to_string()
    };
    let properties = properties.iter().map(pair).collect::<Vec<_>>().join(",");
    record(operation, &format!("\"RecordType\":256,\"PropertyCollection\":[{properties}]"))
}

fn environment(id: &str, is_default: bool) -> Option<Environment> {
    Some(Environment { id: id.to_owned(), is_default })
}

const URL: &str = "https://make.powerautomate.com/environments/Default-8D4121ED-0008/flows/AB12-CD/details";

#[test]
fn legacy_flow_records_carry_both_ids_in_one_url() {
    let fields = format!(
        "\"RecordType\":30,\"FlowDetailsUrl\":\"{URL}\",\"FlowConnectorNames\":\"shared_office365, shared_SQL,shared_office365\""
    );
    let edited = record("EditFlow", &fields);
    assert_eq!(edited.kind, "flow.edit");
    assert_eq!((edited.resource.kind.as_str(), edited.resource.id.as_str()), ("flow", "ab12-cd"));
    assert_eq!(edited.environment, environment("8d4121ed-0008", true));
    assert_eq!(edited.connectors, vec!["office365", "sql"]);
    let as_list = format!(
        "\"FlowDetailsUrl\":\"{URL}\",\"FlowConnectorNames\":[\"SQL\",\"/providers/Microsoft.PowerApps/apis/shared_twitter\"]"
    );
    assert_eq!(record("CreateFlow", &as_list).connectors, vec!["sql", "twitter"]);
    assert_eq!(record("DeleteFlow", "\"FlowDetailsUrl\":\"\"").resource.id, "");
}

#[test]
fn legacy_flow_shares_say_with_whom_and_how() {
    for (permission, expected) in
        [("\"3\"", "owner"), ("3", "owner"), ("2", "run_only"), ("\"CanView\"", "canview")]
    {
        let fields = format!(
            "\"FlowDetailsUrl\":\"{URL}\",\"SharingPermission\":{permission},\"RecipientUPN\":\"Guest@Y\""
        );
        let shared = record("PutPermissions", &fields);
        assert_eq!((shared.kind.as_str(), shared.permission.as_str()), ("flow.share", expected));
        assert_eq!(shared.recipients, vec!["guest@y"]);
    }
    assert_eq!(record("DeletePermissions", "\"RecipientUPN\":\"Guest@Y\"").kind, "flow.unshare");
}

#[test]
fn both_generations_name_one_app_alike() {
    let id = "a81399c4-8e32-4460-b0d6-69d7d6c404e5";
    let legacy = record(
        "PowerAppPermissionEdited",
        &format!(
            "\"RecordType\":45,\"AppName\":\"{}\",\"AdditionalInfo\":\"{{\\\"EnvironmentName\\\":\\\"default-99CA\\\"}}\"",
            id.to_uppercase()
        ),
    );
    let new = unified(
        "PowerAppPermissionEdited",
        &[
            (
                ".resource.power_app.id",
                "/providers/Microsoft.PowerApps/apps/A81399C4-8e32-4460-b0d6-69d7d6c404e5",
            ),
            (".resource.power_app.display_name", "An app"),
            (
                ".resource.environment.id",
                "/providers/Microsoft.BusinessAppPlatform/environments/Default-99ca",
            ),
            (".resource.permission_type", "CanEdit"),
            ("targetuser.id", "7FF1E0F1-e2a4-48a0-874e-34db43893df1"),
            (".operation.is_successful", "True"),
            ("enduser.ip_address", "::ffff:172.172.34.12"),
        ],
    );
    for activity in [&legacy, &new] {
        assert_eq!((activity.kind.as_str(), activity.resource.kind.as_str()), ("app.share", "app"));
        assert_eq!(activity.resource.id, id);
        assert_eq!(activity.environment, environment("99ca", true));
    }
    assert_eq!((new.permission.as_str(), new.resource.name.as_str()), ("canedit", "An app"));
    assert_eq!(new.recipients, vec!["7ff1e0f1-e2a4-48a0-874e-34db43893df1"]);
    assert_eq!((new.outcome.as_str(), new.address.unwrap().ip.as_str()), ("success", "172.172.34.12"));
}

#[test]
fn the_one_public_launch_is_read() {
    let text = std::fs::read_to_string(corpus_path("pnp-analytics-insights")).unwrap();
    let event = event_of(text.lines().last().unwrap());
    let activity = &event.activity;
    assert_eq!((event.record_type, event.content_type.as_str()), (256, "Audit.General"));
    assert_eq!((activity.kind.as_str(), activity.resource.name.as_str()), ("app.launch", "TestEmptyApp"));
    assert_eq!(activity.resource.id, "6c39e97c-6ddd-4a37-afd4-494a605925cf");
    assert_eq!(activity.environment, environment("aa289efd-09f4-eaeb-bbb8-c08fc9e27d09", false));
    assert_eq!(
        (activity.actor.id.as_str(), activity.actor.kind.as_str()),
        ("amberr@contoso.onmicrosoft.com", "admin")
    );
    assert_eq!(activity.address.as_ref().unwrap().ip, "167.220.196.178");
}

/// The documentation's two property collections, as the records they were cut from would have them.
#[test]
fn the_documented_property_collections_are_read() {
    let path = corpus_path("microsoft-docs-property-collections.fragments");
    let text = std::fs::read_to_string(path).unwrap();
    let of = |number: usize, operation: &str| {
        let fragment: serde_json::Value = serde_json::from_str(text.lines().nth(number).unwrap()).unwrap();
        record(operation, &format!("\"PropertyCollection\":{}", fragment["PropertyCollection"]))
    };
    let deleted = of(0, "AdminDeleteApp");
    assert_eq!((deleted.kind.as_str(), deleted.outcome.as_str()), ("app.delete", "success"));
    assert_eq!(deleted.resource.id, "a81399c4-8e32-4460-b0d6-69d7d6c404e5");
    assert_eq!(deleted.resource.name, "Test canvas app");
    assert_eq!(deleted.environment, environment("99ca106f-36df-429e-9998-b6131ea7cc86", true));
    assert_eq!(deleted.address.unwrap().ip, "172.172.34.12");
    assert_eq!(deleted.actor.object_id, "e5568c4f-015e-49d6-bf04-16c14301e9a3");
    let lockbox = of(1, "LockboxRequestOperation");
    assert_eq!((lockbox.kind.as_str(), lockbox.outcome.as_str()), ("", "unknown"));
    assert_eq!(lockbox.environment, environment("ed92c80e-89ef-e0c8-a9eb-98559ca07809", false));
    assert_eq!((lockbox.address, lockbox.actor.object_id.as_str()), (None, ""));
}

#[test]
fn connections_name_their_connector() {
    let path = "/providers/Microsoft.PowerApps/apis/shared_sql/connections/ABC-1";
    let legacy = record(
        "PutConnection",
        &format!(
            "\"RecordType\":79,\"ResourceId\":\"{path}\",\"AdditionalInfo\":{{\"EnvironmentName\":\"E1\"}}"
        ),
    );
    let new =
        unified("PutConnection", &[(".resource.connection.id", path), (".resource.environment.id", "e1")]);
    for activity in [&legacy, &new] {
        assert_eq!(
            (activity.kind.as_str(), activity.resource.kind.as_str()),
            ("connection.edit", "connection")
        );
        assert_eq!((activity.resource.id.as_str(), &activity.connectors), ("abc-1", &vec!["sql".to_owned()]));
        assert_eq!(activity.environment, environment("e1", false));
    }
    let shared =
        unified("PutConnectionPermission", &[(".resource.connection.id", "ABC-2"), ("targetuser.id", "T")]);
    assert_eq!((shared.kind.as_str(), shared.resource.id.as_str()), ("connection.share", "abc-2"));
    assert_eq!((shared.recipients, shared.connectors), (vec!["t".to_owned()], vec![]));
    let connector =
        unified("PatchApi", &[(".resource.id", "/providers/Microsoft.PowerApps/apis/shared_own")]);
    assert_eq!((connector.kind.as_str(), connector.resource.kind.as_str()), ("connector.edit", "connector"));
    assert_eq!((connector.resource.id.as_str(), connector.connectors), ("own", vec!["own".to_owned()]));
}

#[test]
fn policies_of_both_generations_say_what_was_done() {
    let name = ".resource.tenant.governance.api_policy.operation_name";
    for (done, kind) in [
        ("CreateDlpPolicy", "policy.create"),
        ("UpdateDlpPolicy", "policy.edit"),
        ("DeleteDlpPolicy", "policy.delete"),
        ("CreateOrUpdateConnectorPatterns", "policy.edit"),
        ("SetConfigurations", "policy.edit"),
    ] {
        let activity = unified("GovernanceApiPolicyOperation", &[(name, done)]);
        assert_eq!((activity.kind.as_str(), activity.resource.kind.as_str()), (kind, "policy"), "{done}");
    }
    let legacy = record(
        "UpdateDlpPolicy",
        "\"RecordType\":187,\"AdditionalInfo\":\"{\\\"policyId\\\":\\\"P-1\\\",\\\"environmentName\\\":\\\"E1\\\",\\\"changeSet\\\":{\\\"connectorChanges\\\":[{\\\"name\\\":\\\"SQL\\\",\\\"id\\\":\\\"/providers/Microsoft.PowerApps/apis/shared_sql\\\"}]}}\"",
    );
    assert_eq!((legacy.kind.as_str(), legacy.resource.id.as_str()), ("policy.edit", "p-1"));
    assert_eq!((legacy.environment, legacy.connectors), (environment("e1", false), vec!["sql".to_owned()]));
    assert_eq!(unified("TenantIsolationOperation", &[]).kind, "tenant.isolation");
    let changed = unified("EnvironmentPropertyChange", &[(".resource.environment.id", "E2")]);
    assert_eq!((changed.kind.as_str(), changed.resource.id.as_str()), ("environment.edit", "e2"));
}
