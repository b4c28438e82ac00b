//! The canonical activity, from real records by their line and from documented shapes.

use schemas::event::Activity;

use crate::support::{corpus_path, event_of, reason_of};

fn line(file: &str, number: usize) -> Activity {
    let text = std::fs::read_to_string(corpus_path(file)).unwrap();
    event_of(text.lines().nth(number - 1).unwrap()).activity
}

/// An audit record with those further fields.
fn record(operation: &str, fields: &str) -> Activity {
    let common = "\"Id\":\"1\",\"CreationTime\":\"2024-05-01T10:00:00\",\"UserId\":\"Boss@X.example\"";
    event_of(&format!("{{{common},\"Operation\":\"{operation}\"{fields}}}")).activity
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

#[test]
fn real_forwardings_name_the_mailbox_and_never_the_actor() {
    for (number, mailbox, recipient) in [
        (74, "08226516-6d9d-4aef-8dd0-f9a93e8ed646", "johndoe@gmail.com"),
        (75, "ebd5d4ee-78ef-4404-a3e8-a6784bd128c7", "johndoe@gmail.com"),
        (76, "288fc35b-236b-4b73-868a-11f9d367bb13", "johndoe@gmail.com"),
        (
            77,
            "apcpr02a013.prod.outlook.com/microsoft exchange hosted organizations/contoso.onmicrosoft.com/adam_b5cd7fb7af",
            "alpha@localhost.com",
        ),
        (
            79,
            "apcpr03a010.prod.outlook.com/microsoft exchange hosted organizations/contoso.onmicrosoft.com/311b45d6-1a3e-46ac-8434-721367961e19",
            "bla@bla.com",
        ),
    ] {
        let activity = line("det-eng-samples", number);
        assert_eq!(activity.kind, "mail.forward", "{number}");
        assert_eq!((activity.resource.kind.as_str(), activity.resource.id.as_str()), ("mailbox", mailbox));
        assert_eq!(texts(&activity.recipients), vec![recipient]);
    }
    let removed = line("splunk-security-content", 13);
    assert_eq!(
        (removed.kind.as_str(), removed.recipients.len()),
        ("mail.forward", 0),
        "an empty value takes it away"
    );
    assert_eq!(removed.resource.id, "bpatel@rodsoto.onmicrosoft.com");
}

#[test]
fn rules_and_settings_without_forwarding_have_no_verb() {
    for number in [104, 107, 108, 109, 110, 111] {
        assert_eq!(line("det-eng-samples", number).kind, "", "{number}");
    }
    assert_eq!(line("pnp-analytics-insights", 8).kind, "");
}

#[test]
fn real_delegations_roles_sign_ins_and_shares_are_read() {
    let delegation = line("det-eng-samples", 4);
    assert_eq!(delegation.kind, "mailbox.delegate");
    assert_eq!(delegation.resource.id, "henrietta@contoso.onmicrosoft.com");
    assert_eq!(texts(&delegation.recipients), vec!["lidia@contoso.onmicrosoft.com"]);
    assert_eq!(delegation.permission, "fullaccess");
    assert_eq!(line("det-eng-samples", 5).recipients, vec!["311b45d6-1a3e-46ac-8434-721367961e19"]);
    assert_eq!(line("det-eng-samples", 3).actor.kind, "system", "Exchange's own housekeeping");

    let role = line("det-eng-samples", 1);
    assert_eq!((role.kind.as_str(), role.resource.name.as_str()), ("role.grant", "Company Administrator"));
    assert_eq!(role.resource.id, "62e90394-69f5-4237-9190-012177145e10");
    assert_eq!(texts(&role.recipients), vec!["alex@contoso.onmicrosoft.com"]);
    assert_eq!(role.actor.object_id, "7dccacb0-c3ff-4b02-964b-dd04c5a8f9fe");

    let failed = line("det-eng-samples", 13);
    assert_eq!((failed.kind.as_str(), failed.outcome.as_str()), ("sign_in.failure", "failure"));
    assert_eq!(failed.actor.object_id, "cccea98b-92f6-4e15-8e52-452bad586d7c");

    let shared = line("pnp-analytics-insights", 11);
    assert_eq!((shared.kind.as_str(), shared.permission.as_str()), ("file.share", "osallistuja"));
    assert_eq!(texts(&shared.recipients), vec!["first.last@customer.com"]);
    assert_eq!(shared.resource.name, "Dokumenttien versionhallinta.docx");

    assert_eq!(line("splunk-security-content", 8).kind, "application.consent");
    let granted = line("splunk-security-content", 2);
    assert_eq!(
        (granted.resource.name.as_str(), granted.permission.as_str()),
        ("STRT_Oauth", "full_access_as_app")
    );
    let deleted = line("det-eng-samples", 83);
    assert_eq!((deleted.kind.as_str(), deleted.resource.kind.as_str()), ("user.delete", "user"));
    assert_eq!(deleted.resource.id, "e6e182d827c646e29844baca38c2473buser1@contoso.onmicrosoft.com");
}

#[test]
fn rules_of_a_mailbox_name_it_however_they_are_written() {
    let forward = |fields: &str, object: &str| {
        let parameters = format!(
            ",\"Parameters\":[{{\"Name\":\"ForwardTo\",\"Value\":\"a@x\"}}{fields}],\"ObjectId\":\"{object}\""
        );
        record("Set-InboxRule", &parameters).resource.id
    };
    let identity = |value: &str| format!(",{{\"Name\":\"Identity\",\"Value\":\"{value}\"}}");
    assert_eq!(forward("", "Org/Ann\\\\Rule"), "org/ann");
    assert_eq!(forward(&identity("Ann@X\\\\Rule"), "other\\\\Rule"), "other");
    assert_eq!(forward(&identity("Ann@X\\\\Rule"), ""), "ann@x");
    assert_eq!(forward(&identity("Rule"), "Ann@X\\\\Rule"), "ann@x", "there Identity names the rule alone");
    assert_eq!(forward(&identity("Ann@X"), "Ann@X"), "ann@x");
    assert_eq!(forward(",{\"Name\":\"Mailbox\",\"Value\":\"Ann@X\"}", "r"), "ann@x");
}

#[test]
fn forwarding_goes_to_every_destination_named() {
    let rule = record(
        "New-InboxRule",
        ",\"ObjectId\":\"m\\\\r\",\"Parameters\":[{\"Name\":\"ForwardTo\",\"Value\":\"\\\"Doe, J\\\" [SMTP:J@X];b@x\"},
         {\"Name\":\"RedirectTo\",\"Value\":\"smtp:C@x\"},{\"Name\":\"ForwardAsAttachmentTo\",\"Value\":\"\"}]",
    );
    assert_eq!(texts(&rule.recipients), vec!["j@x", "b@x", "c@x"]);
    let transport = record(
        "New-TransportRule",
        ",\"ObjectId\":\"All mail\",\"Parameters\":[{\"Name\":\"Name\",\"Value\":\"All mail\"},{\"Name\":\"BlindCopyTo\",\"Value\":\"o@x\"}]",
    );
    assert_eq!(
        (transport.kind.as_str(), transport.resource.kind.as_str()),
        ("mail.forward", "transport_rule")
    );
    assert_eq!(texts(&transport.recipients), vec!["o@x"]);
    let client = record(
        "UpdateInboxRules",
        ",\"MailboxOwnerUPN\":\"Ann@X\",\"OperationProperties\":[{\"Name\":\"RuleOperation\",\"Value\":\"AddMailboxRule\"},
         {\"Name\":\"RuleActions\",\"Value\":\"[{\\\"ActionType\\\":\\\"Forward\\\",\\\"Recipients\\\":[\\\"Out@Y\\\"]}]\"}]",
    );
    assert_eq!((client.kind.as_str(), client.resource.id.as_str()), ("mail.forward", "ann@x"));
    assert_eq!(texts(&client.recipients), vec!["out@y"]);
    let moved = record(
        "UpdateInboxRules",
        ",\"OperationProperties\":[{\"Name\":\"RuleActions\",\"Value\":\"[{\\\"ActionType\\\":\\\"MoveToFolder\\\"}]\"}]",
    );
    assert_eq!(moved.kind, "");
}

#[test]
fn a_rule_that_is_taken_away_forwards_nothing() {
    let rule = |operation: &str| {
        let properties = format!(
            ",\"MailboxOwnerUPN\":\"ann@x\",\"OperationProperties\":[{{\"Name\":\"RuleOperation\",\"Value\":\"{operation}\"}},
             {{\"Name\":\"RuleActions\",\"Value\":\"[{{\\\"ActionType\\\":\\\"Forward\\\",\\\"Recipients\\\":[\\\"out@y\\\"]}}]\"}}]"
        );
        record("UpdateInboxRules", &properties)
    };
    for removal in ["RemoveMailboxRule", "DeleteMailboxRule", "removeMailboxRule"] {
        let removed = rule(removal);
        assert_eq!((removed.kind.as_str(), removed.recipients.len()), ("", 0), "{removal}");
    }
    for change in ["AddMailboxRule", "ModifyMailboxRule"] {
        assert_eq!(rule(change).kind, "mail.forward", "{change}");
    }
}

#[test]
fn one_mailbox_has_one_name_whichever_command_changed_its_rule() {
    let rule = |operation: &str, parameter: &str| {
        let parameters = format!(
            ",\"ObjectId\":\"N/x/Alice\\\\1\",\"Parameters\":[{{\"Name\":\"ForwardTo\",\"Value\":\"a@x\"}}{parameter}]"
        );
        record(operation, &parameters).resource.id
    };
    let identity = ",{\"Name\":\"Identity\",\"Value\":\"alice@contoso.com\\\\1\"}";
    let mailbox = ",{\"Name\":\"Mailbox\",\"Value\":\"alice@contoso.com\"}";
    assert_eq!(rule("New-InboxRule", ""), "n/x/alice");
    assert_eq!(rule("New-InboxRule", mailbox), "n/x/alice");
    assert_eq!(rule("Set-InboxRule", identity), "n/x/alice");
    let setting = record(
        "Set-Mailbox",
        ",\"ObjectId\":\"N/x/Alice\",\"Parameters\":[{\"Name\":\"Identity\",\"Value\":\"Alice@contoso.com\"},{\"Name\":\"ForwardingSmtpAddress\",\"Value\":\"a@x\"}]",
    );
    assert_eq!(setting.resource.id, "alice@contoso.com", "of a mailbox's own settings Identity is its name");
}

#[test]
fn a_sharepoint_link_says_what_it_allows() {
    let link = record(
        "AddedToSecureLink",
        ",\"Workload\":\"OneDrive\",\"ObjectId\":\"https://x/a b.docx\",\"EventData\":\"<Type>Edit</Type><ExpirationDate/>\",\"TargetUserOrGroupName\":\"G#ext#@X\"",
    );
    assert_eq!((link.kind.as_str(), link.permission.as_str()), ("file.share", "edit"));
    assert_eq!(
        (link.resource.id.as_str(), texts(&link.recipients)),
        ("https://x/a b.docx", vec!["g#ext#@x"])
    );
}

#[test]
fn what_is_no_record_has_its_reason() {
    let deep = [&b"{\"Operation\":"[..], &b"[".repeat(200), &b"]".repeat(200), b"}"].concat();
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(500_001));
    let audit = |fields: &str| format!("{{\"Operation\":\"x\"{fields}}}");
    for (text, reason) in [
        (&b"{\"a\""[..], "truncated"),
        (b"{\"a\";1}", "not_json"),
        (b"{} {}", "not_json"),
        (b"{\"a\":\"\xff\"}", "not_utf8"),
        (b"{\"a\":\"caf\xe9 \"}", "not_utf8"),
        (b"{\"a\":\"caf\xc3", "truncated"),
        (b"\x00\x01", "binary"),
        (b"[1]", "not_an_object"),
        (b"\"text\"", "not_an_object"),
        (b"{}", "unknown_shape"),
        (b"{\"Id\":\"1\"}", "unknown_shape"),
        (&deep, "too_deep"),
        (many.as_bytes(), "too_long"),
        (audit(",\"CreationTime\":\"2024-01-01T00:00:00\"").as_bytes(), "no_id"),
        (audit(",\"Id\":\"\",\"CreationTime\":\"2024-01-01T00:00:00\"").as_bytes(), "no_id"),
        (audit(",\"Id\":\"1\"").as_bytes(), "no_time"),
        (audit(",\"Id\":\"1\",\"CreationTime\":null").as_bytes(), "no_time"),
        (audit(",\"Id\":\"1\",\"CreationTime\":\"yesterday\"").as_bytes(), "bad_time"),
        (audit(",\"Id\":\"1\",\"CreationTime\":17").as_bytes(), "bad_time"),
        (b"{\"Id\":\"1\",\"CreationTime\":\"2024-01-01T00:00:00\"}", "no_operation"),
        (b"{\"AuditData\":\"\"}", "no_audit_data"),
        (b"{\"AuditData\":null}", "no_audit_data"),
        (b"{\"AuditData\":17}", "not_an_object"),
        (b"{\"AuditData\":\"{\\\"Id\\\"\"}", "truncated"),
    ] {
        assert_eq!(reason_of(text), reason, "{}", String::from_utf8_lossy(&text[..text.len().min(80)]));
    }
}

#[test]
fn types_that_vary_are_read() {
    let event = event_of(
        "{\"Id\":7,\"CreationTime\":\"2024-05-01T10:00:00.1234567Z\",\"Operation\":\"x\",\"RecordType\":\"83\",\"OrganizationId\":\"Not A Guid\",
          \"UserId\":null,\"ClientIP\":null,\"ResultStatus\":null}",
    );
    assert_eq!((event.record_type, event.native_id.as_str()), (83, "7"));
    assert_eq!((event.tenant.as_str(), event.activity.actor.id.as_str()), ("Not A Guid", ""));
    assert_eq!(event.time.to_string(), "2024-05-01T10:00:00.123456Z");
    let event = event_of(
        "{\"Id\":\"a\",\"CreationTime\":\"2024-05-01T10:00:00\",\"Operation\":\"x\",\"RecordType\":1e3,\"OrganizationId\":\"8D4121ED-0008-406D-BFF9-0D5BB312183C\"}",
    );
    assert_eq!((event.record_type, event.tenant.as_str()), (-1, "8d4121ed-0008-406d-bff9-0d5bb312183c"));
}
