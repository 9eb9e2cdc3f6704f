pub mod desk;

/// The merged OpenAPI document.
pub static OPENAPI_JSON: &str = ::core::include_str!("openapi.json");

/// Hands out the handler of every agent.
pub trait Handlers {
    /// The handler of `desk`, which has endpoints written in code.
    fn desk(&self) -> impl desk::Desk;
}

/// All agents, ready to be served.
pub fn registry(handlers: &impl Handlers) -> ::agentgen_runtime::Registry {
    ::agentgen_runtime::Registry::new(OPENAPI_JSON).service(desk::service(handlers.desk()))
}
