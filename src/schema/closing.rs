//! Closes the objects of an input: members that a schema does not name are refused.
//!
//! Invariant: what the closed schema accepts, the schema accepts as its author wrote it. Where one schema accepts less, another
//! one may accept more: `not`, `if`, `contains` with a maximum, and `oneOf`. There, schemas are left as they were written, and a
//! definition that is referred to from there gets a copy that is not closed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::parse::object::IN_PLACE;

/// How far a schema is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Not at all.
    Nothing,
    /// What is inside of it; other schemas may name further members of the object itself.
    Parts,
    /// The object itself too.
    Whole,
}

/// How the objects of one schema are closed.
#[derive(Debug)]
pub struct Closing<'s> {
    defs: BTreeMap<&'s str, Definition<'s>>,
    /// How many schemas may still be compared.
    steps: Cell<usize>,
}

#[derive(Debug)]
struct Definition<'s> {
    schema: &'s Value,
    closable: Closable,
}

/// What closing would change of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Closable {
    /// The object itself.
    own: bool,
    /// What is in it.
    parts: bool,
}

/// The definitions that a schema refers to.
#[derive(Default)]
struct References {
    /// About the same value.
    own: Vec<String>,
    /// About a part of it.
    parts: Vec<String>,
}

/// The most schemas that are compared to show that no value fits two of them; beyond that, one may.
const MAX_STEPS: usize = 1_000_000;
/// The most of them for one `oneOf`.
const MAX_STEPS_OF_ONE: usize = 20_000;
/// How deep they are compared.
const MAX_DEPTH: usize = 12;

impl<'s> Closing<'s> {
    /// For `schema`, which is in normal form.
    pub fn of(schema: &'s Value) -> Self {
        let defs = schema.get("$defs").and_then(Value::as_object);
        let mut users: BTreeMap<String, Vec<(&str, bool)>> = BTreeMap::new();
        let mut closing = Self {
            defs: BTreeMap::new(),
            steps: Cell::new(MAX_STEPS),
        };
        let mut changed = Vec::new();
        for (name, schema) in defs.into_iter().flatten() {
            let mut closable = Closable::default();
            let mut references = References::default();
            scan(schema, true, &mut closable, &mut references);
            for (targets, own) in [(references.own, true), (references.parts, false)] {
                for target in targets {
                    users.entry(target).or_default().push((name, own));
                }
            }
            if closable != Closable::default() {
                changed.push(name.as_str());
            }
            let definition = Definition { schema, closable };
            closing.defs.insert(name, definition);
        }
        while let Some(name) = changed.pop() {
            let of = closing.definition(name);
            for (user, own) in users.get(name).into_iter().flatten() {
                let Some(definition) = closing.defs.get_mut(user) else {
                    continue;
                };
                let mut wider = definition.closable;
                wider.add(of, *own);
                if wider != definition.closable {
                    definition.closable = wider;
                    changed.push(user);
                }
            }
        }
        closing
    }

    /// The name of the definition `name` where it is closed as far as `extent` says: its own where that changes nothing.
    pub fn name(&self, name: &str, extent: Extent) -> String {
        let closable = self.definition(name);
        let suffix = match extent {
            Extent::Parts if closable.own => ".part",
            Extent::Nothing if closable.own || closable.parts => ".open",
            _ => return name.to_owned(),
        };
        let mut copy = format!("{name}{suffix}");
        while self.defs.contains_key(copy.as_str()) {
            copy.push('_');
        }
        copy
    }

    /// Whether closing changes the object that `schema` describes.
    pub fn is_closable(&self, schema: &Value) -> bool {
        self.closable(schema).own
    }

    /// Whether some value may fit two of `alternatives` as they are written, and closing them as far as `extent` would hide it.
    pub fn overlap(&self, alternatives: &[Value], extent: Extent) -> bool {
        let is_changed = |schema: &Value| {
            let closable = self.closable(schema);
            closable.parts || (closable.own && extent == Extent::Whole)
        };
        if extent == Extent::Nothing || !alternatives.iter().any(is_changed) {
            return false;
        }
        !self.has_tag(alternatives) && !self.are_disjoint(alternatives)
    }

