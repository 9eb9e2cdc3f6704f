//! Makes up a value for a schema: realistic, deterministic, and valid.

mod sample_number;
mod sample_text;
mod sample_words;

#[cfg(test)]
mod sample_tests;

use agentgen_schema::{Schema, push_key};
use serde_json::{Map, Value, json};

use crate::schema::sample::sample_number::{integer, number};
use crate::schema::sample::sample_text::{count, matching_text, text};
use crate::schema::sample::sample_words::text_for;

/// A value that is valid under `schema`, which is canonical; the same one each time. What the author
/// gave as an example or default is preferred. None where no value can be made, such as for a
/// pattern without an example.
pub fn example(schema: &Value) -> Option<Value> {
    example_named(schema, "")
}

/// As [`example`], for the property called `name`.
pub fn example_named(schema: &Value, name: &str) -> Option<Value> {
    let root = Schema::compile(schema).ok()?;
    let mut maker = Maker {
        root: root.clone(),
        open: Vec::new(),
        steps: 0,
        characters: 0,
    };
    let value = maker.make(&root, name, 0, 0)?;
    root.is_valid(&value).then_some(value)
}

/// The most schemas that are looked at before giving up.
const MAX_STEPS: usize = 20_000;
/// The most characters of text in one value: a longer example would be no help to anyone.
const MAX_CHARACTERS: usize = 100_000;
/// How deep a value may be nested: readers of YAML and JSON stop at about twice of that.
const MAX_DEPTH: usize = 60;
/// The most items of a list without duplicates.
const MAX_UNIQUE: usize = 1_000;
/// How deep an object may lie and still show its optional properties.
const SHOWN_DEPTH: usize = 3;

struct Maker {
    root: Schema,
    /// The definitions whose values are being made.
    open: Vec<String>,
    steps: usize,
    characters: usize,
}

impl Maker {
    /// A value for `schema`, that of a property called `name`; with another `vary`, another value
    /// where there is one.
    fn make(&mut self, schema: &Schema, name: &str, depth: usize, vary: usize) -> Option<Value> {
        self.steps += 1;
        let too_deep = depth > MAX_DEPTH || self.open.len() > MAX_DEPTH;
        if too_deep || self.steps > MAX_STEPS || self.characters > MAX_CHARACTERS {
            return None;
        }
        if let Some(value) = given(schema, vary) {
            return Some(value);
        }
        let nothing = Map::new();
        let keywords = schema.source().as_object().unwrap_or(&nothing);
        let value = self.make_kind(schema, keywords, name, depth, vary);
        if let Some(value) = value.filter(|value| schema.is_valid(value)) {
            self.characters += value.as_str().map_or(0, str::len);
            return Some(value);
        }
        let all_of = keywords.get("allOf").and_then(Value::as_array);
        let parts = all_of.map_or(0, Vec::len);
        let parts = (0..parts).filter_map(|index| schema.at(&format!("/allOf/{index}")));
        for part in parts {
            let value = self.make(&part, name, depth, vary);
            if let Some(value) = value.filter(|value| schema.is_valid(value)) {
                return Some(value);
            }
        }
        // Of what no keyword says plainly, one of some everyday values may be valid.
        let everyday = [
            json!("text"),
            json!(1),
            json!(true),
            json!(0.5),
            json!([]),
            json!({}),
            Value::Null,
        ];
        let is_plain = keywords.contains_key("type") && all_of.is_none();
        let fits = |value: &Value| vary == 0 && !is_plain && schema.is_valid(value);
        everyday.into_iter().find(fits)
    }

