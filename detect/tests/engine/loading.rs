//! Loading, linting and testing rules.

use std::borrow::Cow;

use detect::{
    Pack, RuleSet,
    rules::{RuleFile, lint},
    testfile::{self, TestFile},
};

use crate::support::{folder, pack, rules};

fn file(name: &str, text: &str) -> RuleFile {
    RuleFile {
        path: format!("policy/{name}.yml"),
        group: "policy".to_owned(),
        name: name.to_owned(),
        text: Cow::Owned(text.to_owned()),
        test: None,
    }
}

const GOOD: &str = "
title: A rule
id: 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3b01
logsource: {product: m365}
detection: {a: {Operation: A}, condition: a}
level: low
weir: {major: 1, entity: {kind: user, field: weir.actor.id}, summary: done}
";

fn problems_of(text: &str) -> Vec<String> {
    let pack = Pack { files: vec![file("a", text)] };
    RuleSet::compile(&pack).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// A good rule with one thing changed.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

#[test]
fn every_problem_of_every_file_is_named_at_once() {
    let mut shadow = file("c", GOOD);
    shadow.group = "nowhere".to_owned();
    let bad = changed("level: low", "level: bad").replace("major: 1", "major: 0");
    let pack = Pack { files: vec![file("a", &bad), file("a", GOOD), file("b", GOOD), shadow] };
    let problems = RuleSet::compile(&pack).unwrap_err();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = [
        "policy/a.yml: invalid level: 'bad'",
        "policy/a.yml: policy/a.yml has the same name",
        "policy/b.yml: another rule has the id 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3b01",
        "policy/c.yml: folder \"nowhere\" is no finding group",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn what_would_not_work_is_refused() {
    assert_eq!(problems_of(GOOD), Vec::<String>::new());
    for (from, to, said) in [
        ("id: 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3b01", "id: mine", "the id is missing or no UUID"),
        ("level: low\n", "", "the level is missing"),
        ("major: 1", "major: 0", "weir.major is less than 1"),
        ("major: 1, ", "", "missing field `major`"),
        ("summary: done", "summary: done, sumary: x", "unknown field `sumary`"),
        ("summary: done", "summary: \"{a\"", "weir.summary: a brace"),
        (", field: weir.actor.id", "", "weir.entity.field is missing"),
        ("{major", "{kind: magic, major", "weir.kind \"magic\""),
        ("{major", "{group_by: [a], major", "weir.group_by is for rules that keep state"),
        ("{major", "{kind: off_hours, major", "there is no group-by field"),
        ("condition: a", "condition: b", "b"),
        ("logsource", "rsigma.include_event: true\nlogsource", "rsigma.include_event is not supported"),
        ("title: A rule", "- 1", ""),
    ] {
        let problems = problems_of(&changed(from, to)).join("; ");
        assert!(!problems.is_empty() && problems.contains(said), "{to}: {problems}");
    }
}

const COUNT: &str = "
title: Base
name: base
logsource: {product: m365}
detection: {a: {Operation: A}, condition: a}
---
title: Many
id: 0a5f9a52-1c1c-4a07-9d5c-0c1e1d2f3b02
correlation:
  type: event_count
  rules: [base]
  group-by: [weir.actor.id]
  timespan: 10m
  condition: {gte: 5}
level: low
weir: {major: 1, entity: {kind: user}, summary: done}
";

#[test]
fn correlations_that_would_mean_something_else_are_refused() {
    assert_eq!(problems_of(COUNT), Vec::<String>::new());
    for (from, to, said) in [
        ("event_count", "temporal_ordered", "temporal_ordered means all of its rules"),
        (
            "condition: {gte: 5}",
            "condition: {gte: 5}\n  aliases: {who: {base: UserId}}",
            "use canonical weir.*",
        ),
        ("summary: done", "summary: done, closed_by: [base]", "weir.closed_by is for temporal_ordered"),
        ("summary: done", "summary: done, field: ObjectId", "are for rules with a weir.kind"),
        ("event_count", "value_count", "value_count needs condition.field"),
        ("event_count", "temporal", "temporal means all of its rules"),
        ("gte: 5", "lt: 5", "gte (at least 1) and gt"),
        ("gte: 5", "gte: 0", "gte (at least 1) and gt"),
        ("gte: 5", "gte: 5, lte: 9", "gte (at least 1) and gt"),
        ("timespan: 10m", "timespan: 90s", "whole minutes"),
        ("timespan: 10m", "timespan: 32d", "whole minutes"),
        ("timespan: 10m", "window: tumbling\n  timespan: 10m", "only sliding windows"),
        ("rules: [base]", "rules: [base, other]", "\"other\" is not exactly one document"),
        ("rules: [base]", "rules: []", "1 to 64 rules"),
        ("group-by: [weir.actor.id]", "group-by: []", "there is no group-by field"),
        ("{kind: user}", "{kind: user, field: ObjectId}", "none of the group-by fields"),
        ("weir: {", "weir: {kind: off_hours, ", "not for correlations"),
        ("level: low\n", "level: low\ngenerate: true\n", "the id is missing"),
    ] {
        assert!(COUNT.contains(from), "{from}");
        let problems = problems_of(&COUNT.replace(from, to)).join("; ");
        assert!(problems.contains(said), "{to}: {problems}");
    }
}

#[test]
fn a_plain_sigma_rule_needs_no_block_and_its_file_may_end_in_yaml() {
    let pack = folder("plain").unwrap();
    let rules = RuleSet::compile(&pack).unwrap();
    let list: Vec<String> =
        rules.rules().map(|rule| format!("{} {} {}", rule.name, rule.kind, rule.major)).collect();
    assert_eq!(list, ["many threshold 1", "plain single 1"]);
    let (results, problems) = testfile::run_all(&rules, &pack);
    assert!(problems.is_empty(), "{problems:?}");
    let [result] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!(result.failure, None);
    let finding = &result.findings[0];
    assert_eq!((finding.entity.kind.as_str(), finding.entity.id.as_str()), ("user", "ann@x"));
    assert_eq!(finding.summary, "Something plain happened");

    let often = "{rule: many, cases: [{name: a, kind: fires, expect: fire, events: [{record: {CreationTime: 2024-05-01T10:00:00, Operation: Often, ClientIP: 198.51.100.7}, repeat: 2}]}]}";
    let result = testfile::run(&rules, &TestFile::parse(often).unwrap()).remove(0);
    assert_eq!(result.failure, None);
    assert_eq!(
        (result.findings[0].entity.kind.as_str(), result.findings[0].entity.id.as_str()),
        ("group", "198.51.100.7")
    );
    assert_eq!(result.findings[0].summary, "Something happened often");
}

#[test]
fn rules_in_the_wrong_place_are_named_and_not_passed_over() {
    let problems: Vec<String> =
        folder("stray").unwrap_err().iter().map(|problem| problem.problem.clone()).collect();
    let [deeper, loose] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(deeper, "a folder in the folder of a group is not read: put its rules beside the others");
    assert!(loose.starts_with("put it into a folder named after a finding group: exfiltration, "), "{loose}");
}

#[test]
fn a_folder_without_a_rule_is_a_mistake_and_hidden_folders_are_left_alone() {
    let problems = folder("none").unwrap_err();
    assert!(problems[0].to_string().ends_with("<group>/<name>.yml"), "{problems:?}");
}

#[test]
fn the_block_may_be_missing_and_lint_says_so() {
    let plain =
        GOOD.replace("weir: {major: 1, entity: {kind: user, field: weir.actor.id}, summary: done}\n", "");
    assert_eq!(problems_of(&plain), Vec::<String>::new());
    let problems = lint::lint(&Pack { files: vec![file("a", &plain)] });
    let said = |text: &str| problems.iter().any(|problem| problem.problem == text);
    assert!(said("the weir block is missing"), "{problems:?}");
    let problems = lint::lint(&Pack { files: vec![file("a", GOOD)] });
    assert!(problems.iter().all(|problem| problem.problem != "the weir block is missing"));
}

#[test]
fn rules_say_about_themselves_what_a_list_needs() {
    let rules = rules();
    let list: Vec<String> =
        rules.rules().map(|rule| format!("{} {} {}", rule.group.name(), rule.name, rule.kind)).collect();
    let expected = [
        "identity fixture-spray threshold",
        "sharing fixture-pair threshold",
        "sharing fixture-pair single",
        "sharing fixture-pair single",
        "sharing fixture-role single",
        "unusual fixture-night off_hours",
    ];
    assert_eq!(list, expected);
}

#[test]
fn lint_names_what_is_bad_about_a_rule() {
    let problems = lint::lint(&pack());
    let of = |name: &str| -> Vec<&str> {
        problems
            .iter()
            .filter(|problem| problem.file.contains(name))
            .map(|problem| problem.problem.as_str())
            .collect()
    };
    assert!(of("fixture-role").is_empty() && of("fixture-spray").is_empty(), "{problems:?}");
    assert_eq!(of("fixture-pair"), ["there is no test file beside it"]);

    let mut odd = file(
        "Odd",
        &COUNT.replace("Operation: A", "weir.aktor: A").replace("summary: done", "summary: \"{ObjectId}\""),
    );
    odd.test =
        Some(Cow::Borrowed("{rule: other, cases: [{name: a, kind: fires, expect: fire, events: []}]}"));
    let problems = lint::lint(&Pack { files: vec![odd] });
    let problems: Vec<&str> = problems.iter().map(|problem| problem.problem.as_str()).collect();
    let expected = [
        "the file's name is not of lower-case letters, digits and dashes",
        "there is no field weir.aktor",
        "no tag names an ATT&CK technique (attack.t1098 or attack.t1098.003)",
        "the description is missing",
        "falsepositives is missing or empty",
        "ObjectId in the weir block is nothing that the rule can show",
        "the test file is for the rule other",
        "the test file has no case of kind silent",
        "the test file has no case of kind boundary",
        "the test file has no case of kind late",
        "the test file has no case of kind duplicate",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn the_cases_of_the_fixtures_go_as_expected() {
    let (results, problems) = testfile::run_all(&rules(), &pack());
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(results.len(), 10);
    for result in &results {
        assert_eq!(result.failure, None, "{}: {}", result.rule, result.case);
    }
    let spray = results.iter().find(|result| result.rule == "fixture-spray").unwrap();
    assert_eq!(spray.findings[0].facts["LogonError"], "Wrong");
}

#[test]
fn a_case_that_goes_otherwise_fails() {
    let run = |expect: &str, record: &str| {
        let text = format!(
            "{{rule: fixture-role, cases: [{{name: a, kind: fires, expect: {expect}, events: [{{record: {record}}}]}}]}}"
        );
        testfile::run(&rules(), &TestFile::parse(&text).unwrap()).remove(0).failure
    };
    let silent = "{CreationTime: 2024-05-01T10:00:00, Operation: X}";
    let fires = "{CreationTime: 2024-05-01T10:00:00, Operation: Add member to role., ModifiedProperties: [{Name: Role.DisplayName, NewValue: a}]}";
    assert_eq!(run("silent", silent), None);
    assert_eq!(run("fire", fires), None);
    assert_eq!(run("fire", silent).unwrap(), "expected at least one finding, there are 0");
    assert_eq!(run("silent", fires).unwrap(), "expected no finding, there are 1");
    assert_eq!(run("{findings: 2}", fires).unwrap(), "expected 2 findings, there are 1");
    assert!(run("silent", "{Operation: X}").unwrap().contains("CreationTime"));
    let other =
        TestFile::parse("{rule: other, cases: [{name: a, kind: fires, expect: fire, events: []}]}").unwrap();
    assert!(testfile::run(&rules(), &other)[0].failure.as_ref().unwrap().contains("no rule of that name"));
}

#[test]
fn a_test_file_with_unknown_fields_is_refused() {
    for text in [
        "{rule: a, cases: [], more: 1}",
        "{rule: a, cases: [{name: a, kind: fires, expect: maybe, events: []}]}",
        "{rule: a, cases: [{name: a, kind: fires, expect: fire, events: [{record: {}, actvity: {}}]}]}",
    ] {
        assert!(TestFile::parse(text).is_err(), "{text}");
    }
    let run = |more: &str| {
        let text = format!(
            "{{rule: fixture-role, cases: [{{name: a, kind: fires, expect: silent, events: [{{record: {{CreationTime: 2024-05-01T10:00:00}}, {more}}}]}}]}}"
        );
        testfile::run(&rules(), &TestFile::parse(&text).unwrap()).remove(0).failure
    };
    assert_eq!(run("activity: {address: {ip: 1.2.3.4}, actor: {id: 17}}"), None);
    assert!(run("activity: {aktor: {id: a}}").unwrap().contains("activity.aktor is no field"));
    assert!(run("enrich: {connectors: {classes: [{klass: a}]}}").unwrap().contains("klass is no field"));
    assert!(run("enrich: {weather: {}}").unwrap().contains("no block"));
    assert!(run("step: soon").unwrap().contains("no duration"));
    assert!(run("repeat: 10001").unwrap().contains("more than 10000"));
}
