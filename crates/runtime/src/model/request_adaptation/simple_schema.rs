//! Schemas in the part of JSON Schema that every provider reads: one type, properties, items, texts to choose from, descriptions.
//!
//! Invariant: the schema of a tool stays what inputs are checked with. A model that is told less may write an input that does not fit, and
//! is then told so.

use serde_json::{Map, Value, json};

/// How deep a schema is followed, and with it a reference to itself.
const MAX_DEPTH: usize = 12;
/// The most schemas of one tool. References can make a small schema a large one.
const MAX_SCHEMAS: usize = 2_000;

/// The schema `root` of an object in simple words.
pub(super) fn simplified(root: &Value) -> Value {
    let mut left = MAX_SCHEMAS;
    let mut simple = Value::Object(simple(root, root, 0, &mut left));
    simple["type"] = "object".into();
    if !simple["properties"].is_object() {
        simple["properties"] = json!({});
    }
    simple
}

/// `schema`, which is a part of `root`. Beyond a limit, it may be anything.
fn simple(schema: &Value, root: &Value, depth: usize, left: &mut usize) -> Map<String, Value> {
    let mut result = Map::new();
    let Value::Object(schema) = schema else {
        return result;
    };
    if depth > MAX_DEPTH || *left == 0 {
        return result;
    }
    *left -= 1;
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target
            .strip_prefix('#')
            .and_then(|place| root.pointer(place));
        result = target.map_or_else(Map::new, |target| simple(target, root, depth + 1, left));
    }
    let parts = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    for part in parts("allOf") {
        add(&mut result, simple(part, root, depth + 1, left));
    }
    // One of several is the first: what fits it fits them all.
    let mut branches = parts("anyOf").chain(parts("oneOf"));
    if let Some(branch) = branches.find(|branch| branch["type"] != "null") {
        add(&mut result, simple(branch, root, depth + 1, left));
    }
    for key in ["title", "description"] {
        if let Some(text) = schema.get(key).filter(|text| text.is_string()) {
            result.insert(key.to_owned(), text.clone());
        }
    }
    if let Some(kind) = one_type(schema) {
        result.insert("type".to_owned(), kind.into());
    }
    let choices = match (schema.get("const"), schema.get("enum")) {
        (Some(only), _) => Some(vec![only.clone()]),
        (None, choices) => choices.and_then(Value::as_array).cloned(),
    };
    if let Some(choices) = choices.filter(|choices| choices.iter().all(Value::is_string)) {
        result.insert("type".to_owned(), "string".into());
        result.insert("enum".to_owned(), choices.into());
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let properties = properties.iter().map(|(name, property)| {
            let property = simple(property, root, depth + 1, left);
            (name.clone(), Value::Object(property))
        });
        let properties = properties.collect::<Map<_, _>>();
        let mut own = Map::new();
        own.insert("properties".to_owned(), properties.into());
        let required = schema.get("required").cloned();
        own.extend(required.map(|required| ("required".to_owned(), required)));
        add(&mut result, own);
    }
    if result.get("type").is_some_and(|kind| kind == "array") {
        let items = match schema.get("items") {
            Some(Value::Array(items)) => items.first(),
            items => items.or_else(|| parts("prefixItems").next()),
        };
        let items = items.map(|items| Value::Object(simple(items, root, depth + 1, left)));
        if items.is_some() || !result.contains_key("items") {
            result.insert("items".to_owned(), items.unwrap_or(json!({})));
        }
    }
    result
}

/// The type of a schema: the first that is not `null`.
fn one_type(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|kind| *kind != "null")
        }
        kind => kind.as_str(),
    }
}

/// Adds what `other` says to `schema`; of both, properties are put together.
fn add(schema: &mut Map<String, Value>, other: Map<String, Value>) {
    for (key, value) in other {
        match (schema.get_mut(&key), value) {
            (Some(Value::Object(own)), Value::Object(other)) if key == "properties" => {
                own.extend(other);
            }
            (Some(Value::Array(own)), Value::Array(other)) if key == "required" => {
                let new = other.into_iter().filter(|name| !own.contains(name));
                let new = new.collect::<Vec<_>>();
                own.extend(new);
            }
            (_, value) => {
                schema.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_SCHEMAS, simplified};

    /// What becomes of the schema of a property.
    fn property(schema: &Value) -> Value {
        let schema = json!({ "type": "object", "properties": { "p": schema } });
        simplified(&schema)["properties"]["p"].clone()
    }

    #[test]
    fn keywords_that_providers_refuse_are_left_out() {
        for (schema, expected) in [
            (
                json!({ "type": "string", "format": "uri", "pattern": "^h", "description": "D" }),
                json!({ "description": "D", "type": "string" }),
            ),
            (
                json!({ "type": ["null", "integer"], "minimum": 1 }),
                json!({ "type": "integer" }),
            ),
            (
                json!({ "anyOf": [{ "type": "null" }, { "type": "number", "exclusiveMinimum": 0 }] }),
                json!({ "type": "number" }),
            ),
            (
                json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
                json!({ "type": "string", "enum": ["a"] }),
            ),
            (
                json!({ "enum": [1, 2], "type": "integer" }),
                json!({ "type": "integer" }),
            ),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "string" }] }),
                json!({ "type": "array", "items": { "type": "string" } }),
            ),
            (
                json!({ "type": "array" }),
                json!({ "type": "array", "items": {} }),
            ),
            (json!(true), json!({})),
            (
                json!({ "type": "object", "additionalProperties": false, "patternProperties": { "a": {} } }),
                json!({ "type": "object" }),
            ),
        ] {
            assert_eq!(property(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn references_and_parts_are_put_in_place() {
        let schema = json!({
            "type": "object",
            "allOf": [{ "$ref": "#/$defs/named" }, { "properties": { "size": { "type": "integer" } }, "required": ["size"] }],
            "properties": { "of": { "$ref": "#/$defs/named", "description": "Whose" } },
            "$defs": { "named": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] } },
        });
        let named = json!({ "name": { "type": "string" } });
        assert_eq!(
            simplified(&schema),
            json!({
                "type": "object",
                "properties": {
                    "name": named["name"],
                    "size": { "type": "integer" },
                    "of": { "type": "object", "properties": named, "required": ["name"], "description": "Whose" },
                },
                "required": ["name", "size"],
            })
        );
    }

    #[test]
    fn references_to_themselves_end() {
        let node = json!({ "type": "object", "properties": {
            "a": { "$ref": "#/$defs/node" }, "b": { "$ref": "#/$defs/node" }, "c": { "$ref": "#/$defs/node" },
        } });
        let schema = json!({ "type": "object", "properties": { "tree": { "$ref": "#/$defs/node" } }, "$defs": { "node": node } });
        let text = simplified(&schema).to_string();
        assert!(text.len() < 100 * MAX_SCHEMAS, "{}", text.len());
        let circle = json!({ "type": "object", "allOf": [{ "$ref": "#" }] });
        assert_eq!(
            simplified(&circle),
            json!({ "type": "object", "properties": {} })
        );
    }
}
