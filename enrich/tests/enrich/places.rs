//! Where addresses are: the operator's networks first, then databases; what is damaged is an error, not a guess.

use enrich::{
    EnrichConfig, Lookups,
    lookups::{networks::Networks, place::Database},
};
use proptest::prelude::*;
use schemas::{Micros, enriched::GeoBlock};

use crate::{
    mmdb::{BUILT, Value, database},
    support::{enrich, event, from_address},
};

const LIST: &str = "network,name,country,city,asn\n\
                    10.0.0.0/8,inside,,,\n\
                    10.1.0.0/16,office-berlin,de,Berlin,AS64500\n\
                    10.1.2.3,printer,DE,,64501\n\
                    2001:db8::/32,lab,CH,\"Zürich, Oerlikon\",\n";

fn geo(lookups: &Lookups, ip: &str) -> GeoBlock {
    enrich(lookups, &from_address(ip)).geo
}

fn names(geo: &GeoBlock) -> (&str, &str, &str, Option<i64>, &str) {
    (&geo.provenance.status, &geo.network, &geo.country, geo.asn, &geo.city)
}

fn city_record() -> Value {
    let names = Value::Map(vec![("en", Value::Text("Lyon"))]);
    let country = Value::Map(vec![("iso_code", Value::Text("FR"))]);
    Value::Map(vec![("city", Value::Map(vec![("names", names)])), ("country", country)])
}

fn asn_record() -> Value {
    let organisation = Value::Text("Example Networks");
    Value::Map(vec![
        ("autonomous_system_number", Value::Number(64_502)),
        ("autonomous_system_organization", organisation),
    ])
}

fn configured(city: Option<Vec<u8>>, asn: Option<Vec<u8>>) -> Lookups {
    let open = |bytes| Database::from_bytes(bytes).unwrap();
    let (networks, faults) = Networks::parse(LIST);
    assert_eq!(faults, []);
    Lookups::new(EnrichConfig {
        networks,
        city: city.map(open),
        asn: asn.map(open),
        ..EnrichConfig::default()
    })
}

#[test]
fn the_longest_prefix_wins() {
    let lookups = configured(None, None);
    assert_eq!(names(&geo(&lookups, "10.1.2.3")), ("hit", "printer", "DE", Some(64_501), ""));
    assert_eq!(names(&geo(&lookups, "10.1.2.4")), ("hit", "office-berlin", "DE", Some(64_500), "Berlin"));
    assert_eq!(names(&geo(&lookups, "10.2.0.1")), ("hit", "inside", "", None, ""));
    assert_eq!(names(&geo(&lookups, "2001:db8::1")), ("hit", "lab", "CH", None, "Zürich, Oerlikon"));
    assert_eq!(names(&geo(&lookups, "::ffff:10.1.2.3")), ("hit", "printer", "DE", Some(64_501), ""));
    assert_eq!(names(&geo(&lookups, "11.0.0.1")), ("miss", "", "", None, ""));
}

#[test]
fn without_address_or_lists_nothing_is_known() {
    let bare = Lookups::default();
    assert_eq!(enrich(&bare, &event()).geo.provenance.status, "not_applicable");
    assert_eq!(geo(&bare, "").provenance.status, "not_applicable");
    assert_eq!(geo(&bare, "192.0.2.1").provenance.status, "miss");
}

#[test]
fn databases_are_asked_after_the_networks() {
    let city = database(
        6,
        &[("192.0.2.0/24", city_record()), ("10.0.0.0/8", city_record()), ("2001:db8:1::/48", city_record())],
    );
    let asn = database(4, &[("192.0.2.0/25", asn_record())]);
    let lookups = configured(Some(city), Some(asn));
    let found = geo(&lookups, "192.0.2.1");
    assert_eq!(names(&found), ("hit", "Example Networks", "FR", Some(64_502), "Lyon"));
    assert_eq!(found.provenance.source, "mmdb");
    assert_eq!(found.provenance.as_of, Some(Micros(i64::try_from(BUILT).unwrap() * 1_000_000)));
    assert_eq!(
        names(&geo(&lookups, "192.0.2.200")),
        ("hit", "", "FR", None, "Lyon"),
        "only the city is known"
    );
    assert_eq!(geo(&lookups, "10.1.2.3").network, "printer", "the operator's list goes first");
    let miss = geo(&lookups, "203.0.113.1");
    assert_eq!((names(&miss), miss.provenance.as_of), (("miss", "", "", None, ""), None));
    assert_eq!(
        names(&geo(&lookups, "2001:db9::1")),
        ("miss", "", "", None, ""),
        "a database of IPv4 knows no IPv6"
    );
}

