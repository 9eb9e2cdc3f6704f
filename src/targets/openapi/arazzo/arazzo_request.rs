//! The request of a step in Arazzo: parameters, a body, and runtime expressions for earlier outputs.

use serde_json::{Map, Value as Json, json};

use crate::contract::endpoint::{Endpoint, INVOKE_NAME};
use crate::contract::workflow_contract::{Step, Workflow};
use crate::schema::{Schema, Type};
use crate::targets::openapi::arazzo::arazzo_ids::Ids;

/// The request of an operation.
#[derive(Debug)]
pub struct Request {
    /// The Parameter Objects: the values in the path, the query and the headers.
    pub parameters: Vec<Json>,
    /// The body, where requests have one.
    pub payload: Option<Json>,
}

/// The request of `step` to `endpoint`; `endpoint` is none for the built-in `invoke`.
pub fn of_step(
    step: &Step,
    workflow: &Workflow,
    endpoint: Option<&Endpoint>,
    ids: &Ids<'_>,
    may_be_absent: &dyn Fn(&str) -> bool,
) -> Request {
    let called = step.call().and_then(|call| call.endpoint.as_ref());
    let given = match (&step.with, called) {
        (Some(with), _) => filled(with, ids, value_text),
        (None, Some(name)) if name.text != INVOKE_NAME => names(&workflow.input)
            .map(|name| (name.to_owned(), json!(format!("$inputs.{name}"))))
            .collect::<Map<_, _>>()
            .into(),
        (None, _) => json!({ "input": usual(step, workflow, ids, may_be_absent) }),
    };
    split(given, endpoint)
}

/// The request to the fallback agent of `step`: the text under `input`, or else the whole request as text.
pub fn of_fallback(
    step: &Step,
    workflow: &Workflow,
    endpoint: Option<&Endpoint>,
    ids: &Ids<'_>,
    may_be_absent: &dyn Fn(&str) -> bool,
) -> Request {
    let text = match &step.with {
        None => usual(step, workflow, ids, may_be_absent),
        Some(Json::Object(with)) => match with.get("input") {
            Some(Json::String(text)) => value_text(text, ids),
            _ => lines(with.iter().map(|(name, value)| {
                let value = filled(value, ids, inner_text);
                (name.as_str(), as_text(&value))
            })),
        },
        Some(with) => as_text(&filled(with, ids, inner_text)),
    };
    split(json!({ "input": text }), endpoint)
}

/// Splits a request into the values of the path, the query and the headers, and the body.
fn split(given: Json, endpoint: Option<&Endpoint>) -> Request {
    let (Some(endpoint), Json::Object(given)) = (endpoint, &given) else {
        return Request {
            parameters: Vec::new(),
            payload: Some(given),
        };
    };
    let parameters = endpoint.parameters.iter().filter_map(|parameter| {
        let value = given.get(&parameter.name)?;
        let place = parameter.location.as_str();
        Some(json!({ "name": parameter.name, "in": place, "value": value }))
    });
    let is_parameter = |name: &str| {
        endpoint
            .parameters
            .iter()
            .any(|parameter| parameter.name == name)
    };
    let body = given
        .iter()
        .filter(|(name, _)| !is_parameter(name))
        .map(|(name, value)| (name.clone(), value.clone()));
    Request {
        parameters: parameters.collect(),
        payload: endpoint
            .method
            .has_body()
            .then(|| Json::Object(body.collect())),
    }
}

/// The input of an `invoke` without a `with`: the run's input and the outputs of the needed steps, except for those that may
/// not have run.
fn usual(
    step: &Step,
    workflow: &Workflow,
    ids: &Ids<'_>,
    may_be_absent: &dyn Fn(&str) -> bool,
) -> String {
    let names: Vec<&str> = names(&workflow.input).collect();
    let mut text = match names.as_slice() {
        [name] => format!("{{$inputs.{name}}}"),
        names => lines(
            names
                .iter()
                .map(|name| (*name, format!("{{$inputs.{name}}}"))),
        ),
    };
    let needs = step.needs.iter().map(|need| need.text.as_str());
    for need in needs.filter(|need| !may_be_absent(need)) {
        text.push_str(&format!("\n\n## {need}\n\n{{{}}}", ids.output(need)));
    }
    text
}

fn lines<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let lines: Vec<String> = members
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.join("\n")
}

/// The properties of an input that runtime expressions can name.
fn names(input: &Schema) -> impl Iterator<Item = &str> {
    let fields = match input.resolve(&input.ty) {
        Type::Object(object) => object.fields.as_slice(),
        _ => &[],
    };
    let names = fields.iter().map(|field| field.name.as_str());
    names.filter(|name| is_identifier(name))
}

fn is_identifier(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.chars().all(is_part)
}

fn as_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// `value` with `text` applied to each string.
fn filled(value: &Json, ids: &Ids<'_>, text: fn(&str, &Ids<'_>) -> String) -> Json {
    match value {
        Json::String(own) => json!(text(own, ids)),
        Json::Array(items) => items.iter().map(|item| filled(item, ids, text)).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), filled(value, ids, text)))
            .collect::<Map<_, _>>()
            .into(),
        value => value.clone(),
    }
}

/// A string as a whole value: if it is a single placeholder, the result keeps the type of the expression.
fn value_text(text: &str, ids: &Ids<'_>) -> String {
    let alone =
        split_hole(text).filter(|(before, _, after)| (before.trim(), after.trim()) == ("", ""));
    alone
        .and_then(|(_, hole, _)| runtime_expression(hole.trim(), ids))
        .unwrap_or_else(|| inner_text(text, ids))
}

/// A string with its placeholders as embedded runtime expressions. A placeholder that is more than a path stays as
/// written: Arazzo has no operators.
fn inner_text(text: &str, ids: &Ids<'_>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, hole, after)) = split_hole(rest) {
        filled.push_str(before);
        match runtime_expression(hole.trim(), ids) {
            Some(expression) => filled.push_str(&format!("{{{expression}}}")),
            None => filled.push_str(&format!("{{{{{hole}}}}}")),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The text before the first placeholder, the placeholder, and the text after it.
fn split_hole(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (hole, after) = rest.split_once("}}")?;
    Some((before, hole, after))
}

/// `input.goal` or `steps.plan.output.risk` as a runtime expression; the word `steps` is optional.
fn runtime_expression(path: &str, ids: &Ids<'_>) -> Option<String> {
    let names: Vec<&str> = path.split('.').collect();
    let is_name = |name: &&str| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        !name.is_empty() && name.chars().all(is_part)
    };
    if !names.iter().all(is_name) {
        return None;
    }
    let (base, members) = match names.as_slice() {
        ["input", name, members @ ..] if is_identifier(name) => {
            (format!("$inputs.{name}"), members)
        }
        ["steps", id, "output", members @ ..] | [id, "output", members @ ..] if ids.has(id) => {
            (ids.output(id), members)
        }
        _ => return None,
    };
    match members {
        [] => Some(base),
        members => Some(format!("{base}#/{}", members.join("/"))),
    }
}
