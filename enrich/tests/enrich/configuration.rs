//! The section `enrich:`: every problem at once, also those of the files it names.

use crate::{
    mmdb::database,
    support::{enrich, event, lookups, read},
};

#[test]
fn nothing_is_needed() {
    for text in ["", "enrich:\n", "enrich: {}\n"] {
        let (config, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        assert!(config.tenants.is_empty() && config.approved_sharers.is_none() && config.city.is_none());
    }
}

#[test]
fn every_problem_is_told_in_its_place() {
    let text = "enrich:\n  tenants:\n    - {id: a, hours: 8-18, zone: Berlin}\n    - {id: A, domains: ['@', x.com]}\n    \
                - {domains: [y.com]}\n    - {id: b, hours: 08:00-18:00}\n  users:\n    - {id: u, days: [monday], places: [nowhere]}\n  \
                partner_domains: [no domain]\n  connectors: {business: [box], blocked: [shared_box], busines: []}\n  \
                networks: /no/such/file.csv\n  mmdb: {city: /no/such/file.mmdb}\n  partners: []\n";
    let (_, problems) = read(text);
    let places: Vec<&str> = problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "weir.yaml:3:22",
            "weir.yaml:3:34",
            "weir.yaml:4:12",
            "weir.yaml:4:25",
            "weir.yaml:5:7",
            "weir.yaml:6:22",
            "weir.yaml:8:22",
            "weir.yaml:8:40",
            "weir.yaml:9:21",
            "weir.yaml:10:42",
            "weir.yaml:10:56",
            "weir.yaml:11:13",
            "weir.yaml:12:16",
            "weir.yaml:13:3",
        ],
        "{problems:#?}"
    );
}

/// Hours without a zone would never be asked.
#[test]
fn a_users_hours_need_a_zone_somewhere() {
    let user = "enrich:\n  users: [{id: ann@contoso.com, hours: 08:00-18:00}]\n";
    let (_, problems) = read(user);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("weir.yaml:2:") && problems[0].contains("zone"), "{problems:?}");
    for zone in
        ["  tenants: [{id: t, zone: Europe/Berlin}]\n", "  tenants: [{id: '*', zone: Europe/Berlin}]\n"]
    {
        assert_eq!(read(&format!("{user}{zone}")).1, Vec::<String>::new());
    }
    let own = user.replace("18:00", "18:00, zone: Asia/Tokyo");
    assert_eq!(read(&own).1, Vec::<String>::new());
}

#[test]
fn files_are_read_at_start_and_their_lines_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let networks =
        write("networks.csv", b"network,name,country,city,asn\n10.0.0.0/8,a,DE,,\nx,,,,\n10.0.0.1/8,,,,\n");
    let city = write("city.mmdb", b"this is no database");
    let binary = write("binary.csv", b"network,name\xff\n");
    let (_, problems) = read(&format!("enrich: {{networks: '{networks}', mmdb: {{city: '{city}'}}}}\n"));
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(problems.iter().any(|problem| problem.starts_with(&format!("{networks}:3: "))));
    assert!(problems.iter().any(|problem| problem.starts_with(&format!("{networks}:4: "))));
    assert!(
        problems.iter().any(|problem| problem.starts_with("weir.yaml:1:") && problem.contains("MaxMind"))
    );
    let (_, problems) = read(&format!("enrich: {{networks: '{binary}'}}\n"));
    assert!(problems[0].contains("is not UTF-8"), "{problems:?}");

    let good = write("good.mmdb", &database(4, &[]));
    let found = enrich(&lookups(&format!("enrich: {{mmdb: {{city: '{good}', asn: '{good}'}}}}\n")), &event());
    assert_eq!(found.geo.provenance.status, "not_applicable");
}

#[test]
fn no_message_shows_a_value() {
    let text = "enrich: {approved_sharers: s3cret, partner_domains: [s3 cret], tenants: [{id: x, zone: s3cret, hours: s3cret}]}\n";
    let (_, problems) = read(text);
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems.iter().all(|problem| !problem.contains("s3")), "{problems:#?}");
}

#[test]
fn the_operators_connectors_are_found_in_events() {
    let config =
        lookups("enrich: {connectors: {blocked: [shared_Twitter], non_business: [/apis/shared_trello]}}\n");
    let mut event = event();
    event.activity.connectors = vec!["twitter".to_owned(), "trello".to_owned(), "sql".to_owned()];
    let block = enrich(&config, &event).connectors;
    let classes: Vec<&str> = block.classes.iter().map(|fact| fact.class.as_str()).collect();
    assert_eq!(classes, ["blocked", "non_business", "business"]);
    assert_eq!((block.has_business, block.has_external), (Some(true), Some(true)));
    assert_eq!(block.provenance.source, "config");
}
