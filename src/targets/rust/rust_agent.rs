//! Agents, as far as Rust code needs to know them.

use serde::Serialize;

use crate::contract::endpoint::Handler;
use crate::schema::Schema;
use crate::targets::rust::workflow_function::RustWorkflow;
use crate::text::ident::Ident;

/// An agent, as far as its Rust module needs to know it.
#[derive(Debug, Clone)]
pub struct RustAgent<'a> {
    /// The name as the author wrote it.
    pub name: &'a str,
    /// The name as it stands in paths.
    pub slug: &'a str,
    /// The module, which names the file too.
    pub module: Ident,
    /// The trait.
    pub type_name: Ident,
    /// What the agent is for, in one line.
    pub summary: &'a str,
    /// The situations of its examples.
    pub examples: &'a [String],
    /// The path of the spec, relative to the project.
    pub spec_path: &'a str,
    /// The path of the prompt, relative to the folder of the module.
    pub prompt_path: &'a str,
    /// SHA-256 of the prompt in hexadecimal digits.
    pub prompt_sha256: &'a str,
    /// The model asked for.
    pub model: Option<&'a str>,
    /// The tools it may use; none where nothing is restricted.
    pub tools: Option<&'a [String]>,
    /// The slugs of the agents it may hand over to.
    pub agents: &'a [String],
    /// The documents it looks things up in.
    pub documents: Option<RustDocuments<'a>>,
    /// Its limits.
    pub policy: RustPolicy<'a>,
    /// Its endpoints, in the order of the source.
    pub endpoints: Vec<RustEndpoint<'a>>,
    /// Its workflows, in the order of the source.
    pub workflows: &'a [RustWorkflow],
}

/// The documents that an agent looks things up in.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RustDocuments<'a> {
    /// The collection they are kept in.
    pub collection: &'a str,
    /// The roles of which a caller needs one to see and change whole ones; empty admits every caller.
    pub roles: &'a [String],
}

/// The limits of an agent; what is none is left to the runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustPolicy<'a> {
    /// Models or agents to turn to, in order.
    pub fallbacks: Option<&'a [String]>,
    /// How often a failed call is tried again.
    pub retry_attempts: Option<u32>,
    /// The first pause between two attempts, in milliseconds.
    pub retry_backoff_ms: Option<u64>,
    /// After how many failures in a row the provider is left alone.
    pub breaker_failures: Option<u32>,
    /// For how long it is left alone, in milliseconds.
    pub breaker_cooldown_ms: Option<u64>,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The most tokens a run may use.
    pub budget_tokens: Option<u64>,
    /// The most turns a run may take.
    pub budget_turns: Option<u32>,
    /// How many requests a caller may make.
    pub rate: Option<RustRate>,
    /// How much of a session's history is kept, in tokens.
    pub history_tokens: Option<u64>,
    /// After how many idle seconds a session is forgotten.
    pub session_ttl_seconds: Option<u64>,
}

/// So many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RustRate {
    /// How many requests.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// An endpoint, as far as Rust code needs to know it.
#[derive(Debug, Clone)]
pub struct RustEndpoint<'a> {
    /// The name as the author wrote it.
    pub name: &'a str,
    /// The method of the trait.
    pub method_ident: Ident,
    /// The static that describes the endpoint. `SPEC` is taken by the agent and gets a `_`.
    pub const_ident: Ident,
    /// The name in the OpenAPI document.
    pub operation_id: &'a str,
    /// The HTTP method as HTTP writes it: `POST`.
    pub http_method: &'a str,
    /// The path, which may hold `{parameters}`.
    pub path: &'a str,
    /// Whether it is offered as server-sent events too.
    pub stream: bool,
    /// Who answers unless the user's code does: a variant of the runtime's `Handler`.
    pub handler: Handler,
    /// Which passages the model is given with a request.
    pub retrieve: Option<RustRetrieve<'a>>,
    /// The roles of which a caller needs one; empty admits every caller.
    pub roles: &'a [String],
    /// What the endpoint does.
    pub description: Option<&'a str>,
    /// The request; none is an object without properties.
    pub input: Option<&'a Schema>,
    /// The answer; none is null.
    pub output: Option<&'a Schema>,
    /// What is read from the path and the query.
    pub parameters: Vec<RustParameter<'a>>,
    /// How many requests a caller may make.
    pub rate: Option<RustRate>,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether this is the endpoint every agent has, whose types are the runtime's.
    pub builtin_invoke: bool,
}

/// Passages that a model is given with a request.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RustRetrieve<'a> {
    /// The property of the request that they are looked for by.
    pub query: &'a str,
    /// How many at most.
    pub limit: u32,
}

/// Something that is read from the path or the query.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RustParameter<'a> {
    /// The name.
    pub name: &'a str,
    /// `Path` or `Query`: a variant of the runtime's `ParameterLocation`.
    pub location: &'a str,
    /// `String`, `Integers` and so on: a variant of the runtime's `ParameterKind`.
    pub kind: &'a str,
}
