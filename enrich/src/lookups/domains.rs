//! Recipients: who of them is inside, who outside, by domain.
//!
//! | relation | when |
//! |---|---|
//! | `tenant` | a name for everyone in the tenant (see `EVERYONE` and `is_everyone`) |
//! | `guest` | the id says so: `name_domain#ext#@tenant`, `urn:spo:guest#address` |
//! | `internal` | the domain is the tenant's (configured; else the actor's own, the mailbox's and those of their name, see `family`) or below it |
//! | `partner` | the domain is a configured partner's, or below it |
//! | `external` | any other domain; that of a provider of mail for anybody; an anonymous link |
//! | `unknown` | no domain to go by: a GUID, a name; or any other address while no domain of the tenant is known |

use std::borrow::Cow;

use hashbrown::HashMap;
use schemas::{
    Event,
    enriched::{Provenance, RecipientFact, RecipientsBlock, status},
};

use super::{connectors::any, source};
use crate::config::EVERY_TENANT;

mod family;

/// In SharePoint, "Everyone except external users" is this and the tenant's id.
const SHAREPOINT_ALL_USERS: &str = "c:0-.f|rolemanager|spo-grid-all-users";

/// What records call everyone: SharePoint's groups and claims, link scopes, and Power Platform's principal type.
const EVERYONE: [&str; 11] = [
    "everyone",
    "everyone except external users",
    "all users",
    "all users (windows)",
    "all users (membership)",
    "c:0(.s|true",
    "c:0!.s|windows",
    "company",
    "organization",
    "organisation",
    "tenant",
];

/// What records call a link without sign-in.
const ANYONE: [&str; 4] = ["anyone", "anonymous", "anonymous users", "anyone with the link"];

/// The domains of tenants and partners.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    pub(crate) tenants: HashMap<String, Vec<String>>,
    pub(crate) partners: Vec<String>,
}

impl Domains {
    /// The block for an activity's recipients.
    pub(crate) fn recipients(&self, event: &Event) -> RecipientsBlock {
        let recipients = &event.activity.recipients;
        if recipients.is_empty() {
            let provenance = Provenance::not_applicable();
            return RecipientsBlock { provenance, relations: Vec::new(), has_outside: None };
        }
        let own = self.own(event);
        let relations: Vec<RecipientFact> = recipients.iter().map(|id| self.fact(event, &own, id)).collect();
        let hit = relations.iter().any(|fact| fact.relation != "unknown");
        let status = if hit { status::HIT } else { status::MISS };
        let source = if hit && own.source == source::NONE { source::SHIPPED } else { own.source };
        let has_outside = any(relations.iter().map(|fact| is_outside(&fact.relation)));
        RecipientsBlock { provenance: Provenance::new(status, source), relations, has_outside }
    }

    /// What is known of the tenant's own domains.
    fn own<'a>(&'a self, event: &Event) -> Own<'a> {
        let of = |id: &str| self.tenants.get(id).map(Vec::as_slice).unwrap_or_default();
        let (tenant, every) = (of(&event.tenant), of(EVERY_TENANT));
        let configured = !tenant.is_empty() || !every.is_empty();
        let seen = if configured { Vec::new() } else { domains_seen(event) };
        let source = match (configured, seen.is_empty()) {
            (true, _) => source::CONFIG,
            (false, false) => source::EVENT,
            (false, true) => source::NONE,
        };
        Own { tenant, every, seen, source }
    }

    fn fact(&self, event: &Event, own: &Own<'_>, id: &str) -> RecipientFact {
        let fact = |domain: String, relation: &str| {
            let (id, relation) = (id.to_owned(), relation.to_owned());
            RecipientFact { id, domain, relation }
        };
        if is_everyone(id, &event.tenant) {
            return fact(String::new(), "tenant");
        }
        if is_anyone(id) {
            return fact(String::new(), "external");
        }
        let address = Address::read(id);
        let relation = match &address.domain {
            _ if address.is_guest => "guest",
            None => "unknown",
            Some(domain) if own.has(domain) => "internal",
            Some(domain) if below_any(domain, &self.partners) => "partner",
            Some(domain) if family::is_provider(domain) => "external",
            Some(_) if own.source == source::NONE => "unknown",
            Some(_) => "external",
        };
        fact(address.domain.unwrap_or_default(), relation)
    }
}

/// The tenant's own domains.
struct Own<'a> {
    tenant: &'a [String],
    every: &'a [String],
    seen: Vec<String>,
    source: &'static str,
}

