//! The text of the rules: those that the binary carries, and those of a folder.
//!
//! In a folder, rules are files `<group>/<name>.yml` (or `.yaml`), with `<name>.test.yml` (or `.test.yaml`) beside them.
//! A rule that lies elsewhere is a problem, so that none is passed over in silence; other files, and folders like
//! `.git`, are left alone.
//!
//! Limits: a rule or test file has at most 1 MiB; a folder at most 10,000 of them, two levels deep.

use std::{borrow::Cow, fmt, fs, path::Path};

use schemas::FindingGroup;

const FILE_BYTES_MAX: u64 = 1024 * 1024;
const FILES_MAX: usize = 10_000;

/// `(path below rules/, text, text of the test file)`, written by the build script.
static BUILTIN: &[(&str, &str, Option<&str>)] = include!(concat!(env!("OUT_DIR"), "/pack.rs"));

/// The text of rules.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    /// The files, builtin ones first.
    pub files: Vec<RuleFile>,
}

/// One rule's file, and its test file.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// As messages name it.
    pub path: String,
    /// The folder's name: the finding group.
    pub group: String,
    /// The file's name without `.yml` or `.yaml`: the rule's name.
    pub name: String,
    /// The Sigma documents.
    pub text: Cow<'static, str>,
    /// The test cases, where there are any.
    pub test: Option<Cow<'static, str>>,
}

/// Something wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleProblem {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.problem)
    }
}

impl RuleProblem {
    pub(crate) fn new(file: &str, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), problem: problem.into() }
    }
}

impl Pack {
    /// What the binary carries.
    #[must_use]
    pub fn builtin() -> Self {
        let file = |(path, text, test): &(&'static str, &'static str, Option<&'static str>)| {
            let (group, name) = path.trim_end_matches(".yml").split_once('/')?;
            Some(RuleFile {
                path: format!("rules/{path}"),
                group: group.to_owned(),
                name: name.to_owned(),
                text: Cow::Borrowed(text),
                test: test.map(Cow::Borrowed),
            })
        };
        Self { files: BUILTIN.iter().filter_map(file).collect() }
    }

    /// The same and what lies in `folder`, as `<group>/<name>.yml` with `<name>.test.yml` beside it.
    ///
    /// # Errors
    /// A folder or file that cannot be read or is too large, a rule that does not lie in a finding group's folder, and a
    /// folder without any rule.
    pub fn and_folder(mut self, folder: &Path) -> Result<Self, Vec<RuleProblem>> {
        let mut problems = Vec::new();
        let before = self.files.len();
        for group in entries(folder, &mut problems) {
            if !group.is_dir() {
                if stem(&group).is_some() {
                    problems.push(RuleProblem::new(&group.to_string_lossy(), wrong_place()));
                }
                continue;
            }
            let name = group.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if FindingGroup::named(&name).is_none() {
                problems.push(RuleProblem::new(&group.to_string_lossy(), "the folder is no finding group"));
                continue;
            }
            for file in entries(&group, &mut problems) {
                self.files.extend(read(&name, &file, &mut problems));
            }
        }
        if self.files.len() == before && problems.is_empty() {
            let problem = "there is no rule in this folder: they are files <group>/<name>.yml";
            problems.push(RuleProblem::new(&folder.to_string_lossy(), problem));
        }
        if self.files.len() > FILES_MAX {
            problems
                .push(RuleProblem::new(&folder.to_string_lossy(), format!("more than {FILES_MAX} files")));
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

/// What lies in a folder, by name.
fn entries(folder: &Path, problems: &mut Vec<RuleProblem>) -> Vec<std::path::PathBuf> {
    let list =
        fs::read_dir(folder).and_then(|list| list.take(FILES_MAX).map(|entry| Ok(entry?.path())).collect());
    match list {
        Ok(mut paths) => {
            let sorted: &mut Vec<std::path::PathBuf> = &mut paths;
            sorted.sort();
            paths
        }
        Err(error) => {
            problems.push(RuleProblem::new(&folder.to_string_lossy(), error.to_string()));
            Vec::new()
        }
    }
}

fn wrong_place() -> String {
    let groups: Vec<&str> = FindingGroup::ALL.iter().map(|group| group.name()).collect();
    format!("put it into a folder named after a finding group: {}", groups.join(", "))
}

/// The file's name without `.yml` or `.yaml`, in whatever case; `None` where it ends otherwise.
fn stem(file: &Path) -> Option<String> {
    let ending = file.extension()?;
    let is_yaml = ["yml", "yaml"].iter().any(|yaml| ending.eq_ignore_ascii_case(yaml));
    is_yaml.then(|| file.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

/// One rule with its test file; `None` for what is no rule.
fn read(group: &str, file: &Path, problems: &mut Vec<RuleProblem>) -> Option<RuleFile> {
    if file.is_dir() {
        let problem = "a folder in the folder of a group is not read: put its rules beside the others";
        problems.push(RuleProblem::new(&file.to_string_lossy(), problem));
        return None;
    }
    let name = stem(file)?;
    if name.ends_with(".test") {
        return None;
    }
    let text = text(file, problems)?;
    let tests = ["yml", "yaml"].map(|ending| file.with_file_name(format!("{name}.test.{ending}")));
    let test = tests.iter().find(|test| test.is_file()).and_then(|test| self::text(test, problems));
    let path = file.to_string_lossy().into_owned();
    Some(RuleFile { path, group: group.to_owned(), name, text: Cow::Owned(text), test: test.map(Cow::Owned) })
}

fn text(file: &Path, problems: &mut Vec<RuleProblem>) -> Option<String> {
    let path = file.to_string_lossy();
    match fs::metadata(file) {
        Ok(meta) if meta.len() > FILE_BYTES_MAX => {
            problems.push(RuleProblem::new(&path, format!("more than {FILE_BYTES_MAX} bytes")));
            None
        }
        _ => fs::read_to_string(file)
            .map_err(|error| problems.push(RuleProblem::new(&path, error.to_string())))
            .ok(),
    }
}
