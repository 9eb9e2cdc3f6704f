//! The agents of a project as JSON documents, from which the runtime serves them without compiling.
//!
//! Invariant: what the document says of an agent are the constants that generated Rust has, and the shape of a value is what the
//! generated types make of it. Both come from the same functions.

pub(crate) mod endpoint_shape;
pub(crate) mod served_agent;
pub(crate) mod service_constants;
pub(crate) mod type_shape;
