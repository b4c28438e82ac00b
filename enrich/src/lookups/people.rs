//! People: who may share outside, and who works when and where.

use hashbrown::{HashMap, HashSet};
use jiff::tz::TimeZone;
use schemas::{
    Event,
    enriched::{GeoBlock, Provenance, UserBlock, WorkingTimeBlock, status},
    event::Actor,
};

use super::{connectors::any, domains::Address, source};
use crate::config::{Days, EVERY_TENANT, Hours, Person, Place};

/// Actors of these kinds have no working day.
const WITHOUT_HOURS: [&str; 2] = ["service", "system"];

/// What is configured about people.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// By tenant, [`EVERY_TENANT`] among them.
    pub(crate) tenants: HashMap<String, Person>,
    /// By user or object id.
    pub(crate) users: HashMap<String, Person>,
    pub(crate) approved_sharers: Option<HashSet<String>>,
}

impl People {
    /// The block about the actor.
    pub(crate) fn user(&self, event: &Event) -> UserBlock {
        let actor = &event.activity.actor;
        if actor.id.is_empty() && actor.object_id.is_empty() {
            let provenance = Provenance::not_applicable();
            return UserBlock { provenance, approved_sharer: None, domain: String::new() };
        }
        let approved = self.approved_sharers.as_ref();
        let approved_sharer = approved.map(|list| ids(actor).any(|id| list.contains(id)));
        let provenance = match approved_sharer {
            Some(_) => Provenance::new(status::HIT, source::CONFIG),
            None => Provenance::new(status::MISS, source::NONE),
        };
        let domain = Address::read(&actor.id).domain.unwrap_or_default();
        UserBlock { provenance, approved_sharer, domain }
    }

    /// The block about the hour and the place: a hit when zone and hours are configured for the actor or the tenant.
    pub(crate) fn working_time(&self, event: &Event, geo: &GeoBlock) -> WorkingTimeBlock {
        let actor = &event.activity.actor;
        let unknown = |status: &str, source: &str| WorkingTimeBlock {
            provenance: Provenance::new(status, source),
            zone: String::new(),
            local_minute: None,
            within_hours: None,
            expected_place: None,
        };
        if actor.id.is_empty() || WITHOUT_HOURS.contains(&actor.kind.as_str()) {
            return unknown(status::NOT_APPLICABLE, source::NONE);
        }
        let entries = self.entries(event);
        let places = entries.iter().find_map(|entry| entry.places.as_deref());
        let expected_place = places.and_then(|places| is_expected(places, geo));
        let (zone, hours) =
            (first(&entries, |entry| entry.zone.as_ref()), first(&entries, |entry| entry.hours));
        let (Some(zone), Some(hours)) = (zone, hours) else {
            return WorkingTimeBlock { expected_place, ..unknown(status::MISS, source::NONE) };
        };
        let days = first(&entries, |entry| entry.days).unwrap_or_default();
        match local(event, zone, hours, days) {
            None => WorkingTimeBlock { expected_place, ..unknown(status::ERROR, source::CONFIG) },
            Some((minute, within)) => WorkingTimeBlock {
                provenance: Provenance::new(status::HIT, source::CONFIG),
                zone: zone.iana_name().unwrap_or_default().to_owned(),
                local_minute: Some(minute),
                within_hours: Some(within),
                expected_place,
            },
        }
    }

    /// The entries that hold for the actor: its own, its tenant's, every tenant's.
    fn entries(&self, event: &Event) -> Vec<&Person> {
        let own = ids(&event.activity.actor).find_map(|id| self.users.get(id));
        let tenants = [event.tenant.as_str(), EVERY_TENANT].into_iter().filter_map(|id| self.tenants.get(id));
        own.into_iter().chain(tenants).collect()
    }
}

/// The ids that an actor may be configured under.
fn ids(actor: &Actor) -> impl Iterator<Item = &str> {
    [actor.id.as_str(), actor.object_id.as_str()].into_iter().filter(|id| !id.is_empty())
}

fn first<'a, T>(entries: &[&'a Person], get: impl Fn(&'a Person) -> Option<T>) -> Option<T> {
    entries.iter().find_map(|entry| get(entry))
}

/// The minute since local midnight by the clock on the wall, and whether it is a working one. Nothing for a time
/// outside the calendar.
fn local(event: &Event, zone: &TimeZone, hours: Hours, days: Days) -> Option<(i32, bool)> {
    let at = zone.to_datetime(event.time.timestamp()?);
    let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
    let weekday = usize::try_from(at.weekday().to_monday_zero_offset()).ok()?;
    Some((minute, hours.contain(minute, weekday, days)))
}

/// Whether the event came from one of the places; unknown where what is known of the address cannot tell.
fn is_expected(places: &[Place], geo: &GeoBlock) -> Option<bool> {
    if geo.provenance.status != status::HIT {
        return None;
    }
    any(places.iter().map(|place| match place {
        Place::Country(country) => (!geo.country.is_empty()).then(|| *country == geo.country),
        Place::Network(network) => Some(geo.provenance.source == source::NETWORKS && *network == geo.network),
    }))
}
