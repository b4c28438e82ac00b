//! The whole configuration: each crate reads its own section, every problem is reported at once.
//!
//! ```yaml
//! log:      {embedded: {path: weir.db}}
//! sources:  [{name: exports, kind: files, paths: [exports]}]
//! enrich:   {…}
//! detect:   {rules: my-rules}
//! sinks:    [{name: archive, kind: jsonl, path: findings.jsonl}]
//! limits:   {records_max: 4096, bytes_max: 4194304}   # of a batch of any stage, and so of its step
//! admin:    {listen: 127.0.0.1:9464}                  # metrics and probes; `off` for none
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect::RuleSet;
use enrich::EnrichConfig;
use ingest::Source;
use ingest::sources::Here;
use pipeline::Clock;
use pipeline::log::Limits;
use runtime::admin::AdminConfig;
use runtime::config::{Document, LogConfig, Problems, Section, read_clock};
use schemas::Topic;
use sink::SinkConfig;

use crate::exit::WrongConfig;
use crate::stages;

/// Below this, every long record would be a step of its own.
const BYTES_LEAST: usize = 64 * 1024;

/// Everything a file can say.
pub(crate) struct Config {
    pub(crate) log: LogConfig,
    pub(crate) sources: Vec<Arc<dyn Source>>,
    pub(crate) enrich: EnrichConfig,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) sinks: Vec<SinkConfig>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) admin: AdminConfig,
}

impl Config {
    /// What whoever neither reads sources nor delivers to sinks needs. Those that are there are checked all the same;
    /// over a log that processes share, each worker may have a file with its own sections only.
    ///
    /// # Errors
    /// [`WrongConfig`] with every problem.
    pub(crate) fn read(path: &Path) -> Result<Self, WrongConfig> {
        Self::read_with(path, |_| Needs { sources: false, sinks: false, here: Here::No })
    }

    /// The same for whoever reads the sources: there must be one, and its files.
    ///
    /// # Errors
    /// [`WrongConfig`] with every problem.
    pub(crate) fn read_with_sources(path: &Path) -> Result<Self, WrongConfig> {
        Self::read_with(path, |_| Needs { sources: true, sinks: false, here: Here::Yes })
    }

    /// The same for whoever delivers: there must be a sink.
    ///
    /// # Errors
    /// [`WrongConfig`] with every problem.
    pub(crate) fn read_with_sinks(path: &Path) -> Result<Self, WrongConfig> {
        Self::read_with(path, |_| Needs { sources: false, sinks: true, here: Here::No })
    }

    /// The same for whoever does all of it.
    ///
    /// # Errors
    /// [`WrongConfig`] with every problem.
    pub(crate) fn read_whole(path: &Path) -> Result<Self, WrongConfig> {
        Self::read_with(path, |_| Needs { sources: true, sinks: true, here: Here::Yes })
    }

    /// The same for whoever only wants to know whether it is right: on Kafka it may be the file of one worker.
    ///
    /// # Errors
    /// [`WrongConfig`] with every problem.
    pub(crate) fn read_to_check(path: &Path) -> Result<Self, WrongConfig> {
        Self::read_with(path, |log| {
            let is_whole = !matches!(log, LogConfig::Kafka { .. });
            Needs { sources: is_whole, sinks: is_whole, here: Here::Yes }
        })
    }

    /// Every group of the flow, with what it reads.
    pub(crate) fn readers(&self) -> Vec<(String, Vec<Topic>)> {
        let mut readers = stages::groups();
        let sources = self.sources.iter();
        readers.extend(sources.map(|source| (ingest::group(source.name()), ingest::worker::TOPICS.to_vec())));
        readers.extend(self.sinks.iter().map(|sink| (sink.group(), Topic::findings())));
        readers
    }

    fn read_with(path: &Path, needs: fn(&LogConfig) -> Needs) -> Result<Self, WrongConfig> {
        let document = Document::read(path).map_err(|error| lines(&error))?;
        let problems = Problems::default();
        let root = document.root(&problems);
        let log = LogConfig::read(&root);
        let limits = read_limits(&root.section("limits"));
        let clock = read_clock(&root);
        let admin = AdminConfig::read(&root);
        let needs = needs(&log);
        let has_sources = needs.sources || root.has("sources");
        let sources =
            if has_sources { ingest::config::read_all(&root, needs.here, &limits) } else { Vec::new() };
        let enrich = EnrichConfig::read(&root.section("enrich"));
        let folder = rules_folder(&root);
        let has_sinks = needs.sinks || root.has("sinks");
        let sinks = if has_sinks { SinkConfig::read_all(&root) } else { Vec::new() };
        root.finish();
        let found = problems.into_result().map_err(|error| lines(&error));
        match (found, load_rules(folder.as_deref())) {
            (Ok(()), Ok(rules)) => Ok(Self { log, sources, enrich, rules, sinks, limits, clock, admin }),
            (found, rules) => Err(join(found.err(), rules.err())),
        }
    }
}

