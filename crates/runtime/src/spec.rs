//! The constants that generated code consists of: agents, endpoints, workflows.
//!
//! Invariant: plain data, built at compile time; no behaviour beyond lookups.

pub(crate) mod agent_spec;
pub(crate) mod endpoint_spec;
pub(crate) mod workflow_spec;

pub use self::agent_spec::{AgentSpec, DocumentsSpec, Policy, Rate};
pub use self::endpoint_spec::{
    EndpointSpec, ErrorSpec, Handler, HitShape, Method, Parameter, ParameterKind,
    ParameterLocation, Retrieve, SessionUse,
};
