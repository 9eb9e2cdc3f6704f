//! What the runtime needs to know about an endpoint's schemas, as constants of the generated code.

use agentgen_schema::Schema;
use serde::Serialize;
use serde_json::Value as Json;

/// The property that names a conversation.
const SESSION_ID: &str = "session_id";
/// The `limit` of a search whose schema has no default.
const DEFAULT_LIMIT: u64 = 10;
/// The runtime returns no more hits.
const MAX_LIMIT: u64 = 100;

/// A variant of the runtime's `SessionUse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum SessionUse {
    /// Requests name no conversation.
    None,
    /// Requests may name one.
    Input,
    /// Requests may name one, and answers do.
    InputAndOutput,
}

/// The fields of the runtime's `HitShape`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HitShape {
    /// The properties of a hit, in the order of the schema.
    properties: Vec<String>,
    /// Whether answers have `total`.
    total: bool,
    /// Whether answers have `model`.
    model: bool,
    /// The number of hits for a request without `limit`.
    default_limit: u64,
}

/// Where requests and answers with these schemas name a conversation.
pub(crate) fn session_use(input: &Json, output: &Json) -> SessionUse {
    let (Ok(input), Ok(output)) = (Schema::compile(input), Schema::compile(output)) else {
        return SessionUse::None;
    };
    if !has_property(&input, SESSION_ID) {
        return SessionUse::None;
    }
    let id = output.property(SESSION_ID);
    if id.is_some_and(|id| id.resolved().source()["type"] == "string") {
        SessionUse::InputAndOutput
    } else {
        SessionUse::Input
    }
}

/// Whether an object or one of the variants of a union has a property.
fn has_property(schema: &Schema, name: &str) -> bool {
    let schema = schema.resolved();
    schema.property(name).is_some()
        || ["oneOf", "anyOf"].iter().any(|keyword| {
            let variants = (0..).map_while(|index| schema.at(&format!("/{keyword}/{index}")));
            variants
                .into_iter()
                .any(|variant| variant.property(name).is_some())
        })
}

/// The shape of a search endpoint with these schemas; `None` if its answers have no `hits`.
pub(crate) fn hit_shape(input: &Json, output: &Json) -> Option<HitShape> {
    let (input, output) = (Schema::compile(input).ok()?, Schema::compile(output).ok()?);
    let limit = input.property("limit").map(|limit| limit.resolved());
    let keyword = |name: &str| limit.as_ref()?.source()[name].as_u64();
    let max = keyword("maximum").unwrap_or(MAX_LIMIT);
    Some(HitShape {
        properties: output.property("hits")?.items()?.property_names(),
        total: output.property("total").is_some(),
        model: output.property("model").is_some(),
        default_limit: keyword("default").unwrap_or(DEFAULT_LIMIT).min(max),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{HitShape, SessionUse, hit_shape, session_use};

    #[test]
    fn a_session_is_used_where_both_schemas_name_it() {
        let none = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
        let text = json!({ "type": "string" });
        let named = json!({ "type": "object", "properties": { "session_id": text } });
        let number =
            json!({ "type": "object", "properties": { "session_id": { "type": "integer" } } });
        let union =
            json!({ "oneOf": [none, { "$ref": "#/$defs/Named" }], "$defs": { "Named": named } });
        assert_eq!(session_use(&none, &named), SessionUse::None);
        assert_eq!(session_use(&named, &none), SessionUse::Input);
        assert_eq!(session_use(&named, &number), SessionUse::Input);
        assert_eq!(session_use(&named, &named), SessionUse::InputAndOutput);
        assert_eq!(session_use(&union, &none), SessionUse::Input);
    }

    #[test]
    fn a_hit_has_the_properties_of_its_schema() {
        let input = json!({
            "type": "object",
            "properties": { "limit": { "type": "integer", "default": 20, "maximum": 15 } },
        });
        let hit = json!({
            "type": "object",
            "properties": { "score": { "type": "number" }, "id": { "type": "string" } },
        });
        let output = json!({
            "type": "object",
            "properties": {
                "hits": { "type": "array", "items": { "$ref": "#/$defs/Hit" } },
                "total": { "type": "integer" },
            },
            "$defs": { "Hit": hit },
        });
        let shape = HitShape {
            properties: vec!["score".to_owned(), "id".to_owned()],
            total: true,
            model: false,
            default_limit: 15,
        };
        assert_eq!(hit_shape(&input, &output), Some(shape));
        assert_eq!(hit_shape(&input, &input), None);
    }
}
