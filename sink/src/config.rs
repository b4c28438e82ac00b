//! The `sinks` list of a configuration.
//!
//! ```yaml
//! sinks:
//!   - name: archive          # lower-case letters, digits and dashes, at most 40; names the consumer group
//!     kind: jsonl
//!     path: findings.jsonl   # OCSF, one finding revision a line
//! ```

use std::path::PathBuf;

use runtime::config::Section;

/// The longest name of a sink: it becomes part of a group's name.
const NAME_CHARS_MAX: usize = 40;

/// One configured sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where findings go.
    pub target: Target,
}

/// Where findings go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Lines of OCSF in a file.
    Jsonl {
        /// The file; created where it does not exist, its folder is not.
        path: PathBuf,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    Jsonl,
}

impl SinkConfig {
    /// Reads the list `sinks` of the whole configuration; problems are noted there.
    #[must_use]
    pub fn read_all(root: &Section<'_>) -> Vec<Self> {
        let mut sinks: Vec<Self> = Vec::new();
        for section in root.list("sinks") {
            let sink = Self::read(&section);
            if !sink.name.is_empty() && sinks.iter().any(|other| other.name == sink.name) {
                section.problem("name", "each sink needs a name of its own");
            }
            if section.has("path") && sinks.iter().any(|other| other.target == sink.target) {
                section.problem("path", "two sinks cannot write to one file");
            }
            sinks.push(sink);
        }
        if sinks.is_empty() {
            root.problem("sinks", "\"sinks\" must name at least one sink");
        }
        sinks
    }

    fn read(section: &Section<'_>) -> Self {
        section.require("name");
        let name = section.text_as("name", check_name).unwrap_or_default();
        section.require("kind");
        let target = match section.choice("kind", &[("jsonl", Kind::Jsonl)], Kind::Jsonl) {
            Kind::Jsonl => {
                section.require("path");
                Target::Jsonl { path: section.path("path").unwrap_or_default() }
            }
        };
        Self { name, target }
    }

    /// The consumer group of this sink.
    #[must_use]
    pub fn group(&self) -> String {
        format!("weir.sink.{}", self.name)
    }
}

fn check_name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(fits) {
        return Err(format!("must be 1 to {NAME_CHARS_MAX} lower-case letters, digits and dashes"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use runtime::config::{Document, Problems};

    use super::*;

    fn read(text: &str) -> (Vec<SinkConfig>, Vec<String>) {
        let document = Document::parse("weir.yaml", text).unwrap();
        let problems = Problems::default();
        let sinks = SinkConfig::read_all(&document.root(&problems));
        let found = problems.into_result().map_err(|error| error.problems).err().unwrap_or_default();
        (sinks, found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_list_of_sinks_is_read() {
        let (sinks, problems) =
            read("sinks:\n  - {name: archive-1, kind: jsonl, path: out/findings.jsonl}\n");
        let target = Target::Jsonl { path: "out/findings.jsonl".into() };
        assert_eq!(sinks, [SinkConfig { name: "archive-1".to_owned(), target }]);
        assert_eq!(sinks[0].group(), "weir.sink.archive-1");
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_named_at_its_place() {
        let text = "sinks:
  - {name: a, kind: jsonl, path: x}
  - {name: a, kind: jsonl, path: y}
  - {name: b, kind: jsonl, path: x}
  - {name: Archive, kind: json, pfad: z}
";
        let expected = [
            "weir.yaml:3:12: each sink needs a name of its own",
            "weir.yaml:4:34: two sinks cannot write to one file",
            "weir.yaml:5:5: key \"path\" is missing",
            "weir.yaml:5:12: \"name\" must be 1 to 40 lower-case letters, digits and dashes",
            "weir.yaml:5:27: \"kind\" must be one of jsonl; did you mean \"jsonl\"?",
            "weir.yaml:5:33: unknown key \"pfad\"",
        ];
        let (_, problems) = read(text);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem} is not {expected}");
        }
        assert_eq!(read("other: 1").1[0], "weir.yaml:1:1: \"sinks\" must name at least one sink");
    }
}
