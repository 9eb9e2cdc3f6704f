//! The request headers of an endpoint. Each is a property of its input, under the name of the header.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::picoschema::{is_json_schema, to_json_schema};
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings;

/// Headers that mean something to the service or to HTTP itself, and why an endpoint can't take them.
const RESERVED: &[(&str, &str)] = &[
    (
        "accept",
        "the service chooses between JSON and events by it",
    ),
    (
        "authorization",
        "the service checks it: a handler asks `RunContext` for the caller",
    ),
    ("connection", "it belongs to the connection"),
    ("content-encoding", "the service reads the body by it"),
    ("content-length", "the service reads the body by it"),
    ("content-type", "the service reads the body by it"),
    ("cookie", "the service reads no cookies"),
    ("host", "it belongs to the connection"),
    (
        "idempotency-key",
        "the service itself repeats answers by it",
    ),
    ("te", "it belongs to the connection"),
    ("trailer", "it belongs to the connection"),
    ("transfer-encoding", "it belongs to the connection"),
    ("upgrade", "it belongs to the connection"),
    (
        "x-request-id",
        "the service names the request by it: `RunContext::request_id`",
    ),
];

/// The schema of an input together with its headers.
pub struct WithHeaders {
    /// The schema in `input`, with a property for each header.
    pub input: Node,
    /// The names of the headers, as the author wrote them.
    pub names: Vec<String>,
}

/// Adds the headers in `headers`, which is a schema of an object, to the schema in `input`. None where something is
/// wrong, which is then in `report`.
pub fn add_headers(input: &Node, headers: &Node, report: &mut Report) -> Option<WithHeaders> {
    let headers_are_json = is_json_schema(headers);
    let header_schema = if headers_are_json {
        headers.clone()
    } else {
        to_json_schema(headers, report)?
    };
    let Some(properties) = header_schema.get("properties").and_then(Node::entries) else {
        let message = yaml_settings::found(headers, report);
        report
            .error(Code::BadSetting, headers.span, message)
            .advise("it takes a mapping of header names to types: `{ X-Tenant: string, If-Match?: string }`");
        return None;
    };
    let is_open = header_schema
        .get("additionalProperties")
        .filter(|extra| extra.value != Value::Bool(false));
    if let Some(extra) = is_open {
        report
            .error(Code::BadEndpoint, extra.span, "headers have to be named")
            .advise("list each header that the endpoint takes");
        return None;
    }
    if !check_names(properties, report) {
        return None;
    }
    let names = properties.iter().map(|header| header.key.clone()).collect();
    let input_is_json = is_json_schema(input);
    // The shorthand stays shorthand where it can.
    if let (false, false, Some(own), Some(more)) = (
        input_is_json,
        headers_are_json,
        input.entries(),
        headers.entries(),
    ) {
        let converted = to_json_schema(input, report)?;
        let known = converted.get("properties").and_then(Node::entries);
        check_overlap(known.unwrap_or_default(), properties, report)?;
        let input = Node {
            value: Value::Map(own.iter().chain(more).cloned().collect()),
            span: input.span,
        };
        return Some(WithHeaders { input, names });
    }
    let mut merged = if input_is_json {
        input.clone()
    } else {
        to_json_schema(input, report)?
    };
    let Some(known) = merged.get("properties").and_then(Node::entries) else {
        report
            .error(
                Code::BadEndpoint,
                input.span,
                "`headers` become properties of the input, and this input names none",
            )
            .advise("write the input as an object with `properties`");
        return None;
    };
    check_overlap(known, properties, report)?;
    let required = header_schema.get("required").and_then(Node::items);
    if let Value::Map(entries) = &mut merged.value {
        add_required(entries, required.unwrap_or_default(), input.span);
        for entry in entries {
            if let ("properties", Value::Map(own)) = (entry.key.as_str(), &mut entry.value.value) {
                own.extend_from_slice(properties);
            }
        }
    }
    Some(WithHeaders {
        input: merged,
        names,
    })
}

/// Whether every header can be one of an endpoint; what is wrong with the others is reported.
fn check_names(headers: &[Entry], report: &mut Report) -> bool {
    let mut good = true;
    for (index, Entry { key, key_span, .. }) in headers.iter().enumerate() {
        let is_name = key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let reserved = RESERVED
            .iter()
            .find(|(name, _)| key.eq_ignore_ascii_case(name));
        let twin = headers[..index]
            .iter()
            .find(|other| other.key.eq_ignore_ascii_case(key));
        let (message, advice) = if !is_name {
            (
                format!("a header can't be named `{key}`"),
                "start with a letter; use letters, digits, `-` and `_`".to_owned(),
            )
        } else if let Some((_, reason)) = reserved {
            (
                format!("the header `{key}` can't be an input of an endpoint"),
                format!("leave it out: {reason}"),
            )
        } else if let Some(twin) = twin {
            (
                format!("`{}` and `{key}` are the same header", twin.key),
                "leave one of them out: the case of letters makes no difference".to_owned(),
            )
        } else {
            continue;
        };
        report
            .error(Code::BadEndpoint, *key_span, message)
            .advise(advice);
        good = false;
    }
    good
}

/// No header may be called like a property of the input.
fn check_overlap(known: &[Entry], headers: &[Entry], report: &mut Report) -> Option<()> {
    let is_known = |header: &&Entry| {
        known
            .iter()
            .any(|other| other.key.eq_ignore_ascii_case(&header.key))
    };
    let Some(header) = headers.iter().find(is_known) else {
        return Some(());
    };
    let message = format!("`{}` is a property of the input and a header", header.key);
    report
        .error(Code::BadEndpoint, header.key_span, message)
        .advise("leave one of them out: a header is a property of the input already");
    None
}

/// Adds the names in `more` to the list `required` of a schema.
fn add_required(schema: &mut Vec<Entry>, more: &[Node], span: Span) {
    if let Some(entry) = schema.iter_mut().find(|entry| entry.key == "required") {
        if let Value::List(names) = &mut entry.value.value {
            names.extend_from_slice(more);
        }
        return;
    }
    schema.push(Entry {
        key: "required".to_owned(),
        key_span: span,
        value: Node {
            value: Value::List(more.to_vec()),
            span,
        },
    });
}
