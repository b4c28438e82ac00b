//! What makes a rule a bad rule, though it works: nothing said about false positives, no test that fires, a field that
//! does not exist. The loader finds what makes a rule not work.
//!
//! The runbook lies outside this crate: who knows the folder checks that it is there.

use std::collections::BTreeSet;

use rsigma_eval::RuleFieldSet;
use rsigma_parser::parse_sigma_yaml;

use super::{
    Pack, Rule, RuleFile, RuleProblem, RuleSet,
    testfile::{CaseKind, TestFile},
};
use crate::{correlate, view};

/// Every problem of every file.
#[must_use]
pub fn lint(pack: &Pack) -> Vec<RuleProblem> {
    let rules = match RuleSet::compile(pack) {
        Ok(rules) => rules,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    for file in &pack.files {
        let of_file: Vec<&Rule> = rules.rules.iter().filter(|rule| rule.info.name == file.name).collect();
        let mut found = Vec::new();
        check_name(file, &mut found);
        check_documents(file, &mut found);
        of_file.iter().for_each(|rule| check_rule(rule, &mut found));
        check_tests(file, &of_file, &mut found);
        problems.extend(found.into_iter().map(|problem| RuleProblem::new(&file.path, problem)));
    }
    problems
}

fn check_name(file: &RuleFile, problems: &mut Vec<String>) {
    if !file.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        problems.push("the file's name is not of lower-case letters, digits and dashes".to_owned());
    }
}

/// A block that is missing, and fields that the documents ask for and that are none.
fn check_documents(file: &RuleFile, problems: &mut Vec<String>) {
    let Ok(parsed) = parse_sigma_yaml(&file.text) else { return };
    let has_block = match parsed.correlations.first() {
        Some(correlation) => correlation.custom_attributes.contains_key("weir"),
        None => parsed.rules.iter().all(|rule| rule.custom_attributes.contains_key("weir")),
    };
    if !has_block {
        problems.push("the weir block is missing".to_owned());
    }
    for name in RuleFieldSet::collect(&parsed, &[], true).names() {
        if !view::is_known(name) {
            problems.push(format!("there is no field {name}"));
        }
    }
}

fn check_rule(rule: &Rule, problems: &mut Vec<String>) {
    let info = &rule.info;
    if info.techniques.is_empty() {
        problems.push("no tag names an ATT&CK technique (attack.t1098 or attack.t1098.003)".to_owned());
    }
    if info.description.is_empty() {
        problems.push("the description is missing".to_owned());
    }
    if info.false_positives.iter().all(|text| text.trim().is_empty()) {
        problems.push("falsepositives is missing or empty".to_owned());
    }
    if let Some(stateful) = &rule.stateful {
        let aliases = stateful.aliases.iter().map(|(.., own)| own);
        for name in stateful.group_by.iter().chain(&stateful.value).chain(aliases) {
            let problem = format!("there is no field {name}");
            if !view::is_known(name) && !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    let shown = rule.summary.fields().chain(rule.facts.iter().map(String::as_str));
    let shown: BTreeSet<&str> = shown.chain(rule.entity_field.as_deref()).collect();
    for name in shown {
        if !is_shown(rule, name) {
            problems.push(format!("{name} in the weir block is nothing that the rule can show"));
        }
    }
}

/// Whether summary and facts may name it.
fn is_shown(rule: &Rule, name: &str) -> bool {
    match &rule.stateful {
        None => view::is_known(name) && !correlate::NAMES.contains(&name),
        Some(stateful) => {
            correlate::NAMES.contains(&name)
                || stateful.group_by.iter().any(|field| field == name)
                || stateful.value.as_deref() == Some(name)
                || rule.facts.iter().any(|fact| fact == name && view::is_known(fact))
        }
    }
}

fn check_tests(file: &RuleFile, rules: &[&Rule], problems: &mut Vec<String>) {
    let Some(test) = &file.test else {
        return problems.push("there is no test file beside it".to_owned());
    };
    let test = match TestFile::parse(test) {
        Ok(test) => test,
        Err(error) => return problems.push(format!("test file: {error}")),
    };
    if test.rule != file.name {
        problems.push(format!("the test file is for the rule {}", test.rule));
    }
    let mut wanted = vec![CaseKind::Fires, CaseKind::Silent];
    if rules.iter().any(|rule| rule.stateful.is_some()) {
        wanted.extend([CaseKind::Boundary, CaseKind::Late, CaseKind::Duplicate]);
    }
    for kind in wanted {
        if !test.cases.iter().any(|case| case.kind == kind) {
            problems.push(format!("the test file has no case of kind {}", kind.name()));
        }
    }
}
