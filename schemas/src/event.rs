//! An event: typed common fields, one canonical activity, and the record's own bytes.

use serde::{Deserialize, Serialize};

use crate::{EventId, Micros};

/// One thing that happened, read from one record of a feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// hash(tenant, source, native id, content).
    pub id: EventId,
    /// The tenant as the record names it (`OrganizationId`), as text; lower case where it is a GUID.
    pub tenant: String,
    /// The configured source that read it.
    pub source: String,
    /// `Audit.Exchange`, `Audit.AzureActiveDirectory`, `Audit.SharePoint`, `Audit.General`, `DLP.All` or `FlowRun`.
    pub content_type: String,
    /// The record's own id, as written.
    pub native_id: String,
    /// The record type; -1 where the record has none.
    pub record_type: i32,
    /// The workload, as written.
    pub workload: String,
    /// The operation, as written: trailing dots, blanks and dashes included.
    pub operation: String,
    /// When it happened.
    pub time: Micros,
    /// The same in one shape for every generation of record.
    pub activity: Activity,
    /// The record's own bytes, untouched; empty when there were more than `record_bytes_max`, or too many for a message.
    #[serde(with = "apache_avro::serde::bytes")]
    pub raw: Vec<u8>,
    /// How many bytes the record had.
    pub raw_bytes: i64,
    /// Whether the bytes were too many for the event and lie in the dead letter, in numbered chunks.
    pub raw_in_dead_letter: bool,
}

/// What was done, by whom, to what: canonical, decoded once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// A canonical verb, `flow.edit` for example ([`kind`]); empty where the operation has none.
    pub kind: String,
    /// Who did it.
    pub actor: Actor,
    /// `success`, `failure` or `unknown`.
    pub outcome: String,
    /// What it was done to.
    pub resource: Resource,
    /// The Power Platform environment, where one is named.
    pub environment: Option<Environment>,
    /// Connector names, lower case, without `shared_` and path prefixes; in the record's order, each once.
    pub connectors: Vec<String>,
    /// Who gets access, mail or a link: addresses or ids, lower case, without `smtp:`.
    pub recipients: Vec<String>,
    /// `owner`, `run_only`, `read`, `edit` or as written, lower case; empty where none is granted.
    pub permission: String,
    /// Where it came from, where the record says so.
    pub address: Option<Address>,
    /// The flow run, where it is one.
    pub run: Option<Run>,
}

/// Who did it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    /// `UserId` in lower case; empty where the record has none.
    pub id: String,
    /// `user`, `admin`, `guest`, `service`, `system`, `partner` or `unknown`.
    pub kind: String,
    /// The Entra object id where the record has it, lower case; else empty.
    pub object_id: String,
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// `flow`, `app`, `connection`, `connector`, `policy`, `environment`, `mailbox`, `file`, `role`, `application`,
    /// `user` … or empty.
    pub kind: String,
    /// Its id: lower case and without prefixes for Power Platform, as written (`ObjectId`) elsewhere.
    pub id: String,
    /// Its display name where the record has one.
    pub name: String,
}

/// A Power Platform environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Lower case, without path and `default-` prefixes.
    pub id: String,
    /// Whether it is the tenant's default environment (its id had the prefix `Default-`).
    pub is_default: bool,
}

/// A client address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// As written.
    pub text: String,
    /// The address in canonical form, without port and brackets, IPv4-mapped forms as IPv4; empty where the text holds
    /// none (which then counts as no address).
    pub ip: String,
}

/// One run of a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The run's id, as written.
    pub id: String,
    /// hash(tenant, environment, flow, run id): the same for every source that reports this run. 32 hex digits.
    pub key: String,
    /// When it started.
    pub start: Option<Micros>,
    /// When it ended.
    pub end: Option<Micros>,
    /// As written: `Succeeded`, `Failed` …
    pub status: String,
    /// As written: `Automated`, `Scheduled`, `Manual` … or the trigger's name.
    pub trigger: String,
    /// The parent run's id, or empty.
    pub parent: String,
    /// A label the maker sent (data classification), or empty.
    pub label: String,
    /// `dataverse`, `platform_telemetry` or `flow_execution`.
    pub reported_by: String,
}

/// The canonical verbs: `<resource>.<act>`. A record whose operation is not in `ingest`'s table has none.
pub mod kind {
    /// A flow was created.
    pub const FLOW_CREATE: &str = "flow.create";
    /// A flow was edited.
    pub const FLOW_EDIT: &str = "flow.edit";
    /// A flow was deleted.
    pub const FLOW_DELETE: &str = "flow.delete";
    /// A flow was shared, or a share changed.
    pub const FLOW_SHARE: &str = "flow.share";
    /// A share of a flow was taken back.
    pub const FLOW_UNSHARE: &str = "flow.unshare";
    /// A flow ran.
    pub const FLOW_RUN: &str = "flow.run";
    /// An app was created.
    pub const APP_CREATE: &str = "app.create";
    /// An app was edited or published.
    pub const APP_EDIT: &str = "app.edit";
    /// An app was deleted.
    pub const APP_DELETE: &str = "app.delete";
    /// An app was launched.
    pub const APP_LAUNCH: &str = "app.launch";
    /// An app was shared.
    pub const APP_SHARE: &str = "app.share";
    /// A share of an app was taken back.
    pub const APP_UNSHARE: &str = "app.unshare";
    /// A connection was created or edited.
    pub const CONNECTION_EDIT: &str = "connection.edit";
    /// A connection was deleted.
    pub const CONNECTION_DELETE: &str = "connection.delete";
    /// A connection was shared.
    pub const CONNECTION_SHARE: &str = "connection.share";
    /// A custom connector was created or edited.
    pub const CONNECTOR_EDIT: &str = "connector.edit";
    /// A data policy (DLP) was created.
    pub const POLICY_CREATE: &str = "policy.create";
    /// A data policy was changed.
    pub const POLICY_EDIT: &str = "policy.edit";
    /// A data policy was deleted.
    pub const POLICY_DELETE: &str = "policy.delete";
    /// An environment's property was changed.
    pub const ENVIRONMENT_EDIT: &str = "environment.edit";
    /// An environment was deleted.
    pub const ENVIRONMENT_DELETE: &str = "environment.delete";
    /// Tenant isolation was changed.
    pub const TENANT_ISOLATION: &str = "tenant.isolation";
    /// A sign-in worked.
    pub const SIGN_IN: &str = "sign_in.success";
    /// A sign-in failed.
    pub const SIGN_IN_FAILED: &str = "sign_in.failure";
    /// A mailbox or inbox rule forwards mail, or stops doing so.
    pub const MAIL_FORWARD: &str = "mail.forward";
    /// A right on a mailbox was given.
    pub const MAILBOX_DELEGATE: &str = "mailbox.delegate";
    /// A file or site was shared.
    pub const FILE_SHARE: &str = "file.share";
    /// An application got consent.
    pub const APPLICATION_CONSENT: &str = "application.consent";
    /// A directory role was given.
    pub const ROLE_GRANT: &str = "role.grant";
    /// A directory role was taken away.
    pub const ROLE_REVOKE: &str = "role.revoke";
    /// A user was deleted.
    pub const USER_DELETE: &str = "user.delete";
}
