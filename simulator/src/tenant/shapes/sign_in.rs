//! Sign-ins (record type 15), after published records of the Entra feed.

use serde_json::json;

use crate::tenant::record::{AuditRecord, Scene, pairs};

/// Entra's error for a wrong password, and for a second factor that is still to come.
const WRONG_PASSWORD: (&str, &str) = ("50126", "InvalidUserNameOrPassword");
const FACTOR_TO_COME: (&str, &str) = ("50074", "UserStrongAuthClientAuthNRequired");

/// Applications that people sign in to.
const APPLICATIONS: [&str; 4] = [
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
    "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
    "4765445b-32c6-49b0-83e6-1d93765276ca",
];

/// A sign-in that worked.
pub(crate) fn done(scene: &mut Scene<'_>) -> AuditRecord {
    record(scene, "UserLoggedIn", None)
}

/// A mistyped password, or a second factor that was asked for.
pub(crate) fn failed(scene: &mut Scene<'_>) -> AuditRecord {
    let error = if scene.dice.chance(600) { WRONG_PASSWORD } else { FACTOR_TO_COME };
    record(scene, "UserLoginFailed", Some(error))
}

fn record(scene: &mut Scene<'_>, operation: &'static str, error: Option<(&str, &str)>) -> AuditRecord {
    let who = scene.who.clone();
    let tenant = scene.world.tenant_id.clone();
    let application = scene.dice.word(&APPLICATIONS);
    let (session, inter) = (scene.dice.guid(), scene.dice.guid());
    let draft = scene.draft((15, "AzureActiveDirectory", operation));
    let id = draft.id().to_owned();
    let (result, detail) = if error.is_some() { ("Failed", "UserError") } else { ("Success", "Success") };
    let draft = draft.with_all(json!({
        "UserType": 0,
        "UserKey": who.object_id,
        "ResultStatus": result,
        "ClientIP": who.address,
        "ActorIpAddress": who.address,
        "ObjectId": application,
        "ApplicationId": application,
        "AzureActiveDirectoryEventType": 1,
        "ActorContextId": tenant,
        "TargetContextId": tenant,
        "InterSystemsId": inter,
        "IntraSystemId": id,
        "SupportTicketId": "",
        "ModifiedProperties": [],
        "Actor": [{"ID": who.object_id, "Type": 0}, {"ID": who.upn, "Type": 5}],
        "Target": [{"ID": application, "Type": 0}],
        "ErrorNumber": error.map_or("0", |(number, _)| number),
        "ExtendedProperties": pairs(&[
            ("ResultStatusDetail", detail),
            ("UserAgent", who.agent),
            ("RequestType", "OAuth2:Authorize"),
        ]),
        "DeviceProperties": pairs(&[
            ("OS", system(who.agent)),
            ("BrowserType", "Chrome"),
            ("IsCompliantAndManaged", "True"),
            ("SessionId", session.as_str()),
        ]),
    }));
    match error {
        Some((_, name)) => draft.with("LogonError", name).done(),
        None => draft.done(),
    }
}

fn system(agent: &str) -> &'static str {
    match agent {
        agent if agent.contains("Windows") => "Windows10",
        agent if agent.contains("iPhone") => "Ios",
        agent if agent.contains("Mac OS") => "MacOs",
        _ => "Linux",
    }
}
