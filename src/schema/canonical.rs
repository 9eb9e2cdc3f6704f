//! One way to write each schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::schema::closing::{Closing, Extent, is_open, part_extent};
use crate::schema::parse::object::IN_PLACE;

/// The canonical form of `schema`, a JSON Schema in normal form: keywords in a fixed order, `type` where properties or
/// listed values imply it, `examples` instead of `example`. With `closing`, objects that name properties and say nothing
/// about others refuse those.
pub fn canonical(schema: &Value, closing: Option<&Closing<'_>>) -> Value {
    let extent = match closing {
        Some(_) => Extent::Whole,
        None => Extent::Nothing,
    };
    let mut writer = Writer {
        closing,
        copies: BTreeSet::new(),
    };
    let mut written = writer.form(schema, extent);
    let defs = schema.get("$defs").and_then(Value::as_object);
    let Some((defs, Value::Object(written_defs))) = defs.zip(written.get_mut("$defs")) else {
        return written;
    };
    let mut done = BTreeSet::new();
    while let Some((name, extent)) = writer.copies.pop_first() {
        if let (Some(closing), Some(def)) = (closing, defs.get(&name))
            && done.insert((name.clone(), extent))
        {
            written_defs.insert(closing.name(&name, extent), writer.form(def, extent));
        }
    }
    written
}

struct Writer<'c> {
    closing: Option<&'c Closing<'c>>,
    /// The definitions that are referred to in another form than their own.
    copies: BTreeSet<(String, Extent)>,
}

impl Writer<'_> {
    /// As [`canonical`], for a schema that is closed as far as `extent`.
    fn form(&mut self, schema: &Value, extent: Extent) -> Value {
        let Value::Object(source) = schema else {
            return schema.clone();
        };
        let mut keywords = source.clone();
        if let Some(example) = keywords.shift_remove("example") {
            let examples = keywords
                .entry("examples")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(examples) = examples
                && !examples.contains(&example)
            {
                examples.push(example);
            }
        }
        if !keywords.contains_key("type")
            && let Some(kind) = implied_type(&keywords)
        {
            keywords.insert("type".to_owned(), kind);
        }
        let in_place = IN_PLACE.into_iter().filter(|key| source.contains_key(*key));
        let in_place: Vec<&str> = in_place.collect();
        let named = source.contains_key("properties");
        // Alternatives that stand alone are closed one by one, others together.
        let union = !named && matches!(in_place[..], ["oneOf"] | ["anyOf"]);
        if extent == Extent::Whole && !union && self.is_open(source) {
            let keyword = match in_place[..] {
                [] => "additionalProperties",
                _ => "unevaluatedProperties",
            };
            keywords.insert(keyword.to_owned(), Value::Bool(false));
        }
        let mut closed_branches = None;
        for (keyword, value) in &mut keywords {
            let extent = match keyword.as_str() {
                "$ref" => {
                    self.refer(value, extent);
                    continue;
                }
                "oneOf" | "anyOf" if union => extent,
                "$defs" => extent,
                keyword => part_extent(keyword, extent),
            };
            if keyword == "oneOf"
                && let (Some(closing), Value::Array(branches)) = (self.closing, &*value)
                && closing.overlap(branches, extent)
            {
                let branches = branches.iter().map(|branch| self.form(branch, extent));
                let branches: Value = branches.collect();
                closed_branches = Some(branches);
                each_schema(keyword, value, |schema| {
                    *schema = self.form(schema, Extent::Nothing);
                });
                continue;
            }
            each_schema(keyword, value, |schema| *schema = self.form(schema, extent));
        }
        if let Some(branches) = closed_branches {
            let all_of = keywords
                .entry("allOf")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(parts) = all_of {
                parts.push(json!({ "anyOf": branches }));
            }
        }
        let mut ordered = Map::new();
        for keyword in ORDER {
            if let Some(value) = keywords.shift_remove(keyword) {
                ordered.insert(keyword.to_owned(), value);
            }
        }
        ordered.extend(keywords);
        Value::Object(ordered)
    }

    /// Whether the schema names properties, by itself or in schemas that it combines, and does not say whether there are
    /// others.
    fn is_open(&self, keywords: &Map<String, Value>) -> bool {
        if keywords.contains_key("properties") {
            return is_open(keywords);
        }
        let has = |keyword: &str| keywords.contains_key(keyword);
        let combining = ["allOf", "oneOf", "anyOf"];
        let parts = combining
            .iter()
            .filter_map(|key| keywords.get(*key)?.as_array());
        !has("additionalProperties")
            && !has("unevaluatedProperties")
            && self
                .closing
                .is_some_and(|closing| parts.flatten().any(|part| closing.is_closable(part)))
    }

    /// Lets a reference lead to the form of its definition that is closed as far as `extent`.
    fn refer(&mut self, target: &mut Value, extent: Extent) {
        let name = target
            .as_str()
            .and_then(|text| text.strip_prefix("#/$defs/"));
        if let (Some(closing), Some(name)) = (self.closing, name) {
            let copy = closing.name(name, extent);
            if copy != name {
                self.copies.insert((name.to_owned(), extent));
                *target = format!("#/$defs/{copy}").into();
            }
        }
    }
}

/// The keywords in the order they are written; others follow in the order of the source.
const ORDER: [&str; 51] = [
    "$ref",
    "title",
    "description",
    "type",
    "format",
    "enum",
    "const",
    "allOf",
    "oneOf",
    "anyOf",
    "discriminator",
    "properties",
    "patternProperties",
    "required",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "minProperties",
    "maxProperties",
    "prefixItems",
    "items",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "pattern",
    "contentEncoding",
    "contentMediaType",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "not",
    "if",
    "then",
    "else",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$defs",
];

/// The keywords whose value is one schema.
pub const ONE_SCHEMA: [&str; 10] = [
    "items",
    "additionalProperties",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Applies `change` to each schema in the value of `keyword`.
pub fn each_schema(keyword: &str, value: &mut Value, mut change: impl FnMut(&mut Value)) {
    match (keyword, value) {
        (
            "properties" | "patternProperties" | "dependentSchemas" | "$defs",
            Value::Object(schemas),
        ) => {
            schemas.values_mut().for_each(change);
        }
        ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
            schemas.iter_mut().for_each(change);
        }
        (keyword, schema) if ONE_SCHEMA.contains(&keyword) => change(schema),
        _ => {}
    }
}

fn implied_type(keywords: &Map<String, Value>) -> Option<Value> {
    if keywords.contains_key("properties") {
        return Some("object".into());
    }
    let values = match (keywords.get("const"), keywords.get("enum")) {
        (Some(value), _) => std::slice::from_ref(value),
        (None, Some(Value::Array(values))) => values,
        _ => return None,
    };
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut kinds: Vec<&str> = Vec::new();
    for value in values {
        if !kinds.contains(&kind(value)) {
            kinds.push(kind(value));
        }
    }
    // Null comes last, and a whole number is a number.
    if kinds.contains(&"number") {
        kinds.retain(|kind| *kind != "integer");
    }
    kinds.sort_by_key(|kind| *kind == "null");
    match kinds.as_slice() {
        [] => None,
        [single] => Some((*single).into()),
        several => Some(several.to_vec().into()),
    }
}
