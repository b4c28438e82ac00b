//! What is wrong with a configuration: collected, then reported together.

use std::{cell::RefCell, fmt};

/// At most so many problems are kept; the rest is counted.
pub const PROBLEMS_MAX: usize = 1000;

/// One thing that is wrong, and where. It names keys, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the operator named it.
    pub file: String,
    /// Counted from 1; 0 where the problem concerns the whole file.
    pub line: usize,
    /// Counted from 1, in characters; 0 where the problem concerns the whole line.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}: {}", self.file, self.message),
            (line, 0) => write!(f, "{}:{line}: {}", self.file, self.message),
            (line, column) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
        }
    }
}

/// Collects problems while sections are read. Sections share it, so it is filled through a shared reference.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Found>);

#[derive(Debug, Default)]
struct Found {
    kept: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Adds one.
    pub fn add(&self, problem: Problem) {
        let mut found = self.0.borrow_mut();
        if found.kept.len() < PROBLEMS_MAX {
            found.kept.push(problem);
        } else {
            found.more += 1;
        }
    }

    /// Whether there is none so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().kept.is_empty()
    }

    /// Nothing, when nothing was found.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem, by file and place.
    pub fn into_result(self) -> Result<(), ConfigError> {
        let Found { mut kept, more } = self.0.into_inner();
        if kept.is_empty() {
            return Ok(());
        }
        kept.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        Err(ConfigError { problems: kept, more })
    }
}

/// A configuration that cannot be used: one line a problem. The process exits 78 (`EX_CONFIG`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, by file and place.
    pub problems: Vec<Problem>,
    /// How many more there were.
    pub more: usize,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], more: 0 }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more problems", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