    fn definition(&self, name: &str) -> Closable {
        let definition = self.defs.get(name);
        definition.map_or_else(Closable::default, |definition| definition.closable)
    }

    fn closable(&self, schema: &Value) -> Closable {
        let mut closable = Closable::default();
        let mut references = References::default();
        scan(schema, true, &mut closable, &mut references);
        for name in &references.own {
            closable.add(self.definition(name), true);
        }
        for name in &references.parts {
            closable.add(self.definition(name), false);
        }
        closable
    }

    /// Whether a property that all require has other values in each: the usual case, in linear time.
    fn has_tag(&self, alternatives: &[Value]) -> bool {
        let all: Vec<&Value> = alternatives.iter().map(|one| self.target(one)).collect();
        let names = all.first().and_then(|one| one["properties"].as_object());
        names.into_iter().flatten().any(|(name, _)| {
            let mut seen = BTreeSet::new();
            all.iter().all(|one| {
                let values = one["properties"].get(name).map(|one| self.listed(one));
                let values = values.flatten().filter(|_| requires(one, name));
                values.is_some_and(|values| values.iter().all(|value| seen.insert(value.clone())))
            })
        })
    }

    fn are_disjoint(&self, alternatives: &[Value]) -> bool {
        let mut steps = MAX_STEPS_OF_ONE.min(self.steps.get());
        let given = steps;
        let mut rest = alternatives;
        let mut disjoint = true;
        while let [one, others @ ..] = rest {
            disjoint &= others
                .iter()
                .all(|other| self.disjoint(one, other, MAX_DEPTH, &mut steps));
            if !disjoint {
                break;
            }
            rest = others;
        }
        self.steps.set(self.steps.get() - (given - steps));
        disjoint
    }

    /// Whether it is certain that no value fits both schemas as they are written.
    fn disjoint(&self, one: &Value, other: &Value, depth: usize, steps: &mut usize) -> bool {
        let (Some(depth), Some(left)) = (depth.checked_sub(1), steps.checked_sub(1)) else {
            return false;
        };
        *steps = left;
        let (one, other) = (self.target(one), self.target(other));
        if *one == Value::Bool(false) || *other == Value::Bool(false) {
            return true;
        }
        if kinds(one) & kinds(other) == 0 {
            return true;
        }
        if let (Some(one), Some(other)) = (self.listed(one), self.listed(other))
            && one.is_disjoint(&other)
        {
            return true;
        }
        for (one, other) in [(one, other), (other, one)] {
            let of = |keyword: &str| one.get(keyword).and_then(Value::as_array);
            let mut apart = |part: &Value| self.disjoint(part, other, depth, steps);
            if of("allOf").is_some_and(|parts| parts.iter().any(&mut apart))
                || of("anyOf").is_some_and(|parts| parts.iter().all(&mut apart))
                || of("oneOf").is_some_and(|parts| parts.iter().all(&mut apart))
            {
                return true;
            }
        }
        if kinds(one) & kinds(other) != OBJECT {
            return false;
        }
        refuses(one, other) || refuses(other, one) || {
            let properties = one["properties"].as_object();
            properties.into_iter().flatten().any(|(name, property)| {
                let meets = other["properties"].get(name);
                let required = requires(one, name) && requires(other, name);
                meets.is_some_and(|meets| required && self.disjoint(property, meets, depth, steps))
            })
        }
    }

    /// The schema, or the one that its references lead to.
    fn target<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        for _ in 0..=self.defs.len() {
            let definition = reference(schema).and_then(|name| self.defs.get(name));
            match definition {
                Some(definition) => schema = definition.schema,
                None => break,
            }
        }
        schema
    }

    /// The values that `schema` lists, as JSON; none where it does not list them, or equal ones may be written in two ways.
    fn listed(&self, schema: &Value) -> Option<BTreeSet<String>> {
        let schema = self.target(schema);
        let values = match (schema.get("const"), schema.get("enum")) {
            (Some(value), _) => std::slice::from_ref(value),
            (None, list) => list?.as_array()?,
        };
        let text = |value: &Value| match value {
            Value::Array(_) | Value::Object(_) => None,
            Value::Number(number) => number.as_f64().map(|number| number.to_string()),
            value => Some(value.to_string()),
        };
        values.iter().map(text).collect()
    }
}

