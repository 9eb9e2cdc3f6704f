//! The contract of endpoints that answer a query with the nearest passages of an agent's documents.

use serde_json::{Value as Json, json};

use crate::contract::lookup_contract::{
    Expected, Presence, bare, fields, is_scalar, is_text, no_object, words,
};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::{Field, Schema, Type};
use crate::text::did_you_mean::nearest;

const TEXT: &str = "any text";
const MOMENT: &str = "a text with `format: date-time`";

/// What a search takes and answers that declares neither, as Picoschema and JSON Schema.
pub fn default() -> (Json, Json) {
    let input = json!({
        "type": "object",
        "required": ["query"],
        "properties": {
            "query": {
                "type": "string",
                "description": "What is looked for.",
                "minLength": 1,
                "maxLength": 1000,
                "examples": ["How are keys rotated?"],
            },
            "limit": {
                "type": "integer",
                "description": "How many passages at most.",
                "minimum": 1,
                "maximum": 50,
                "default": 10,
            },
        },
    });
    let output = json!({
        "hits(array, the nearest passages, best first)": {
            "id": "string, identifies the passage",
            "score": "number, how near it is",
            "text": "string, the passage",
            "document": "string, the document it is from",
            "title?": "string, the title of the document",
            "heading?": "string, what the passage stands under",
        },
        "total": "integer, how many passages fit the filters",
    });
    (input, output)
}

/// Checks that a search can take `input` and answer with `output`.
pub fn check_search(input: &Schema, output: &Schema, report: &mut Report) {
    check_input(input, report);
    check_output(output, report);
}

fn check_input(input: &Schema, report: &mut Report) {
    let Some(properties) = fields(input) else {
        no_object(input, "a search takes an object with `query`", report);
        return;
    };
    let expected = Expected {
        schema: input,
        span: input.span,
        whole: "the input of a search",
    };
    let text = (TEXT, |ty: &Type| matches!(ty, Type::String(_)));
    expected.property(properties, "query", Presence::Required, text, report);
    let number = ("a whole number", |ty: &Type| matches!(ty, Type::Integer(_)));
    expected.property(properties, "limit", Presence::Free, number, report);
    for name in ["updated_after", "updated_before"] {
        expected.property(
            properties,
            name,
            Presence::Free,
            (MOMENT, is_moment),
            report,
        );
    }
    let list = |ty: &Type, fits: fn(&Type) -> bool| matches!(ty, Type::Array(array) if fits(bare(&array.items, input)));
    for name in ["language", "title", "document"] {
        let texts = ("a text or a list of texts", |ty: &Type| {
            is_text(ty) || list(ty, is_text)
        });
        expected.property(properties, name, Presence::Free, texts, report);
    }
    // Every other property is compared with what documents carry under that name.
    for field in properties {
        let value = (
            "a text, a number, true or false, or a list of such, as filters are",
            |ty: &Type| is_scalar(ty) || list(ty, is_scalar),
        );
        if KNOWN_INPUT.contains(&field.name.as_str()) {
            continue;
        }
        expected.property(properties, &field.name, Presence::Free, value, report);
        if let Some(near) = nearest(&field.name, KNOWN_INPUT) {
            let message = format!(
                "`{}` is compared with what documents carry under that name",
                field.name
            );
            report
                .warning(Code::BadEndpoint, field.span, message)
                .advise(format!("did you mean `{near}`?"));
        }
    }
    if let Type::Object(object) = input.resolve(&input.ty)
        && let Some(extra) = object.extra.as_deref()
        && !is_scalar(bare(extra, input))
        && !list(bare(extra, input), is_scalar)
    {
        let message = format!("a filter can't be {}", words(bare(extra, input), input));
        report
            .error(Code::BadEndpoint, input.span, message)
            .advise("let other properties be texts, numbers, truth values or lists of such");
    }
}

const KNOWN_INPUT: [&str; 7] = [
    "query",
    "limit",
    "updated_after",
    "updated_before",
    "language",
    "title",
    "document",
];

fn check_output(output: &Schema, report: &mut Report) {
    let Some(properties) = fields(output) else {
        no_object(output, "a search answers an object with `hits`", report);
        return;
    };
    let expected = Expected {
        schema: output,
        span: output.span,
        whole: "the answer of a search",
    };
    let objects = ("a list of objects", |ty: &Type| match ty {
        Type::Array(array) => matches!(bare(&array.items, output), Type::Object(_)),
        _ => false,
    });
    let there = expected.property(properties, "hits", Presence::Required, objects, report);
    let whole = ("a whole number", |ty: &Type| matches!(ty, Type::Integer(_)));
    expected.property(properties, "total", Presence::Free, whole, report);
    let text = (TEXT, |ty: &Type| matches!(ty, Type::String(_)));
    expected.property(properties, "model", Presence::Free, text, report);
    // A missing property is an error already; the nearest name would be reported twice.
    if there {
        expected.others(properties, &["hits", "total", "model"], "fills", report);
    }
    let hits = properties.iter().find(|field| field.name == "hits");
    if let Some(hits) = hits
        && let Type::Array(array) = bare(&hits.ty, output)
        && let Type::Object(hit) = bare(&array.items, output)
    {
        check_hit(&hit.fields, hits.span, output, report);
    }
}

fn check_hit(hit: &[Field], span: Span, output: &Schema, report: &mut Report) {
    let expected = Expected {
        schema: output,
        span,
        whole: "a hit",
    };
    let text = || (TEXT, |ty: &Type| matches!(ty, Type::String(_)));
    for name in ["id", "text", "document"] {
        expected.property(hit, name, Presence::Free, text(), report);
    }
    let number = ("a number", |ty: &Type| matches!(ty, Type::Number(_)));
    expected.property(hit, "score", Presence::Free, number, report);
    for name in ["title", "heading", "language"] {
        expected.property(hit, name, Presence::Optional, text(), report);
    }
    let moment = (MOMENT, is_moment);
    expected.property(hit, "updated_at", Presence::Optional, moment, report);
    for field in hit {
        let value = (
            "a text, a number, true or false, or a list of such",
            |ty: &Type| {
                is_scalar(ty)
                    || matches!(ty, Type::Array(array) if is_scalar(bare(&array.items, output)))
            },
        );
        if KNOWN_HIT.contains(&field.name.as_str()) {
            continue;
        }
        match nearest(&field.name, KNOWN_HIT).filter(|_| field.required) {
            Some(near) => report
                .error(
                    Code::BadEndpoint,
                    field.span,
                    format!("nothing fills `{}` in a hit", field.name),
                )
                .advise(format!("did you mean `{near}`?")),
            None => {
                expected.property(hit, &field.name, Presence::Optional, value, report);
            }
        }
    }
}

/// Picoschema has no formats: what is plain text there is still a moment, and is refused where it is none.
fn is_moment(ty: &Type) -> bool {
    matches!(ty, Type::DateTime | Type::String(_))
}

const KNOWN_HIT: [&str; 8] = [
    "id",
    "score",
    "text",
    "title",
    "heading",
    "document",
    "language",
    "updated_at",
];
