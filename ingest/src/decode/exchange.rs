//! Exchange: forwarding by mailbox setting, inbox rule and transport rule, and rights on mailboxes (cmdlet records,
//! `Parameters` as name/value pairs; rules made in a mail client come as `UpdateInboxRules`).
//!
//! The resource is the mailbox, never the actor: an administrator who sets forwarding does so for somebody else.

use schemas::event::Activity;
use schemas::record::Record;

use super::text;

const MAILBOX_DESTINATIONS: [&str; 2] = ["ForwardingSmtpAddress", "ForwardingAddress"];
const RULE_DESTINATIONS: [&str; 3] = ["ForwardTo", "RedirectTo", "ForwardAsAttachmentTo"];
const TRANSPORT_DESTINATIONS: [&str; 4] = ["BlindCopyTo", "RedirectMessageTo", "CopyTo", "AddToRecipients"];

/// `Set-Mailbox`: forwarding set, or taken away (an empty value, then without recipients).
pub(super) fn mailbox(record: &Record<'_>, activity: &mut Activity) {
    if destinations(record, &MAILBOX_DESTINATIONS, activity) {
        let identity = text::first(record, &["Parameters.Identity"]);
        name_mailbox(&identity.unwrap_or_else(|| before_backslash(&activity.resource.id)), activity);
    }
}

/// `New-InboxRule`, `Set-InboxRule`.
pub(super) fn inbox_rule(record: &Record<'_>, activity: &mut Activity) {
    if destinations(record, &RULE_DESTINATIONS, activity) {
        name_mailbox(&mailbox_of_rule(record, &activity.resource.id), activity);
    }
}

/// `UpdateInboxRules`: what a mail client did, as `OperationProperties`.
pub(super) fn client_rule(record: &Record<'_>, activity: &mut Activity) {
    // A rule that is taken away is described with its actions too.
    let removes = record.texts("OperationProperties.RuleOperation").iter().any(|operation| {
        let operation = operation.to_ascii_lowercase();
        operation.contains("remove") || operation.contains("delete")
    });
    if removes {
        return;
    }
    let mut recipients = Vec::new();
    for path in
        ["OperationProperties.RuleActions.Recipients", "OperationProperties.RuleActions.Recipients.Address"]
    {
        for recipient in record.texts(path) {
            for address in addresses(&recipient) {
                text::add(&mut recipients, address);
            }
        }
    }
    let forwards = record.texts("OperationProperties.RuleActions.ActionType").iter().any(|action| {
        let action = action.to_ascii_lowercase();
        action.contains("forward") || action.contains("redirect")
    });
    let named = ["OperationProperties.ForwardTo", "OperationProperties.RedirectTo"];
    if !forwards && recipients.is_empty() && named.iter().all(|path| record.text(path).is_none()) {
        return;
    }
    for recipient in named.iter().flat_map(|path| record.texts(path)) {
        for address in addresses(&recipient) {
            text::add(&mut recipients, address);
        }
    }
    activity.recipients = recipients;
    let owner = || text::first(record, &["MailboxOwnerUPN", "MailboxGuid"]).unwrap_or_default();
    let object = before_backslash(&activity.resource.id);
    let mailbox = text::first(record, &["Parameters.Identity"]);
    name_mailbox(&mailbox.unwrap_or_else(|| if object.is_empty() { owner() } else { object }), activity);
}

/// A transport rule forwards the mail of all mailboxes: the resource is the rule.
pub(super) fn transport_rule(record: &Record<'_>, activity: &mut Activity) {
    if destinations(record, &TRANSPORT_DESTINATIONS, activity) {
        "transport_rule".clone_into(&mut activity.resource.kind);
        activity.resource.name = text::first(record, &["Parameters.Name"]).unwrap_or_default();
    }
}

/// `Add-MailboxPermission`, `Add-RecipientPermission`.
pub(super) fn delegate(record: &Record<'_>, activity: &mut Activity) {
    for path in ["Parameters.User", "Parameters.Trustee"] {
        for recipient in record.texts(path) {
            text::add(&mut activity.recipients, recipient.trim().to_lowercase());
        }
    }
    activity.permission = record.text("Parameters.AccessRights").unwrap_or_default().trim().to_lowercase();
    let identity = text::first(record, &["Parameters.Identity"]);
    name_mailbox(&identity.unwrap_or_else(|| activity.resource.id.clone()), activity);
}