/// Which sections must be there.
struct Needs {
    sources: bool,
    sinks: bool,
    /// Whether the sources' files must be there, too.
    here: Here,
}

/// What a scan takes of a configuration.
pub(crate) struct Facts {
    pub(crate) enrich: EnrichConfig,
    pub(crate) rules: Arc<RuleSet>,
}

impl Facts {
    /// Reads the sections `enrich` and `detect` where there is a file, and adds the rules of `folder`. Other sections
    /// may stand there; they are not looked at.
    ///
    /// # Errors
    /// [`WrongConfig`] with every problem.
    pub(crate) fn read(path: Option<&Path>, folder: Option<&Path>) -> Result<Self, WrongConfig> {
        let Some(path) = path else {
            return Ok(Self { enrich: EnrichConfig::default(), rules: load_rules(folder)? });
        };
        let document = Document::read(path).map_err(|error| lines(&error))?;
        let problems = Problems::default();
        let root = document.root(&problems);
        for key in ["log", "sources", "sinks", "limits", "clock", "admin"] {
            root.has(key);
        }
        let enrich = EnrichConfig::read(&root.section("enrich"));
        let configured = rules_folder(&root);
        root.finish();
        let found = problems.into_result().map_err(|error| lines(&error));
        match (found, load_rules(folder.or(configured.as_deref()))) {
            (Ok(()), Ok(rules)) => Ok(Self { enrich, rules }),
            (found, rules) => Err(join(found.err(), rules.err())),
        }
    }
}

/// How much a stage takes at a time: its memory, and how much is done again after a crash. More than the standard is not
/// allowed, since Kafka's limits for a message and a transaction are held against it.
fn read_limits(section: &Section<'_>) -> Limits {
    let standard = Limits::default();
    Limits {
        records_max: section.number("records_max", 1..=standard.records_max, standard.records_max),
        bytes_max: section.number("bytes_max", BYTES_LEAST..=standard.bytes_max, standard.bytes_max),
        ..standard
    }
}

fn rules_folder(root: &Section<'_>) -> Option<PathBuf> {
    let section = root.section("detect");
    let folder = section.path("rules")?;
    if folder.is_dir() {
        return Some(folder);
    }
    section.problem("rules", format!("{}: no such folder", folder.display()));
    None
}

/// The built-in rules and those of `folder`.
///
/// # Errors
/// [`WrongConfig`] with every problem of every rule.
pub(crate) fn load_rules(folder: Option<&Path>) -> Result<Arc<RuleSet>, WrongConfig> {
    RuleSet::load(folder)
        .map(Arc::new)
        .map_err(|problems| WrongConfig(problems.iter().map(ToString::to_string).collect()))
}

fn lines(error: &runtime::config::ConfigError) -> WrongConfig {
    WrongConfig(error.to_string().lines().map(str::to_owned).collect())
}

fn join(first: Option<WrongConfig>, second: Option<WrongConfig>) -> WrongConfig {
    WrongConfig(first.into_iter().chain(second).flat_map(|wrong| wrong.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKA: &str = "log: {kafka: {bootstrap: \"kafka:9092\"}}\n";
    const SOURCES: &str = "sources: [{name: a, kind: files, paths: [/nowhere], watch: true}]\n";
    const SINKS: &str = "sinks: [{name: b, kind: jsonl, path: b.jsonl}]\n";

    type Read = fn(&Path) -> Result<Config, WrongConfig>;

    /// What each way of reading says is not there: sources, sinks.
    fn missing(text: &str) -> Vec<(bool, bool)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weir.yaml");
        std::fs::write(&path, text).unwrap();
        let ways: [Read; 5] = [
            Config::read,
            Config::read_with_sources,
            Config::read_with_sinks,
            Config::read_whole,
            Config::read_to_check,
        ];
        let told = ways.map(|read| read(&path).err().map(|wrong| wrong.0.join("\n")).unwrap_or_default());
        told.iter().map(|told| (told.contains("one source"), told.contains("one sink"))).collect()
    }

    #[test]
    fn each_worker_needs_its_own_sections_only() {
        let (none, source, sink, both) = ((false, false), (true, false), (false, true), (true, true));
        assert_eq!(missing(KAFKA), [none, source, sink, both, none]);
        assert_eq!(missing(&format!("{KAFKA}{SOURCES}")), [none, none, sink, sink, none]);
        assert_eq!(missing(&format!("{KAFKA}{SINKS}")), [none, source, none, source, none]);
        assert_eq!(missing(SOURCES), [none, none, sink, sink, sink], "an embedded log has one process only");
    }

    #[test]
    fn a_section_that_is_not_needed_is_checked_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weir.yaml");
        std::fs::write(&path, format!("{KAFKA}sinks: [{{name: b, kind: jsonl}}]\n")).unwrap();
        let told = Config::read(&path).err().unwrap().0.join("\n");
        assert!(told.contains("path"), "{told}");
    }
}
