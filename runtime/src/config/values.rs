//! The questions about single values: texts, numbers, times, addresses, secrets.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use super::{
    Section,
    forms::{hint, read_duration, read_url},
    tree::{Value, quoted},
};
use crate::secret::{Secret, SecretSource};

impl Section<'_> {
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

    /// Where a secret comes from that is read later: `{file: path}` or `{env: NAME}`. Nothing is opened here.
    pub fn secret_source(&self, key: &'static str) -> Option<SecretSource> {
        let node = &self.find(key)?.node;
        let Value::Map(entries) = &node.value else {
            if !matches!(node.value, Value::Refused) {
                let message = "is a secret: refer to it by {file: path} or {env: NAME}";
                self.note(node.at, format!("{} {message}", quoted(key)));
            }
            return None;
        };
        let reference = self.inner(node.at, entries);
        match (reference.path("file"), reference.text("env")) {
            (Some(path), None) => Some(SecretSource::File(path)),
            (None, Some(name)) => Some(SecretSource::Env(name)),
            (None, None) if !entries.is_empty() => None,
            (Some(_), Some(_)) | (None, None) => {
                self.note(node.at, "a secret has one source: file or env");
                None
            }
        }
    }
}
