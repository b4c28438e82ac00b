//! The corpus: other people's records lie here only with their source and licence, and whole.

use std::collections::BTreeMap;

use crate::tree::{self, File};

const FOLDER: &str = "corpus/";

/// The files that `corpus/NOTICE` lists, with the number of records it states: `File: <name>`, then `Records: <n>`.
fn listed(notice: &str) -> BTreeMap<&str, usize> {
    let mut listed = BTreeMap::new();
    let mut file = None;
    for line in notice.lines() {
        if let Some(name) = line.strip_prefix("File: ") {
            file = Some(name.trim());
        } else if let (Some(name), Some(count)) = (file, line.strip_prefix("Records: ")) {
            listed.insert(name, count.trim().parse().unwrap_or_default());
            file = None;
        }
    }
    listed
}

/// The record files that are there, with their number of lines.
fn present(files: &[File]) -> BTreeMap<&str, usize> {
    let names = files.iter().filter_map(|file| Some((file.path.strip_prefix(FOLDER)?, file)));
    let records = names.filter(|(name, _)| !["NOTICE", "README.md"].contains(name));
    records.map(|(name, file)| (name, file.text.lines().count())).collect()
}

#[test]
fn a_file_without_a_line_in_the_notice_or_with_other_records_is_seen() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let files = [file("corpus/NOTICE", ""), file("corpus/a.jsonl", "{}\n{}\n"), file("cli/b.jsonl", "{}")];
    let present = present(&files);
    assert_eq!(present, listed("File: a.jsonl\nSource: x\nRecords: 2\n"));
    assert_ne!(present, listed("File: a.jsonl\nRecords: 3\n"));
    assert_ne!(present, listed("File: a.jsonl\nSource: x\n"));
    assert_ne!(present, listed("Records: 2\n"));
}

#[test]
fn the_notice_lists_every_corpus_file_with_its_records() {
    let files = tree::files().unwrap();
    let notice = files.iter().find(|file| file.path == "corpus/NOTICE").unwrap();
    let listed = listed(&notice.text);
    assert!(!listed.is_empty(), "the notice lists nothing");
    assert_eq!(present(&files), listed);
}
