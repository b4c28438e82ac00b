//! Entra: roles, consent, application roles, deleted users. `ModifiedProperties` say what changed; older records put
//! the values in quotes of their own.

use schemas::event::Activity;
use schemas::record::Record;

use super::text;

/// Somebody got a role or lost it: the resource is the role, the recipient who it is about (`ObjectId`).
pub(super) fn role(record: &Record<'_>, activity: &mut Activity) {
    let member = std::mem::take(&mut activity.resource.id);
    text::add(&mut activity.recipients, member.trim().to_lowercase());
    "role".clone_into(&mut activity.resource.kind);
    activity.resource.id = changed(record, &["Role.TemplateId", "Role.ObjectID"]);
    activity.resource.name = changed(record, &["Role.DisplayName", "Role.WellKnownObjectName"]);
}

/// An application got rights: by consent, by a grant, or by a role.
pub(super) fn application(record: &Record<'_>, activity: &mut Activity) {
    "application".clone_into(&mut activity.resource.kind);
    activity.resource.name = changed(record, &["ServicePrincipal.DisplayName"]);
    activity.permission =
        changed(record, &["DelegatedPermissionGrant.Scope", "AppRole.Value"]).trim().to_lowercase();
    let user = changed(record, &["User.UPN"]);
    text::add(&mut activity.recipients, user.trim().to_lowercase());
}

/// The user stays as `ObjectId` names it.
pub(super) fn user(activity: &mut Activity) {
    "user".clone_into(&mut activity.resource.kind);
}

/// The new value of the first property that has one; the old where it was taken away.
fn changed(record: &Record<'_>, names: &[&str]) -> String {
    for end in ["new", "old"] {
        for name in names {
            let value = record.text(&format!("ModifiedProperties.{name}.{end}")).unwrap_or_default();
            let value = value.trim().trim_matches('"');
            if !value.is_empty() {
                return value.to_owned();
            }
        }
    }
    String::new()
}
