//! Which files a source reads: named ones, all under named folders, and those that a pattern matches: `*` in a name, `**`
//! for any number of folders.
//!
//! A folder is walked at most 64 levels deep; in it, names that begin with a dot and what is neither file nor folder
//! are left out, a link counts only where it leads to a file inside the folder. A folder that cannot be walked is a
//! problem and hides no other. The order is that of the paths' text. A file whose name is no UTF-8 is a problem: it could
//! not be told from another in the ledger.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const DEPTH_MAX: usize = 64;

/// A path that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Problem {
    /// As configured, or what was found below.
    pub path: String,
    /// One line.
    pub why: String,
}

/// The files, in order, each once.
///
/// # Errors
/// Every path that names nothing that can be read.
pub fn list(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let Listing { files, mut problems, .. } = found(paths);
    for file in &files {
        if let Err(error) = fs::File::open(file) {
            problems.push(Problem { path: file.display().to_string(), why: error.kind().to_string() });
        }
    }
    if paths.is_empty() {
        problems.push(Problem { path: "paths".to_owned(), why: "no file is named".to_owned() });
    }
    if problems.is_empty() { Ok(files.into_iter().collect()) } else { Err(problems) }
}

/// What is there.
#[derive(Debug)]
pub(super) struct Listing {
    /// The files.
    pub(super) files: BTreeSet<PathBuf>,
    /// What is wrong with the paths and below them, each once.
    pub(super) problems: Vec<Problem>,
    /// Every folder that is there was walked: nothing is hidden in one.
    pub(super) is_whole: bool,
}

impl Listing {
    fn empty() -> Self {
        Self { files: BTreeSet::new(), problems: Vec::new(), is_whole: true }
    }

    fn problem(&mut self, path: &Path, why: impl Into<String>) {
        let path = path.as_os_str().as_encoded_bytes();
        let path = std::str::from_utf8(path).map_or_else(|_| path.escape_ascii().to_string(), str::to_owned);
        self.problems.push(Problem { path, why: why.into() });
    }

    /// A folder, or something in it, could not be looked at; the others are.
    fn hidden(&mut self, path: &Path, why: impl Into<String>) {
        self.problem(path, why);
        self.is_whole = false;
    }
}

/// The files that are there, and what is wrong with the paths; none of them is opened.
pub(super) fn found(paths: &[PathBuf]) -> Listing {
    let mut listing = Listing::empty();
    for path in paths {
        add(path, &mut listing);
    }
    let (files, nameless): (BTreeSet<_>, BTreeSet<_>) =
        listing.files.into_iter().partition(|file: &PathBuf| file.to_str().is_some());
    listing.files = files;
    for file in nameless {
        listing.problem(&file, "its name is no UTF-8");
    }
    // A pattern may come to a folder on several ways.
    let mut said = BTreeSet::new();
    listing.problems.retain(|problem| said.insert(problem.to_string()));
    listing
}

fn add(path: &Path, listing: &mut Listing) {
    match fs::metadata(path) {
        Ok(at) if at.is_dir() => match fs::canonicalize(path) {
            Ok(root) => walk(path, &root, 0, listing),
            Err(error) => listing.hidden(path, error.kind().to_string()),
        },
        Ok(at) if at.is_file() => {
            listing.files.insert(path.to_path_buf());
        }
        Ok(_) => listing.problem(path, "neither a file nor a folder"),
        Err(error) => match path.to_str() {
            Some(pattern) if pattern.contains('*') => matching(pattern, listing),
            _ if error.kind() == ErrorKind::NotFound => listing.problem(path, "no such file or folder"),
            _ => listing.hidden(path, error.kind().to_string()),
        },
    }
}

fn walk(folder: &Path, root: &Path, depth: usize, listing: &mut Listing) {
    if depth > DEPTH_MAX {
        return listing.hidden(folder, too_deep());
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return listing.hidden(folder, error.kind().to_string()),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                listing.hidden(folder, error.kind().to_string());
                continue;
            }
        };
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, root, depth + 1, listing),
            Ok(kind) if kind.is_file() || (kind.is_symlink() && leads_inside(&path, root)) => {
                listing.files.insert(path);
            }
            Ok(_) => {}
            Err(error) => listing.hidden(&path, error.kind().to_string()),
        }
    }
}

fn too_deep() -> String {
    format!("folders nested deeper than {DEPTH_MAX}")
}

fn leads_inside(link: &Path, root: &Path) -> bool {
    fs::canonicalize(link).is_ok_and(|target| target.starts_with(root) && target.is_file())
}

/// What a pattern names: `*` stands for anything in a name, `**` for any number of folders.
fn matching(pattern: &str, listing: &mut Listing) {
    let parts: Vec<&str> = pattern.split('/').collect();
    let fixed = parts.iter().take_while(|part| !part.contains('*')).count();
    let (fixed, parts) = parts.split_at_checked(fixed).unwrap_or_default();
    let folder = match fixed {
        [] => PathBuf::new(),
        fixed => PathBuf::from(format!("{}/", fixed.join("/"))),
    };
    let mut own = Listing::empty();
    expand(&folder, parts, 0, &mut own);
    if own.files.is_empty() && own.problems.is_empty() {
        own.problem(Path::new(pattern), "it matches no file");
    }
    listing.files.append(&mut own.files);
    listing.problems.append(&mut own.problems);
    listing.is_whole &= own.is_whole;
}

