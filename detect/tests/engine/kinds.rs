//! The kinds that a `weir:` block asks for: what is refused, and what a finding of theirs says.

use std::borrow::Cow;

use detect::{
    Pack, RuleSet,
    rules::{RuleFile, lint},
    testfile::{self, TestFile},
};

fn pack(text: &str) -> Pack {
    let file = RuleFile {
        path: "volume/a.yml".to_owned(),
        group: "volume".to_owned(),
        name: "a".to_owned(),
        text: Cow::Owned(text.to_owned()),
        test: None,
    };
    Pack { files: vec![file] }
}

fn problems_of(text: &str) -> String {
    let problems = RuleSet::compile(&pack(text)).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Each text with one thing changed is refused, and the reason is said.
fn refused(good: &str, changes: &[(&str, &str, &str)]) {
    assert_eq!(problems_of(good), "");
    for (from, to, said) in changes {
        assert!(good.contains(from), "{from}");
        let problems = problems_of(&good.replace(from, to));
        assert!(problems.contains(said), "{to}: {problems}");
    }
}

const SPIKE: &str = "
title: Many more
id: 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3c01
logsource: {product: m365}
detection: {a: {Operation: A}, condition: a}
level: low
weir:
  kind: spike
  group_by: [weir.actor.id]
  spike: {ratio: 10, floor: 5, tail: 0.001, learn_days: 7}
  major: 1
  entity: {kind: user, field: weir.actor.id}
  summary: \"{count} in {window}, {ratio} times {expected}, known {known_days} days\"
";

#[test]
fn a_spike_that_would_mean_nothing_is_refused() {
    refused(
        SPIKE,
        &[
            ("ratio: 10", "ratio: 1", "weir.spike.ratio is not above 1"),
            ("ratio: 10", "ratio: .nan", "weir.spike.ratio is not above 1"),
            ("floor: 5", "floor: 0", "weir.spike.floor is not at least 1"),
            ("tail: 0.001", "tail: 1", "weir.spike.tail is not between 0 and 1"),
            ("learn_days: 7", "learn_days: 1", "weir.spike.learn_days is not 2 to 42"),
            ("learn_days: 7", "learn_days: 43", "weir.spike.learn_days is not 2 to 42"),
            ("learn_days: 7", "learn_days: 7, prior: 0", "weir.spike.prior is not above 0"),
            ("learn_days: 7", "learn_days: 7, zone: Nowhere", "weir.spike.zone is no IANA time zone"),
            ("learn_days: 7", "learn_days: 7, floors: 3", "unknown field `floors`"),
            ("floor: 5, ", "", "missing field `floor`"),
            ("  spike: {ratio: 10, floor: 5, tail: 0.001, learn_days: 7}\n", "", "weir.spike is missing"),
            ("kind: spike", "kind: off_hours", "weir.spike is for the kind spike"),
            ("  kind: spike\n", "", "are for rules with a weir.kind"),
            ("  group_by: [weir.actor.id]\n", "", "there is no group-by field"),
            ("  major", "  closed_by: [a]\n  major", "weir.closed_by is for temporal_ordered"),
        ],
    );
    let zoned = SPIKE.replace("learn_days: 7", "learn_days: 7, zone: Europe/Berlin, prior: 2");
    assert_eq!(problems_of(&zoned), "");
}

const FIRST: &str = "
title: New
id: 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3c02
logsource: {product: m365}
detection: {a: {Operation: A}, condition: a}
level: low
weir:
  kind: first_seen
  group_by: [weir.actor.id]
  field: UserAgent
  first_seen: {days: 30, learn_days: 7}
  major: 1
  entity: {kind: user, field: weir.actor.id}
  summary: \"{count} new in {window}: {UserAgent}\"
";

#[test]
fn a_first_sighting_that_would_mean_nothing_is_refused() {
    refused(
        FIRST,
        &[
            ("days: 30, ", "days: 401, ", "weir.first_seen.days is not 2 to 400"),
            ("days: 30, ", "days: 1, ", "weir.first_seen.days is not 2 to 400"),
            ("learn_days: 7", "learn_days: 0", "learn_days is not at least 1 and less than days"),
            ("learn_days: 7", "learn_days: 30", "learn_days is not at least 1 and less than days"),
            ("  field: UserAgent\n", "", "weir.field is missing"),
            ("  first_seen: {days: 30, learn_days: 7}\n", "", "weir.first_seen is missing"),
            ("kind: first_seen", "kind: spike", "weir.first_seen is for the kind first_seen"),
            ("kind: first_seen", "kind: off_hours", "weir.field is for the kinds"),
        ],
    );
}

const ORDERED: &str = "
title: Closed
name: closed
logsource: {product: m365}
detection: {a: {Operation: Close}, condition: a}
---
title: Acts
name: acts
logsource: {product: m365}
detection: {a: {Operation: Act}, condition: a}
---
title: Opened
name: opened
logsource: {product: m365}
detection: {a: {Operation: Open}, condition: a}
---
title: Acts after closing
id: 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3c03
correlation:
  type: temporal_ordered
  rules: [closed, acts]
  aliases: {who: {closed: ObjectId, acts: UserId, opened: ObjectId}}
  group-by: [who]
  timespan: 2d
level: low
weir: {closed_by: [opened], major: 1, entity: {kind: user, field: who}, summary: \"{who} acted\"}
";

#[test]
fn a_sequence_that_would_mean_something_else_is_refused() {
    refused(
        ORDERED,
        &[
            ("rules: [closed, acts]", "rules: [closed]", "supported for two rules"),
            ("timespan: 2d", "timespan: 2d\n  condition: {gte: 2}", "takes no condition"),
            ("closed_by: [opened], ", "", "a base document is in no correlation"),
            ("closed_by: [opened]", "closed_by: [opend]", "\"opend\" is not exactly one document"),
            (", opened: ObjectId", "", "alias \"who\" leaves a base document out"),
            ("aliases: {who:", "aliases: {whom:", "alias \"whom\" is no group-by field"),
        ],
    );
}

/// Runs one case; the finding it must raise, if any.
fn findings(text: &str, events: &str) -> Vec<schemas::finding::Finding> {
    let rules = RuleSet::compile(&pack(text)).unwrap();
    let case = format!("{{rule: a, cases: [{{name: a, kind: fires, expect: fire, events: [{events}]}}]}}");
    testfile::run(&rules, &TestFile::parse(&case).unwrap()).remove(0).findings
}

#[test]
fn the_roles_of_a_sequence_name_the_group_by_fields_of_their_own() {
    let event = |time: &str, operation: &str, user: &str, object: &str| {
        format!(
            "{{record: {{CreationTime: 2024-05-01T{time}, Operation: {operation}, UserId: {user}, ObjectId: {object}, Id: {time}}}}}"
        )
    };
    let [closed, acts] =
        [event("10:00:00", "Close", "boss", "ann"), event("10:01:00", "Act", "ann", "thing")];
    let found = findings(ORDERED, &format!("{acts}, {closed}"));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.entity.id.as_str(), finding.summary.as_str()), ("ann", "ann acted"));
    assert_eq!((finding.event_ids.len(), finding.kind.as_str()), (2, "sequence"));
    let opened = event("10:00:30", "Open", "boss", "ann");
    assert_eq!(findings(ORDERED, &format!("{acts}, {opened}, {closed}")), []);
    let other = event("10:01:00", "Act", "bob", "ann");
    assert_eq!(findings(ORDERED, &format!("{closed}, {other}")), []);
}

