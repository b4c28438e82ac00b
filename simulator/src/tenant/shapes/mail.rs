//! Mailboxes (record types 1, 2 and 50), after published records of the Exchange feed.

use serde_json::{Value, json};

use crate::tenant::dice::Dice;
use crate::tenant::people::Person;
use crate::tenant::places::with_port;
use crate::tenant::record::{AuditRecord, Scene, Who, pairs};

/// What Exchange does by itself: the command, the object it is about.
const HOUSEKEEPING: [(&str, &str); 5] = [
    ("Set-MailboxPlan", "ExchangeOnlineEnterprise-4f1a"),
    ("Set-MailboxPlan", "ExchangeOnlineDeskless-96d3"),
    ("Set-TenantObjectVersion", ""),
    ("Install-DefaultSharingPolicy", "Default Sharing Policy"),
    ("Set-RecipientEnforcementProvisioningPolicy", "Recipient Quota Policy"),
];

const SYSTEM: &str = "NT AUTHORITY\\SYSTEM (Microsoft.Exchange.ServiceHost)";

/// A command with parameters, about `object`.
pub(crate) fn command(
    scene: &mut Scene<'_>,
    operation: &'static str,
    object: &str,
    parameters: &[(&str, &str)],
) -> AuditRecord {
    let who = scene.who.clone();
    let client = with_port(&who.address, &mut scene.dice);
    let (server, session, request) = (server(&mut scene.dice), scene.dice.guid(), scene.dice.guid());
    scene
        .draft((1, "Exchange", operation))
        .with_all(json!({
            "UserType": 2,
            "ResultStatus": "True",
            "ClientIP": client,
            "ObjectId": object,
            "AppId": "00000002-0000-0ff1-ce00-000000000000",
            "AppPoolName": "MSExchangeAdminApiNetCore",
            "ClientAppId": "",
            "ExternalAccess": false,
            "OrganizationName": scene.world.initial_domain,
            "OriginatingServer": server,
            "Parameters": pairs(parameters),
            "RequestId": request,
            "SessionId": session,
        }))
        .done()
}

/// Somebody writes an inbox rule of their own in the browser; `action` is what it does.
pub(crate) fn inbox_rule(scene: &mut Scene<'_>, name: &str, action: &[(&str, &str)]) -> AuditRecord {
    let (number, puid) = (scene.dice.hex(16), scene.who.puid.clone());
    let mailbox = mailbox_path(scene, &puid);
    let changes = scene.dice.chance(250);
    let mut parameters = vec![("AlwaysDeleteOutlookRulesBlob", "False"), ("Force", "False")];
    parameters.extend_from_slice(action);
    parameters.extend([("Name", name), ("StopProcessingRules", "True")]);
    if changes {
        parameters.push(("Identity", name));
        return command(scene, "Set-InboxRule", &format!("{mailbox}\\{number}"), &parameters);
    }
    command(scene, "New-InboxRule", &format!("{mailbox}\\{name}"), &parameters)
}

/// The same, written in a mail program: `addresses` get every message.
pub(crate) fn client_rule(scene: &mut Scene<'_>, name: &str, address: &str) -> AuditRecord {
    let who = scene.who.clone();
    let mailbox = scene.dice.guid();
    let client = with_port(&who.address, &mut scene.dice);
    let server = server(&mut scene.dice);
    let actions = json!([{"ActionType": "Forward", "Recipients": [address],
        "ForwardFlags": "None"}])
    .to_string();
    scene
        .draft((2, "Exchange", "UpdateInboxRules"))
        .with_all(json!({
            "UserType": 0,
            "ResultStatus": "Succeeded",
            "ClientIP": client,
            "ClientIPAddress": who.address,
            "ClientInfoString": "Client=MSExchangeRPC",
            "ClientProcessName": "OUTLOOK.EXE",
            "ExternalAccess": false,
            "InternalLogonType": 0,
            "LogonType": 0,
            "MailboxGuid": mailbox,
            "MailboxOwnerUPN": who.upn,
            "OrganizationName": scene.world.initial_domain,
            "OriginatingServer": server,
            "OperationProperties": pairs(&[
                ("RuleOperation", "AddMailboxRule"),
                ("RuleState", "Enabled"),
                ("RuleName", name),
                ("RuleActions", actions.as_str()),
            ]),
        }))
        .done()
}