impl Own<'_> {
    fn has(&self, domain: &str) -> bool {
        below_any(domain, self.tenant)
            || below_any(domain, self.every)
            || below_any(domain, &self.seen)
            || self.seen.iter().any(|seen| family::are_one_tenants(seen, domain))
    }
}

/// Where no domain is configured, the event tells some: the actor's (of a guest, that of the tenant it is a guest in; of
/// a partner's administrator, none), that of the mailbox it is about, and the tenant's first one in Exchange's own name
/// of the mailbox.
fn domains_seen(event: &Event) -> Vec<String> {
    let actor = &event.activity.actor;
    let is_guest = matches!(actor.kind.as_str(), "guest" | "partner") || Address::read(&actor.id).is_guest;
    let host = if is_guest { after_guest_mark(&actor.id) } else { Some(actor.id.as_str()) };
    let of = |id: &str| id.rsplit_once('@').and_then(|(_, text)| domain(text));
    let resource = &event.activity.resource;
    let mailbox = resource.id.split('\\').next().unwrap_or_default();
    let is_mailbox = resource.kind == "mailbox" && !Address::read(mailbox).is_guest;
    let seen = [host.and_then(of), is_mailbox.then(|| of(mailbox)).flatten(), hosted(&resource.id)];
    seen.into_iter().flatten().filter(|domain| !family::is_provider(domain)).collect()
}

/// The domain in `forest/microsoft exchange hosted organizations/contoso.onmicrosoft.com/alice`.
fn hosted(id: &str) -> Option<String> {
    let mut parts = id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("microsoft exchange hosted organizations"))?;
    domain(parts.next()?)
}

fn is_outside(relation: &str) -> Option<bool> {
    match relation {
        "guest" | "external" => Some(true),
        "internal" | "partner" | "tenant" => Some(false),
        _ => None,
    }
}

/// Whether the id means everyone in the tenant: one of the known words, SharePoint's claim, a link for the
/// organisation, the tenant's own id, or Power Platform's `tenant-<id>`.
fn is_everyone(id: &str, tenant: &str) -> bool {
    let id = lower(id);
    let is_tenant = |text: &str| !text.is_empty() && text.eq_ignore_ascii_case(tenant);
    EVERYONE.contains(&id.as_ref())
        || id.starts_with(SHAREPOINT_ALL_USERS)
        || (id.starts_with("sharinglinks.") && id.contains(".organization"))
        || is_tenant(&id)
        || id.strip_prefix("tenant-").is_some_and(is_tenant)
}

/// Whether the id means anybody at all.
fn is_anyone(id: &str) -> bool {
    let id = lower(id);
    ANYONE.contains(&id.as_ref()) || (id.starts_with("sharinglinks.") && id.contains(".anonymous"))
}

/// What an id says about where its bearer belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Of a guest, that of its home.
    pub(crate) domain: Option<String>,
    pub(crate) is_guest: bool,
}

impl Address {
    pub(crate) fn read(id: &str) -> Self {
        let id = lower(id);
        let after_at = |text: &str| text.rsplit_once('@').and_then(|(_, text)| domain(text));
        if let Some((home, _)) = id.split_once("#ext#") {
            let domain = after_at(home).or_else(|| home.rsplit_once('_').and_then(|(_, text)| domain(text)));
            return Self { domain, is_guest: true };
        }
        let is_guest = id.contains("urn:spo:guest#") || id.contains("urn%3aspo%3aguest#");
        Self { domain: after_at(&id), is_guest }
    }
}

/// Of a guest's id, what stands after the mark: the tenant it is a guest in.
fn after_guest_mark(id: &str) -> Option<&str> {
    let at = lower(id).find("#ext#")?;
    id.get(at..)
}

/// The domain in lower case, without a dot or `>` at its end; nothing where the text is none.
#[must_use]
pub fn domain(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches(['.', '>']);
    let is_label = |label: &str| {
        let inside = label.chars().all(|c| c.is_alphanumeric() || c == '-');
        !label.is_empty() && label.len() <= 63 && inside
    };
    let fits = text.contains('.') && text.len() <= 253 && text.split('.').all(is_label);
    fits.then(|| text.to_lowercase())
}

fn below_any(domain: &str, parents: &[String]) -> bool {
    parents.iter().any(|parent| {
        domain.strip_suffix(parent.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Lower case; events have it already, so this seldom copies.
fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}
