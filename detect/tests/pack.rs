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

#[cfg(test)]
mod laws {
    use detect::{
        Pack, RuleSet, testfile,
        testfile::{CaseResult, TestFile},
    };
    use serde_json::{Value, json};

    /// What comes of every case when its events are other than the case says.
    fn results(change: fn(&mut Value)) -> Vec<CaseResult> {
        let rules = RuleSet::builtin().map_err(|problems| super::lines(&problems)).unwrap();
        let mut results = Vec::new();
        for file in Pack::builtin().files {
            let mut test: Value = serde_saphyr::from_str(&file.test.unwrap()).unwrap();
            for case in test["cases"].as_array_mut().unwrap() {
                case["events"].as_array_mut().unwrap().iter_mut().for_each(change);
            }
            let test: TestFile = serde_json::from_value(test).unwrap();
            results.extend(testfile::run(&rules, &test));
        }
        results
    }

    /// The rules that still fire on one of their cases.
    fn still_firing(change: fn(&mut Value)) -> Vec<String> {
        let firing = results(change).into_iter().filter(|result| !result.findings.is_empty());
        let mut names: Vec<String> = firing.map(|result| result.rule).collect();
        names.dedup();
        names
    }

    /// Law: an operation of Entra means the same without the dot that the audit log puts behind it.
    #[test]
    fn the_dot_behind_an_operation_changes_nothing() {
        let results = results(|event| {
            let operation = &mut event["record"]["Operation"];
            *operation = json!(operation.as_str().unwrap_or_default().trim_end_matches('.'));
        });
        let failed: Vec<_> = results.iter().filter(|result| result.failure.is_some()).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// Law: what failed did not happen. Only the rule about failed sign-ins has something to say, and the one that counts
    /// how often a flow was started.
    #[test]
    fn no_rule_says_that_something_was_done_which_failed() {
        let firing = still_firing(|event| event["activity"]["outcome"] = json!("failure"));
        assert_eq!(firing, ["password-spray", "flow-run-spike"]);
    }

    /// Law: records of the service itself raise nothing.
    #[test]
    fn no_rule_fires_on_the_housekeeping_of_the_service() {
        let system = |event: &mut Value| {
            event["activity"]["actor"]["id"] = json!(r"nt authority\system (microsoft.exchange.servicehost)");
        };
        assert_eq!(still_firing(system), Vec::<String>::new());
    }
}
