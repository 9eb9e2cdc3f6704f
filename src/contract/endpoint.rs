//! The operations of an agent.

use std::sync::Arc;

use agentgen_schema::{Handler, Method};
use serde_json::json;

use crate::contract::embed_contract;
use crate::contract::endpoint_error::{self, EndpointError};
use crate::contract::endpoint_path;
use crate::contract::parameter::{self, Parameter};
use crate::contract::request_header::add_headers;
use crate::contract::retrieve::{self, Retrieve};
use crate::contract::search_contract;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::{self, Role, Schema};
use crate::text::did_you_mean::{did_you_mean, it_takes};
use crate::text::ident::Ident;
use crate::text::slug::Slug;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings::{self, Name, Rate};

/// The name of the endpoint that every agent has, and that a step asks which names none.
pub const INVOKE_NAME: &str = "invoke";

/// One operation of an agent.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The key in the service block.
    pub name: String,
    /// The name of the trait's method.
    pub method_name: Ident,
    /// The HTTP method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: String,
    /// What it does in a few words, as the author has it.
    pub summary: Option<String>,
    /// What it does, in the author's words.
    pub description: Option<String>,
    /// Whether it is on its way out.
    pub deprecated: bool,
    /// The groups it is listed under; none for its agent's.
    pub tags: Vec<String>,
    /// The operation's id, where the author gives one.
    pub operation_id: Option<Name>,
    /// The HTTP status of an answer: 200, 201, 202 or 204.
    pub status: u16,
    /// The errors that its handler can return, besides those of the service.
    pub errors: Vec<EndpointError>,
    /// What it takes.
    pub input: Schema,
    /// Which properties of the input come from the path, the query and the headers.
    pub parameters: Vec<Parameter>,
    /// What it answers.
    pub output: Schema,
    /// Whether it is offered as server-sent events too.
    pub stream: bool,
    /// Who answers.
    pub handler: Handler,
    /// Which passages the model is given with a request.
    pub retrieve: Option<Retrieve>,
    /// The roles that may call it; empty for everyone.
    pub roles: Vec<String>,
    /// How often a caller may.
    pub rate: Option<Rate>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The place of the name in the source.
    pub span: Span,
    /// The place of the path, or of the name where it makes the path.
    pub path_span: Span,
}

const KEYS: &[&str] = &[
    "path",
    "method",
    "summary",
    "description",
    "deprecated",
    "tags",
    "operation_id",
    "headers",
    "input",
    "output",
    "status",
    "errors",
    "stream",
    "roles",
    "rate",
    "timeout",
    "handler",
    "retrieve",
];

/// The status of an answer without a body.
pub const NO_CONTENT: u16 = 204;

/// The statuses of answers.
const STATUSES: [u16; 4] = [200, 201, 202, NO_CONTENT];

/// Reads the endpoints of the agent `slug` from the mapping in `node`.
pub fn read_all(node: &Node, slug: &Slug, report: &mut Report) -> Vec<Endpoint> {
    let Some(entries) = node.entries() else {
        report
            .error(
                Code::BadSetting,
                node.span,
                format!("`endpoints` is {}", node.kind()),
            )
            .advise("it takes a mapping of names to endpoints");
        return Vec::new();
    };
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for entry in entries {
        let Some(endpoint) = read(entry, slug, report) else {
            continue;
        };
        let twin = endpoints
            .iter()
            .find(|other| other.method_name == endpoint.method_name);
        if let Some(twin) = twin {
            let message = format!(
                "`{}` and `{}` are both named `{}` in Rust",
                twin.name, endpoint.name, endpoint.method_name
            );
            let source = Arc::clone(report.source());
            report
                .error(Code::EndpointCollision, endpoint.span, message)
                .relate(&source, twin.span, "the other is here")
                .advise("rename one of them");
            continue;
        }
        endpoints.push(endpoint);
    }
    endpoints
}

