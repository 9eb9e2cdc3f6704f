//! The contract of endpoints that answer with the vectors of texts.

use serde_json::{Value as Json, json};

use crate::contract::lookup_contract::{Expected, Presence, bare, fields, no_object};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::schema::{Field, Schema, Type};

/// What an embedding takes and answers that declares neither, as JSON Schema.
pub fn default() -> (Json, Json) {
    let input = json!({
        "type": "object",
        "required": ["texts"],
        "properties": {
            "texts": {
                "type": "array",
                "description": "The texts, in the order their vectors come back.",
                "minItems": 1,
                "maxItems": 128,
                "items": { "type": "string", "minLength": 1, "maxLength": 8000 },
                "examples": [["Keys are rotated every thirty days."]],
            },
            "purpose": {
                "type": "string",
                "description": "Whether the vectors are stored, or compared with stored ones.",
                "enum": PURPOSES,
                "default": "document",
            },
        },
    });
    let output = json!({
        "type": "object",
        "required": ["vectors", "model", "dimensions"],
        "properties": {
            "vectors": {
                "type": "array",
                "description": "The vectors, in the order of the texts.",
                "items": { "type": "array", "items": { "type": "number" } },
            },
            "model": { "type": "string", "description": "The model they are from." },
            "dimensions": {
                "type": "integer",
                "description": "How long each of them is.",
                "minimum": 1,
            },
        },
    });
    (input, output)
}

/// What vectors can be made for.
const PURPOSES: [&str; 2] = ["document", "query"];

/// Checks that an embedding can take `input` and answer with `output`.
pub fn check_embed(input: &Schema, output: &Schema, report: &mut Report) {
    if let Some(many) = check_input(input, report) {
        check_output(output, many, report);
    }
}

/// Whether the input is of many texts; none where it is neither of many nor of one.
fn check_input(input: &Schema, report: &mut Report) -> Option<bool> {
    let Some(properties) = fields(input) else {
        no_object(input, "an embedding takes an object with `texts`", report);
        return None;
    };
    let expected = Expected {
        schema: input,
        span: input.span,
        whole: "the input of an embedding",
    };
    let named = |name: &str| properties.iter().find(|field| field.name == name);
    if let (Some(_), Some(text)) = (named("texts"), named("text")) {
        report
            .error(
                Code::BadEndpoint,
                text.span,
                "an embedding takes either `texts` or `text`",
            )
            .advise("take one of them out");
        return None;
    }
    let purpose = ("one of document and query", is_purpose);
    expected.property(properties, "purpose", Presence::Free, purpose, report);
    let many = named("text").is_none();
    let there = if many {
        let texts = (
            "a list of texts",
            |ty: &Type| matches!(ty, Type::Array(array) if matches!(bare(&array.items, input), Type::String(_))),
        );
        expected.property(properties, "texts", Presence::Required, texts, report)
    } else {
        let text = ("any text", |ty: &Type| matches!(ty, Type::String(_)));
        expected.property(properties, "text", Presence::Required, text, report)
    };
    let own = if many { "texts" } else { "text" };
    // A missing property is an error already; the nearest name would be reported twice.
    if there {
        expected.others(properties, &[own, "purpose"], "reads", report);
    }
    there.then_some(many)
}

fn is_purpose(ty: &Type) -> bool {
    matches!(ty, Type::Enum(values)
        if values.iter().all(|value| PURPOSES.contains(&value.value.as_str())))
}

fn check_output(output: &Schema, many: bool, report: &mut Report) {
    let (own, other) = match many {
        true => ("vectors", "vector"),
        false => ("vector", "vectors"),
    };
    let Some(properties) = fields(output) else {
        let what = format!("answers an object with `{own}`");
        no_object(output, &what, report);
        return;
    };
    let expected = Expected {
        schema: output,
        span: output.span,
        whole: "the answer of an embedding",
    };
    let has = |name: &str| properties.iter().any(|field: &Field| field.name == name);
    if has(other) && !has(own) {
        let taken = if many { "texts" } else { "text" };
        let span = properties.iter().find(|field| field.name == other);
        report
            .error(
                Code::BadEndpoint,
                span.map_or(output.span, |field| field.span),
                format!("what takes `{taken}` answers `{own}`"),
            )
            .advise(format!("rename `{other}`"));
        return;
    }
    let is_vector = |ty: &Type| matches!(ty, Type::Array(array) if matches!(bare(&array.items, output), Type::Number(_)));
    let there = match many {
        true => {
            let vectors = (
                "a list of lists of numbers",
                |ty: &Type| matches!(ty, Type::Array(array) if is_vector(bare(&array.items, output))),
            );
            expected.property(properties, own, Presence::Required, vectors, report)
        }
        false => {
            let vector = ("a list of numbers", is_vector);
            expected.property(properties, own, Presence::Required, vector, report)
        }
    };
    let text = ("any text", |ty: &Type| matches!(ty, Type::String(_)));
    expected.property(properties, "model", Presence::Free, text, report);
    let number = ("a whole number", |ty: &Type| matches!(ty, Type::Integer(_)));
    expected.property(properties, "dimensions", Presence::Free, number, report);
    if there {
        expected.others(properties, &[own, "model", "dimensions"], "fills", report);
    }
}
