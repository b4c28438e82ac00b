//! One section of a configuration, and the questions its owner may ask.
//!
//! Every question names a key; when the section is dropped, keys that nobody asked for are problems. A question that
//! finds something wrong notes the problem and answers with the default, so that reading goes on to the next problem.
//! The owner must therefore ask for all of its keys, also where an earlier answer makes them pointless; that is why no
//! question is `must_use`.

use std::cell::RefCell;

use super::{
    forms::hint,
    problems::{Problem, Problems},
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

    /// Whether keys and values stand under `key`: for a key that may also have a single value.
    pub fn has_section(&self, key: &'static str) -> bool {
        self.find(key).is_some_and(|entry| matches!(entry.node.value, Value::Map(_)))
    }

    /// Notes a problem with the value of `key`, or with the section where the key is not there.
    pub fn problem(&self, key: &'static str, message: impl Into<String>) {
        let at = self.find(key).map_or(self.at, |entry| entry.node.at);
        self.note(at, message);
    }

    /// The section under `key`; an empty one where the key is not there.
    pub fn section(&self, key: &'static str) -> Self {
        self.optional_section(key).unwrap_or_else(|| self.inner(self.at, &[]))
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
        Some(self.inner(entry.at, entries))
    }

    /// The sections of a list; empty where the key is not there.
    pub fn list(&self, key: &'static str) -> Vec<Self> {
        let mut sections = Vec::new();
        for node in self.items(key) {
            match &node.value {
                Value::Map(entries) => sections.push(self.inner(node.at, entries)),
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

    /// A section of the same file.
    pub(super) fn inner(&self, at: At, entries: &'a [Entry]) -> Self {
        Self::new(self.problems, self.file, at, entries)
    }

    fn forgive(mut self) {
        self.entries = &[];
    }

    pub(super) fn note(&self, at: At, message: impl Into<String>) {
        let (line, column) = (at.line, at.column);
        self.problems.add(Problem { file: self.file.to_owned(), line, column, message: message.into() });
    }

    pub(super) fn find(&self, key: &'static str) -> Option<&'a Entry> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn scalar(&self, key: &'static str) -> Option<(&'a str, bool, At)> {
        let entry = self.find(key)?;
        self.scalar_of(key, &entry.node).map(|(text, plain)| (text, plain, entry.node.at))
    }

    pub(super) fn scalar_of(&self, key: &str, node: &'a Node) -> Option<(&'a str, bool)> {
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

    pub(super) fn items(&self, key: &'static str) -> &'a [Node] {
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