#[test]
fn the_finding_of_a_spike_shows_what_was_expected() {
    let event = |time: &str, more: &str| {
        format!("{{record: {{CreationTime: {time}, Operation: A, UserId: ann, Id: {time}}}, {more}}}")
    };
    let usual = event("2024-05-01T00:10:00", "repeat: 240, step: 1h, each: 2");
    let many = event("2024-05-11T03:00:00", "repeat: 60, step: 30s");
    let found = findings(SPIKE, &format!("{usual}, {many}"));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    // Eight full days teach two an hour, weighed and drawn together: two.
    assert_eq!(finding.summary, "60 in 1h, 30.0 times 2.00, known 10 days");
    assert_eq!((finding.facts["expected"].as_str(), finding.event_count), ("2.00", 60));
}

#[test]
fn the_finding_of_a_first_sighting_names_the_new_value_and_its_events_only() {
    let event = |time: &str, agent: &str, more: &str| {
        format!(
            "{{record: {{CreationTime: {time}, Operation: A, UserId: ann, UserAgent: {agent}, Id: {agent}{time}}}{more}}}"
        )
    };
    let usual = event("2024-05-01T00:10:00", "old", ", repeat: 241, step: 1h");
    let new = event("2024-05-11T00:20:00", "new", ", repeat: 2, step: 1m");
    let found = findings(FIRST, &format!("{usual}, {new}"));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(finding.summary, "1 new in 30d: new");
    assert_eq!((finding.event_ids.len(), finding.event_count), (2, 2), "not the old one of that hour");
}

#[test]
fn lint_names_fields_of_the_block_that_do_not_exist() {
    let text =
        FIRST.replace("field: UserAgent", "field: enrich.geo.continent").replace("{UserAgent}", "{values}");
    let problems = lint::lint(&pack(&text));
    assert!(
        problems.iter().any(|problem| problem.problem == "there is no field enrich.geo.continent"),
        "{problems:?}"
    );
}
