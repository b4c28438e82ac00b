//! The flat list behind a record: each node knows its key, its value and where its descendants end.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Scalar, mend};

/// One value of the document, in document order.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Its key, where its parent is an object.
    pub(super) key: Option<Cow<'a, str>>,
    /// What it is.
    pub(super) kind: Kind<'a>,
    /// The index after its last descendant.
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Object,
    List,
    Scalar(Scalar<'a>),
}

/// Lays `bytes` out as nodes; the root is the first. What is refused is read once more if it can be mended.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Node<'_>>, serde_json::Error> {
    lay_out(serde_json::Deserializer::from_slice(bytes)).or_else(|refused| match mend::mended(bytes) {
        // Read as a stream, which lends nothing: the mended text does not outlive this.
        Some(mended) => lay_out(serde_json::Deserializer::from_reader(mended.as_slice())),
        None => Err(refused),
    })
}

fn lay_out<'a, R: serde_json::de::Read<'a>>(
    mut json: serde_json::Deserializer<R>,
) -> Result<Vec<Node<'a>>, serde_json::Error> {
    let mut nodes = Vec::with_capacity(64);
    Seed { nodes: &mut nodes, key: None }.deserialize(&mut json)?;
    json.end()?;
    Ok(nodes)
}

/// The direct children of the node at `parent`, with their indices.
pub(super) fn children<'n, 'a>(
    nodes: &'n [Node<'a>],
    parent: usize,
) -> impl Iterator<Item = (usize, &'n Node<'a>)> {
    let end = nodes.get(parent).map_or(0, |node| node.end);
    let mut next = parent + 1;
    std::iter::from_fn(move || {
        let index = next;
        if index >= end {
            return None;
        }
        let node = nodes.get(index)?;
        next = node.end;
        Some((index, node))
    })
}

/// Writes the node at `at` in a form that is the same for every order of keys: tag, length, content; keys sorted.
pub(super) fn canonical(nodes: &[Node<'_>], at: usize, out: &mut Vec<u8>) {
    let Some(node) = nodes.get(at) else { return };
    match &node.kind {
        Kind::Scalar(scalar) => canonical_scalar(scalar, out),
        Kind::List => {
            let items: Vec<usize> = children(nodes, at).map(|(index, _)| index).collect();
            tagged(b'[', &(items.len() as u64).to_be_bytes(), out);
            for index in items {
                canonical(nodes, index, out);
            }
        }
        Kind::Object => {
            let mut items: Vec<(&str, usize)> = children(nodes, at)
                .map(|(index, child)| (child.key.as_deref().unwrap_or_default(), index))
                .collect();
            items.sort_by_key(|(key, _)| *key);
            tagged(b'{', &(items.len() as u64).to_be_bytes(), out);
            for (key, index) in items {
                tagged(b'k', key.as_bytes(), out);
                canonical(nodes, index, out);
            }
        }
    }
}

fn canonical_scalar(scalar: &Scalar<'_>, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Null => tagged(b'n', &[], out),
        Scalar::Bool(value) => tagged(b'b', &[u8::from(*value)], out),
        Scalar::Int(value) => tagged(b'i', &value.to_be_bytes(), out),
        Scalar::UInt(value) => tagged(b'u', &value.to_be_bytes(), out),
        Scalar::Float(value) => tagged(b'f', &value.to_bits().to_be_bytes(), out),
        Scalar::Text(value) => tagged(b's', value.as_bytes(), out),
    }
}

fn tagged(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(content.len() as u64).to_be_bytes());
    out.extend_from_slice(content);
}

struct Seed<'n, 'a> {
    nodes: &'n mut Vec<Node<'a>>,
    key: Option<Cow<'a, str>>,
}

impl<'a> Seed<'_, 'a> {
    fn scalar<E>(self, scalar: Scalar<'a>) -> Result<(), E> {
        let end = self.nodes.len() + 1;
        self.nodes.push(Node { key: self.key, kind: Kind::Scalar(scalar), end });
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.scalar(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(Scalar::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(i64::try_from(value).map_or(Scalar::UInt(value), Scalar::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.scalar(Scalar::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.scalar(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.scalar(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { nodes, key } = self;
        let at = nodes.len();
        nodes.push(Node { key, kind: Kind::List, end: 0 });
        while list.next_element_seed(Seed { nodes, key: None })?.is_some() {}
        close(nodes, at);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { nodes, key } = self;
        let at = nodes.len();
        nodes.push(Node { key, kind: Kind::Object, end: 0 });
        while let Some(key) = map.next_key_seed(Key)? {
            map.next_value_seed(Seed { nodes, key: Some(key) })?;
        }
        close(nodes, at);
        Ok(())
    }
}

fn close(nodes: &mut [Node<'_>], at: usize) {
    let end = nodes.len();
    if let Some(node) = nodes.get_mut(at) {
        node.end = end;
    }
}

/// A key that borrows where it holds no escape.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
