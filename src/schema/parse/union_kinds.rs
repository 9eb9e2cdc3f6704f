//! What can be seen of the alternatives of a union before their types are read: which kinds of values they allow, and what
//! tells their objects apart.

use std::collections::BTreeSet;

use crate::schema::parse::cursor::Reader;
use crate::schema::parse::definitions::kind_of;
use crate::schema::parse::keywords::is_annotation;
use crate::schema::parse::normalize::names;
use crate::yaml::node::{Node, Value};

/// Null.
pub const NULL: u8 = 1;
/// True and false.
pub const BOOLEAN: u8 = 2;
/// Whole numbers.
pub const INTEGER: u8 = 4;
/// All numbers.
pub const NUMBER: u8 = 4 | 8;
/// Texts.
pub const STRING: u8 = 16;
/// Lists.
pub const ARRAY: u8 = 32;
/// Objects.
pub const OBJECT: u8 = 64;

const ALL: u8 = 127;

/// The kinds of values that the schema in `node` may allow, as a set of the constants above.
pub fn kinds(node: &Node, reader: &Reader<'_>) -> u8 {
    let mut parts = MAX_PARTS;
    kinds_within(node, reader, &mut parts)
}

/// The most schemas that are looked at: definitions may refer to each other more often than can be followed.
const MAX_PARTS: usize = 200;

/// `parts` is how many schemas may still be looked at; beyond that, any kind is taken for possible.
fn kinds_within(node: &Node, reader: &Reader<'_>, parts: &mut usize) -> u8 {
    let node = reader.target(node);
    let Some(rest) = parts.checked_sub(1) else {
        return ALL;
    };
    *parts = rest;
    let mut kinds = ALL;
    if let Some(kind) = node.get("type") {
        kinds &= names(kind).iter().fold(0, |all, name| all | kind_bit(name));
    } else if node.get("properties").is_some() {
        // As everywhere, such a schema is read as an object.
        kinds &= OBJECT;
    }
    let of = |values: &[Node]| {
        let bit = |value: &Node| match kind_of(value) {
            "number" => 8,
            kind => kind_bit(kind),
        };
        values.iter().fold(0, |all, value| all | bit(value))
    };
    if let Some(value) = node.get("const") {
        kinds &= of(std::slice::from_ref(value));
    }
    if let Some(values) = node.get("enum").and_then(Node::items) {
        kinds &= of(values);
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(branches) = node.get(keyword).and_then(Node::items) {
            let mut within = |branch| kinds_within(branch, reader, parts);
            kinds &= branches.iter().fold(0, |all, branch| all | within(branch));
        }
    }
    for part in node.get("allOf").and_then(Node::items).unwrap_or_default() {
        kinds &= kinds_within(part, reader, parts);
    }
    kinds
}

/// Whether the type of the schema in `node` may be any JSON value, although the schema allows some kinds of values alone.
pub fn may_be_any(node: &Node, reader: &Reader<'_>) -> bool {
    let node = reader.target(node);
    let keywords = ["oneOf", "anyOf", "allOf", "enum", "const"];
    keywords.iter().any(|keyword| node.get(keyword).is_some()) && listed(node, reader).is_none()
}

fn kind_bit(name: &str) -> u8 {
    match name {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "integer" => INTEGER,
        "number" => NUMBER,
        "string" => STRING,
        "array" => ARRAY,
        "object" => OBJECT,
        _ => ALL,
    }
}

/// What the schema of an object says.
pub struct Facts<'n> {
    properties: Vec<(&'n str, &'n Node)>,
    /// The names of the properties that are always there.
    pub required: Vec<&'n str>,
    closed: bool,
    /// Whether a struct says all that the schema says.
    pub plain: bool,
}

/// What the schema in `node` says of its objects; none where it is about other values too.
pub fn facts<'n>(node: &'n Node, reader: &Reader<'_>) -> Option<Facts<'n>> {
    if kinds(node, reader) != OBJECT {
        return None;
    }
    let own = node
        .get("properties")
        .and_then(Node::entries)
        .unwrap_or_default();
    let required = node
        .get("required")
        .and_then(Node::items)
        .unwrap_or_default();
    let told = ["type", "properties", "required", "additionalProperties"];
    let entries = node.entries().unwrap_or_default();
    let plain = !own.is_empty()
        && own
            .iter()
            .all(|entry| entry.value.value != Value::Bool(false))
        && entries
            .iter()
            .all(|entry| told.contains(&entry.key.as_str()) || is_annotation(&entry.key));
    let closed = match node.get("additionalProperties").map(|node| &node.value) {
        Some(Value::Bool(open)) => !open,
        Some(_) => false,
        None => reader.closing.is_some() && !own.is_empty(),
    };
    Some(Facts {
        properties: own
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.value))
            .collect(),
        required: required.iter().filter_map(Node::as_str).collect(),
        closed: closed && plain,
        plain,
    })
}

