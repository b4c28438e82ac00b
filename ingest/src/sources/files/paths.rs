//! Which files a source reads: named ones, all under named folders, and those that a pattern matches: `*` in a name, `**`
//! for any number of folders.
//!
//! A folder is walked at most 64 levels deep; in it, names that begin with a dot and what is neither file nor folder
//! are left out, a link counts only where it leads to a file inside the folder. The order is that of the paths' text. A
//! file whose name is no UTF-8 is a problem: it could not be told from another in the ledger.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DEPTH_MAX: usize = 64;

/// A path that cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Problem {
    /// As configured.
    pub path: String,
    /// One line.
    pub why: String,
}

/// The files, in order, each once.
///
/// # Errors
/// Every path that names nothing that can be read.
pub fn list(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let (files, mut problems) = found(paths);
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

/// The files that are there, and what is wrong with the paths; none of them is opened.
pub(super) fn found(paths: &[PathBuf]) -> (BTreeSet<PathBuf>, Vec<Problem>) {
    let (mut files, mut problems) = (BTreeSet::new(), Vec::new());
    for path in paths {
        if let Err(why) = add(path, &mut files) {
            problems.push(Problem { path: path.display().to_string(), why });
        }
    }
    files.retain(|file| {
        let is_text = file.to_str().is_some();
        if !is_text {
            let path = file.as_os_str().as_encoded_bytes().escape_ascii().to_string();
            problems.push(Problem { path, why: "its name is no UTF-8".to_owned() });
        }
        is_text
    });
    (files, problems)
}

fn add(path: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(at) if at.is_dir() => {
            let root = fs::canonicalize(path).map_err(|error| error.kind().to_string())?;
            walk(path, &root, 0, files)
        }
        Ok(at) if at.is_file() => {
            files.insert(path.to_path_buf());
            Ok(())
        }
        Ok(_) => Err("neither a file nor a folder".to_owned()),
        Err(error) => match path.to_str() {
            Some(pattern) if pattern.contains('*') => matching(pattern, files),
            _ if error.kind() == std::io::ErrorKind::NotFound => Err("no such file or folder".to_owned()),
            _ => Err(error.kind().to_string()),
        },
    }
}

fn walk(folder: &Path, root: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("folders nested deeper than {DEPTH_MAX}"));
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {}", folder.display(), error.kind()))?;
    for entry in entries {
        let entry = entry.map_err(|error| error.kind().to_string())?;
        let kind = entry.file_type().map_err(|error| error.kind().to_string())?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            walk(&path, root, depth + 1, files)?;
        } else if kind.is_file() || (kind.is_symlink() && leads_inside(&path, root)) {
            files.insert(path);
        }
    }
    Ok(())
}

fn leads_inside(link: &Path, root: &Path) -> bool {
    fs::canonicalize(link).is_ok_and(|target| target.starts_with(root) && target.is_file())
}

/// What a pattern names: `*` stands for anything in a name, `**` for any number of folders.
fn matching(pattern: &str, files: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let fixed = parts.iter().take_while(|part| !part.contains('*')).count();
    let (fixed, parts) = parts.split_at_checked(fixed).unwrap_or_default();
    let folder = match fixed {
        [] => PathBuf::new(),
        fixed => PathBuf::from(format!("{}/", fixed.join("/"))),
    };
    let mut found = 0;
    expand(&folder, parts, 0, &mut |file| {
        files.insert(file);
        found += 1;
    })?;
    if found == 0 { Err("it matches no file".to_owned()) } else { Ok(()) }
}

fn expand(folder: &Path, parts: &[&str], depth: usize, take: &mut impl FnMut(PathBuf)) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if depth > DEPTH_MAX {
        return Err(format!("folders nested deeper than {DEPTH_MAX}"));
    }
    let any_folder = *part == "**";
    if any_folder && !rest.is_empty() {
        expand(folder, rest, depth, take)?;
    }
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(here).map_err(|error| error.kind().to_string())? {
        let entry = entry.map_err(|error| error.kind().to_string())?;
        let file_name = entry.file_name();
        let (name, path) = (file_name.to_string_lossy(), folder.join(&file_name));
        let hidden = name.starts_with('.');
        if any_folder && entry.file_type().is_ok_and(|kind| kind.is_dir()) && !hidden {
            expand(&path, parts, depth + 1, take)?;
        } else if any_folder {
            // `**` at the end stands for every file below.
            if rest.is_empty() && !hidden && entry.path().is_file() {
                take(path);
            }
        } else if matches(&name, part) {
            match rest {
                [] if entry.path().is_file() => take(path),
                [_, ..] if entry.path().is_dir() => expand(&path, rest, depth + 1, take)?,
                _ => {}
            }
        }
    }
    Ok(())
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
