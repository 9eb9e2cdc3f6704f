//! The handlers of all endpoints, one file for each group of paths.
//!
//! Invariant: every path except health and metrics passes authentication before anything else is read of the request.

pub(crate) mod agent_api;
pub(crate) mod agent_selection;
pub(crate) mod console_api;
pub(crate) mod console_data;
pub(crate) mod docs_api;
pub(crate) mod documents_api;
pub(crate) mod health_api;
#[cfg(test)]
mod openapi_schemas;
pub(crate) mod sessions_api;
pub(crate) mod system_api;
pub(crate) mod token_api;
pub(crate) mod workflow_api;

/// The paths of the runtime itself, which no endpoint may have.
pub(crate) fn own_paths() -> impl Iterator<Item = &'static str> {
    system_api::PATHS
        .into_iter()
        .chain(sessions_api::PATHS)
        .chain(documents_api::PATHS)
        .chain(workflow_api::PATHS)
        .chain([agent_selection::PATH])
        .chain(console_api::paths())
}
