//! Entra directory records (type 8): users, groups, roles, applications and consents, after published records. These
//! carry no address.

use serde_json::{Value, json};

use crate::tenant::people::Person;
use crate::tenant::record::{AuditRecord, Draft, Scene};

/// A property that changed: name, old value, new value.
pub(crate) type Change<'a> = (&'a str, &'a str, &'a str);

/// An application that somebody lets in.
pub(crate) struct Application {
    pub(crate) name: &'static str,
    pub(crate) app_id: String,
    pub(crate) principal_id: String,
}

/// What is granted, and for whom.
pub(crate) struct Grant<'a> {
    /// Scopes, with blanks between.
    pub(crate) scope: &'a str,
    /// By an administrator, for everybody.
    pub(crate) for_all: bool,
}

impl Application {
    pub(crate) fn new(scene: &mut Scene<'_>, names: &[&'static str]) -> Self {
        let name = scene.dice.word(names);
        Self { name, app_id: scene.dice.guid(), principal_id: scene.dice.guid() }
    }
}

/// Something is done to a person.
pub(crate) fn on_person(
    scene: &mut Scene<'_>,
    operation: &'static str,
    person: &Person,
    changes: &[Change<'_>],
) -> AuditRecord {
    let id = person.object_id.as_str();
    let target = json!([
        {"ID": format!("User_{id}"), "Type": 2}, {"ID": id, "Type": 2}, {"ID": "User", "Type": 2},
        {"ID": person.upn, "Type": 5}, {"ID": person.puid, "Type": 3},
    ]);
    base(scene, operation, "User", changes)
        .with("ObjectId", person.upn.as_str())
        .with("Target", target)
        .done()
}

/// The records of a consent, in the order in which they are written.
pub(crate) fn consent(
    scene: &mut Scene<'_>,
    application: &Application,
    grant: &Grant<'_>,
) -> Vec<AuditRecord> {
    let consent_type = if grant.for_all { "AllPrincipals" } else { "Principal" };
    let all = if grant.for_all { "True" } else { "False" };
    let app_id = application.app_id.as_str();
    let mut records = Vec::new();

    let enabled = [
        ("AccountEnabled", "[]", "[\r\n  true\r\n]"),
        ("DisplayName", "[]", application.name),
        ("Included Updated Properties", "", "AccountEnabled, DisplayName, ServicePrincipalName"),
        ("TargetId.ServicePrincipalNames", "", app_id),
    ];
    records.push(on_application(scene, "Add service principal.", application, &enabled));
    scene.later(1, 4);

    let granted = [
        ("DelegatedPermissionGrant.Scope", "", grant.scope),
        ("DelegatedPermissionGrant.ConsentType", "", consent_type),
        ("ServicePrincipal.ObjectID", "", application.principal_id.as_str()),
        ("ServicePrincipal.DisplayName", "", application.name),
        ("ServicePrincipal.AppId", "", app_id),
    ];
    records.push(on_application(scene, "Add delegated permission grant.", application, &granted));
    scene.later(0, 2);

    let principal = if grant.for_all { String::new() } else { scene.who.object_id.clone() };
    let permissions = format!(
        "[] => [[Id: {}, ClientId: {}, PrincipalId: {principal}, ResourceId: {}, ConsentType: {consent_type}, Scope: {}, CreatedDateTime: , LastModifiedDateTime ]]; ",
        scene.dice.hex(32),
        application.principal_id,
        scene.dice.guid(),
        grant.scope,
    );
    let consented = [
        ("ConsentContext.IsAdminConsent", "", all),
        ("ConsentContext.IsAppOnly", "", "False"),
        ("ConsentContext.OnBehalfOfAll", "", all),
        ("ConsentContext.Tags", "", ""),
        ("ConsentAction.Permissions", "", permissions.as_str()),
        ("TargetId.ServicePrincipalNames", "", app_id),
    ];
    records.push(on_application(scene, "Consent to application.", application, &consented));
    records
}

/// Somebody gets a directory role.
pub(crate) fn role_given(
    scene: &mut Scene<'_>,
    person: &Person,
    role: (&'static str, &'static str),
) -> AuditRecord {
    let (name, template) = role;
    let changes =
        [("Role.ObjectID", "", template), ("Role.DisplayName", "", name), ("Role.TemplateId", "", template)];
    on_person(scene, "Add member to role.", person, &changes)
}

fn on_application(
    scene: &mut Scene<'_>,
    operation: &'static str,
    application: &Application,
    changes: &[Change<'_>],
) -> AuditRecord {
    let id = application.principal_id.as_str();
    let target = json!([
        {"ID": format!("ServicePrincipal_{id}"), "Type": 2}, {"ID": id, "Type": 2},
        {"ID": "ServicePrincipal", "Type": 2}, {"ID": application.name, "Type": 1},
        {"ID": application.app_id, "Type": 2}, {"ID": application.app_id, "Type": 4},
    ]);
    base(scene, operation, "ServicePrincipal", changes)
        .with("ObjectId", application.app_id.as_str())
        .with("Target", target)
        .done()
}

fn base(scene: &mut Scene<'_>, operation: &'static str, category: &str, changes: &[Change<'_>]) -> Draft {
    let who = scene.who.clone();
    let tenant = scene.world.tenant_id.clone();
    let (inter, intra) = (scene.dice.guid(), scene.dice.guid());
    let details = json!({"User-Agent": who.agent}).to_string();
    let changes: Value = changes
        .iter()
        .map(|(name, old, new)| json!({"Name": name, "OldValue": old, "NewValue": new}))
        .collect();
    scene.draft((8, "AzureActiveDirectory", operation)).with_all(json!({
        "UserType": 0,
        "UserKey": format!("{}@{}", who.puid, scene.world.initial_domain),
        "ResultStatus": "Success",
        "AzureActiveDirectoryEventType": 1,
        "ActorContextId": tenant,
        "TargetContextId": tenant,
        "InterSystemsId": inter,
        "IntraSystemId": intra,
        "SupportTicketId": "",
        "ModifiedProperties": changes,
        "ExtendedProperties": [
            {"Name": "additionalDetails", "Value": details},
            {"Name": "extendedAuditEventCategory", "Value": category},
        ],
        "Actor": [
            {"ID": who.upn, "Type": 5}, {"ID": who.puid, "Type": 3},
            {"ID": format!("User_{}", who.object_id), "Type": 2}, {"ID": who.object_id, "Type": 2},
            {"ID": "User", "Type": 2},
        ],
    }))
}
