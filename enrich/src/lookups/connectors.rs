//! Connector classes: the operator's, then the shipped list (`data/connectors.csv`). Records of the first generation
//! name connectors as people see them; those names are brought to the reference's first (`data/connector-names.csv`).
//!
//! A connector that the operator puts under `non_business` or `blocked` still leads outside if the shipped list says
//! that it does: the operator's class says what may be, the shipped one what the connector is.

use std::sync::LazyLock;

use hashbrown::HashMap;
use schemas::enriched::{ConnectorFact, ConnectorsBlock, Provenance, status};

use super::source;

const SHIPPED: &str = include_str!("../../data/connectors.csv");

/// The names that people see where they differ from the reference's by more than blanks and brackets.
const SHIPPED_NAMES: &str = include_str!("../../data/connector-names.csv");

/// By the name without blanks.
static SHIPPED_ALIASES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let lines = SHIPPED_NAMES.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).filter_map(|line| line.split_once(',')).map(|(name, to)| (compact(name), to)).collect()
});

/// Parsed once; a line that is no connector is left out here, and a test finds it.
static SHIPPED_CLASSES: LazyLock<HashMap<&'static str, Class>> = LazyLock::new(|| {
    let lines = SHIPPED.lines().filter_map(|line| line.split_once(','));
    lines.filter_map(|(name, class)| Some((name, Class::named(class)?))).collect()
});

/// What a connector is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It holds the organisation's data.
    Business,
    /// It leads out of the tenant.
    External,
    /// The operator keeps it apart from business data.
    NonBusiness,
    /// The operator forbids it.
    Blocked,
}

/// Every class by its name.
pub const CLASSES: [(&str, Class); 4] = [
    ("business", Class::Business),
    ("external", Class::External),
    ("non_business", Class::NonBusiness),
    ("blocked", Class::Blocked),
];

impl Class {
    /// Its name in configuration and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::External => "external",
            Self::NonBusiness => "non_business",
            Self::Blocked => "blocked",
        }
    }

    fn named(name: &str) -> Option<Self> {
        CLASSES.into_iter().find(|(known, _)| *known == name).map(|(_, class)| class)
    }
}

/// A connector's name as the reference has it: lower case, without path and `shared_`. The name that people see
/// (`Office 365 Outlook`) becomes the reference's (`office365`).
#[must_use]
pub fn name(text: &str) -> String {
    let name = compact(text);
    SHIPPED_ALIASES.get(&name).map_or(name, |&known| known.to_owned())
}

/// Lower case, without path, `shared_`, blanks and round brackets.
fn compact(text: &str) -> String {
    let last = text.rsplit('/').next().unwrap_or_default();
    let compact: String = last.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
    let compact = compact.to_lowercase();
    compact.strip_prefix("shared_").unwrap_or(&compact).to_owned()
}

/// The classes of connectors.
#[derive(Debug, Default)]
pub(crate) struct Connectors {
    operator: HashMap<String, Class>,
}

impl Connectors {
    pub(crate) fn new(operator: HashMap<String, Class>) -> Self {
        Self { operator }
    }

    /// The block for an activity's connectors.
    pub(crate) fn classes(&self, names: &[String]) -> ConnectorsBlock {
        if names.is_empty() {
            let provenance = Provenance::not_applicable();
            return ConnectorsBlock {
                provenance,
                classes: Vec::new(),
                has_business: None,
                has_external: None,
            };
        }
        let known: Vec<Known> = names.iter().map(|name| self.known(name)).collect();
        let source = if known.iter().any(|known| known.operator.is_some()) {
            source::CONFIG
        } else if known.iter().any(|known| known.shipped.is_some()) {
            source::SHIPPED
        } else {
            source::NONE
        };
        let status = if source == source::NONE { status::MISS } else { status::HIT };
        ConnectorsBlock {
            provenance: Provenance::new(status, source),
            classes: names.iter().zip(&known).map(|(name, known)| known.fact(name)).collect(),
            has_business: any(known.iter().map(Known::is_business)),
            has_external: any(known.iter().map(Known::is_external)),
        }
    }

    fn known(&self, name: &str) -> Known {
        let name = self::name(name);
        let shipped = SHIPPED_CLASSES.get(name.as_str()).copied();
        Known { operator: self.operator.get(&name).copied(), shipped }
    }
}

/// What is known of one connector.
struct Known {
    operator: Option<Class>,
    shipped: Option<Class>,
}

impl Known {
    fn fact(&self, name: &str) -> ConnectorFact {
        let (class, decided_by) = match (self.operator, self.shipped) {
            (Some(class), _) => (class.name(), "operator"),
            (None, Some(class)) => (class.name(), "shipped"),
            (None, None) => ("unknown", "none"),
        };
        ConnectorFact { name: name.to_owned(), class: class.to_owned(), decided_by: decided_by.to_owned() }
    }

    fn is_business(&self) -> Option<bool> {
        Some(self.operator.or(self.shipped)? == Class::Business)
    }

    fn is_external(&self) -> Option<bool> {
        match self.operator {
            Some(Class::Business) => Some(false),
            Some(Class::External) => Some(true),
            Some(Class::NonBusiness | Class::Blocked) | None => Some(self.shipped? == Class::External),
        }
    }
}

