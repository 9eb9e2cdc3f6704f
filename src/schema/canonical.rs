//! One way to write each schema.

use serde_json::{Map, Value};

use crate::schema::parse::object::IN_PLACE;

/// The canonical form of `schema`, a JSON Schema in normal form: keywords in a fixed order, `type` where properties or
/// listed values imply it, `examples` instead of `example`. With `closed`, objects that name properties and say nothing
/// about others refuse those.
pub fn canonical(schema: &Value, closed: bool) -> Value {
    form(schema, closed, closed)
}

/// As [`canonical`]; `own` is whether this object itself is closed, `closed` whether those in it are. A schema that is
/// combined with others is closed together with them.
fn form(schema: &Value, own: bool, closed: bool) -> Value {
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
    let combined = keywords.contains_key("properties")
        && IN_PLACE
            .iter()
            .any(|keyword| keywords.contains_key(*keyword));
    if own && keywords.contains_key("properties") && !keywords.contains_key("additionalProperties")
    {
        let keyword = if combined {
            "unevaluatedProperties"
        } else {
            "additionalProperties"
        };
        keywords.entry(keyword).or_insert(Value::Bool(false));
    }
    // The alternatives of a union are closed one by one.
    let union = !combined
        && ["oneOf", "anyOf"]
            .iter()
            .any(|keyword| keywords.contains_key(*keyword));
    for (keyword, value) in keywords.iter_mut() {
        let in_place = IN_PLACE.contains(&keyword.as_str()) || keyword == "not";
        let own = match keyword.as_str() {
            "oneOf" | "anyOf" if union => own,
            _ => closed && !in_place,
        };
        each_schema(keyword, value, |schema| *schema = form(schema, own, closed));
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
