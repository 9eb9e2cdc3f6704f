//! The errors that an endpoint declares beside those of the service: problem documents (RFC 9457) with a code.

use heck::ToSnakeCase;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::{self, Role, Schema, Type};
use crate::text::ident::Ident;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings;

/// An error that the handler of an endpoint can return.
#[derive(Debug, Clone)]
pub struct EndpointError {
    /// The member `code` of the problem document.
    pub code: String,
    /// The name of the variant in Rust.
    pub variant: Ident,
    /// The HTTP status.
    pub status: u16,
    /// The member `type`: a URI that identifies the kind of problem.
    pub problem_type: String,
    /// The member `title`.
    pub title: String,
    /// When it happens, in the author's words: the member `detail` where the handler says nothing else.
    pub description: String,
    /// The members that the problem document has besides.
    pub members: Option<Schema>,
    /// The place of the code in the source.
    pub span: Span,
}

const KEYS: &[&str] = &["status", "description", "title", "type", "members"];

/// The members that every problem document has.
const OWN_MEMBERS: &[&str] = &[
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "error",
    "errors",
    "requestId",
];

/// Statuses that HTTP or the service itself answers with before a handler runs.
const RESERVED: &[u16] = &[401, 405, 406, 407, 408, 411, 413, 415, 421, 426];

/// Reads the errors in `node`, a mapping of codes to errors.
pub fn read_all(node: &Node, report: &mut Report) -> Vec<EndpointError> {
    let Some(entries) = node.entries() else {
        let message = yaml_settings::found(node, report);
        report
            .error(Code::BadSetting, node.span, message)
            .advise("it takes a mapping of codes to errors: `{ sold_out: { status: 409 } }`");
        return Vec::new();
    };
    let mut errors: Vec<EndpointError> = Vec::new();
    for entry in entries {
        let Some(error) = read(entry, report) else {
            continue;
        };
        let twin = errors.iter().find(|other| other.variant == error.variant);
        if let Some(twin) = twin {
            let message = format!(
                "`{}` and `{}` are both named `{}` in Rust",
                twin.code, error.code, error.variant
            );
            report
                .error(Code::EndpointCollision, error.span, message)
                .advise("rename one of them");
            continue;
        }
        errors.push(error);
    }
    errors
}

fn read(entry: &Entry, report: &mut Report) -> Option<EndpointError> {
    let code = entry.key.as_str();
    let is_code = code.starts_with(|c: char| c.is_ascii_alphabetic())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let Some(variant) = Ident::camel(code).filter(|_| is_code) else {
        report
            .error(
                Code::BadEndpoint,
                entry.key_span,
                format!("an error can't have the code `{code}`"),
            )
            .advise("start with a letter; use letters, digits, `-` and `_`, as in `out_of_stock`");
        return None;
    };
    let words = code.to_snake_case().replace('_', " ");
    let mut title = capitalised(&words);
    let mut description = None;
    let mut problem_type = format!("urn:problem:{code}");
    let mut status = None;
    let mut members = None;
    let mut broken = false;
    for Entry { key, value, .. } in yaml_settings::allowed_entries(&entry.value, KEYS, report) {
        match key.as_str() {
            "status" => {
                status = read_status(value, report);
                broken |= status.is_none();
            }
            "description" => description = yaml_settings::text(value, report).map(str::to_owned),
            "title" => {
                title = yaml_settings::text(value, report)
                    .unwrap_or(&title)
                    .to_owned()
            }
            "type" => match read_type(value, report) {
                Some(uri) => problem_type = uri,
                None => broken = true,
            },
            _ => {
                members = read_members(value, report);
                broken |= members.is_none();
            }
        }
    }
    if broken || entry.value.entries().is_none() {
        return None;
    }
    let Some(status) = status else {
        report
            .error(
                Code::BadEndpoint,
                entry.key_span,
                format!("the error `{code}` has no status"),
            )
            .advise("add its HTTP status, as in `status: 409`");
        return None;
    };
    Some(EndpointError {
        code: code.to_owned(),
        variant,
        status,
        problem_type,
        description: description.unwrap_or_else(|| format!("{title}.")),
        title,
        members,
        span: entry.key_span,
    })
}

fn read_status(node: &Node, report: &mut Report) -> Option<u16> {
    let status = match &node.value {
        Value::Number(number) => number
            .as_u64()
            .and_then(|status| u16::try_from(status).ok()),
        _ => None,
    };
    let (message, advice) = match status {
        Some(status) if RESERVED.contains(&status) => (
            format!(
                "a handler can't answer {status}: the service answers it before a handler runs"
            ),
            "take another status, such as 403, 404, 409 or 422",
        ),
        Some(status @ 400..=599) => return Some(status),
        Some(status) => (
            format!("{status} is not the status of an error"),
            "it takes a number from 400 to 599",
        ),
        None => (
            yaml_settings::found(node, report),
            "it takes a number from 400 to 599",
        ),
    };
    report
        .error(Code::BadEndpoint, node.span, message)
        .advise(advice);
    None
}

fn read_type(node: &Node, report: &mut Report) -> Option<String> {
    let text = yaml_settings::text(node, report)?;
    if agentgen_schema::Format::UriReference.is_valid(text) {
        return Some(text.to_owned());
    }
    report
        .error(
            Code::BadEndpoint,
            node.span,
            format!("`{text}` is not a URI"),
        )
        .advise(
            "write a URI that names the kind of problem: `https://example.com/problems/sold-out`",
        );
    None
}

/// The schema of the additional members, which is an object.
fn read_members(node: &Node, report: &mut Report) -> Option<Schema> {
    let schema = schema::read(node, report, Role::Output)?;
    let Type::Object(object) = schema.resolve(&schema.ty) else {
        report
            .error(
                Code::BadEndpoint,
                node.span,
                "the members of a problem document have names",
            )
            .advise("write an object with named properties: `{ sku: string }`");
        return None;
    };
    let own = object
        .fields
        .iter()
        .find(|field| OWN_MEMBERS.contains(&field.name.as_str()));
    if let Some(field) = own {
        let message = format!(
            "every problem document has the member `{}` already",
            field.name
        );
        report
            .error(Code::BadEndpoint, field.span, message)
            .advise("give the member another name");
        return None;
    }
    Some(schema)
}

fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}
