//! The lookups: every block of an enriched event, and who fills it.
//!
//! | block | lookup | draws on |
//! |---|---|---|
//! | user | `people` | approved sharers |
//! | recipients | `domains` | tenant and partner domains, the actor's own |
//! | connectors | `connectors` | the operator's classes, the shipped list |
//! | geo | `place` | networks, then MMDB |
//! | working time | `people` | zones, hours, days, places |
//! | flow, environment, connection | none | the tenant's inventory, which no lookup here reads: `miss` |

pub mod connectors;
pub mod domains;
pub mod networks;
pub mod people;
pub mod place;

use schemas::{
    Event,
    enriched::{ConnectionBlock, EnrichedEvent, EnvironmentBlock, FlowBlock, Provenance, status},
};

use crate::EnrichConfig;
use connectors::Connectors;
use domains::Domains;
use people::People;
use place::Places;

/// Names of lookups in [`Provenance::source`].
pub(crate) mod source {
    /// The operator's configuration.
    pub(crate) const CONFIG: &str = "config";
    /// The event itself.
    pub(crate) const EVENT: &str = "event";
    /// The list that comes with Weir.
    pub(crate) const SHIPPED: &str = "shipped";
    /// The operator's list of networks.
    pub(crate) const NETWORKS: &str = "networks";
    /// A MaxMind database.
    pub(crate) const MMDB: &str = "mmdb";
    /// Nobody.
    pub(crate) const NONE: &str = "none";
}

/// Everything that is known, ready to be asked. Immutable, so that threads may share it.
#[derive(Debug)]
pub struct Lookups {
    people: People,
    domains: Domains,
    connectors: Connectors,
    places: Places,
}

impl Default for Lookups {
    fn default() -> Self {
        Self::new(EnrichConfig::default())
    }
}

impl Lookups {
    /// Lookups over what was configured.
    #[must_use]
    pub fn new(config: EnrichConfig) -> Self {
        let EnrichConfig {
            tenants,
            users,
            partner_domains,
            approved_sharers,
            connectors,
            networks,
            city,
            asn,
        } = config;
        let domains = tenants.iter().map(|(id, tenant)| (id.clone(), tenant.domains.clone())).collect();
        let tenants = tenants.into_iter().map(|(id, tenant)| (id, tenant.people)).collect();
        Self {
            people: People { tenants, users, approved_sharers },
            domains: Domains { tenants: domains, partners: partner_domains },
            connectors: Connectors::new(connectors),
            places: Places { networks, city, asn },
        }
    }

    /// The event with all its blocks. The event itself is not changed.
    #[must_use]
    pub fn enrich(&self, event: Event) -> EnrichedEvent {
        let activity = &event.activity;
        let geo = self.places.geo(activity.address.as_ref());
        let is = |kind: &str| activity.resource.kind == kind;
        EnrichedEvent {
            user: self.people.user(&event),
            recipients: self.domains.recipients(&event),
            flow: FlowBlock { provenance: unread(is("flow") || activity.run.is_some()) },
            environment: EnvironmentBlock { provenance: unread(activity.environment.is_some()) },
            connectors: self.connectors.classes(&activity.connectors),
            connection: ConnectionBlock { provenance: unread(is("connection")) },
            working_time: self.people.working_time(&event, &geo),
            geo,
            event,
        }
    }
}

/// A block whose lookup is not there yet: a miss where there was something to look up.
fn unread(applies: bool) -> Provenance {
    if applies { Provenance::new(status::MISS, source::NONE) } else { Provenance::not_applicable() }
}
