//! The manifests: the root decides versions and lints, members only say that they take them from there.

use std::collections::BTreeSet;

use crate::tree::{self, File};

/// The lines of a manifest with the section they stand in; comments and empty lines left out.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => section = name,
            None => lines.push((section, line)),
        }
    }
    lines
}

fn key(line: &str) -> &str {
    line.split(['=', '.']).next().unwrap_or_default().trim()
}

fn says(line: &str, what: &str) -> bool {
    line.split_whitespace().collect::<String>().contains(what)
}

fn member_problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = lines(text);
    if !lines.iter().any(|(section, line)| *section == "lints" && says(line, "workspace=true")) {
        problems.push(format!("{path}: say `[lints] workspace = true`"));
    }
    for (section, line) in lines {
        if section.contains("dependencies.") {
            problems.push(format!("{path}: [{section}]: write it on one line"));
        } else if section.ends_with("dependencies") && !says(line, "workspace=true") {
            problems
                .push(format!("{path}: `{}`: the root decides versions, say `workspace = true`", key(line)));
        }
    }
    problems
}

fn root_problems(root: &str, members: &[&str]) -> Vec<String> {
    let mut used = BTreeSet::new();
    for text in members {
        used.extend(
            lines(text)
                .into_iter()
                .filter(|(section, _)| section.ends_with("dependencies"))
                .map(|x| key(x.1)),
        );
    }
    let mut problems = Vec::new();
    for (section, line) in lines(root) {
        if section != "workspace.dependencies" {
            continue;
        }
        let name = key(line);
        if !says(line, "path=") && !says(line, "default-features=false") {
            problems.push(format!("`{name}`: say `default-features = false` and name the features"));
        }
        if !used.contains(name) {
            problems.push(format!("`{name}`: no member uses it"));
        }
    }
    problems
}

fn is_member(file: &File) -> bool {
    file.path.ends_with("/Cargo.toml")
}

#[test]
fn a_member_that_decides_for_itself_is_named() {
    let good =
        "[package]\nname = \"x\"\n[lints]\nworkspace = true\n[dependencies]\nserde = { workspace = true }\n";
    assert_eq!(member_problems("x", good), Vec::<String>::new());
    assert_eq!(member_problems("x", &good.replace("workspace = true\n[dep", "[dep")).len(), 1);
    assert_eq!(member_problems("x", &good.replace("{ workspace = true }", "\"1\"")).len(), 1);
    let target = good.replace("[dependencies]", "[target.'cfg(unix)'.dev-dependencies]");
    assert_eq!(member_problems("x", &target.replace("{ workspace = true }", "{ version = \"1\" }")).len(), 1);
    assert_eq!(
        member_problems("x", &good.replace("[dependencies]\n", "[dependencies.a]\nversion = \"1\"\n")).len(),
        2
    );
}

#[test]
fn a_root_dependency_that_is_unused_or_whole_is_named() {
    let root =
        "[workspace.dependencies]\na = { version = \"1\", default-features = false }\nb = { path = \"b\" }\n";
    let member = "[dependencies]\na = { workspace = true }\n[dev-dependencies]\nb.workspace = true\n";
    assert_eq!(root_problems(root, &[member]), Vec::<String>::new());
    assert_eq!(root_problems(root, &["[dependencies]\nb.workspace = true\n"]).len(), 1);
    assert_eq!(
        root_problems(&root.replace("{ version = \"1\", default-features = false }", "\"1\""), &[member])
            .len(),
        1
    );
}

#[test]
fn members_take_lints_and_versions_from_the_root() {
    let files = tree::files().unwrap();
    let members: Vec<&File> = files.iter().filter(|file| is_member(file)).collect();
    assert!(members.len() > 7, "the members were not seen");
    let problems: Vec<String> =
        members.iter().flat_map(|file| member_problems(&file.path, &file.text)).collect();
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn root_dependencies_are_cut_to_what_is_used() {
    let files = tree::files().unwrap();
    let root = files.iter().find(|file| file.path == "Cargo.toml").unwrap();
    let members: Vec<&str> =
        files.iter().filter(|file| is_member(file)).map(|file| file.text.as_str()).collect();
    assert_eq!(root_problems(&root.text, &members), Vec::<String>::new());
}
