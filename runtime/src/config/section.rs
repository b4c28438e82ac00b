//! One section of a configuration, and the questions its owner may ask.
//!
//! Every question names a key; when the section is dropped, keys that nobody asked for are problems. A question that
//! finds something wrong notes the problem and answers with the default, so that reading goes on to the next problem.
//! The owner must therefore ask for all of its keys, also where an earlier answer makes them pointless; that is why no
//! question is `must_use`.

use std::{cell::RefCell, fmt::Display, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use super::{
    forms::{hint, read_duration, read_url},
    problems::{Problem, Problems},
    secret::{Secret, Source},
    tree::{At, Entry, Node, Value, is_null, quoted},
};

/// Keys and values, as somebody wrote them.
#[derive(Debug)]
pub struct Section<'a> {
    problems: &'a Problems,
    file: &'a str,
    at: At,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(problems: &'a Problems, file: &'a str, at: At, entries: &'a [Entry]) -> Self {
        Self { problems, file, at, entries, known: RefCell::default() }
    }

    /// Where problems go; for what the owner finds in files that the section names.
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// Whether `key` is there.
    pub fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// Notes a problem with the value of `key`, or with the section where the key is not there.
    pub fn problem(&self, key: &'static str, message: impl Into<String>) {
        let at = self.find(key).map_or(self.at, |entry| entry.node.at);
        self.note(at, message);
    }

    /// A text, as written.
    pub fn text(&self, key: &'static str) -> Option<String> {
        self.scalar(key).map(|(text, ..)| text.to_owned())
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &'static str) -> String {
        self.require(key);
        self.text(key).unwrap_or_default()
    }

    /// A text that `read` makes something of, or says what it must be.
    pub fn text_as<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let (text, _, at) = self.scalar(key)?;
        read(text).map_err(|message| self.note(at, format!("{} {message}", quoted(key)))).ok()
    }

    /// A list of texts; empty where the key is not there.
    pub fn texts(&self, key: &'static str) -> Vec<String> {
        self.texts_as(key, |text| Ok(text.to_owned()))
    }

    /// A list of texts that `read` makes something of; each that it cannot is a problem in its own place.
    pub fn texts_as<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut texts = Vec::new();
        for node in self.items(key) {
            if let Some((text, _)) = self.scalar_of(key, node)
                && let Some(text) = read(text).map_err(|message| self.note(node.at, message)).ok()
            {
                texts.push(text);
            }
        }
        texts
    }

    /// A whole number (or any other that `N` reads) inside `range`; `default` where the key is not there.
    pub fn number<N>(&self, key: &'static str, range: RangeInclusive<N>, default: N) -> N
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some((text, plain, at)) = self.scalar(key) else { return default };
        match text.parse() {
            Ok(number) if plain && range.contains(&number) => number,
            _ => {
                let (least, most) = (range.start(), range.end());
                self.note(at, format!("{} must be a number from {least} to {most}", quoted(key)));
                default
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        match self.scalar(key) {
            None => default,
            Some(("true", true, _)) => true,
            Some(("false", true, _)) => false,
            Some((.., at)) => {
                self.note(at, format!("{} must be true or false", quoted(key)));
                default
            }
        }
    }

    /// One of `options`, by its name.
    pub fn choice<T: Clone>(&self, key: &'static str, options: &[(&'static str, T)], default: T) -> T {
        let Some((text, _, at)) = self.scalar(key) else { return default };
        if let Some((_, chosen)) = options.iter().find(|(name, _)| *name == text) {
            return chosen.clone();
        }
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        self.note(at, format!("{} must be one of {}{}", quoted(key), names.join(", "), hint(text, &names)));
        default
    }

    /// A length of time, a whole number and a unit: `250ms`, `30s`, `5m`, `24h`, `7d`.
    pub fn duration(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some((text, _, at)) = self.scalar(key) else { return default };
        match read_duration(text) {
            Some(duration) if range.contains(&duration) => duration,
            _ => {
                let (least, most) = (range.start(), range.end());
                self.note(
                    at,
                    format!(
                        "{} must be a time from {least:?} to {most:?}: a number and ms, s, m, h or d",
                        quoted(key)
                    ),
                );
                default
            }
        }
    }

    /// A path; a relative one starts where the process was started.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.text_as(
            key,
            |text| if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.into()) },
        )
    }

    /// An `https://` or `http://` address without user and password.
    pub fn url(&self, key: &'static str) -> Option<String> {
        self.text_as(key, read_url)
    }

    /// A secret: `{file: path}`, or `{env: NAME}` on a laptop. A literal is refused.
    pub fn secret(&self, key: &'static str) -> Option<Secret> {
        let at = self.find(key)?.node.at;
        Secret::read(self.secret_source(key)?).map_err(|message| self.note(at, message)).ok()
    }

    /// Where a secret lies that somebody else will read: `{file: path}`. It is not opened here.
    pub fn secret_file(&self, key: &'static str) -> Option<PathBuf> {
        match self.secret_source(key)? {
            Source::File(path) => Some(path),
            Source::Env(_) => {
                self.problem(key, format!("{} must come from a file", quoted(key)));
                None
            }
        }
    }

    fn secret_source(&self, key: &'static str) -> Option<Source> {
        let node = &self.find(key)?.node;
        let Value::Map(entries) = &node.value else {
            if !matches!(node.value, Value::Refused) {
                let message = "is a secret: refer to it by {file: path} or {env: NAME}";
                self.note(node.at, format!("{} {message}", quoted(key)));
            }
            return None;
        };
        let reference = Self::new(self.problems, self.file, node.at, entries);
        match (reference.path("file"), reference.text("env")) {
            (Some(path), None) => Some(Source::File(path)),
            (None, Some(name)) => Some(Source::Env(name)),
            (None, None) if !entries.is_empty() => None,
            (Some(_), Some(_)) | (None, None) => {
                self.note(node.at, "a secret has one source: file or env");
                None
            }
        }
    }

    /// The section under `key`; an empty one where the key is not there.
    pub fn section(&self, key: &'static str) -> Self {
        self.optional_section(key).unwrap_or_else(|| Self::new(self.problems, self.file, self.at, &[]))
    }

    /// The section under `key`, where it is there. A key without a value is an empty section.
    pub fn optional_section(&self, key: &'static str) -> Option<Self> {
        let entry = self.find(key)?;
        let entries: &'a [Entry] = match &entry.node.value {
            Value::Map(entries) => entries,
            value if is_null(value) => &[],
            Value::Refused => return None,
            Value::Scalar { .. } | Value::List(_) => {
                self.note(entry.node.at, format!("{} must be keys and values", quoted(key)));
                return None;
            }
        };
        Some(Self::new(self.problems, self.file, entry.at, entries))
    }

    /// The sections of a list; empty where the key is not there.
    pub fn list(&self, key: &'static str) -> Vec<Self> {
        let mut sections = Vec::new();
        for node in self.items(key) {
            match &node.value {
                Value::Map(entries) => sections.push(Self::new(self.problems, self.file, node.at, entries)),
                Value::Refused => {}
                Value::Scalar { .. } | Value::List(_) => {
                    self.note(node.at, format!("each item of {} must be keys and values", quoted(key)));
                }
            }
        }
        sections
    }

    /// Names and values whose names are free; `check` says what is wrong with one.
    pub fn pairs(
        &self,
        key: &'static str,
        check: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Vec<(String, String)> {
        let Some(section) = self.optional_section(key) else { return Vec::new() };
        let mut pairs = Vec::new();
        for entry in section.entries {
            let Some((value, _)) = self.scalar_of(&entry.key, &entry.node) else { continue };
            match check(&entry.key, value) {
                Ok(()) => pairs.push((entry.key.clone(), value.to_owned())),
                Err(message) => self.note(entry.at, format!("{} {message}", quoted(&entry.key))),
            }
        }
        section.forgive();
        pairs
    }

    /// Notes a problem unless `key` is there.
    pub fn require(&self, key: &'static str) {
        if !self.has(key) {
            self.note(self.at, format!("key {} is missing", quoted(key)));
        }
    }

    /// Done with this section: what nobody asked for becomes a problem. Dropping it does the same.
    pub fn finish(self) {
        drop(self);
    }

    fn forgive(mut self) {
        self.entries = &[];
    }

    fn note(&self, at: At, message: impl Into<String>) {
        let (line, column) = (at.line, at.column);
        self.problems.add(Problem { file: self.file.to_owned(), line, column, message: message.into() });
    }

    fn find(&self, key: &'static str) -> Option<&'a Entry> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn scalar(&self, key: &'static str) -> Option<(&'a str, bool, At)> {
        let entry = self.find(key)?;
        self.scalar_of(key, &entry.node).map(|(text, plain)| (text, plain, entry.node.at))
    }

    fn scalar_of(&self, key: &str, node: &'a Node) -> Option<(&'a str, bool)> {
        match &node.value {
            value if is_null(value) => {
                self.note(node.at, format!("{} has no value; give it one or leave it out", quoted(key)));
                None
            }
            Value::Scalar { text, plain } => Some((text, *plain)),
            Value::Refused => None,
            Value::List(_) | Value::Map(_) => {
                self.note(node.at, format!("{} must be a single value", quoted(key)));
                None
            }
        }
    }

    fn items(&self, key: &'static str) -> &'a [Node] {
        let Some(entry) = self.find(key) else { return &[] };
        match &entry.node.value {
            Value::List(items) => items,
            Value::Refused => &[],
            Value::Scalar { .. } | Value::Map(_) => {
                self.note(entry.node.at, format!("{} must be a list", quoted(key)));
                &[]
            }
        }
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        let known = self.known.take();
        for entry in self.entries {
            if known.contains(&entry.key.as_str()) {
                continue;
            }
            let hint = match hint(&entry.key, &known) {
                hint if !hint.is_empty() => hint,
                _ if known.is_empty() => String::new(),
                _ => format!("; known here: {}", known.join(", ")),
            };
            self.note(entry.at, format!("unknown key {}{hint}", quoted(&entry.key)));
        }
    }
}
