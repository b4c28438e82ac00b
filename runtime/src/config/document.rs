//! One configuration file, read and parsed.

use std::{fs::File, io::Read as _, path::Path};

use super::{
    problems::{ConfigError, Problem, Problems},
    section::Section,
    tree::{self, At, Fault, Node, Value},
};

/// A configuration file may have so many bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    name: String,
    root: Node,
    faults: Vec<Fault>,
}

impl Document {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read, has more than [`FILE_BYTES_MAX`] bytes, is no UTF-8 or no YAML.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let whole = |message: String| Problem { file: name.clone(), line: 0, column: 0, message };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| whole(format!("cannot be read: {error}")))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(whole(format!("has more than {FILE_BYTES_MAX} bytes")).into());
        }
        let text = String::from_utf8(bytes).map_err(|_| whole("is not UTF-8 text".to_owned()))?;
        Self::parse(&name, &text)
    }

    /// Parses `text`; problems will name it `name`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no YAML, nested deeper than 32 levels, or no map of keys.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let at = |fault: Fault| problem(name, &fault);
        let (root, faults) = tree::parse(text).map_err(at)?;
        if !matches!(root.value, Value::Map(_)) {
            let message = "must be keys and values".to_owned();
            return Err(at(Fault { at: root.at, message }).into());
        }
        Ok(Self { name: name.to_owned(), root, faults })
    }

    /// The whole of it, as a section. What is wrong with the text itself goes to `problems` at once.
    #[must_use]
    pub fn root<'a>(&'a self, problems: &'a Problems) -> Section<'a> {
        for fault in &self.faults {
            problems.add(problem(&self.name, fault));
        }
        let entries = match &self.root.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Scalar { .. } | Value::List(_) | Value::Refused => &[],
        };
        Section::new(problems, &self.name, At::START, entries)
    }
}

fn problem(name: &str, fault: &Fault) -> Problem {
    Problem {
        file: name.to_owned(),
        line: fault.at.line,
        column: fault.at.column,
        message: fault.message.clone(),
    }
}
