//! `weir scan` as somebody at a terminal meets it: what it refuses, where it writes, with which code it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `weir scan` with these words in `folder`, and these variables of the environment.
fn scan(folder: &Path, words: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("scan").args(words).current_dir(folder);
    command.env_remove("WEIR_LOG").env_remove("COLUMNS").envs(variables.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A folder with that file of the corpus; a record of Splunk's is rejected.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/splunk-security-content.jsonl");
    std::fs::copy(source, folder.path().join("exports.jsonl")).unwrap();
    folder
}

#[test]
fn dead_letters_never_replace_a_file_that_is_to_be_read() {
    let folder = folder();
    let before = std::fs::read(folder.path().join("exports.jsonl")).unwrap();
    for named in ["exports.jsonl", "."] {
        let output = scan(folder.path(), &[named, "--dead-letters", "./exports.jsonl"], &[]);
        assert_eq!(output.status.code(), Some(78), "{named}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("weir: ./exports.jsonl: is to be read"), "{}", stderr(&output));
        assert_eq!(std::fs::read(folder.path().join("exports.jsonl")).unwrap(), before, "{named}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_ends_with_74() {
    let folder = folder();
    let letters = scan(folder.path(), &["exports.jsonl", "--dead-letters", "/dev/full"], &[]);
    assert_eq!(letters.status.code(), Some(74), "{}", stderr(&letters));
    let says = stderr(&letters);
    assert!(says.contains("\nweir: cannot write the dead letters: No space left"), "{says}");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["scan", "exports.jsonl"]).current_dir(folder.path()).stdout(full).stderr(Stdio::null());
    assert_eq!(command.status().unwrap().code(), Some(74));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = folder();
    for format in ["table", "json", "ocsf"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["scan", "exports.jsonl", "--format", format]).current_dir(folder.path());
        let output =
            command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

#[test]
fn a_level_that_is_empty_is_the_usual_one() {
    let folder = folder();
    let output = scan(folder.path(), &["exports.jsonl"], &[("WEIR_LOG", "")]);
    assert!(stderr(&output).contains("rejected a record"), "{}", stderr(&output));
    let quiet = scan(folder.path(), &["exports.jsonl"], &[("WEIR_LOG", "error")]);
    assert_eq!(stderr(&quiet), "");
}

#[test]
fn a_folder_without_files_is_said() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let output = scan(folder.path(), &["empty"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("no file is in the folders that were named"), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("no findings\n"), "{}", stdout(&output));
}

#[test]
fn the_table_is_as_wide_as_columns_says() {
    let folder = folder();
    let widest = |columns: &str| {
        let output = scan(folder.path(), &["exports.jsonl"], &[("COLUMNS", columns)]);
        let text = stdout(&output);
        let (table, _) = text.split_once("\nledger: ").unwrap();
        table.lines().map(|line| line.chars().count()).max().unwrap()
    };
    assert!(widest("40") <= 40, "{}", widest("40"));
    assert!((41..=80).contains(&widest("80")), "{}", widest("80"));
    assert!(widest("not a number") <= 160);
}