fn expand(folder: &Path, parts: &[&str], depth: usize, listing: &mut Listing) {
    let Some((part, rest)) = parts.split_first() else { return };
    if depth > DEPTH_MAX {
        return listing.hidden(folder, too_deep());
    }
    let any_folder = *part == "**";
    if any_folder && !rest.is_empty() {
        expand(folder, rest, depth, listing);
    }
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match fs::read_dir(here) {
        Ok(entries) => entries,
        Err(error) if depth == 0 && error.kind() == ErrorKind::NotFound => {
            return listing.problem(here, "no such folder");
        }
        Err(error) => return listing.hidden(here, error.kind().to_string()),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                listing.hidden(here, error.kind().to_string());
                continue;
            }
        };
        let file_name = entry.file_name();
        let (name, path) = (file_name.to_string_lossy(), folder.join(&file_name));
        let hidden = name.starts_with('.');
        if any_folder && entry.file_type().is_ok_and(|kind| kind.is_dir()) && !hidden {
            expand(&path, parts, depth + 1, listing);
        } else if any_folder {
            // `**` at the end stands for every file below.
            if rest.is_empty() && !hidden && entry.path().is_file() {
                listing.files.insert(path);
            }
        } else if matches(&name, part) {
            match rest {
                [] if entry.path().is_file() => {
                    listing.files.insert(path);
                }
                [_, ..] if entry.path().is_dir() => expand(&path, rest, depth + 1, listing),
                _ => {}
            }
        }
    }
}

/// Whether `name` matches: each `*` stands for any characters, none included.
fn matches(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (name, pattern, expected) in [
            ("a.jsonl", "*.jsonl", true),
            ("a.jsonl", "*", true),
            ("a.jsonl", "a*l", true),
            ("a.jsonl", "a*j*l", true),
            ("a.json", "*.jsonl", false),
            ("b.jsonl", "a*", false),
            ("aa", "aa*a", false),
        ] {
            assert_eq!(matches(name, pattern), expected, "{name} {pattern}");
        }
    }

    #[test]
    fn folders_are_walked_in_order_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        for name in ["b.json", "a.json", "sub/c.json", ".hidden"] {
            fs::write(at(name), "{}").unwrap();
        }
        let expected = vec![at("a.json"), at("b.json"), at("sub/c.json")];
        assert_eq!(list(&[folder.path().to_path_buf(), at("a.json")]), Ok(expected));
        assert_eq!(list(&[at("*.json")]), Ok(vec![at("a.json"), at("b.json")]));
        for pattern in ["**/c.json", "*/c.json", "s*b/c.*", "**/sub/c.json", "sub/**"] {
            assert_eq!(list(&[at(pattern)]), Ok(vec![at("sub/c.json")]), "{pattern}");
        }
        assert_eq!(list(&[at("**/*.json")]), list(&[at("**")]));
        let problems = list(&[at("none.json"), at("*.csv")]).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].to_string().ends_with("none.json: no such file or folder"));
        assert_eq!(list(&[]).unwrap_err()[0].to_string(), "paths: no file is named");
    }

    /// Too deep: nothing else fails for every user of a machine.
    #[test]
    fn a_folder_that_cannot_be_walked_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at(&"deep/".repeat(DEPTH_MAX + 2))).unwrap();
        let mut expected = BTreeSet::new();
        for number in 0..30 {
            fs::create_dir(at(&format!("{number}"))).unwrap();
            let file = at(&format!("{number}/a.json"));
            fs::write(&file, "{}").unwrap();
            expected.insert(file);
        }
        for path in [folder.path().to_path_buf(), at("**"), at("**/a.json")] {
            let listing = found(std::slice::from_ref(&path));
            assert_eq!(listing.files, expected, "{path:?}");
            assert!(!listing.is_whole, "{path:?}");
            let problems = list(&[path]).unwrap_err();
            assert_eq!(problems.len(), 1, "each once: {problems:?}");
            assert!(
                problems[0].to_string().ends_with("/deep: folders nested deeper than 64"),
                "{problems:?}"
            );
        }
        for path in [at("none.json"), at("none/**"), at("*.csv")] {
            let listing = found(&[path]);
            assert!(listing.is_whole && listing.problems.len() == 1, "{listing:?}");
        }
    }

    /// The text they are shown as is one and the same, so that the ledger would take one for the other.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_no_text_are_refused_each_by_its_bytes() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        for name in [b"a\xfe.json".as_slice(), b"a\xff.json", b"a.json"] {
            fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "{}").unwrap();
        }
        for path in [folder.path().to_path_buf(), folder.path().join("*.json")] {
            let problems = list(&[path]).unwrap_err();
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), 2, "{said:?}");
            assert!(said[0].ends_with("a\\xfe.json: its name is no UTF-8"), "{said:?}");
            assert!(said[1].ends_with("a\\xff.json: its name is no UTF-8"), "{said:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out_of_a_folder() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("x.json"), "{}").unwrap();
        fs::write(folder.path().join("a.json"), "{}").unwrap();
        std::os::unix::fs::symlink(other.path().join("x.json"), folder.path().join("out.json")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("a.json"), folder.path().join("in.json")).unwrap();
        let files = list(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(files, vec![folder.path().join("a.json"), folder.path().join("in.json")]);
    }
}