    fn make_kind(
        &mut self,
        schema: &Schema,
        keywords: &Map<String, Value>,
        name: &str,
        depth: usize,
        vary: usize,
    ) -> Option<Value> {
        if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
            return self.make_definition(reference, name, depth, vary);
        }
        let union = ["oneOf", "anyOf"].into_iter().find(|keyword| {
            keywords.contains_key(*keyword) && !keywords.contains_key("properties")
        });
        if let Some(keyword) = union {
            let mut null = None;
            let branches = (0..).map_while(|index| schema.at(&format!("/{keyword}/{index}")));
            for branch in branches {
                match self.make(&branch, name, depth, vary) {
                    Some(Value::Null) => null = Some(Value::Null),
                    Some(value) => return Some(value),
                    None => {}
                }
            }
            return null;
        }
        if let Some(constant) = keywords.get("const") {
            return (vary == 0).then(|| constant.clone());
        }
        if let Some(Value::Array(values)) = keywords.get("enum") {
            return values.get(vary).cloned();
        }
        let kinds = match keywords.get("type") {
            Some(Value::Array(kinds)) => kinds.as_slice(),
            Some(kind) => std::slice::from_ref(kind),
            None => &[],
        };
        let named = kinds.iter().filter_map(Value::as_str);
        for kind in named.clone().filter(|kind| *kind != "null") {
            let value = self.make_of_kind(kind, schema, keywords, name, depth, vary);
            if let Some(value) = value.filter(|value| schema.is_valid(value)) {
                return Some(value);
            }
        }
        if kinds.is_empty() {
            return Some(Value::from(text_for(name, vary)));
        }
        (vary == 0 && named.clone().any(|kind| kind == "null")).then_some(Value::Null)
    }

    /// A value of the type `kind`.
    fn make_of_kind(
        &mut self,
        kind: &str,
        schema: &Schema,
        keywords: &Map<String, Value>,
        name: &str,
        depth: usize,
        vary: usize,
    ) -> Option<Value> {
        match kind {
            "boolean" if vary < 2 => Some(Value::Bool(vary == 0)),
            "integer" => integer(schema, keywords, name, vary),
            "number" => number(schema, keywords, name, vary),
            "string" => text(schema, keywords, name, vary),
            "array" => self.make_list(schema, keywords, name, depth),
            "object" => self.make_object(schema, keywords, depth, vary),
            _ => None,
        }
    }

    fn make_definition(
        &mut self,
        reference: &str,
        name: &str,
        depth: usize,
        vary: usize,
    ) -> Option<Value> {
        // The smallest value of a definition never contains another value of the same one.
        if self.open.iter().any(|open| open == reference) {
            return None;
        }
        let schema = self.root.at(reference.strip_prefix('#')?)?;
        self.open.push(reference.to_owned());
        let value = self.make(&schema, name, depth, vary);
        self.open.pop();
        value
    }

    fn make_list(
        &mut self,
        schema: &Schema,
        keywords: &Map<String, Value>,
        name: &str,
        depth: usize,
    ) -> Option<Value> {
        let min = count(keywords, "minItems").unwrap_or(0);
        let max = count(keywords, "maxItems").unwrap_or(usize::MAX);
        let wanted = min.max(1).min(max);
        let unique = keywords.get("uniqueItems") == Some(&Value::Bool(true));
        let item_schema = schema.at("/items");
        if unique && wanted > MAX_UNIQUE {
            return None;
        }
        let mut items: Vec<Value> = Vec::new();
        let prefix = (0..).map_while(|index| schema.at(&format!("/prefixItems/{index}")));
        for part in prefix.take(max) {
            items.push(self.make(&part, name, depth + 1, 0)?);
        }
        let mut vary = 0;
        while items.len() < wanted {
            let item = match &item_schema {
                Some(schema) => self.make(schema, name, depth + 1, vary),
                None => Some(Value::from(text_for(name, vary))),
            };
            let Some(item) = item else { break };
            if unique {
                vary += 1;
            }
            if !unique || !items.contains(&item) {
                items.push(item);
            } else if vary > 2 * wanted + 10 {
                break;
            }
        }
        (items.len() >= min).then_some(Value::Array(items))
    }

    fn make_object(
        &mut self,
        schema: &Schema,
        keywords: &Map<String, Value>,
        depth: usize,
        vary: usize,
    ) -> Option<Value> {
        let mut object = Map::new();
        for name in &schema.property_names() {
            let property = schema.property(name)?;
            let must = schema.requires(name);
            if !must && depth >= SHOWN_DEPTH {
                continue;
            }
            // A property that has only one value keeps it; others make the object another one.
            let value = self
                .make(&property, name, depth + 1, vary)
                .or_else(|| self.make(&property, name, depth + 1, 0));
            match value {
                Some(value) => {
                    object.insert(name.clone(), value);
                }
                None if must => return None,
                None => {}
            }
        }
        let min = count(keywords, "minProperties").unwrap_or(0);
        if min > MAX_STEPS {
            return None;
        }
        let max = count(keywords, "maxProperties").unwrap_or(usize::MAX);
        let shown = usize::from(!keywords.contains_key("properties") && depth < SHOWN_DEPTH);
        let wanted = min.max(shown).min(max);
        let values = schema.at("/additionalProperties");
        if let Some(values) = values.filter(|values| values.source().is_object()) {
            while object.len() < wanted {
                let name = match object.len() {
                    0 if vary == 0 => "name".to_owned(),
                    index => format!("name{}", index + 1 + vary),
                };
                match self.make(&values, &name, depth + 1, 0) {
                    Some(value) => object.insert(name, value),
                    None => break,
                };
            }
        }
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        for pattern in patterns.into_iter().flat_map(Map::keys) {
            let mut pointer = "/patternProperties".to_owned();
            push_key(&mut pointer, pattern);
            let values = schema.at(&pointer).filter(|_| object.len() < wanted);
            if let (Some(values), Some(name)) = (values, matching_text(pattern))
                && let Some(value) = self.make(&values, &name, depth + 1, 0)
            {
                object.insert(name, value);
            }
        }
        while object.len() < min {
            object.insert(format!("name{}", object.len() + 1), Value::from("text"));
        }
        Some(Value::Object(object))
    }
}

/// What the author gave as an example or default.
fn given(schema: &Schema, vary: usize) -> Option<Value> {
    let source = schema.source();
    let examples = source.get("examples").and_then(Value::as_array);
    let given = examples.into_iter().flatten().chain(source.get("default"));
    given
        .filter(|value| schema.is_valid(value))
        .nth(vary)
        .cloned()
}
