//! What the operator of this tenant would tell an enricher: domains, partners, working hours and places of each person,
//! networks, agreed connectors. Only what an operator can know; nothing of what is planted.

use super::estate::{AGREED, OWN};
use super::people::Duty;
use super::places::office_name;
use super::world::{EDGE, World};

/// Facts as an operator writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The section `enrich:` of a configuration, YAML.
    pub yaml: String,
    /// Files that the section names, to be written into the folder: name and content.
    pub files: Vec<(String, String)>,
}

const NETWORKS: &str = "networks.csv";

/// The facts, with their files in `folder`; in the working folder where that is empty.
pub(crate) fn of(world: &World, folder: &str) -> Facts {
    let mut lines = vec!["enrich:".to_owned(), "  tenants:".to_owned()];
    let zone = world.places.offices.first().map_or("UTC", |site| site.zone_name);
    let codes: Vec<&str> = world.places.offices.iter().map(|site| site.code).collect();
    lines.push(format!("    - id: {:?}", world.tenant_id));
    lines.push(format!("      domains: [{}, {}]", world.domain, world.initial_domain));
    lines.push(format!("      zone: {zone}"));
    lines.push("      hours: 07:00-19:00".to_owned());
    lines.push("      days: [mon-fri]".to_owned());
    lines.push(format!("      places: [{}, partners, server-room]", quoted(&codes)));
    lines.push("  users:".to_owned());
    for person in world.people.iter().filter(|person| !person.is_guest()) {
        let Some(site) = world.places.offices.get(person.office) else { continue };
        let hours = format!("{}-{}", clock(person.start - EDGE), clock(person.end + EDGE));
        let days = if person.last_day == 3 { "mon-thu" } else { "mon-fri" };
        lines.push(format!(
            "    - {{id: {:?}, zone: {}, hours: {hours:?}, days: [{days}], places: [{:?}, {:?}]}}",
            person.upn,
            site.zone_name,
            site.code,
            office_name(site),
        ));
    }
    lines.push(format!("  partner_domains: [{}]", world.partners.join(", ")));
    let admins = world.people.iter().filter(|person| person.duty == Duty::PlatformAdmin);
    let admins: Vec<&str> = admins.map(|person| person.upn.as_str()).collect();
    lines.push(format!("  approved_sharers: [{}]", quoted(&admins)));
    lines.push(format!("  connectors: {{business: [{}, {}]}}", AGREED.1, OWN.1));
    let networks = if folder.is_empty() { NETWORKS.to_owned() } else { format!("{folder}/{NETWORKS}") };
    lines.push(format!("  networks: {networks:?}"));
    Facts { yaml: lines.join("\n") + "\n", files: vec![(NETWORKS.to_owned(), world.places.networks_csv())] }
}

/// Quoted, as some country codes are words of YAML's.
fn quoted(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

/// `08:30` of a minute of the day.
fn clock(minute: i32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
