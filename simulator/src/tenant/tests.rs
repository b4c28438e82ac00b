//! What must hold of every seed's tenant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::time::{DAY, HOUR, MINUTE};

use super::*;

/// A Monday.
fn monday() -> Micros {
    Micros::parse("2026-03-02T00:00:00Z").unwrap()
}

fn tenant(seed: u64) -> Tenant {
    Tenant::new(seed, monday(), Settings::default())
}

/// The day of the attack, whole.
fn attack_day(tenant: &Tenant) -> Happenings {
    let (from, until) = tenant.attack().unwrap();
    tenant.between(from, until)
}

fn field(bytes: &[u8], name: &str) -> serde_json::Value {
    serde_json::from_slice::<serde_json::Value>(bytes).unwrap()[name].clone()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let day = |seed| attack_day(&tenant(seed));
    assert!(day(3) == day(3), "the same seed, twice");
    assert!(day(3) != day(4), "two seeds");
    assert_eq!(tenant(3).labels(), tenant(3).labels());
    assert_eq!(tenant(3).facts(""), tenant(3).facts(""));
}

#[test]
fn an_hour_is_the_same_whichever_was_asked_for_before() {
    let tenant = tenant(5);
    let late = monday().plus(3 * DAY + 10 * HOUR);
    let alone = tenant.hour(late);
    assert!(alone.records.len() > 5);
    assert_eq!(tenant.hour(late.plus(-DAY)), tenant.hour(late.plus(-DAY)));
    assert_eq!(tenant.hour(late.plus(59 * MINUTE)), alone, "any time of the hour asks for the hour");
    assert_eq!(tenant.hour(monday().plus(-1)), Happenings::default(), "nothing is before the start");
}

#[test]
fn windows_join_without_gap_or_overlap() {
    let tenant = tenant(6);
    let (from, middle, until) = (DAY + 9 * HOUR, DAY + 9 * HOUR + 59 * MINUTE, DAY + 12 * HOUR);
    let [from, middle, until] = [from, middle, until].map(|at| monday().plus(at));
    let mut joined = tenant.between(from, middle);
    let second = tenant.between(middle, until);
    joined.records.extend(second.records);
    joined.runs.extend(second.runs);
    assert_eq!(joined, tenant.between(from, until));
}

#[test]
fn every_record_has_what_the_feeds_schema_requires() {
    for seed in 1..=4 {
        let tenant = tenant(seed);
        for record in attack_day(&tenant).records {
            let fields: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
            let text =
                |name: &str| fields[name].as_str().unwrap_or_else(|| panic!("{name}: {fields}")).to_owned();
            assert_eq!(text("Id"), record.id);
            assert_eq!(text("OrganizationId"), tenant.id());
            assert_eq!(Micros::parse(&text("CreationTime")), Ok(record.time));
            assert_eq!(text("CreationTime").len(), "2026-03-02T00:00:00".len(), "whole seconds, no zone");
            for name in ["Operation", "Workload", "UserId", "UserKey"] {
                assert!(!text(name).is_empty(), "{name}");
            }
            assert!(fields["RecordType"].is_u64() && fields["UserType"].is_u64());
            assert!(record.content_type.starts_with("Audit."));
        }
    }
}

#[test]
fn no_audit_record_holds_a_run_and_no_two_share_an_id() {
    let tenant = tenant(7);
    let all = tenant.between(monday(), monday().plus(22 * DAY));
    let ids: BTreeSet<&str> = all.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), all.records.len());
    let runs: BTreeSet<&str> = all.runs.iter().map(|row| row.run_id.as_str()).collect();
    assert_eq!(runs.len(), all.runs.len());
    assert!(
        all.records.iter().all(|record| !field(&record.bytes, "Operation").as_str().unwrap().contains("Run"))
    );
    for row in &all.runs {
        assert_eq!(row.line.last(), Some(&b'\n'));
        assert_eq!(field(&row.line, "OperationId"), row.run_id);
        assert!(row.path.starts_with("am-AppRequests/WorkspaceResourceId=/"), "{}", row.path);
        assert!(row.path.ends_with("/PT05M.json"));
    }
}

