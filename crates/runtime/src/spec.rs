//! The constants that a service consists of: agents, endpoints, workflows. Generated code has them, or they are read from a
//! document (`agent_document`).
//!
//! Invariant: plain data; no behaviour beyond lookups.

pub(crate) mod agent_document;
pub(crate) mod agent_spec;
mod constant_pool;
pub(crate) mod endpoint_spec;
mod expression_text;
pub(crate) mod prompt;
pub(crate) mod value_shape;
mod workflow_document;
pub(crate) mod workflow_spec;

pub use self::agent_spec::{AgentSpec, DocumentsSpec, Policy, Rate, ToolPolicy};
pub use self::endpoint_spec::{
    EndpointSpec, ErrorSpec, Handler, HitShape, Method, Parameter, ParameterKind,
    ParameterLocation, Retrieve, SessionUse,
};
pub use self::prompt::Prompt;
