//! The rule pack by its file names: each rule has its tests and its runbook, and none of these stands alone.

use std::collections::BTreeSet;

use schemas::FindingGroup;

use crate::tree;

const RULES: &str = "detect/rules/";
const RUNBOOKS: &str = "docs/runbooks/";

fn problems(paths: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut rules, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for path in paths.iter().filter_map(|path| path.strip_prefix(RULES)) {
        match path.split_once('/') {
            Some((group, file)) if FindingGroup::named(group).is_some() => {
                if let Some(rule) = file.strip_suffix(".test.yml") {
                    tests.insert((group, rule));
                } else if let Some(rule) = file.strip_suffix(".yml") {
                    rules.insert((group, rule));
                } else {
                    problems.push(format!("{RULES}{path}: neither a rule nor its tests"));
                }
            }
            _ => problems.push(format!("{RULES}{path}: not in the folder of a finding group")),
        }
    }
    let runbooks: BTreeSet<&str> =
        paths.iter().filter_map(|path| path.strip_prefix(RUNBOOKS)?.strip_suffix(".md")).collect();
    let names: BTreeSet<&str> = rules.iter().map(|(_, rule)| *rule).collect();
    if names.len() < rules.len() {
        problems.push("two rules have one name, so they would share a runbook".to_owned());
    }
    problems.extend(
        rules.difference(&tests).map(|(group, rule)| format!("{RULES}{group}/{rule}.yml: no .test.yml")),
    );
    problems.extend(
        tests.difference(&rules).map(|(group, rule)| format!("{RULES}{group}/{rule}.test.yml: no rule")),
    );
    problems
        .extend(names.difference(&runbooks).map(|rule| format!("{rule}: no runbook {RUNBOOKS}{rule}.md")));
    problems
        .extend(runbooks.difference(&names).map(|rule| format!("{RUNBOOKS}{rule}.md: no rule of that name")));
    problems
}

#[test]
fn what_stands_alone_is_named() {
    let whole = ["detect/rules/policy/a.yml", "detect/rules/policy/a.test.yml", "docs/runbooks/a.md"];
    assert_eq!(problems(&whole), Vec::<String>::new());
    for gone in 0..whole.len() {
        let rest: Vec<&str> =
            whole.iter().enumerate().filter(|(i, _)| *i != gone).map(|(_, path)| *path).collect();
        assert!(!problems(&rest).is_empty(), "without {}", whole[gone]);
    }
    for stray in ["detect/rules/other/a.yml", "detect/rules/b.yml", "detect/rules/policy/notes.txt"] {
        assert_eq!(problems(&[&whole[..], &[stray]].concat()).len(), 1, "{stray}");
    }
    let twice = ["detect/rules/sharing/a.yml", "detect/rules/sharing/a.test.yml"];
    assert_eq!(problems(&[&whole[..], &twice[..]].concat()).len(), 1);
}

#[test]
fn every_rule_has_its_tests_and_its_runbook() {
    let files = tree::files().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert!(paths.iter().any(|path| path.starts_with(RULES)), "the pack was not seen");
    assert_eq!(problems(&paths), Vec::<String>::new());
}