#[test]
fn every_scenario_is_planted_and_a_fifth_must_stay_silent() {
    for seed in 1..=20 {
        let tenant = tenant(seed);
        let labels = tenant.labels();
        let silent = labels.iter().filter(|label| !label.should_be_found).count();
        assert_eq!((labels.len(), silent * 5), (10, 10), "seed {seed}");
        let loud = labels.iter().filter(|label| label.should_be_found);
        let kinds: BTreeSet<Scenario> = loud.map(|label| label.scenario).collect();
        assert_eq!(kinds.len(), Scenario::ALL.len(), "seed {seed}");
        let (begins, ends) = tenant.attack().unwrap();
        assert!(labels.iter().all(|label| label.from >= begins && label.until <= ends), "seed {seed}");
    }
}

#[test]
fn every_id_of_a_label_is_there_on_the_day_it_tells_of() {
    for seed in 1..=6 {
        let tenant = tenant(seed);
        let day = attack_day(&tenant);
        let mut times: BTreeMap<&str, Micros> = BTreeMap::new();
        times.extend(day.records.iter().map(|record| (record.id.as_str(), record.time)));
        times.extend(day.runs.iter().map(|row| (row.run_id.as_str(), row.time)));
        for label in tenant.labels() {
            assert!(!label.event_ids.is_empty());
            for id in &label.event_ids {
                let time =
                    times.get(id.as_str()).unwrap_or_else(|| panic!("seed {seed}: {label:?} lacks {id}"));
                assert!((label.from..label.until).contains(time));
            }
        }
    }
}

/// Whoever reads the records must not be able to tell the planted ones by a word.
#[test]
fn no_record_says_what_is_planted() {
    const WORDS: [&str; 12] = [
        "attack",
        "scenario",
        "planted",
        "label",
        "exfil",
        "malicious",
        "evil",
        "silent",
        "quiet",
        "simulat",
        "seed",
        "spike",
    ];
    for seed in 1..=6 {
        let tenant = tenant(seed);
        let day = attack_day(&tenant);
        let lines =
            day.records.iter().map(|record| &record.bytes).chain(day.runs.iter().map(|row| &row.line));
        for line in lines {
            let text = std::str::from_utf8(line).unwrap().to_lowercase();
            let found = WORDS.iter().find(|word| text.contains(**word));
            assert_eq!(found, None, "{text}");
            let told = |label: &Label| text.contains(&label.description.to_lowercase());
            assert!(!tenant.labels().iter().any(told), "{text}");
        }
    }
}

#[test]
fn days_have_their_rhythm() {
    for seed in 1..=6 {
        let tenant = Tenant::new(seed, monday(), Settings { attack_day: None, ..Settings::default() });
        assert!(tenant.labels().is_empty());
        let day =
            |number: i64| tenant.between(monday().plus(number * DAY), monday().plus((number + 1) * DAY));
        let (wednesday, sunday) = (day(2), day(6));
        let count = wednesday.records.len();
        assert!((250..=1000).contains(&count), "seed {seed}: {count} records on a Wednesday");
        assert!(sunday.records.len() < count / 3, "seed {seed}: a Sunday is quiet");
        assert!(wednesday.runs.len() > 100 && sunday.runs.len() > 20, "flows run on Sundays too");
        assert!(sunday.runs.len() < wednesday.runs.len());
    }
}

#[test]
fn more_records_are_made_as_asked() {
    let settings = Settings { records_per_hour_least: 3_600, ..Settings::default() };
    let tenant = Tenant::new(9, monday(), settings);
    for hour in [3, 12] {
        let records = tenant.hour(monday().plus(hour * HOUR)).records;
        assert_eq!(records.len(), 3_600);
        let ids: BTreeSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids.len(), records.len());
    }
}

