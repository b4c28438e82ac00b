//! The checkout as a list of files with their text.

use std::{fs, io, path::Path, path::PathBuf};

/// A file of the checkout.
#[derive(Debug)]
pub(crate) struct File {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text; what is no UTF-8 is replaced.
    pub(crate) text: String,
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of the checkout, sorted by path.
pub(crate) fn files() -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    gather(&root(), "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The folders that lie in the root, hidden ones left out.
pub(crate) fn rooms() -> io::Result<Vec<String>> {
    let mut rooms = Vec::new();
    for entry in fs::read_dir(root())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && !name.starts_with('.') {
            rooms.push(name);
        }
    }
    rooms.sort();
    Ok(rooms)
}

fn gather(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if entry.file_type()?.is_dir() {
            if is_ours(&name) {
                gather(&entry.path(), &path, files)?;
            }
        } else if !name.ends_with(".log") {
            let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
            files.push(File { path, text });
        }
    }
    Ok(())
}

/// Build output, caches and an editor's or git's own folders are not ours.
fn is_ours(folder: &str) -> bool {
    folder == ".ci" || !(folder == "target" || folder == "__pycache__" || folder.starts_with('.'))
}

#[test]
fn the_walk_sees_the_checkout_and_leaves_out_what_is_not_ours() {
    let files = files().unwrap();
    for path in ["Cargo.toml", ".ci/run", "cli/tests/house/tree.rs", "corpus/NOTICE"] {
        assert!(files.iter().any(|file| file.path == path), "{path} was not seen");
    }
    assert!(!files.iter().any(|file| file.path.starts_with("target/") || file.path.starts_with(".git/")));
}
