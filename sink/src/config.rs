//! The `sinks` list of a configuration.
//!
//! ```yaml
//! sinks:
//!   - name: archive          # lower-case letters, digits and dashes, at most 40; names the consumer group
//!     kind: jsonl
//!     path: findings.jsonl   # OCSF, one finding revision a line
//!   - {name: splunk, kind: splunk_hec, …}
//!   - {name: azure, kind: log_analytics, …}
//!   - {name: sentinel, kind: sentinel, …}
//! ```
//! What a kind has besides `name` and `kind` stands in its own `config.rs` under `sinks/`.

use std::{collections::BTreeSet, path::PathBuf};

use runtime::config::Section;

use crate::sinks::{LogAnalyticsConfig, SentinelConfig, SplunkHecConfig};

/// The longest name of a sink: it becomes part of a group's name.
const NAME_CHARS_MAX: usize = 40;

/// One configured sink.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Where findings go.
    pub target: Target,
}

/// Where findings go.
#[derive(Debug, Clone)]
pub enum Target {
    /// Lines of OCSF in a file.
    Jsonl {
        /// The file; created where it does not exist, its folder is not.
        path: PathBuf,
    },
    /// Splunk's HTTP Event Collector.
    SplunkHec(SplunkHecConfig),
    /// A custom table in a Log Analytics workspace.
    LogAnalytics(LogAnalyticsConfig),
    /// Sentinel's alert table, and a custom table beside it.
    Sentinel(SentinelConfig),
}

#[derive(Clone, Copy)]
enum Kind {
    Jsonl,
    SplunkHec,
    LogAnalytics,
    Sentinel,
}

const KINDS: [(&str, Kind); 4] = [
    ("jsonl", Kind::Jsonl),
    ("splunk_hec", Kind::SplunkHec),
    ("log_analytics", Kind::LogAnalytics),
    ("sentinel", Kind::Sentinel),
];

impl SinkConfig {
    /// Reads the list `sinks` of the whole configuration; problems are noted there.
    #[must_use]
    pub fn read_all(root: &Section<'_>) -> Vec<Self> {
        let sections = root.list("sinks");
        if sections.is_empty() {
            root.problem("sinks", "\"sinks\" must name at least one sink");
        }
        let (mut sinks, mut names, mut files) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for section in &sections {
            section.require("name");
            let name = section.text_as("name", check_name).unwrap_or_default();
            if !name.is_empty() && !names.insert(name.clone()) {
                section.problem("name", "each sink needs a name of its own");
            }
            let target = Target::read(section);
            if let Some(Target::Jsonl { path }) = &target
                && !files.insert(path.clone())
            {
                section.problem("path", "two sinks cannot write to one file");
            }
            sinks.extend(target.map(|target| Self { name, target }));
        }
        sinks
    }

    /// The consumer group of this sink.
    #[must_use]
    pub fn group(&self) -> String {
        format!("weir.sink.{}", self.name)
    }
}