#[test]
fn a_feed_gives_everything_once_when_it_becomes_available() {
    let tenant = Arc::new(tenant(10));
    let days = 3 * DAY;
    let end = monday().plus(days + DELAY_MAX + HOUR);
    let mut feed = Feed::new(Arc::clone(&tenant), monday());
    let mut given: Vec<AuditRecord> = Vec::new();
    let mut runs = 0;
    let mut now = monday();
    while now < end {
        let until = now.plus(17 * MINUTE);
        let step = feed.advance(until);
        assert!(step.records.iter().all(|record| record.available >= now && record.available < until));
        runs += step.runs.iter().filter(|row| row.time < monday().plus(days)).count();
        given.extend(step.records);
        now = until;
    }
    let expected = tenant.between(monday(), monday().plus(days));
    given.retain(|record| record.time < monday().plus(days));
    given.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    assert_eq!(given, expected.records);
    assert_eq!(runs, expected.runs.len());
    let delays: Vec<i64> = given.iter().map(|record| record.available.0 - record.time.0).collect();
    assert!(delays.iter().all(|delay| (MINUTE..=DELAY_MAX).contains(delay)));
    assert!(delays.iter().filter(|delay| **delay < HOUR).count() > delays.len() / 2);
    assert!(delays.iter().any(|delay| *delay > 6 * HOUR), "some come late");
}

#[test]
fn a_feed_that_begins_anew_goes_on_where_the_old_one_was() {
    let tenant = Arc::new(tenant(11));
    let (from, middle, until) = (monday(), monday().plus(2 * DAY + 5 * HOUR), monday().plus(3 * DAY));
    let mut whole = Feed::new(Arc::clone(&tenant), from);
    whole.advance(middle);
    let expected = whole.advance(until);
    assert!(!expected.records.is_empty() && !expected.runs.is_empty());
    assert_eq!(Feed::new(tenant, middle).advance(until).records, expected.records);
}

#[test]
fn the_attack_comes_on_a_working_day() {
    for shift in 0..7 {
        let start = monday().plus(shift * DAY);
        let tenant = Tenant::new(2, start, Settings::default());
        let (begins, ends) = tenant.attack().unwrap();
        let weekday = begins.timestamp().unwrap().to_zoned(jiff::tz::TimeZone::UTC).weekday();
        assert!(weekday.to_monday_zero_offset() < 5, "{weekday:?}");
        assert!(begins >= start.plus(21 * DAY) && begins < start.plus(24 * DAY));
        assert_eq!(tenant.labels().len(), 10);
        assert!(tenant.labels().iter().all(|label| label.from >= begins && label.until <= ends));
    }
}

/// Nobody who has gone, or has not come yet, leaves a trace.
#[test]
fn only_who_has_an_account_acts() {
    let mut seen = 0;
    for seed in 1..=8 {
        let tenant = tenant(seed);
        for person in
            tenant.world.people.iter().filter(|person| person.leaves.is_some() || person.joins.is_some())
        {
            let (joins, leaves) = (person.joins, person.leaves);
            let moment = joins.or(leaves).unwrap();
            for record in tenant.between(moment.plus(-2 * DAY), moment.plus(3 * DAY)).records {
                if field(&record.bytes, "UserId") == person.upn {
                    seen += 1;
                    let (come, gone) = (
                        joins.is_none_or(|at| record.time >= at),
                        leaves.is_some_and(|at| record.time >= at),
                    );
                    assert!(come && !gone, "seed {seed}: {}", record.time);
                }
            }
        }
    }
    assert!(seen > 20, "they do act while they are there: {seen}");
}

#[test]
fn addresses_and_domains_are_those_set_aside_for_examples() {
    let tenant = tenant(12);
    for record in attack_day(&tenant).records {
        let address = field(&record.bytes, "ClientIP");
        let address =
            address.as_str().unwrap_or_default().trim_start_matches("::ffff:").trim_start_matches('[');
        let known = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
        assert!(address.is_empty() || known.iter().any(|prefix| address.starts_with(prefix)), "{address}");
        let user = field(&record.bytes, "UserId");
        let user = user.as_str().unwrap();
        assert!(user.ends_with(".example") || user.starts_with("NT AUTHORITY"), "{user}");
    }
    let facts = tenant.facts("folder");
    assert!(facts.yaml.contains("networks: \"folder/networks.csv\""), "{}", facts.yaml);
    let (name, content) = facts.files.first().unwrap();
    assert_eq!(
        (name.as_str(), content.lines().next()),
        ("networks.csv", Some("network,name,country,city,asn"))
    );
}
