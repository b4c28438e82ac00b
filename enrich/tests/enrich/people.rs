//! Working hours in the person's own zone, over both changes of the clock.

use enrich::Lookups;
use schemas::{Event, Micros, enriched::WorkingTimeBlock};

use crate::support::{actor, at, enrich, event, from_address, lookups};

const BERLIN: &str = "enrich: {tenants: [{id: '*', hours: 08:00-18:00, zone: Europe/Berlin}]}\n";

fn hour(lookups: &Lookups, event: &Event) -> (Option<i32>, Option<bool>) {
    let WorkingTimeBlock { local_minute, within_hours, provenance, .. } = enrich(lookups, event).working_time;
    assert_eq!(provenance.status == "hit", within_hours.is_some());
    (local_minute, within_hours)
}

#[test]
fn the_hour_is_the_one_on_the_wall_on_both_sides_of_both_changes() {
    let berlin = lookups(BERLIN);
    // Clocks went forward on Sunday 2026-03-29 and back on Sunday 2026-10-25.
    assert_eq!(hour(&berlin, &at("2026-03-27T06:59:59Z")), (Some(7 * 60 + 59), Some(false)));
    assert_eq!(hour(&berlin, &at("2026-03-27T07:00:00Z")), (Some(8 * 60), Some(true)));
    assert_eq!(hour(&berlin, &at("2026-03-30T06:00:00Z")), (Some(8 * 60), Some(true)));
    assert_eq!(hour(&berlin, &at("2026-03-30T16:00:00Z")), (Some(18 * 60), Some(false)));
    assert_eq!(hour(&berlin, &at("2026-10-23T06:00:00Z")), (Some(8 * 60), Some(true)));
    assert_eq!(hour(&berlin, &at("2026-10-26T06:00:00Z")), (Some(7 * 60), Some(false)));
    // The hour that is left out, and the one that comes twice.
    assert_eq!(hour(&berlin, &at("2026-03-29T00:59:00Z")).0, Some(119));
    assert_eq!(hour(&berlin, &at("2026-03-29T01:00:00Z")).0, Some(180));
    assert_eq!(hour(&berlin, &at("2026-10-25T00:30:00Z")).0, Some(150));
    assert_eq!(hour(&berlin, &at("2026-10-25T01:30:00Z")).0, Some(150));
}

#[test]
fn the_day_is_the_local_one() {
    let auckland = lookups("enrich: {tenants: [{id: '*', hours: 08:00-18:00, zone: Pacific/Auckland}]}\n");
    // Sunday evening in UTC is Monday morning there.
    assert_eq!(hour(&auckland, &at("2026-06-14T21:00:00Z")), (Some(9 * 60), Some(true)));
    // Friday evening in UTC is Saturday morning there.
    assert_eq!(hour(&auckland, &at("2026-06-19T21:00:00Z")), (Some(9 * 60), Some(false)));
}

#[test]
fn the_nearer_entry_decides_each_setting_by_itself() {
    let text = "enrich:\n  tenants:\n    - {id: '*', hours: 08:00-18:00, zone: Europe/Berlin}\n    \
                - {id: 5b6ec4ec-0a54-4a8e-bd4c-5a9f5a5d5f10, hours: 09:00-17:00}\n  \
                users:\n    - {id: Alice@contoso.com, zone: America/New_York}\n    - {id: 0000-2, days: [sat]}\n";
    let config = lookups(text);
    // 14:00 UTC is 09:00 in New York, in the tenant's hours.
    assert_eq!(hour(&config, &at("2026-01-12T14:00:00Z")), (Some(9 * 60), Some(true)));
    assert_eq!(hour(&config, &at("2026-01-12T13:59:00Z")), (Some(9 * 60 - 1), Some(false)));
    let mut bob = at("2026-01-12T09:00:00Z");
    bob.activity.actor = actor("bob@contoso.com");
    assert_eq!(hour(&config, &bob), (Some(10 * 60), Some(true)));
    bob.activity.actor.object_id = "0000-2".to_owned();
    assert_eq!(hour(&config, &bob), (Some(10 * 60), Some(false)), "a Monday, and he works on Saturdays");
    bob.tenant = "another".to_owned();
    bob.activity.actor.object_id.clear();
    bob.time = Micros::parse("2026-01-12T07:30:00Z").unwrap();
    assert_eq!(hour(&config, &bob), (Some(8 * 60 + 30), Some(true)), "the hours of every tenant");
}

#[test]
fn without_configuration_the_hour_is_unknown() {
    let block = enrich(&Lookups::default(), &event()).working_time;
    assert_eq!(block.provenance.status, "miss");
    assert_eq!((block.local_minute, block.within_hours, block.expected_place), (None, None, None));
    let zone_only = lookups("enrich: {tenants: [{id: '*', zone: Europe/Berlin}]}\n");
    assert_eq!(hour(&zone_only, &event()), (None, None));
}

#[test]
fn what_has_no_working_day_has_no_working_time() {
    let berlin = lookups(BERLIN);
    for kind in ["service", "system"] {
        let mut event = event();
        event.activity.actor.kind = kind.to_owned();
        let block = enrich(&berlin, &event).working_time;
        assert_eq!((block.provenance.status.as_str(), block.within_hours), ("not_applicable", None));
    }
    let nobody = Event { activity: schemas::event::Activity::default(), ..event() };
    assert_eq!(enrich(&berlin, &nobody).working_time.provenance.status, "not_applicable");
}

#[test]
fn a_time_outside_the_calendar_is_an_error_not_a_guess() {
    let berlin = lookups(BERLIN);
    for time in [Micros::START, Micros::END] {
        let block = enrich(&berlin, &Event { time, ..event() }).working_time;
        assert_eq!((block.provenance.status.as_str(), block.within_hours), ("error", None));
    }
}

#[test]
fn a_place_is_expected_or_not_only_where_both_sides_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.csv");
    let list = "network,name,country,city,asn\n192.0.2.0/24,office-berlin,DE,Berlin,\n\
                198.51.100.0/24,hotel,FR,,\n203.0.113.0/24,vpn,,,\n";
    std::fs::write(&file, list).unwrap();
    let config = |places: &str| {
        let file = file.display();
        lookups(&format!("enrich: {{tenants: [{{id: '*', places: [{places}]}}], networks: '{file}'}}\n"))
    };
    let expected =
        |lookups: &Lookups, ip: &str| enrich(lookups, &from_address(ip)).working_time.expected_place;

    let country = config("DE");
    assert_eq!(expected(&country, "192.0.2.7"), Some(true));
    assert_eq!(expected(&country, "198.51.100.7"), Some(false));
    assert_eq!(expected(&country, "203.0.113.7"), None, "a network of no known country");
    assert_eq!(expected(&country, "8.8.8.8"), None, "a place that nobody knows");
    assert_eq!(enrich(&country, &event()).working_time.expected_place, None, "no address");

    let network = config("vpn, office-berlin");
    assert_eq!(expected(&network, "203.0.113.7"), Some(true));
    assert_eq!(expected(&network, "198.51.100.7"), Some(false));
    let both = config("vpn, de");
    assert_eq!(expected(&both, "203.0.113.7"), Some(true));
    assert_eq!(expected(&lookups(BERLIN), "192.0.2.7"), None, "no places are configured");
}
