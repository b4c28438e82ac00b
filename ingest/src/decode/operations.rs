//! The table of operations: what each means, and who reads the rest of its record. Names are compared as they are, but
//! for the dot that Entra's end with in one generation of records and not in the other.
//!
//! Power Platform names are those of both generations (Microsoft's activity logging pages and observed ones); where
//! Microsoft lists friendly names only, there is no row, and the record keeps an empty kind.

use schemas::event::kind;

/// Records that are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Flow,
    App,
    Connection,
    Policy,
    Environment,
    Mailbox,
    InboxRule,
    ClientRule,
    TransportRule,
    Delegate,
    Role,
    Application,
    User,
    SignIn,
    Sharing,
}

const TABLE: &[(&str, &str, Family)] = &[
    ("CreateFlow", kind::FLOW_CREATE, Family::Flow),
    ("EditFlow", kind::FLOW_EDIT, Family::Flow),
    ("DeleteFlow", kind::FLOW_DELETE, Family::Flow),
    ("PutPermissions", kind::FLOW_SHARE, Family::Flow),
    ("DeletePermissions", kind::FLOW_UNSHARE, Family::Flow),
    ("CreatePowerApp", kind::APP_CREATE, Family::App),
    ("ImportNewCanvasApp", kind::APP_CREATE, Family::App),
    ("UpdatePowerApp", kind::APP_EDIT, Family::App),
    ("PublishPowerApp", kind::APP_EDIT, Family::App),
    ("PatchPowerApp", kind::APP_EDIT, Family::App),
    ("PromotePowerAppVersion", kind::APP_EDIT, Family::App),
    ("ImportExistingCanvasApp", kind::APP_EDIT, Family::App),
    ("PublishSolutionCanvasAppVersion", kind::APP_EDIT, Family::App),
    ("DeletePowerApp", kind::APP_DELETE, Family::App),
    ("AdminDeleteApp", kind::APP_DELETE, Family::App),
    ("LaunchPowerApp", kind::APP_LAUNCH, Family::App),
    ("PowerAppPermissionEdited", kind::APP_SHARE, Family::App),
    ("AdminModifyAppPermissions", kind::APP_SHARE, Family::App),
    ("AdminModifyAppOwner", kind::APP_SHARE, Family::App),
    ("PowerAppPermissionDeleted", kind::APP_UNSHARE, Family::App),
    ("PutConnection", kind::CONNECTION_EDIT, Family::Connection),
    ("DeleteConnection", kind::CONNECTION_DELETE, Family::Connection),
    ("PutConnectionPermission", kind::CONNECTION_SHARE, Family::Connection),
    ("PutApi", kind::CONNECTOR_EDIT, Family::Connection),
    ("PatchApi", kind::CONNECTOR_EDIT, Family::Connection),
    ("CreateDlpPolicy", kind::POLICY_CREATE, Family::Policy),
    ("UpdateDlpPolicy", kind::POLICY_EDIT, Family::Policy),
    ("DeleteDlpPolicy", kind::POLICY_DELETE, Family::Policy),
    ("GovernanceApiPolicyOperation", kind::POLICY_EDIT, Family::Policy),
    ("TenantIsolationOperation", kind::TENANT_ISOLATION, Family::Policy),
    ("EnvironmentPropertyChange", kind::ENVIRONMENT_EDIT, Family::Environment),
    ("Set-Mailbox", kind::MAIL_FORWARD, Family::Mailbox),
    ("New-InboxRule", kind::MAIL_FORWARD, Family::InboxRule),
    ("Set-InboxRule", kind::MAIL_FORWARD, Family::InboxRule),
    ("UpdateInboxRules", kind::MAIL_FORWARD, Family::ClientRule),
    ("New-TransportRule", kind::MAIL_FORWARD, Family::TransportRule),
    ("Set-TransportRule", kind::MAIL_FORWARD, Family::TransportRule),
    ("Add-MailboxPermission", kind::MAILBOX_DELEGATE, Family::Delegate),
    ("Add-RecipientPermission", kind::MAILBOX_DELEGATE, Family::Delegate),
    ("Add member to role", kind::ROLE_GRANT, Family::Role),
    ("Remove member from role", kind::ROLE_REVOKE, Family::Role),
    ("Consent to application", kind::APPLICATION_CONSENT, Family::Application),
    ("Add delegated permission grant", kind::APPLICATION_CONSENT, Family::Application),
    ("Add app role assignment to service principal", kind::APPLICATION_CONSENT, Family::Application),
    ("Add app role assignment grant to user", kind::APPLICATION_CONSENT, Family::Application),
    ("Delete user", kind::USER_DELETE, Family::User),
    ("UserLoggedIn", kind::SIGN_IN, Family::SignIn),
    ("UserLoginFailed", kind::SIGN_IN_FAILED, Family::SignIn),
    ("SharingSet", kind::FILE_SHARE, Family::Sharing),
    ("SharingInvitationCreated", kind::FILE_SHARE, Family::Sharing),
    ("AnonymousLinkCreated", kind::FILE_SHARE, Family::Sharing),
    ("AnonymousLinkUpdated", kind::FILE_SHARE, Family::Sharing),
    ("CompanyLinkCreated", kind::FILE_SHARE, Family::Sharing),
    ("SecureLinkCreated", kind::FILE_SHARE, Family::Sharing),
    ("SecureLinkUpdated", kind::FILE_SHARE, Family::Sharing),
    ("AddedToSecureLink", kind::FILE_SHARE, Family::Sharing),
    ("AddedToGroup", kind::FILE_SHARE, Family::Sharing),
];

/// The canonical verb of an operation and its family.
pub(super) fn of(operation: &str) -> Option<(&'static str, Family)> {
    let operation = operation.strip_suffix('.').unwrap_or(operation);
    TABLE.iter().find(|(name, ..)| *name == operation).map(|(_, kind, family)| (*kind, *family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_stands_once() {
        let mut names: Vec<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert!(names.iter().all(|name| !name.ends_with('.')), "it would never be found");
    }

    #[test]
    fn the_dot_at_the_end_of_a_name_may_be_missing() {
        let granted = Some((kind::ROLE_GRANT, Family::Role));
        assert_eq!((of("Add member to role."), of("Add member to role")), (granted, granted));
        assert_eq!(of("Add member to role.."), None);
    }
}