#[test]
fn a_damaged_record_is_an_error_and_the_event_goes_on() {
    let wrong = Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Number(1))]))]);
    let lookups = configured(Some(database(4, &[("192.0.2.0/24", wrong)])), None);
    assert_eq!(names(&geo(&lookups, "192.0.2.1")), ("error", "", "", None, ""));
    assert_eq!(names(&geo(&lookups, "10.1.2.3")), ("hit", "printer", "DE", Some(64_501), ""));
}

#[test]
fn wrong_lines_are_told_and_the_rest_is_kept() {
    let text = "network,name,country,city,asn\n\
                192.0.2.0/24,a,DE,,\n\
                192.0.2.0/24,b,DE,,\n\
                # a note\n\
                192.0.2.1/24,c,DE,,\n\
                nonsense,d,DE,,\n\
                198.51.100.0/24,e,Germany,,\n\
                198.51.100.0/24,f,DE,,AS\n\
                198.51.100.0/24,g\n\
                198.51.100.0/24,\"h,DE,,\n\
                198.51.100.0/33,i,DE,,\n";
    let (networks, faults) = Networks::parse(text);
    assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(networks.find("192.0.2.9".parse().unwrap()).map(|network| network.name.as_str()), Some("a"));
    let (_, faults) = Networks::parse("192.0.2.0/24,a,DE,,\n");
    assert_eq!(faults.len(), 1, "the head line is missing");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Law: whatever bytes a database has, opening and asking it never panics.
    #[test]
    fn a_damaged_database_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
        ip in any::<std::net::IpAddr>(),
    ) {
        let mut bytes = database(6, &[("192.0.2.0/24", city_record()), ("::/1", asn_record())]);
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(database) = Database::from_bytes(bytes.clone()) {
            let asn = Database::from_bytes(bytes).ok();
            let lookups = Lookups::new(EnrichConfig { city: Some(database), asn, ..EnrichConfig::default() });
            for ip in [ip, "192.0.2.1".parse().unwrap()] {
                let block = geo(&lookups, &ip.to_string());
                prop_assert!(["hit", "miss", "error"].contains(&block.provenance.status.as_str()));
            }
        }
    }

    /// Law: the network found holds the address, and no listed network inside it does.
    #[test]
    fn the_network_found_is_the_smallest_that_holds_the_address(
        prefixes in prop::collection::btree_set((0_u32..16, 24_u8..=32), 1..20),
        host in 0_u32..16,
    ) {
        let base = u32::from(std::net::Ipv4Addr::new(10, 0, 0, 0));
        let net = |low: u32, length: u8| ipnet::Ipv4Net::new((base + low).into(), length).unwrap().trunc();
        let mut nets: Vec<_> = prefixes.into_iter().map(|(low, length)| net(low, length)).collect();
        nets.sort_unstable();
        nets.dedup();
        let mut text = "network,name,country,city,asn\n".to_owned();
        for net in &nets {
            text.push_str(&format!("{net},{net},,,\n"));
        }
        let (networks, faults) = Networks::parse(&text);
        prop_assert_eq!(faults, vec![]);
        let ip = std::net::Ipv4Addr::from(base + host);
        let expected = nets.iter().filter(|net| net.contains(&ip)).max_by_key(|net| net.prefix_len());
        let found = networks.find(ip.into()).map(|network| network.name.clone());
        prop_assert_eq!(found, expected.map(ToString::to_string));
    }
}