fn read(entry: &Entry, slug: &Slug, report: &mut Report) -> Option<Endpoint> {
    let name = entry.key.as_str();
    let Some(method_name) = Ident::snake(name) else {
        report
            .error(
                Code::BadEndpoint,
                entry.key_span,
                "an endpoint can't be named like that",
            )
            .advise("start with a letter; use letters, digits, `-` and `_`");
        return None;
    };
    let mut path = None;
    let mut method = Method::Post;
    let mut summary = None;
    let mut description = None;
    let mut deprecated = false;
    let mut tags = Vec::new();
    let mut operation_id = None;
    let mut headers = None;
    let mut input = None;
    let mut output = None;
    let mut status = Setting::new(200, entry.key_span);
    let mut errors = Setting::new(Vec::new(), entry.key_span);
    let mut stream = Setting::new(false, entry.key_span);
    let mut handler = Handler::Model;
    let mut settings = None;
    let mut roles = Vec::new();
    let mut rate = None;
    let mut timeout_ms = None;
    let mut broken = false;
    for Entry {
        key,
        key_span,
        value,
    } in yaml_settings::allowed_entries(&entry.value, KEYS, report)
    {
        match key.as_str() {
            "path" => {
                path = endpoint_path::read(value, report);
                broken |= path.is_none();
            }
            "method" => match read_method(value, report) {
                Some(read) => method = read,
                None => broken = true,
            },
            "summary" => summary = yaml_settings::text(value, report).map(str::to_owned),
            "description" => {
                description = yaml_settings::text(value, report).map(str::to_owned);
            }
            "deprecated" => deprecated = yaml_settings::truth(value, report).unwrap_or_default(),
            "tags" => tags = texts(value, report),
            "operation_id" => operation_id = read_operation_id(value, report),
            "headers" => headers = Some(value),
            "input" => input = Some(value),
            "output" => output = Some((value, *key_span)),
            "status" => match read_status(value, report) {
                Some(read) => status = Setting::new(read, *key_span),
                None => broken = true,
            },
            "errors" => errors = Setting::new(endpoint_error::read_all(value, report), *key_span),
            "stream" => {
                let read = yaml_settings::truth(value, report).unwrap_or_default();
                stream = Setting::new(read, *key_span);
            }
            "handler" => handler = read_handler(value, report).unwrap_or(handler),
            "roles" => roles = texts(value, report),
            "rate" => rate = yaml_settings::rate(value, report),
            "retrieve" => settings = retrieve::read(value, report),
            _ => timeout_ms = yaml_settings::duration_ms(value, report),
        }
    }
    let prose = prose(handler, entry.key_span);
    let mut input = input.cloned().unwrap_or(prose.0);
    let mut header_names = Vec::new();
    if let Some(headers) = headers {
        let added = add_headers(&input, headers, report)?;
        (input, header_names) = (added.input, added.names);
    }
    if status.value == NO_CONTENT {
        let output = output.take().map(|(_, span)| span);
        check_no_content(&status, handler, output, &stream, report)?;
    }
    if handler != Handler::Code && !errors.value.is_empty() {
        let message = format!("`errors` with `handler: {handler}`: it can return none of them");
        report
            .error(Code::BadEndpoint, errors.span, message)
            .advise("answer the endpoint in Rust (`handler: code`), or leave `errors` out");
        return None;
    }
    let nothing = Node::from_json(&json!({ "type": "null" }), status.span);
    let output = match output {
        Some((output, _)) => output,
        None if status.value == NO_CONTENT => &nothing,
        None => &prose.1,
    };
    let role = match handler {
        Handler::Model => Role::ModelInput,
        Handler::Code | Handler::Search | Handler::Embed => Role::Input,
    };
    let input = schema::read(&input, report, role);
    let output = schema::read(output, report, Role::Output);
    let path =
        path.unwrap_or_else(|| format!("/v1/agents/{slug}/{}", endpoint_path::segment(name)));
    let (input, output) = (input?, output?);
    if broken {
        return None;
    }
    let written = entry.value.get("path").map(|node| node.span);
    let path_span = written.unwrap_or(entry.key_span);
    let parameters = parameter::of(method, &path, &input, &header_names, path_span, report);
    match handler {
        Handler::Search => search_contract::check_search(&input, &output, report),
        Handler::Embed => embed_contract::check_embed(&input, &output, report),
        Handler::Model | Handler::Code => {}
    }
    let retrieve = settings.and_then(|settings| match handler {
        Handler::Model => retrieve::check_retrieve(settings, &input, &output, report),
        other => {
            retrieve::refuse(&settings, other.as_str(), report);
            None
        }
    });
    Some(Endpoint {
        name: name.to_owned(),
        method_name,
        method,
        path,
        summary,
        description,
        deprecated,
        tags,
        operation_id,
        status: status.value,
        errors: errors.value,
        input,
        parameters,
        output,
        stream: stream.value,
        handler,
        retrieve,
        roles,
        rate,
        timeout_ms,
        span: entry.key_span,
        path_span,
    })
}

