//! Calls of endpoints, whatever protocol they come by: who may call, what runs, and what becomes of it.
//!
//! Invariant: each protocol calls an endpoint by [`agent_call::AgentCall`], once [`MountedEndpoint::admit`] has let its caller in.

pub(crate) mod agent_call;
pub(crate) mod api_state;
pub(crate) mod durable_call;
pub(crate) mod mounted_endpoint;
pub(crate) mod workflow_call;

pub(crate) use mounted_endpoint::MountedEndpoint;
