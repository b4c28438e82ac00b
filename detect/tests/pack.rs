//! The pack that the binary carries: it loads, every rule keeps its test cases, and nothing is missing beside a rule.

use detect::{Pack, RuleSet, rules::lint, testfile};

/// Every problem of a list, one a line.
fn lines<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pack_loads() {
    if let Err(problems) = RuleSet::builtin() {
        panic!("{}", lines(&problems));
    }
}

#[test]
fn every_case_of_every_rule_goes_as_expected() {
    let rules = RuleSet::builtin().map_err(|problems| lines(&problems)).unwrap();
    let (results, problems) = testfile::run_all(&rules, &Pack::builtin());
    assert!(problems.is_empty(), "{}", lines(&problems));
    let failed = results.iter().filter_map(|result| {
        let failure = result.failure.as_ref()?;
        Some(format!("{}: {}: {failure}", result.rule, result.case))
    });
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{} of {} cases fail\n{}", failed.len(), results.len(), lines(&failed));
}

#[test]
fn the_pack_is_free_of_lint() {
    let problems = lint::lint(&Pack::builtin());
    assert!(problems.is_empty(), "{}", lines(&problems));
}

#[test]
fn every_rule_has_its_runbook_and_every_runbook_its_rule() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
    let mut names: Vec<String> = Pack::builtin().files.into_iter().map(|file| file.name).collect();
    names.sort();
    let mut runbooks: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| name != "README")
        .collect();
    runbooks.sort();
    assert_eq!(runbooks, names);
}
