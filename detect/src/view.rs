//! An enriched event as Sigma rules see it: `impl rsigma_eval::Event`.
//!
//! * the record's own names, through [`Record`]'s paths: `Operation`, `Parameters.ForwardTo`, `AdditionalInfo.policyId`;
//!   the values of `ModifiedProperties` without the quotes that older Entra records put around them;
//! * `weir.*`: the canonical activity, `weir.consent.*`, what a consent gives, and `weir.account.id`, the account that a
//!   record of the directory is about;
//! * `enrich.*`: the blocks.
//!
//! What is not known is absent: a rule that asks for `false` does not match an unknown. Nothing here builds a
//! `serde_json::Value`, but for `to_json`, which the engine calls only for rules that ask for the whole event; the
//! loader refuses those. Texts at the record's top level are borrowed; deeper ones are copied, one value a look-up.

use std::borrow::Cow;

use rsigma_eval::EventValue;
use schemas::{
    enriched::EnrichedEvent,
    record::{NoRecord, Record, Scalar},
};

mod account;
mod canonical;
mod consent;

const ACCOUNT: &str = "weir.account.id";
const CONSENT: &str = "weir.consent.";
const CHANGED: &str = "ModifiedProperties.";

/// Whether a name that begins with `weir.` or `enrich.` is a field; other names are the record's own.
pub(crate) fn is_known(path: &str) -> bool {
    path.strip_prefix(CONSENT)
        .map_or_else(|| path == ACCOUNT || canonical::is_known(path), |name| consent::field(name).is_some())
}

/// One enriched event and its record, read once.
#[derive(Debug)]
pub struct View<'a> {
    event: &'a EnrichedEvent,
    record: Option<Record<'a>>,
}

impl<'a> View<'a> {
    /// Reads the record's bytes. An event whose bytes are in the dead letter has its canonical fields only.
    #[must_use]
    pub fn new(event: &'a EnrichedEvent) -> Self {
        let record: Result<Record<'a>, NoRecord> = Record::parse(&event.event.raw);
        Self { event, record: record.ok() }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &'a EnrichedEvent {
        self.event
    }

    /// Every value of a field as text, in the record's order; nulls and empty texts left out.
    #[must_use]
    pub fn texts(&self, path: &str) -> Vec<String> {
        let mut texts = Vec::new();
        if let Some(value) = rsigma_eval::Event::get_field(self, path) {
            flatten(&value, &mut texts);
        }
        texts
    }

    fn record_field(&self, path: &str) -> Option<EventValue<'_>> {
        let record = self.record.as_ref()?;
        if let Some(scalar) = record.top(path) {
            return Some(borrowed(scalar));
        }
        let mut found = Vec::new();
        let is_change = path.starts_with(CHANGED);
        record
            .visit(path, &mut |scalar| found.push(if is_change { unquoted(scalar) } else { owned(scalar) }));
        one_or_all(found)
    }

    fn consent(&self, name: &str) -> Option<EventValue<'_>> {
        let scopes = consent::scopes(self.record.as_ref()?, consent::field(name)?);
        one_or_all(scopes.into_iter().map(|scope| EventValue::Str(Cow::Owned(scope))).collect())
    }
}

impl rsigma_eval::Event for View<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if let Some(name) = path.strip_prefix(CONSENT) {
            return self.consent(name);
        }
        if path == ACCOUNT {
            return account::id(self.record.as_ref()?).map(|id| EventValue::Str(Cow::Owned(id)));
        }
        if let Some(name) = path.strip_prefix("weir.") {
            return canonical::weir(&self.event.event, name).ok().flatten();
        }
        if let Some(name) = path.strip_prefix("enrich.") {
            return canonical::enrich(self.event, name).ok().flatten();
        }
        self.record_field(path)
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.record.as_ref().is_some_and(|record| record.strings().any(pred))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.record.iter().flat_map(Record::strings).map(Cow::Borrowed).collect()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.record.iter().flat_map(Record::strings).for_each(visit);
    }

    fn to_json(&self) -> serde_json::Value {
        let raw = &self.event.event.raw;
        let mended = || serde_json::from_slice(&schemas::record::mended(raw)?).ok();
        serde_json::from_slice(raw).ok().or_else(mended).unwrap_or_default()
    }

    fn field_keys(&self) -> Vec<Cow<'_, str>> {
        self.record.iter().flat_map(Record::keys).map(Cow::Borrowed).collect()
    }

    fn visit_top_level_keys(&self, visit: &mut dyn FnMut(&str)) -> bool {
        visit("weir");
        visit("enrich");
        self.record.iter().flat_map(Record::keys).for_each(visit);
        true
    }

    fn top_level_keys(&self) -> Option<Vec<Cow<'_, str>>> {
        let mut keys = vec![Cow::Borrowed("weir"), Cow::Borrowed("enrich")];
        keys.extend(self.record.iter().flat_map(Record::keys).map(Cow::Borrowed));
        Some(keys)
    }
}

fn one_or_all(mut values: Vec<EventValue<'_>>) -> Option<EventValue<'_>> {
    if values.len() > 1 { Some(EventValue::Array(values)) } else { values.pop() }
}

/// The value without one pair of quotes around it.
fn unquoted(scalar: &Scalar<'_>) -> EventValue<'static> {
    match scalar {
        Scalar::Text(text) => {
            let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            EventValue::Str(Cow::Owned(inside.unwrap_or(text).to_owned()))
        }
        Scalar::Null | Scalar::Bool(_) | Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_) => owned(scalar),
    }
}

fn borrowed<'v>(scalar: &'v Scalar<'_>) -> EventValue<'v> {
    match scalar {
        Scalar::Text(text) => EventValue::Str(Cow::Borrowed(text)),
        Scalar::Null | Scalar::Bool(_) | Scalar::Int(_) | Scalar::UInt(_) | Scalar::Float(_) => owned(scalar),
    }
}

fn owned(scalar: &Scalar<'_>) -> EventValue<'static> {
    match scalar {
        Scalar::Null => EventValue::Null,
        Scalar::Bool(value) => EventValue::Bool(*value),
        Scalar::Int(value) => EventValue::Int(*value),
        // Sigma's values have no unsigned integers; as text it still compares equal to what a rule writes.
        Scalar::UInt(value) => EventValue::Str(Cow::Owned(value.to_string())),
        Scalar::Float(value) => EventValue::Float(*value),
        Scalar::Text(text) => EventValue::Str(Cow::Owned(text.clone().into_owned())),
    }
}

fn flatten(value: &EventValue<'_>, texts: &mut Vec<String>) {
    if let EventValue::Array(values) = value {
        for value in values {
            flatten(value, texts);
        }
    } else if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
        texts.push(text.into_owned());
    }
}