/// Whether a Rust type of one of `schemas` never takes a value of another.
pub fn are_apart(schemas: &[&Node], reader: &Reader<'_>) -> bool {
    let mut objects = Vec::new();
    let mut seen = 0;
    for node in schemas {
        let kinds = kinds(node, reader);
        if kinds == OBJECT {
            objects.extend(facts(reader.target(node), reader));
        } else if seen & kinds != 0 {
            return false;
        } else {
            seen |= kinds;
        }
    }
    let [first, others @ ..] = objects.as_slice() else {
        return true;
    };
    if seen & OBJECT != 0 {
        return false;
    }
    // One property tells all of them apart: the usual case, in linear time.
    let is_tag = |name: &str| {
        let mut seen = BTreeSet::new();
        objects.iter().all(|object| {
            let property = object.properties.iter().find(|(other, _)| *other == name);
            let property = property.filter(|_| object.plain && object.required.contains(&name));
            let values = property.and_then(|(_, property)| listed(property, reader));
            values.is_some_and(|values| values.into_iter().all(|value| seen.insert(value)))
        })
    };
    if others.is_empty() || first.properties.iter().any(|(name, _)| is_tag(name)) {
        return true;
    }
    let pairs = |(index, one): (usize, &Facts<'_>)| {
        let rest = &objects[index + 1..];
        rest.iter().all(|other| one.is_apart(other, reader))
    };
    objects.len() <= MAX_COMPARED && objects.iter().enumerate().all(pairs)
}

/// The most objects of which each is compared with each.
const MAX_COMPARED: usize = 300;

impl Facts<'_> {
    /// Whether a struct of the one schema never takes an object of the other.
    fn is_apart(&self, other: &Facts<'_>, reader: &Reader<'_>) -> bool {
        if !self.plain || !other.plain {
            return false;
        }
        let refused = |one: &Facts<'_>, by: &Facts<'_>| {
            let missing = |name: &&str| !by.properties.iter().any(|(other, _)| other == name);
            by.closed && one.required.iter().any(missing)
        };
        if refused(self, other) || refused(other, self) {
            return true;
        }
        self.properties.iter().any(|(name, property)| {
            let values = listed(property, reader);
            let others = other.properties.iter().find(|(other, _)| other == name);
            let others = others.and_then(|(_, property)| listed(property, reader));
            let required = self.required.contains(name) && other.required.contains(name);
            matches!((values, others), (Some(one), Some(other)) if required && one.is_disjoint(&other))
        })
    }
}

/// The values that the schema of a property lists, written as JSON.
fn listed(node: &Node, reader: &Reader<'_>) -> Option<BTreeSet<String>> {
    let node = reader.target(node);
    let values = match (node.get("const"), node.get("enum")) {
        (Some(value), _) => std::slice::from_ref(value),
        (None, Some(list)) => list.items()?,
        _ => return None,
    };
    let scalar = |value: &Node| !matches!(value.value, Value::List(_) | Value::Map(_));
    let whole = |value: &Node| match &value.value {
        Value::Number(number) => number.as_f64().map(|number| number.to_string()),
        _ => Some(value.to_json().to_string()),
    };
    values
        .iter()
        .all(scalar)
        .then(|| values.iter().filter_map(whole).collect())
}

/// The text that `tag` always is in the object schema `node`, where it is a property with a constant.
pub fn constant<'n>(node: &'n Node, tag: &str, reader: &'n Reader<'_>) -> Option<&'n str> {
    let property = reader.target(node.get("properties")?.get(tag)?);
    let value = match (
        property.get("const"),
        property.get("enum").and_then(Node::items),
    ) {
        (Some(value), None) => value,
        (None, Some([value])) => value,
        _ => return None,
    };
    value.as_str()
}

/// The name of the definition that `node` leads to, if it is a reference.
pub fn name_of(node: &Node, reader: &Reader<'_>) -> Option<String> {
    let mut name = reader.reference(node)?;
    for _ in 0..=32 {
        match reader.def(name).and_then(|target| reader.reference(target)) {
            Some(next) => name = next,
            None => break,
        }
    }
    Some(name.to_owned())
}