/// Notes where mail goes; false where no such parameter is set.
fn destinations(record: &Record<'_>, parameters: &[&str], activity: &mut Activity) -> bool {
    let mut named = false;
    for parameter in parameters {
        for value in record.texts(&format!("Parameters.{parameter}")) {
            named = true;
            for address in addresses(&value) {
                text::add(&mut activity.recipients, address);
            }
        }
    }
    named
}

fn name_mailbox(id: &str, activity: &mut Activity) {
    "mailbox".clone_into(&mut activity.resource.kind);
    activity.resource.id = id.trim().to_lowercase();
}

/// The mailbox of a rule. `ObjectId` is `mailbox\rule` whichever command changed it; `Identity` and `Mailbox` are what
/// somebody typed, several spellings of one mailbox. `Identity` names the rule: `mailbox\rule`, or the rule alone.
fn mailbox_of_rule(record: &Record<'_>, object_id: &str) -> String {
    if object_id.contains('\\') {
        return before_backslash(object_id);
    }
    if let Some(mailbox) = text::first(record, &["Parameters.Mailbox"]) {
        return mailbox;
    }
    match text::first(record, &["Parameters.Identity"]) {
        Some(identity) if identity.contains('\\') => before_backslash(&identity),
        Some(identity) => identity,
        None => before_backslash(object_id),
    }
}

fn before_backslash(text: &str) -> String {
    text.split('\\').next().unwrap_or_default().to_owned()
}

/// The addresses in a parameter: several separated by `;` or `,`, each bare, with `smtp:` or `mailto:`,
/// `"Name" [SMTP:x@y]` or `Name <x@y>`.
fn addresses(value: &str) -> Vec<String> {
    parts(value).into_iter().map(address).filter(|address| !address.is_empty()).collect()
}

/// The parts between separators; those inside quotes and brackets belong to the part.
fn parts(value: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut bracketed) = (false, false);
    for (index, character) in value.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '[' if !quoted => bracketed = true,
            ']' if !quoted => bracketed = false,
            ';' | ',' if !quoted && !bracketed => {
                parts.extend(value.get(start..index));
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.extend(value.get(start..));
    parts
}

/// The last brackets that hold an address: those before it are part of a label.
fn address(part: &str) -> String {
    let last = |open: char, close: char| {
        let inside = part.rsplit_once(open).and_then(|(_, rest)| rest.split(close).next());
        inside.filter(|text| text.contains(['@', ':']))
    };
    let text = last('[', ']')
        .or_else(|| last('<', '>'))
        .unwrap_or(part)
        .trim_matches(|c: char| c.is_whitespace() || "<>'\"{}".contains(c))
        .to_lowercase();
    let text = ["smtp:", "mailto:"].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(&text).trim();
    if matches!(text, "null" | "$null") { String::new() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_destination_gives_its_address() {
        for (value, expected) in [
            ("", vec![]),
            ("a@x.example", vec!["a@x.example"]),
            ("SMTP:A@X.example", vec!["a@x.example"]),
            ("a@x;b@x", vec!["a@x", "b@x"]),
            ("a@x, smtp:b@x ;", vec!["a@x", "b@x"]),
            ("\"Doe, Jane\" [SMTP:j@x]", vec!["j@x"]),
            ("\"Doe, Jane\" [SMTP:j@x];\"B\" [SMTP:b@x]", vec!["j@x", "b@x"]),
            ("\"[External] Bob\" [SMTP:bob@x]", vec!["bob@x"]),
            ("Bob Smith <Bob@x>", vec!["bob@x"]),
            ("'Bob' <mailto:bob@x>;\"C [Ext]\" <c@x>", vec!["bob@x", "c@x"]),
            ("mailto:Bob@x", vec!["bob@x"]),
            ("\"B\" [EX:/o=Org/cn=b]", vec!["ex:/o=org/cn=b"]),
            ("<null>", vec![]),
        ] {
            assert_eq!(addresses(value), expected, "{value}");
        }
    }
}
