//! The Rust files: their length, and a few words that have no place in them.

use crate::tree::{self, File};

const LINES_MAX: usize = 500;

/// What a Rust file may not say; each is put together here so that this file does not say it.
const NEVER: &[(&str, &str)] = &[
    (concat!("#[", "ignore"), "a test that is not run is no test"),
    (concat!("#[", "allow("), "mend it, or say `#[expect(…, reason = …)]`"),
    (concat!("#![", "allow("), "mend it, or say `#[expect(…, reason = …)]`"),
    (concat!("thread::", "sleep"), "wait for the thing itself"),
];

/// What a test may not say.
const NEVER_IN_TESTS: &[(&str, &str)] = &[
    (concat!("sle", "ep("), "a test that waits for time passes or fails by chance"),
    (concat!("sle", "ep_until("), "a test that waits for time passes or fails by chance"),
];

/// The clock's own tests wait by a clock that they move themselves.
const CLOCK_HOME: &str = "pipeline/src/clock.rs";

/// `backoff` has one home: whoever needs a wait takes `pipeline::retry::RetryPolicy`.
const BACKOFF_HOME: &str = "pipeline/src/retry.rs";

fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let count = text.lines().count();
    if count > LINES_MAX {
        problems.push(format!("{path}: {count} lines; one job a file, at most {LINES_MAX}"));
    }
    if path.ends_with("/mod.rs") {
        problems.push(format!("{path}: name the file as the module, beside its folder"));
    }
    let mut in_test = is_test_file(path);
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        in_test |= line.starts_with("#[cfg(test)]");
        if line.starts_with("//") {
            continue;
        }
        let tests = if in_test && path != CLOCK_HOME { NEVER_IN_TESTS } else { &[] };
        let said = NEVER.iter().chain(tests).filter(|(word, _)| line.contains(word));
        problems.extend(said.map(|(word, why)| format!("{path}:{number}: `{word}`: {why}")));
        if path != BACKOFF_HOME && line.contains(concat!("back", "off::")) {
            problems.push(format!("{path}:{number}: only {BACKOFF_HOME} names that crate"));
        }
    }
    problems
}

/// Integration tests, test modules with a file of their own, and the suite that every log must pass.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/conformance")
}

#[test]
fn a_bad_file_is_named() {
    let count = |path: &str, text: &str| problems(path, text).len();
    assert_eq!(count("a/src/b.rs", "fn b() {}\n"), 0);
    assert_eq!(count("a/src/b.rs", &"\n".repeat(LINES_MAX)), 0);
    assert_eq!(count("a/src/b.rs", &"\n".repeat(LINES_MAX + 1)), 1);
    assert_eq!(count("a/src/b/mod.rs", ""), 1);
    for (word, _) in NEVER {
        assert_eq!(count("a/src/b.rs", &format!("x\n  {word} y")), 1, "{word}");
        assert_eq!(count("a/src/b.rs", &format!("// {word}")), 0, "{word} in a comment");
    }
    for (word, _) in NEVER_IN_TESTS {
        let wait = format!("tokio::time::{word}d).await;");
        assert_eq!(count("a/src/b.rs", &wait), 0, "shipped code may wait");
        assert_eq!(count("a/src/b.rs", &format!("#[cfg(test)]\nmod tests {{\n{wait}")), 1);
        assert_eq!(count("a/tests/b.rs", &wait), 1);
        assert_eq!(count("pipeline/src/conformance/steps.rs", &wait), 1);
    }
    assert_eq!(count(CLOCK_HOME, &format!("#[cfg(test)]\nclock.{}d).await;", NEVER_IN_TESTS[0].0)), 0);
    let wait = concat!("use back", "off::Backoff;");
    assert_eq!(count("runtime/src/http.rs", wait), 1);
    assert_eq!(count(BACKOFF_HOME, wait), 0);
}

#[test]
fn every_source_file_keeps_the_rules() {
    let files = tree::files().unwrap();
    let sources: Vec<&File> = files.iter().filter(|file| file.path.ends_with(".rs")).collect();
    assert!(sources.len() > 30, "the sources were not seen");
    let problems: Vec<String> = sources.iter().flat_map(|file| problems(&file.path, &file.text)).collect();
    assert_eq!(problems, Vec::<String>::new());
}
