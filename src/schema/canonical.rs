//! One way to write each schema.

use serde_json::{Map, Value};

/// The canonical form of `schema`, a JSON Schema that was read without an error: keywords in a fixed
/// order, `type` where properties or listed values imply it, `examples` instead of `example`. With
/// `closed`, objects that name properties and say nothing about others refuse those.
pub fn canonical(schema: &Value, closed: bool) -> Value {
    let Value::Object(source) = schema else {
        return schema.clone();
    };
    let mut keywords = source.clone();
    keywords.shift_remove("$schema");
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
    if closed && keywords.contains_key("properties") {
        keywords
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    for (keyword, value) in keywords.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(schemas)) => {
                for (_, schema) in schemas.iter_mut() {
                    *schema = canonical(schema, closed);
                }
            }
            ("oneOf" | "anyOf", Value::Array(schemas)) => {
                for schema in schemas {
                    *schema = canonical(schema, closed);
                }
            }
            ("items" | "additionalProperties", schema) => *schema = canonical(schema, closed),
            _ => {}
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

/// The keywords in the order they are written; others follow in the order of the source.
const ORDER: [&str; 36] = [
    "$ref",
    "title",
    "description",
    "type",
    "format",
    "enum",
    "const",
    "oneOf",
    "anyOf",
    "discriminator",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "items",
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
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$defs",
];

fn implied_type(keywords: &Map<String, Value>) -> Option<Value> {
    if keywords.contains_key("properties") {
        return Some("object".into());
    }
    let values = match (keywords.get("const"), keywords.get("enum")) {
        (Some(value), _) => std::slice::from_ref(value),
        (None, Some(Value::Array(values))) => values,
        _ => return None,
    };
    let null = values.contains(&Value::Null);
    match (values.iter().any(Value::is_string), null) {
        (true, false) => Some("string".into()),
        (true, true) => Some(vec!["string", "null"].into()),
        (false, _) => Some("null".into()),
    }
}
