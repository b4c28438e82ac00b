//! The pages: links lead somewhere, decisions have the four parts, the map shows every room.

use std::path::{Component, Path, PathBuf};

use crate::tree::{self, File};

/// The folders of the root. A new one needs a page in `docs/adr/`.
const ROOMS: &[&str] = &[
    "schemas",
    "pipeline",
    "runtime",
    "ingest",
    "enrich",
    "detect",
    "sink",
    "simulator",
    "cli",
    "corpus",
    "helm",
    "bench",
    "docs",
    "target",
];

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
const ARCHITECTURE_LINES_MAX: usize = 300;

/// What a decision says.
const PARTS: &[&str] = &["## Context", "## Decision", "## Cost", "## Enforced by"];

/// The relative links of a page, resolved from the root, without anchors.
fn links(file: &File) -> Vec<String> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.map(|target| target.split('#').next().unwrap_or_default().trim());
    let relative =
        targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' '));
    relative.map(|target| clean(&folder.join(target))).collect()
}

/// The path without `.` and `..`.
fn clean(path: &Path) -> String {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean.to_string_lossy().replace('\\', "/")
}

fn dead_links(pages: &[&File], paths: &[&str]) -> Vec<String> {
    let mut dead = Vec::new();
    for page in pages {
        let gone = links(page).into_iter().filter(|link| {
            !paths.iter().any(|path| {
                path == link || path.strip_prefix(link.as_str()).is_some_and(|x| x.starts_with('/'))
            })
        });
        dead.extend(gone.map(|link| format!("{}: {link} is not there", page.path)));
    }
    dead
}

/// Decisions are numbered without a hole and say all four things.
fn adr_problems(adrs: &[(&str, &str)]) -> Vec<String> {
    let mut problems = Vec::new();
    for ((name, text), number) in adrs.iter().zip(1..) {
        if !name.starts_with(&format!("{number:04}-")) {
            problems.push(format!("{name}: expected number {number:04}"));
        }
        let missing = PARTS.iter().filter(|part| !text.lines().any(|line| line == **part));
        problems.extend(missing.map(|part| format!("{name}: no `{part}`")));
    }
    problems
}

fn unknown_rooms(rooms: &[String]) -> Vec<&str> {
    rooms.iter().map(String::as_str).filter(|room| !ROOMS.contains(room)).collect()
}

#[test]
fn a_dead_link_is_named() {
    let file = |text: &str| File { path: "docs/a.md".to_owned(), text: text.to_owned() };
    let paths = ["docs/a.md", "docs/adr/0001-x.md", "README.md"];
    let live = file("[x](adr/0001-x.md) [y](../README.md#top) [z](https://example.org) [w](adr/) [v](#here)");
    assert_eq!(dead_links(&[&live], &paths), Vec::<String>::new());
    for text in ["[x](adr/0002-x.md)", "[y](README.md)", "[z](ad)"] {
        assert_eq!(dead_links(&[&file(text)], &paths).len(), 1, "{text}");
    }
}

#[test]
fn a_decision_that_lacks_a_part_or_skips_a_number_is_named() {
    let whole = PARTS.join("\n\n");
    assert_eq!(adr_problems(&[("0001-a.md", &whole), ("0002-b.md", &whole)]), Vec::<String>::new());
    assert_eq!(adr_problems(&[("0001-a.md", &whole), ("0003-b.md", &whole)]).len(), 1);
    assert_eq!(adr_problems(&[("0001-a.md", "## Context\n")]).len(), PARTS.len() - 1);
}

#[test]
fn a_new_room_is_named() {
    assert_eq!(unknown_rooms(&["docs".to_owned(), "utils".to_owned()]), ["utils"]);
}

#[test]
fn every_folder_of_the_root_is_one_of_the_house() {
    assert_eq!(unknown_rooms(&tree::rooms().unwrap()), Vec::<&str>::new());
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let files = tree::files().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let pages: Vec<&File> = files.iter().filter(|file| file.path.ends_with(".md")).collect();
    assert!(pages.iter().any(|page| !links(page).is_empty()), "no link was seen");
    assert_eq!(dead_links(&pages, &paths), Vec::<String>::new());
}

#[test]
fn every_decision_says_its_cost_and_what_enforces_it() {
    let files = tree::files().unwrap();
    let adrs: Vec<(&str, &str)> = files
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix("docs/adr/")?, file.text.as_str())))
        .collect();
    assert!(!adrs.is_empty(), "no decision was seen");
    assert_eq!(adr_problems(&adrs), Vec::<String>::new());
}

#[test]
fn the_architecture_page_is_short_and_shows_every_room() {
    let files = tree::files().unwrap();
    let page = files.iter().find(|file| file.path == ARCHITECTURE).unwrap();
    let lines = page.text.lines().count();
    assert!(lines <= ARCHITECTURE_LINES_MAX, "{ARCHITECTURE} has {lines} lines");
    for room in tree::rooms().unwrap().iter().filter(|room| *room != "target") {
        assert!(page.text.contains(&format!("`{room}/`")), "{ARCHITECTURE} does not show `{room}/`");
    }
}

#[test]
fn the_tests_that_the_readme_names_are_those_that_ci_runs() {
    let files = tree::files().unwrap();
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    for path in ["README.md", ".ci/run"] {
        let text = text(path).unwrap_or_else(|| panic!("{path} is not there"));
        assert!(text.contains("cargo test --workspace"), "{path} does not run the tests");
    }
}
