//! Writes the list of rule files that the binary carries: one entry for every `rules/<group>/<name>.yml`, with its test
//! file beside it. Standard library only.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("rules");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?).join("pack.rs");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=rules");
    let mut list = String::from("&[\n");
    for group in sorted(&root)? {
        for file in sorted(&group)? {
            if let Some(entry) = entry(&root, &file) {
                list.push_str(&entry);
            }
        }
    }
    list.push_str("]\n");
    fs::write(out, list)
}

/// What lies in a folder, by name; nothing where it is no folder.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// `(path below rules/, text, text of the test file)`; `None` for test files and for what is no rule.
fn entry(root: &Path, file: &Path) -> Option<String> {
    let path = file.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    let stem = file.to_str()?.strip_suffix(".yml")?;
    if stem.ends_with(".test") {
        return None;
    }
    let test = PathBuf::from(format!("{stem}.test.yml"));
    let test = if test.is_file() { format!("Some(include_str!({test:?}))") } else { "None".to_owned() };
    Some(format!("    ({path:?}, include_str!({file:?}), {test}),\n"))
}
