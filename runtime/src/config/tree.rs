//! A YAML text as a tree whose every node knows its line and column.
//!
//! Reads the events of `granit-parser`. Refuses what a configuration does not need and an attacker might: anchors and
//! aliases (a few lines of them grow to gigabytes), tags, more than one document, keys that are no scalars.

use granit_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

/// Lists and maps may be nested so deep.
const DEPTH_MAX: usize = 32;

/// A place in the file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl At {
    /// The first character of the file.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    fn of(marker: &Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

/// Something wrong with the text itself.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) message: String,
}

impl Fault {
    fn new(at: At, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// The text after escapes; `plain` when it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A fault has already been noted for it.
    Refused,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) node: Node,
}

/// The tree, with the faults that do not hinder reading on. An empty text is an empty map.
pub(super) fn parse(text: &str) -> Result<(Node, Vec<Fault>), Fault> {
    let mut builder = Builder { events: Parser::new_from_str(text), faults: Vec::new() };
    let mut root = None;
    while let Some((event, at)) = builder.next()? {
        if !event.is_node() {
            continue;
        }
        if root.is_some() {
            return Err(Fault::new(at, "a second document; one is allowed"));
        }
        root = Some(builder.node(event, at, 0)?);
    }
    let empty = Node { at: At::START, value: Value::Map(Vec::new()) };
    let root = root.filter(|node| !is_null(&node.value)).unwrap_or(empty);
    Ok((root, builder.faults))
}

/// A plain scalar that means nothing: empty, `~` or `null`.
pub(super) fn is_null(value: &Value) -> bool {
    matches!(value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
}

struct Builder<'a> {
    events: Parser<'a, StrInput<'a>>,
    faults: Vec<Fault>,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, At)>, Fault> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, At::of(&span.start)))),
            Some(Err(error)) => Err(Fault::new(At::of(error.marker()), error.info())),
        }
    }

    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::new(at, format!("nested more than {DEPTH_MAX} levels deep")));
        }
        let (anchor, tag) = (event.anchor_id().is_some(), event.tag().is_some());
        let value = if let Event::Scalar(text, style, ..) = event {
            Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
        } else if matches!(event, Event::SequenceStart(..)) {
            self.list(depth)?
        } else if matches!(event, Event::MappingStart(..)) {
            self.map(depth)?
        } else {
            self.faults.push(Fault::new(at, "an alias; write the value out"));
            Value::Refused
        };
        if anchor {
            self.faults.push(Fault::new(at, "an anchor; write the value out where it is needed"));
        }
        if tag {
            self.faults.push(Fault::new(at, "a tag; values have the type their key asks for"));
        }
        Ok(Node { at, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        while let Some((event, at)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, at, depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first_lines = hashbrown::HashMap::new();
        while let Some((event, at)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, at, depth + 1)?;
            let Some((event, value_at)) = self.next()? else { break };
            let node = self.node(event, value_at, depth + 1)?;
            let Value::Scalar { text: key, .. } = key.value else {
                self.faults.push(Fault::new(at, "a key must be a plain word"));
                continue;
            };
            if let Some(line) = first_lines.get(&key) {
                self.faults.push(Fault::new(
                    at,
                    format!("key {} is given twice, first in line {line}", quoted(&key)),
                ));
                continue;
            }
            first_lines.insert(key.clone(), at.line);
            entries.push(Entry { key, at, node });
        }
        Ok(Value::Map(entries))
    }
}

/// A key as it may stand in a message: in quotes, control characters escaped, at most 60 characters.
pub(super) fn quoted(key: &str) -> String {
    let short: String = key.chars().take(60).collect();
    let more = if short.len() < key.len() { "…" } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}
