//! The project speaks of itself only: no path of a machine it was written on, no host that packages came from.

use crate::tree;

/// Words that no file may hold, in any case. Each is put together here so that this file does not hold it.
const NEVER: &[&str] = &[
    concat!("crates", ".io"),
    concat!("static.", "rust-lang.org"),
    concat!("py", "pi.org"),
    concat!("pythonhosted", ".org"),
    concat!("repo1.", "maven.org"),
    concat!("repo.", "maven.apache.org"),
    concat!("proxy.", "golang.org"),
    concat!("registry.", "npmjs.org"),
];

/// Absolute paths; inside a longer path they are somebody else's.
const NEVER_AS_PATH: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home", "/")];

fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.to_lowercase();
        let words = NEVER.iter().filter(|word| line.contains(**word));
        let paths = NEVER_AS_PATH.iter().filter(|start| has_path(&line, start));
        problems.extend(words.chain(paths).map(|word| format!("{path}:{number}: `{word}`")));
    }
    problems
}

/// Whether `start` begins a path in `line`, as it does after a blank, a quote or `=`.
fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !(c.is_alphanumeric() || "._-/}>~*".contains(c)))
    })
}

/// The lock file is cargo's, the corpus other people's.
fn is_our_text(path: &str) -> bool {
    path != "Cargo.lock" && !(path.starts_with("corpus/") && path.ends_with(".jsonl"))
}

#[test]
fn a_word_from_outside_is_named() {
    for word in NEVER {
        assert_eq!(problems("a", &format!("x\nsee {} y", word.to_uppercase())).len(), 1, "{word}");
    }
    for path in NEVER_AS_PATH {
        for before in ["", " ", "\"", "=", "("] {
            assert_eq!(problems("a", &format!("{before}{path}x")).len(), 1, "{before}{path}");
        }
        assert_eq!(problems("a", &format!("sites/team{path}x")), Vec::<String>::new());
    }
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let files = tree::files().unwrap();
    let ours = files.iter().filter(|file| is_our_text(&file.path));
    let problems: Vec<String> = ours.flat_map(|file| problems(&file.path, &file.text)).collect();
    assert_eq!(problems, Vec::<String>::new());
}
