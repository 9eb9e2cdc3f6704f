//! What an endpoint is: its path, its input and its output.

pub use agentgen_schema::{Handler, Method, ParameterKind, ParameterLocation};

use crate::spec::agent_spec::Rate;

/// One operation of an agent as the generator wrote it down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndpointSpec {
    /// Its name within the agent.
    pub name: &'static str,
    /// Its name in the OpenAPI document, unique over all agents.
    pub operation_id: &'static str,
    /// The HTTP method it answers.
    pub method: Method,
    /// Its path, which may hold `{parameters}`.
    pub path: &'static str,
    /// The HTTP status of its answers; with 204 they have no body.
    pub status: u16,
    /// The errors that its handler can return, besides those of the service.
    pub errors: &'static [ErrorSpec],
    /// Whether it offers `text/event-stream` too.
    pub stream: bool,
    /// What handles it.
    pub handler: Handler,
    /// Which passages are added to the model's input.
    pub retrieve: Option<Retrieve>,
    /// Where requests and answers name a conversation.
    pub session: SessionUse,
    /// What a search endpoint answers with; `None` for other endpoints.
    pub hits: Option<HitShape>,
    /// The roles of which a caller needs one; empty admits every caller.
    pub roles: &'static [&'static str],
    /// What is read from the path, the query and the headers.
    pub parameters: &'static [Parameter],
    /// JSON Schema of the request.
    pub input_schema: &'static str,
    /// JSON Schema of the answer.
    pub output_schema: &'static str,
    /// A JSON value that is valid under `output_schema`.
    pub output_example: &'static str,
    /// How many requests a caller may make; `None` leaves it to the agent's policy.
    pub rate: Option<Rate>,
    /// The longest a run may take, in milliseconds; `None` leaves it to the agent's policy.
    pub timeout_ms: Option<u64>,
}

/// An error that an endpoint declares: the fixed members of its problem document (RFC 9457).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorSpec {
    /// The member `code`, which no other error of the endpoint has.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The member `type`: a URI that identifies the kind of problem.
    pub problem_type: &'static str,
    /// The member `title`.
    pub title: &'static str,
    /// The member `detail`, unless the handler says something else.
    pub detail: &'static str,
}

/// Where an endpoint's requests and answers name a conversation, under `session_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionUse {
    /// Nowhere: every request stands alone.
    #[default]
    None,
    /// A request may name a conversation; without one it stands alone.
    Input,
    /// A request may name a conversation; without one it starts a new one. The answer names it.
    InputAndOutput,
}

/// What the answers of a search endpoint contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HitShape {
    /// The properties of a hit, in the order of the schema.
    pub properties: &'static [&'static str],
    /// Whether answers have `total`, the number of all hits.
    pub total: bool,
    /// Whether answers have `model`, the embedding model.
    pub model: bool,
    /// The number of hits for a request without `limit`.
    pub default_limit: u32,
}

/// Passages of the agent's documents that are added to the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieve {
    /// The property of the request that is the query.
    pub query: &'static str,
    /// How many at most.
    pub limit: u32,
}

/// One value read from the path, the query or the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name there, and its key in the request.
    pub name: &'static str,
    /// Where it is read from.
    pub location: ParameterLocation,
    /// What it is read as.
    pub kind: ParameterKind,
}
