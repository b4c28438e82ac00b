//! The section `enrich:`. Everything is optional; without it nothing is known but what the shipped connector list and
//! the events themselves tell, which is what `weir scan` uses.
//!
//! ```yaml
//! enrich:
//!   tenants:
//!     - {id: "*", hours: 08:00-18:00, days: [mon-fri], zone: Europe/Berlin, places: [DE, office-berlin]}
//!     - {id: 7e7d2e9c-…, domains: [contoso.com]}
//!   users: [{id: alice@contoso.com, zone: America/New_York}]
//!   partner_domains: [fabrikam.com]
//!   approved_sharers: [bob@contoso.com]
//!   connectors: {business: [jira], external: [], non_business: [trello], blocked: [twitter]}
//!   networks: networks.csv
//!   mmdb: {city: GeoLite2-City.mmdb, asn: GeoLite2-ASN.mmdb}
//! ```
//! Each of zone, hours, days and places holds for a user where given, else for the tenant, else for the tenant `*`.
//! Domains of a tenant and of `*` hold together. Days without an entry are Monday to Friday.

mod hours;

use std::path::Path;

use hashbrown::{HashMap, HashSet};
use jiff::tz::TimeZone;
use runtime::config::{Problem, Section};

pub use self::hours::{Days, Hours};
use crate::{
    error::FileError,
    lookups::{
        connectors::{self, Class},
        domains,
        networks::Networks,
        place::Database,
    },
};

/// The tenant entry that stands for every tenant.
pub const EVERY_TENANT: &str = "*";

/// What enriching draws on. The default knows nothing.
#[derive(Debug, Default)]
pub struct EnrichConfig {
    /// By tenant id, lower case; [`EVERY_TENANT`] among them.
    pub tenants: HashMap<String, Tenant>,
    /// By user id or object id, lower case.
    pub users: HashMap<String, Person>,
    /// Lower case.
    pub partner_domains: Vec<String>,
    /// User or object ids, lower case; absent where there is no such list.
    pub approved_sharers: Option<HashSet<String>>,
    /// The operator's classes by connector name.
    pub connectors: HashMap<String, Class>,
    /// Known networks.
    pub networks: Networks,
    /// Country and city by address.
    pub city: Option<Database>,
    /// Autonomous system by address.
    pub asn: Option<Database>,
}

/// One tenant.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    /// Its own domains, lower case.
    pub domains: Vec<String>,
    /// What holds for those of its people who have no entry of their own.
    pub people: Person,
}

/// When and where somebody works; what is absent is decided one step further up.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The zone that the hours are in.
    pub zone: Option<TimeZone>,
    /// From when to when.
    pub hours: Option<Hours>,
    /// On which days.
    pub days: Option<Days>,
    /// From where.
    pub places: Option<Vec<Place>>,
}

/// A place somebody works from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// ISO 3166-1 alpha-2, upper case.
    Country(String),
    /// A network of the operator's list, by name.
    Network(String),
}

impl EnrichConfig {
    /// Reads the section `enrich` and the files it names; what is wrong with either goes to its problems.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Self {
        let networks = read_networks(section);
        let tenants = read_tenants(section, &networks);
        let users = read_users(section, &networks, &tenants);
        let mmdb = section.section("mmdb");
        let lower = |text: &str| Ok(text.to_lowercase());
        Self {
            tenants,
            users,
            partner_domains: section.texts_as("partner_domains", read_domain),
            approved_sharers: section
                .has("approved_sharers")
                .then(|| section.texts_as("approved_sharers", lower).into_iter().collect()),
            connectors: read_connectors(&section.section("connectors")),
            city: read_database(&mmdb, "city"),
            asn: read_database(&mmdb, "asn"),
            networks,
        }
    }
}

