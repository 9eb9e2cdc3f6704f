//! Passages of an agent's documents that its model is given with a request.

use serde::Serialize;

use crate::contract::lookup_contract::{bare, fields, is_text, unknown, words};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::{Schema, Type};
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings::{self, Name};

/// Which passages a model is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retrieve {
    /// The property of the input that they are looked for by.
    pub query: String,
    /// How many at most.
    pub limit: u32,
}

/// The setting `retrieve`, before it is checked against its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrieveSettings {
    query: Name,
    limit: u32,
    span: Span,
}

/// The default number of passages.
const LIMIT: u32 = 5;
/// How many passages there can be.
const MAX_LIMIT: u32 = 50;

/// Reads the name of a property, or the mapping `{ query, limit }`, in `node`.
pub fn read(node: &Node, report: &mut Report) -> Option<RetrieveSettings> {
    let name = |node: &Node, report: &mut Report| {
        let text = yaml_settings::text(node, report)?.to_owned();
        Some(Name {
            text,
            span: node.span,
        })
    };
    if node.as_str().is_some() {
        return Some(RetrieveSettings {
            query: name(node, report)?,
            limit: LIMIT,
            span: node.span,
        });
    }
    let advice = "it takes the property of the input that is looked for: `message`, or `{ query: message, limit: 5 }`";
    if node.entries().is_none() {
        let message = yaml_settings::found(node, report);
        report
            .error(Code::BadSetting, node.span, message)
            .advise(advice);
        return None;
    }
    let mut query = None;
    let mut limit = Some(LIMIT);
    let entries = yaml_settings::allowed_entries(node, &["query", "limit"], report);
    // An unknown key is an error already, and is usually a misspelt `query`.
    let misspelt = node.entries().is_some_and(|all| all.len() > entries.len());
    for Entry { key, value, .. } in entries {
        match key.as_str() {
            "query" => query = Some(name(value, report)),
            _ => limit = read_limit(value, report),
        }
    }
    let Some(query) = query else {
        if misspelt {
            return None;
        }
        report
            .error(Code::BadEndpoint, node.span, "`query` is missing")
            .advise(advice);
        return None;
    };
    Some(RetrieveSettings {
        query: query?,
        limit: limit?,
        span: node.span,
    })
}

fn read_limit(node: &Node, report: &mut Report) -> Option<u32> {
    let limit = match &node.value {
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (1..=MAX_LIMIT).contains(number)),
        _ => None,
    };
    if limit.is_none() {
        let message = match &node.value {
            Value::Number(number) => format!("{number} passages can't be given"),
            _ => yaml_settings::found(node, report),
        };
        report
            .error(Code::BadSetting, node.span, message)
            .advise(format!("it takes a whole number from 1 to {MAX_LIMIT}"));
    }
    limit
}

/// Says that nothing is retrieved for an endpoint that `handler` answers instead of the model.
pub fn refuse(settings: &RetrieveSettings, handler: &str, report: &mut Report) {
    let message = format!(
        "`retrieve` is for endpoints that the model answers, and `{handler}` answers this one"
    );
    report
        .error(Code::BadEndpoint, settings.span, message)
        .advise("take one of the two out");
}

/// The `settings` of an endpoint that the model answers, checked: the input has to have the text that is searched for.
/// Citations that can't be compared with the passages are a warning.
pub fn check_retrieve(
    settings: RetrieveSettings,
    input: &Schema,
    output: &Schema,
    report: &mut Report,
) -> Option<Retrieve> {
    let Name { text, span } = settings.query;
    let properties = fields(input).unwrap_or_default();
    let Some(field) = properties.iter().find(|field| field.name == text) else {
        let message = format!("the input has no property `{text}`");
        unknown(
            report.error(Code::BadEndpoint, span, message),
            &text,
            properties,
        );
        return None;
    };
    if !matches!(bare(&field.ty, input), Type::String(_)) {
        let kind = words(bare(&field.ty, input), input);
        let message = format!("`{text}` is {kind}, and passages are looked for by any text");
        report
            .error(Code::BadEndpoint, span, message)
            .advise("name a property that is a string");
        return None;
    }
    check_citations(output, report);
    Some(Retrieve {
        query: text,
        limit: settings.limit,
    })
}

/// Warns of citations that can't be compared with the passages; citations that are required are an error.
fn check_citations(output: &Schema, report: &mut Report) {
    let properties = fields(output).unwrap_or_default();
    let Some(citations) = properties.iter().find(|field| field.name == "citations") else {
        return;
    };
    let ty = bare(&citations.ty, output);
    if let Type::Array(array) = ty
        && array.min_items.is_some_and(|least| least > 0)
    {
        report
            .error(
                Code::BadEndpoint,
                citations.span,
                "`citations` can't be empty, and where no passage is found there is nothing to cite",
            )
            .advise("take `minItems` out");
        return;
    }
    let checked = match ty {
        Type::Array(array) => match bare(&array.items, output) {
            Type::Object(object) => object.fields.iter().any(|field| {
                field.name == "id"
                    && field.required
                    && !matches!(output.resolve(&field.ty), Type::Nullable(_))
                    && is_text(bare(&field.ty, output))
            }),
            item => is_text(item),
        },
        _ => false,
    };
    if !checked {
        let message = "whether `citations` are among the passages can't be checked";
        report
            .warning(Code::BadEndpoint, citations.span, message)
            .advise("make it a list of texts, or of objects with a required text `id`");
    }
}
