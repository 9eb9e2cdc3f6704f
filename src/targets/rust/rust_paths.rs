//! Where generated types find what they need that is not of their own module.

use serde::Serialize;

/// Absolute paths, so that no name of the author's is in their way: those of a service lead into the runtime, those of a
/// client into the client itself.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RustPaths {
    /// The crate serde.
    pub serde: &'static str,
    /// `DateTime`, `Date`, `Uuid` and `JsonValue`.
    pub schema: &'static str,
    /// The functions that serde's attributes name.
    pub codegen: &'static str,
    /// `InvokeRequest` and `InvokeResponse`.
    pub invoke: &'static str,
    /// `StepAnswer`, `StepOutcome`, `StepReports`, `SubtaskOutput`, `TypedReport` and `TypedSteps`.
    pub workflow: &'static str,
    /// The error of a report whose steps are not as expected.
    pub step_error: &'static str,
    /// Whether types check what their schemas demand beyond them.
    pub validates: bool,
}

/// The paths of the modules of a service.
pub static SERVICE: RustPaths = RustPaths {
    serde: "::agentgen_runtime::codegen::serde",
    schema: "::agentgen_runtime::schema",
    codegen: "::agentgen_runtime::codegen",
    invoke: "::agentgen_runtime",
    workflow: "::agentgen_runtime::workflow",
    step_error: "::agentgen_runtime::AgentError",
    validates: true,
};

/// The paths of the module of an agent in a client, which is two below the client's.
pub static CLIENT: RustPaths = RustPaths {
    serde: "::serde",
    schema: "super::super",
    codegen: "super::super::codegen",
    invoke: "super::super",
    workflow: "super::super",
    step_error: "::std::string::String",
    validates: false,
};

/// The paths of the module `workflows` in the module of an agent in a client.
pub static CLIENT_WORKFLOWS: RustPaths = RustPaths {
    serde: "::serde",
    schema: "super::super::super",
    codegen: "super::super::super::codegen",
    invoke: "super::super::super",
    workflow: "super::super::super",
    step_error: "::std::string::String",
    validates: false,
};

impl RustPaths {
    /// The type of any JSON.
    pub fn json(&self) -> String {
        self.of_schema("JsonValue")
    }

    /// The type `name` among those of schemas.
    pub fn of_schema(&self, name: &str) -> String {
        format!("{}::{name}", self.schema)
    }
}
