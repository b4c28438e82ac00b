//! An enriched event: the event and what was known about it, as of when, from where.
//!
//! Each block says in `status` whether its facts are known: `hit`, `stale`, `miss`, `denied`, `error` or
//! `not_applicable`. A fact that is not known is absent, never false.

use serde::{Deserialize, Serialize};

use crate::{Event, Micros};

pub use crate::event::Address;

/// An event with its blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnrichedEvent {
    /// The event, unchanged.
    pub event: Event,
    /// About the actor.
    pub user: UserBlock,
    /// About those who get access.
    pub recipients: RecipientsBlock,
    /// About the flow.
    pub flow: FlowBlock,
    /// About the environment.
    pub environment: EnvironmentBlock,
    /// About the connectors.
    pub connectors: ConnectorsBlock,
    /// About the connection.
    pub connection: ConnectionBlock,
    /// About the address.
    pub geo: GeoBlock,
    /// About the hour.
    pub working_time: WorkingTimeBlock,
}

/// How a block came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// `hit`, `stale`, `miss`, `denied`, `error` or `not_applicable`.
    pub status: String,
    /// When the facts held, where the lookup knows.
    pub as_of: Option<Micros>,
    /// The lookup that was asked: `config`, `shipped`, `networks`, `mmdb` … or `none`.
    pub source: String,
}

/// The values of [`Provenance::status`].
pub mod status {
    /// The facts are known.
    pub const HIT: &str = "hit";
    /// The facts are known, but older than they should be.
    pub const STALE: &str = "stale";
    /// The lookup knows nothing about this one, or none is configured.
    pub const MISS: &str = "miss";
    /// The lookup may not say.
    pub const DENIED: &str = "denied";
    /// The lookup failed.
    pub const ERROR: &str = "error";
    /// There is nothing to look up in this event.
    pub const NOT_APPLICABLE: &str = "not_applicable";
}

impl Provenance {
    /// A block with that status, from that lookup, of no known date.
    #[must_use]
    pub fn new(status: &str, source: &str) -> Self {
        Self { status: status.to_owned(), as_of: None, source: source.to_owned() }
    }

    /// Nothing to look up.
    #[must_use]
    pub fn not_applicable() -> Self {
        Self::new(status::NOT_APPLICABLE, "none")
    }
}

/// About the actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserBlock {
    /// How it came to be.
    pub provenance: Provenance,
    /// Whether the actor is on the configured list of approved sharers.
    pub approved_sharer: Option<bool>,
    /// The actor's domain, lower case; empty for ids without one.
    pub domain: String,
}

/// About those who get access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecipientsBlock {
    /// How it came to be.
    pub provenance: Provenance,
    /// In the order of the activity's recipients.
    pub relations: Vec<RecipientFact>,
    /// Whether one of them is a guest or external; absent when that is not known of any.
    pub has_outside: Option<bool>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecipientFact {
    /// The recipient as the activity names it.
    pub id: String,
    /// The domain, lower case; of a guest (`name_domain#EXT#@tenant`) the home domain; empty where it has none.
    pub domain: String,
    /// `internal`, `partner`, `guest`, `external`, `tenant` (everyone in it) or `unknown`.
    pub relation: String,
}

/// About the flow. Filled by the inventory lookups, which need the tenant's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowBlock {
    /// How it came to be.
    pub provenance: Provenance,
}

/// About the environment. Filled by the inventory lookups, which need the tenant's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentBlock {
    /// How it came to be.
    pub provenance: Provenance,
}

/// About the connection. Filled by the inventory lookups, which need the tenant's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionBlock {
    /// How it came to be.
    pub provenance: Provenance,
}

/// About the connectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorsBlock {
    /// How it came to be.
    pub provenance: Provenance,
    /// In the order of the activity's connectors.
    pub classes: Vec<ConnectorFact>,
    /// Whether one of them holds business data.
    pub has_business: Option<bool>,
    /// Whether one of them leads outside.
    pub has_external: Option<bool>,
}

/// One connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectorFact {
    /// The connector as the activity names it.
    pub name: String,
    /// `business`, `external`, `non_business`, `blocked` or `unknown`.
    pub class: String,
    /// Who says so: `operator` (configured) or `shipped` (the default list); `none` for unknown ones.
    pub decided_by: String,
}

/// About the address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeoBlock {
    /// How it came to be.
    pub provenance: Provenance,
    /// ISO 3166-1 alpha-2, upper case; empty where unknown.
    pub country: String,
    /// The city's English name; empty where unknown.
    pub city: String,
    /// The autonomous system's number.
    pub asn: Option<i64>,
    /// The network's name in the operator's list ("office-berlin"), or the AS organisation; empty where unknown.
    pub network: String,
}

/// About the hour, in the actor's zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkingTimeBlock {
    /// How it came to be.
    pub provenance: Provenance,
    /// The IANA zone.
    pub zone: String,
    /// Minutes since local midnight.
    pub local_minute: Option<i32>,
    /// Whether the event lies inside the configured hours.
    pub within_hours: Option<bool>,
    /// Whether the place of the event is one of the configured ones; absent when either is unknown.
    pub expected_place: Option<bool>,
}