impl Target {
    /// None where the section has problems, which are noted there.
    fn read(section: &Section<'_>) -> Option<Self> {
        section.require("kind");
        Some(match section.choice("kind", &KINDS, Kind::Jsonl) {
            Kind::Jsonl => {
                section.require("path");
                Self::Jsonl { path: section.path("path")? }
            }
            Kind::SplunkHec => Self::SplunkHec(SplunkHecConfig::read(section)?),
            Kind::LogAnalytics => Self::LogAnalytics(LogAnalyticsConfig::read(section)?),
            Kind::Sentinel => Self::Sentinel(SentinelConfig::read(section)?),
        })
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
    use std::path::Path;

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
        let [SinkConfig { name, target: Target::Jsonl { path } }] = &sinks[..] else { panic!("{sinks:?}") };
        assert_eq!((name.as_str(), path.as_path()), ("archive-1", Path::new("out/findings.jsonl")));
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
            "weir.yaml:5:27: \"kind\" must be one of jsonl, splunk_hec, log_analytics, sentinel; did you mean \"jsonl\"?",
            "weir.yaml:5:33: unknown key \"pfad\"",
        ];
        let (_, problems) = read(text);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem} is not {expected}");
        }
        assert_eq!(read("other: 1").1[0], "weir.yaml:1:1: \"sinks\" must name at least one sink");
    }

    const ENTRA: &str = "{tenant: t, client_id: c, client_secret: {env: PATH}}";

    #[test]
    fn receivers_are_read_with_their_defaults() {
        let text = format!(
            "sinks:
  - {{name: splunk, kind: splunk_hec, url: \"https://splunk.example:8088\", token: {{file: Cargo.toml}}}}
  - {{name: azure, kind: log_analytics, endpoint: \"https://a.example\", dcr: dcr-01, entra: {ENTRA}}}
  - {{name: sentinel, kind: sentinel, endpoint: \"https://a.example\", dcr: dcr-01, entra: {ENTRA}}}
"
        );
        let (sinks, problems) = read(&text);
        // The file is no token: it has blanks and lines.
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains("the token holds blanks"), "{problems:#?}");
        let [splunk, azure, sentinel] = &sinks[..] else { panic!("{sinks:?}") };
        assert!(matches!(splunk.target, Target::SplunkHec(_)), "{splunk:?}");
        assert!(matches!(azure.target, Target::LogAnalytics(_)), "{azure:?}");
        assert!(matches!(sentinel.target, Target::Sentinel(_)), "{sentinel:?}");
    }

    /// No secret is printed, whatever is printed of a configuration.
    #[test]
    fn a_configuration_prints_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "planted-token\n").unwrap();
        let text = format!(
            "sinks: [{{name: s, kind: splunk_hec, url: \"https://s.example\", token: {{file: {}}}}}]",
            file.display()
        );
        let (sinks, problems) = read(&text);
        assert_eq!(problems, Vec::<String>::new());
        assert!(!format!("{sinks:?}").contains("planted"), "{sinks:?}");
    }

    #[test]
    fn every_problem_of_a_receiver_is_named_at_its_place() {
        let text = format!(
            "sinks:
  - {{name: a, kind: splunk_hec, token: literal, body_bytes_max: 10, gzip: maybe, sourcetype: \"\"}}
  - {{name: b, kind: log_analytics, endpoint: \"http://a.example\", dcr: weir, stream: Findings, entra: {ENTRA}}}
  - {{name: c, kind: log_analytics, endpoint: \"https://a.example/?x=1\", dcr: \"dcr-1/../2\", scope: x}}
  - {{name: d, kind: sentinel, endpoint: \"https://a.example\", dcr: dcr-1, streams: {{alerts: Custom-X, findings: Custom-X}}, entra: {ENTRA}, tabel: y}}
"
        );
        let expected = [
            ("2:", "key \"url\" is missing"),
            ("2:", "\"token\" is a secret"),
            ("2:", "\"body_bytes_max\" must be a number from 16384 to 800000000"),
            ("2:", "\"gzip\" must be true or false"),
            ("2:", "\"sourcetype\" must be 1 to 255 characters"),
            ("3:", "\"endpoint\" must begin with https://"),
            ("3:", "\"dcr\" must be the rule's immutable id"),
            ("3:", "\"stream\" must be a stream of the rule"),
            ("4:", "key \"entra\" is missing"),
            ("4:", "\"endpoint\" must end with its path"),
            ("4:", "\"dcr\" must be the rule's immutable id"),
            ("4:", "\"scope\" must be the service's address"),
            ("5:", "each needs its own stream"),
            ("5:", "unknown key \"tabel\""),
        ];
        let (_, problems) = read(&text);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (line, message) in expected {
            let found = |problem: &&String| {
                problem.starts_with(&format!("weir.yaml:{line}")) && problem.contains(message)
            };
            assert_eq!(problems.iter().filter(found).count(), 1, "{line} {message} in {problems:#?}");
        }
    }
}