impl Closable {
    /// Adds those of a schema about the same value (`own`) or about a part of it.
    fn add(&mut self, of: Self, own: bool) {
        if own {
            self.own |= of.own;
            self.parts |= of.parts;
        } else {
            self.parts |= of.own || of.parts;
        }
    }
}

/// What closing would change of `schema` but for its definitions; `own` is whether it is about the value itself.
fn scan(schema: &Value, own: bool, closable: &mut Closable, references: &mut References) {
    let Value::Object(keywords) = schema else {
        return;
    };
    if is_open(keywords) {
        let here = Closable {
            own: true,
            parts: false,
        };
        closable.add(here, own);
    }
    if let Some(name) = reference(schema) {
        let list = match own {
            true => &mut references.own,
            false => &mut references.parts,
        };
        list.push(name.to_owned());
    }
    for (keyword, value) in keywords {
        let own = match part_extent(keyword, Extent::Parts) {
            Extent::Nothing => continue,
            Extent::Parts => own,
            Extent::Whole => false,
        };
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    scan(schema, own, closable, references);
                }
            }
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                for schema in schemas {
                    scan(schema, own, closable, references);
                }
            }
            (
                "items"
                | "additionalProperties"
                | "then"
                | "else"
                | "unevaluatedProperties"
                | "unevaluatedItems",
                schema,
            ) => scan(schema, own, closable, references),
            _ => {}
        }
    }
}

/// Whether the schema names properties and does not say whether there are others.
pub fn is_open(keywords: &Map<String, Value>) -> bool {
    let has = |keyword: &str| keywords.contains_key(keyword);
    has("properties") && !has("additionalProperties") && !has("unevaluatedProperties")
}

/// How far the schemas under `keyword` are closed in a schema that is closed as far as `extent`, where that is not by
/// itself the choice between them.
pub fn part_extent(keyword: &str, extent: Extent) -> Extent {
    match keyword {
        _ if extent == Extent::Nothing => Extent::Nothing,
        "not" | "if" | "contains" | "propertyNames" => Extent::Nothing,
        keyword if IN_PLACE.contains(&keyword) => Extent::Parts,
        _ => Extent::Whole,
    }
}

/// The name of the definition that `schema` refers to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn requires(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|other| other == name))
}

/// Whether the author of `schema` refuses a member that `other` requires.
fn refuses(schema: &Value, other: &Value) -> bool {
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
        && schema.get("patternProperties").is_none();
    let required = other.get("required").and_then(Value::as_array);
    let unknown = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        schema["properties"].get(name).is_none()
    };
    closed && required.is_some_and(|names| names.iter().any(unknown))
}

const OBJECT: u8 = 1;
const ALL: u8 = 127;

/// The kinds of values that `schema` allows.
fn kinds(schema: &Value) -> u8 {
    let bit = |name: &str| match name {
        "object" => OBJECT,
        "array" => 2,
        "string" => 4,
        // A whole number is a number.
        "integer" => 8,
        "number" => 8 | 16,
        "boolean" => 32,
        "null" => 64,
        _ => ALL,
    };
    let of_value = |value: &Value| match value {
        Value::Object(_) => OBJECT,
        Value::Array(_) => 2,
        Value::String(_) => 4,
        Value::Number(_) => 8 | 16,
        Value::Bool(_) => 32,
        Value::Null => 64,
    };
    let mut kinds = match schema.get("type") {
        Some(Value::String(name)) => bit(name),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .fold(0, |all, name| all | bit(name)),
        // As everywhere, such a schema is read as an object.
        _ if schema.get("properties").is_some() => OBJECT,
        _ => ALL,
    };
    if let Some(value) = schema.get("const") {
        kinds &= of_value(value);
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        kinds &= values.iter().fold(0, |all, value| all | of_value(value));
    }
    kinds
}