/// The value of a setting, and where its key is: that of the endpoint where it is not set.
struct Setting<T> {
    value: T,
    span: Span,
}

impl<T> Setting<T> {
    fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// An endpoint that answers with nothing has no output, streams nothing, and is answered by code. None where something
/// is wrong with that; `output` is the place of an output.
fn check_no_content(
    status: &Setting<u16>,
    handler: Handler,
    output: Option<Span>,
    stream: &Setting<bool>,
    report: &mut Report,
) -> Option<()> {
    let mut refuse = |span, message: String, advice: &str| {
        report
            .error(Code::BadEndpoint, span, message)
            .advise(advice);
        None
    };
    if let Some(span) = output {
        let message =
            format!("an answer of status {NO_CONTENT} has no body, and this one has an `output`");
        return refuse(span, message, "leave `output` out, or take `status: 200`");
    }
    if stream.value {
        let message =
            format!("an answer of status {NO_CONTENT} has no body, and this one is a `stream`");
        return refuse(
            stream.span,
            message,
            "leave `stream` out, or take `status: 200`",
        );
    }
    if handler != Handler::Code {
        let message = format!(
            "`status: {NO_CONTENT}` with `handler: {handler}`: its answer would be thrown away"
        );
        return refuse(
            status.span,
            message,
            "take `status: 200`, or answer the endpoint in Rust (`handler: code`)",
        );
    }
    Some(())
}

fn texts(node: &Node, report: &mut Report) -> Vec<String> {
    let names = yaml_settings::names(node, report);
    names.into_iter().map(|name| name.text).collect()
}

fn read_status(node: &Node, report: &mut Report) -> Option<u16> {
    let status = match &node.value {
        Value::Number(number) => STATUSES
            .into_iter()
            .find(|status| number.as_u64() == Some(u64::from(*status))),
        _ => None,
    };
    if status.is_none() {
        report
            .error(Code::BadEndpoint, node.span, "this is not the status of an answer")
            .advise("it takes 200, 201 (created), 202 (accepted) or 204 (no content); statuses of errors are under `errors`");
    }
    status
}

/// An id that every language can make a name of, and that fits into a URL.
fn read_operation_id(node: &Node, report: &mut Report) -> Option<Name> {
    let text = yaml_settings::text(node, report)?;
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits {
        return Some(Name {
            text: text.to_owned(),
            span: node.span,
        });
    }
    report
        .error(
            Code::BadEndpoint,
            node.span,
            format!("an operation can't have the id `{text}`"),
        )
        .advise(
            "start with a letter or `_`; use letters, digits, `_`, `-` and `.`, as in `listBooks`",
        );
    None
}

fn read_method(node: &Node, report: &mut Report) -> Option<Method> {
    let text = yaml_settings::text(node, report)?;
    let method = Method::parse(&text.to_ascii_uppercase());
    if method.is_none() {
        let words = Method::ALL.map(|method| method.as_str().to_ascii_lowercase());
        let words = words.each_ref().map(String::as_str);
        report
            .error(
                Code::BadEndpoint,
                node.span,
                format!("`{text}` is not an HTTP method of endpoints"),
            )
            .advise(did_you_mean(text, words, it_takes(words)));
    }
    method
}

fn read_handler(node: &Node, report: &mut Report) -> Option<Handler> {
    let text = yaml_settings::text(node, report)?;
    let handler = Handler::parse(text);
    if handler.is_none() {
        let words = Handler::ALL.map(Handler::as_str);
        report
            .error(
                Code::BadEndpoint,
                node.span,
                format!("there is no handler `{text}`"),
            )
            .advise(did_you_mean(text, words, it_takes(words)));
    }
    handler
}

/// The input and the output of an endpoint that declares none. A model gets a message of a person and the
/// conversation that it belongs to.
fn prose(handler: Handler, span: Span) -> (Node, Node) {
    let (input, output) = match handler {
        Handler::Search => search_contract::default(),
        Handler::Embed => embed_contract::default(),
        Handler::Model | Handler::Code => (
            json!({
                "input": "string, what the agent is asked",
                "session_id?": "string, the conversation to go on with",
            }),
            json!({ "output": "string, what the agent answers" }),
        ),
    };
    (
        Node::from_json(&input, span),
        Node::from_json(&output, span),
    )
}