/// An administrator sets where a mailbox forwards to; an empty address ends it.
pub(crate) fn forwarding(scene: &mut Scene<'_>, of: &Person, address: &str) -> AuditRecord {
    let target = if address.is_empty() { String::new() } else { format!("smtp:{address}") };
    let keep = if scene.dice.chance(700) { "True" } else { "False" };
    let parameters = [
        ("Identity", of.upn.as_str()),
        ("ForwardingAddress", ""),
        ("ForwardingSmtpAddress", target.as_str()),
        ("DeliverToMailboxAndForward", keep),
    ];
    command(scene, "Set-Mailbox", &alias(of), &parameters)
}

/// Mail is read.
pub(crate) fn read(scene: &mut Scene<'_>) -> AuditRecord {
    let who = scene.who.clone();
    let count = scene.dice.between(1, 6);
    let server = server(&mut scene.dice);
    let mut mailbox = Dice::of(scene.world.seed, &who.upn, &[]);
    let mailbox = mailbox.guid();
    let items: Value = (0..count)
        .map(|_| {
            let (id, size) = (scene.dice.hex(24), scene.dice.between(4_000, 90_000));
            json!({"InternetMessageId": format!("<{id}@mail.example>"), "SizeInBytes": size})
        })
        .collect();
    scene
        .draft((50, "Exchange", "MailItemsAccessed"))
        .with_all(json!({
            "UserType": 0,
            "ResultStatus": "Succeeded",
            "ClientIPAddress": who.address,
            "ClientInfoString": "Client=OWA;Action=ViaProxy",
            "ExternalAccess": false,
            "InternalLogonType": 0,
            "LogonType": 0,
            "MailboxGuid": mailbox,
            "MailboxOwnerUPN": who.upn,
            "OrganizationName": scene.world.initial_domain,
            "OriginatingServer": server,
            "OperationProperties": pairs(&[("MailAccessType", "Bind"), ("IsThrottled", "False")]),
            "OperationCount": count,
            "Folders": [{"Path": "\\Inbox", "FolderItems": items}],
        }))
        .done()
}

/// What Exchange does by itself.
pub(crate) fn housekeeping(scene: &mut Scene<'_>) -> AuditRecord {
    let (operation, object) = scene.dice.pick(&HOUSEKEEPING).copied().unwrap_or(("Set-MailboxPlan", ""));
    let address = String::new();
    let name = SYSTEM.to_owned();
    scene.who =
        Who { upn: name.clone(), object_id: String::new(), puid: name, user_type: 3, address, agent: "" };
    let server = server(&mut scene.dice);
    let organization = scene.world.initial_domain.clone();
    let object = format!("{organization}\\{object}");
    scene
        .draft((1, "Exchange", operation))
        .with_all(json!({
            "ResultStatus": "True",
            "ObjectId": object,
            "AppId": "",
            "ClientAppId": "",
            "ExternalAccess": true,
            "OrganizationName": organization,
            "OriginatingServer": server,
            "Parameters": pairs(&[("DomainController", ""), ("Identity", object.as_str())]),
        }))
        .done()
}

/// The mailbox's short name.
fn alias(person: &Person) -> String {
    let local = person.upn.split('@').next().unwrap_or_default().replace('.', "");
    let tail: String = person.object_id.chars().take(8).collect();
    format!("{local}_{tail}")
}

/// Exchange's own name of somebody's mailbox.
fn mailbox_path(scene: &Scene<'_>, puid: &str) -> String {
    let owner = scene.world.people.iter().find(|person| person.puid == puid);
    let alias = owner.map(alias).unwrap_or_default();
    let organization = &scene.world.initial_domain;
    format!("EURPR04A012.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations/{organization}/{alias}")
}

fn server(dice: &mut Dice) -> String {
    format!(
        "AM9PR04MB{} (15.20.{}.0{})",
        dice.between(1000, 9999),
        dice.between(8800, 8999),
        dice.between(10, 39)
    )
}
