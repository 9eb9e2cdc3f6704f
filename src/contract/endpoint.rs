//! The operations of an agent.

use agentgen_schema::{Handler, Method};
use serde_json::json;

use crate::contract::embed_contract;
use crate::contract::endpoint_path;
use crate::contract::parameter::{self, Parameter};
use crate::contract::retrieve::{self, Retrieve};
use crate::contract::search_contract;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::{self, Role, Schema};
use crate::text::did_you_mean::{did_you_mean, it_takes};
use crate::text::ident::Ident;
use crate::text::slug::Slug;
use crate::yaml::node::{Entry, Node};
use crate::yaml::yaml_settings::{self, Rate};

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
    /// What it does, in the author's words.
    pub description: Option<String>,
    /// What it takes.
    pub input: Schema,
    /// Which properties of the input come from the path and the query.
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
}

const KEYS: &[&str] = &[
    "path",
    "method",
    "description",
    "input",
    "output",
    "stream",
    "roles",
    "rate",
    "timeout",
    "handler",
    "retrieve",
];

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
            report
                .error(Code::EndpointCollision, endpoint.span, message)
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
    let mut description = None;
    let mut input = None;
    let mut output = None;
    let mut stream = false;
    let mut handler = Handler::Model;
    let mut settings = None;
    let mut roles = Vec::new();
    let mut rate = None;
    let mut timeout_ms = None;
    let mut broken = false;
    for Entry { key, value, .. } in yaml_settings::allowed_entries(&entry.value, KEYS, report) {
        match key.as_str() {
            "path" => {
                path = endpoint_path::read(value, report).or_else(|| {
                    broken = true;
                    None
                })
            }
            "method" => match read_method(value, report) {
                Some(read) => method = read,
                None => broken = true,
            },
            "description" => {
                description = yaml_settings::text(value, report).map(str::to_owned);
            }
            "input" => input = Some(schema::read(value, report, Role::Input)),
            "output" => output = Some(schema::read(value, report, Role::Output)),
            "stream" => stream = yaml_settings::truth(value, report).unwrap_or(stream),
            "handler" => handler = read_handler(value, report).unwrap_or(handler),
            "roles" => {
                roles = yaml_settings::names(value, report)
                    .into_iter()
                    .map(|name| name.text)
                    .collect();
            }
            "rate" => rate = yaml_settings::rate(value, report),
            "retrieve" => settings = retrieve::read(value, report),
            _ => timeout_ms = yaml_settings::duration_ms(value, report),
        }
    }
    let prose = prose(handler, entry.key_span);
    let input = input.unwrap_or_else(|| schema::read(&prose.0, report, Role::Input));
    let output = output.unwrap_or_else(|| schema::read(&prose.1, report, Role::Output));
    let path =
        path.unwrap_or_else(|| format!("/v1/agents/{slug}/{}", endpoint_path::segment(name)));
    let (input, output) = (input?, output?);
    if broken {
        return None;
    }
    let parameters = parameter::of(method, &path, &input, entry.key_span, report);
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
        description,
        input,
        parameters,
        output,
        stream,
        handler,
        retrieve,
        roles,
        rate,
        timeout_ms,
        span: entry.key_span,
    })
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