fn read_tenants(section: &Section<'_>, networks: &Networks) -> HashMap<String, Tenant> {
    let mut tenants: HashMap<String, Tenant> = HashMap::new();
    let entries = section.list("tenants");
    for entry in &entries {
        let domains = entry.texts_as("domains", read_domain);
        let tenant = Tenant { domains, people: read_person(entry, networks) };
        keep(&mut tenants, entry, tenant);
    }
    let is_every = |entry: &&Section<'_>| entry.text("id").as_deref() == Some(EVERY_TENANT);
    let every_has_zone = entries.iter().find(is_every).is_some_and(|every| every.has("zone"));
    for entry in &entries {
        if entry.has("hours") && !entry.has("zone") && !every_has_zone {
            entry.problem("hours", "\"hours\" need a \"zone\" in this tenant or in the tenant \"*\"");
        }
    }
    tenants
}

fn read_users(
    section: &Section<'_>,
    networks: &Networks,
    tenants: &HashMap<String, Tenant>,
) -> HashMap<String, Person> {
    let mut users = HashMap::new();
    let any_has_zone = tenants.values().any(|tenant| tenant.people.zone.is_some());
    for entry in section.list("users") {
        let person = read_person(&entry, networks);
        if entry.has("hours") && !entry.has("zone") && !any_has_zone {
            entry.problem("hours", "\"hours\" need a \"zone\" of this user or of a tenant");
        }
        keep(&mut users, &entry, person);
    }
    users
}

/// Keeps `value` under the entry's id.
fn keep<T>(all: &mut HashMap<String, T>, entry: &Section<'_>, value: T) {
    entry.require("id");
    let Some(id) = entry.text("id").map(|id| id.to_lowercase()) else { return };
    if id.is_empty() {
        entry.problem("id", "\"id\" must not be empty");
    } else if all.contains_key(&id) {
        entry.problem("id", "this \"id\" has an entry already");
    } else {
        all.insert(id, value);
    }
}

fn read_person(entry: &Section<'_>, networks: &Networks) -> Person {
    let place = |text: &str| read_place(text, networks);
    Person {
        zone: entry.text_as("zone", read_zone),
        hours: entry.text_as("hours", hours::read_hours),
        days: entry.has("days").then(|| entry.texts_as("days", hours::read_days).into_iter().collect()),
        places: entry.has("places").then(|| entry.texts_as("places", place)),
    }
}

fn read_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| "must be a zone of the IANA database, Europe/Berlin for example".to_owned())
}

fn read_place(text: &str, networks: &Networks) -> Result<Place, String> {
    if networks.has_name(text) {
        return Ok(Place::Network(text.to_owned()));
    }
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Ok(Place::Country(text.to_ascii_uppercase()));
    }
    Err("a place is a country of two letters, or a network named in the file under \"networks\"".to_owned())
}

fn read_domain(text: &str) -> Result<String, String> {
    domains::domain(text).ok_or_else(|| "must be a domain, contoso.com for example".to_owned())
}

fn read_connectors(section: &Section<'_>) -> HashMap<String, Class> {
    let mut classes: HashMap<String, Class> = HashMap::new();
    let name = |text: &str| match connectors::name(text) {
        name if name.is_empty() => Err("must be the name of a connector".to_owned()),
        name => Ok(name),
    };
    for (key, class) in connectors::CLASSES {
        for name in section.texts_as(key, name) {
            if classes.insert(name, class).is_some_and(|before| before != class) {
                section.problem(key, format!("a connector of {key:?} has another class too"));
            }
        }
    }
    classes
}

fn read_networks(section: &Section<'_>) -> Networks {
    let Some(path) = section.path("networks") else { return Networks::default() };
    let file = path.display().to_string();
    let at = |line: usize, message: String| Problem { file: file.clone(), line, column: 0, message };
    match Networks::read(&path) {
        Ok((networks, faults)) => {
            for (line, message) in faults {
                section.problems().add(at(line, message));
            }
            networks
        }
        Err(error) => {
            name_file(section, "networks", &path, &error);
            Networks::default()
        }
    }
}

fn read_database(section: &Section<'_>, key: &'static str) -> Option<Database> {
    let path = section.path(key)?;
    Database::open(&path).map_err(|error| name_file(section, key, &path, &error)).ok()
}

/// Notes where the file is named what is wrong with it.
fn name_file(section: &Section<'_>, key: &'static str, path: &Path, error: &FileError) {
    section.problem(key, format!("{} {error}", path.display()));
}