/// True if one is; false only if every one is known and none is.
pub(crate) fn any(facts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all_known = true;
    for fact in facts {
        match fact {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    fn block(operator: &[(&str, Class)], names: &[&str]) -> ConnectorsBlock {
        let operator = operator.iter().map(|(name, class)| ((*name).to_owned(), *class)).collect();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Connectors::new(operator).classes(&names)
    }

    fn classes(block: &ConnectorsBlock) -> Vec<(&str, &str)> {
        block.classes.iter().map(|fact| (fact.class.as_str(), fact.decided_by.as_str())).collect()
    }

    #[test]
    fn the_shipped_list_is_sorted_and_every_line_is_a_connector() {
        let rows: Vec<Vec<String>> = table::rows(SHIPPED).map(|row| row.unwrap().fields).collect();
        let (head, connectors) = rows.split_first().unwrap();
        assert_eq!(head, &["connector", "class"]);
        assert!(connectors.len() >= 120, "{}", connectors.len());
        assert!(connectors.is_sorted_by(|a, b| a[0] < b[0]), "sorted, each once");
        for row in connectors {
            assert_eq!(row.len(), 2, "{row:?}");
            assert_eq!(row[0], name(&row[0]), "as events have it");
            assert!(["business", "external"].contains(&row[1].as_str()), "{row:?}");
        }
        assert_eq!(SHIPPED_CLASSES.len(), connectors.len());
    }

    #[test]
    fn the_shipped_list_tells_business_from_external() {
        let found = block(&[], &["sharepointonline", "dropbox"]);
        assert_eq!(classes(&found), [("business", "shipped"), ("external", "shipped")]);
        assert_eq!((found.has_business, found.has_external), (Some(true), Some(true)));
        assert_eq!((found.provenance.status.as_str(), found.provenance.source.as_str()), ("hit", "shipped"));
    }

    #[test]
    fn the_operators_class_goes_first() {
        let operator =
            [("dropbox", Class::Business), ("acme-5f", Class::Blocked), ("box", Class::NonBusiness)];
        let found = block(&operator, &["dropbox", "acme-5f", "box"]);
        assert_eq!(
            classes(&found),
            [("business", "operator"), ("blocked", "operator"), ("non_business", "operator")]
        );
        assert_eq!(found.has_business, Some(true));
        assert_eq!(found.has_external, Some(true), "box leads outside, whatever it may be used for");
        assert_eq!(block(&operator, &["dropbox"]).has_external, Some(false));
        assert_eq!(block(&operator, &["acme-5f"]).has_external, None, "nobody knows where it leads");
    }

    #[test]
    fn unknown_is_never_false() {
        let found = block(&[], &["acme-5f"]);
        assert_eq!(classes(&found), [("unknown", "none")]);
        assert_eq!((found.has_business, found.has_external), (None, None));
        assert_eq!(found.provenance.status, "miss");
        let mixed = block(&[], &["acme-5f", "teams"]);
        assert_eq!((mixed.has_business, mixed.has_external), (Some(true), None));
        assert_eq!(block(&[], &["teams"]).has_external, Some(false));
        assert_eq!(block(&[], &[]).provenance.status, "not_applicable");
    }

    #[test]
    fn a_connector_is_known_by_the_name_people_see_too() {
        let names = [
            "sharepoint",
            "office 365 outlook",
            "dropbox",
            "twitter",
            "http",
            "google sheets",
            "x",
            "servicenow",
        ];
        let found = block(&[], &names);
        let classes: Vec<&str> = found.classes.iter().map(|fact| fact.class.as_str()).collect();
        assert_eq!(
            classes,
            ["business", "business", "external", "external", "external", "external", "external", "business"]
        );
        let names: Vec<&str> = found.classes.iter().map(|fact| fact.name.as_str()).collect();
        assert_eq!(names[1], "office 365 outlook", "the fact has the event's own name");
        let operator = [(&*name("Office 365 Outlook"), Class::Blocked)];
        for seen in ["office365", "office 365 outlook", "shared_office365"] {
            assert_eq!(self::classes(&block(&operator, &[seen])), [("blocked", "operator")], "{seen}");
        }
    }

    #[test]
    fn every_other_name_leads_to_a_shipped_connector() {
        let rows: Vec<Vec<String>> = table::rows(SHIPPED_NAMES).map(|row| row.unwrap().fields).collect();
        let (head, names) = rows.split_first().unwrap();
        assert_eq!(head, &["name", "connector"]);
        assert!(names.is_sorted_by(|a, b| a[0].to_lowercase() < b[0].to_lowercase()), "sorted, each once");
        for row in names {
            assert_eq!(row.len(), 2, "{row:?}");
            assert!(SHIPPED_CLASSES.contains_key(row[1].as_str()), "{row:?}");
            assert_eq!(name(&row[0]), row[1], "{row:?}");
            assert!(!SHIPPED_CLASSES.contains_key(compact(&row[0]).as_str()), "{row:?} needs no entry");
        }
        assert_eq!(SHIPPED_ALIASES.len(), names.len());
    }

    #[test]
    fn names_are_brought_to_the_form_events_have() {
        for text in ["shared_sql", "SQL", "/providers/Microsoft.PowerApps/apis/shared_sql", " sql "] {
            assert_eq!(name(text), "sql");
        }
    }
}
