//! The tools of a service: each agent, each endpoint and each workflow, under names that stay the same from one start to the next.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::schema_for;
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::error::start_error::StartError;
use crate::http::calls::MountedEndpoint;
use crate::http::calls::workflow_call::require_roles;
use crate::http::protocols::Served;
use crate::http::protocols::mcp_adapter::mcp_envelope::Era;
use crate::spec::endpoint_spec::{Handler, Method};
use crate::spec::workflow_spec::{INVOKE, WorkflowSpec};
use crate::workflow::run_report::RunReport;
use crate::workflow::workflow_service::WorkflowService;

/// The longest name: models take no longer ones.
const LONGEST_NAME: usize = 64;
/// How much of the hash of a longer name ends its place, in hexadecimal digits.
const HASH_DIGITS: usize = 8;

/// The tools of a service.
pub(super) struct ToolCatalog {
    entries: Vec<ToolEntry>,
    by_name: BTreeMap<String, usize>,
}

/// A tool, and what it calls.
pub(super) struct ToolEntry {
    pub(super) target: ToolTarget,
    tool: Tool,
    /// Whether its output is an object. Up to 2025-11-25, a structured result can be nothing else.
    has_object: bool,
}

/// What a tool calls.
pub(super) enum ToolTarget {
    Endpoint(Arc<MountedEndpoint>),
    Workflow(&'static WorkflowSpec),
}

impl ToolCatalog {
    /// The tools of what is served.
    ///
    /// # Errors
    /// A schema that is no JSON.
    pub(super) fn new(served: &Served) -> Result<Self, StartError> {
        let mut catalog = Self {
            entries: Vec::new(),
            by_name: BTreeMap::new(),
        };
        let words = operation_words(&served.document);
        for endpoint in served.agents.iter().flat_map(|agent| &agent.endpoints) {
            catalog.add_endpoint(endpoint, &words)?;
        }
        let report = schema_for!(RunReport).to_value();
        for spec in served.runs.declared() {
            let text = words.get(spec.operation_id);
            let text = text.cloned().unwrap_or_else(|| {
                format!("Runs the workflow `{}` of `{}`.", spec.name, spec.agent)
            });
            let input = parsed("input", spec.operation_id, spec.input_schema)?;
            let name = format!("workflow_{}", spec.name);
            let target = ToolTarget::Workflow(spec);
            catalog.add(&name, text.into(), input, report.clone(), target, None);
        }
        Ok(catalog)
    }

    fn add_endpoint(
        &mut self,
        endpoint: &Arc<MountedEndpoint>,
        words: &BTreeMap<&str, String>,
    ) -> Result<(), StartError> {
        let (agent, spec) = (endpoint.agent, endpoint.handler.spec);
        let is_invoke = spec.name == INVOKE;
        let name = match is_invoke {
            true => agent.slug.to_owned(),
            false => format!("{}_{}", agent.slug, spec.name),
        };
        let text = match words.get(spec.operation_id) {
            Some(text) if !is_invoke => Cow::Owned(text.clone()),
            _ => Cow::Borrowed(agent.summary),
        };
        let input = parsed("input", spec.operation_id, spec.input_schema)?;
        let output = match spec.status {
            204 => Value::Null,
            _ => parsed("output", spec.operation_id, spec.output_schema)?,
        };
        let hints = ToolAnnotations::new();
        let hints = match (spec.method, spec.handler) {
            (Method::Get, _) | (_, Handler::Search) => Some(hints.read_only(true)),
            (Method::Put, _) => Some(hints.idempotent(true)),
            (Method::Delete, _) => Some(hints.destructive(true).idempotent(true)),
            // What a model does depends on its tools.
            (Method::Post | Method::Patch, _) => None,
        };
        let target = ToolTarget::Endpoint(Arc::clone(endpoint));
        self.add(&name, text, input, output, target, hints);
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        text: Cow<'static, str>,
        input: Value,
        output: Value,
        target: ToolTarget,
        hints: Option<ToolAnnotations>,
    ) {
        let name = self.free_name(name);
        let mut tool = Tool::new(name.clone(), text, input_object(input));
        let has_object = output["type"] == "object";
        if let Value::Object(output) = output {
            tool = tool.with_raw_output_schema(Arc::new(output));
        }
        tool.annotations = hints;
        self.by_name.insert(name, self.entries.len());
        self.entries.push(ToolEntry {
            target,
            tool,
            has_object,
        });
    }

    /// A valid name for `wanted` that no other tool has.
    fn free_name(&self, wanted: &str) -> String {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let wanted = wanted.replace(|c| !is_allowed(c), "_");
        let mut name = fitted(&wanted);
        let mut number = 2_u32;
        while self.by_name.contains_key(&name) {
            name = fitted(&format!("{wanted}_{number}"));
            number += 1;
        }
        name
    }

    /// The tool with this name.
    pub(super) fn find(&self, name: &str) -> Option<&ToolEntry> {
        Some(&self.entries[*self.by_name.get(name)?])
    }

    /// What is listed for `caller`: what it may call.
    pub(super) fn list(&self, runs: &WorkflowService, caller: &Caller, era: Era) -> Vec<Tool> {
        let entries = self.entries.iter();
        let permitted = entries.filter(|entry| entry.permits(runs, caller));
        let listed = permitted.map(|entry| {
            let mut tool = entry.tool.clone();
            if !entry.is_structured(era) {
                tool.output_schema = None;
            }
            tool
        });
        listed.collect()
    }
}

impl ToolEntry {
    /// Whether results have structured content.
    pub(super) fn is_structured(&self, era: Era) -> bool {
        self.tool.output_schema.is_some() && (self.has_object || era == Era::Stateless)
    }

    fn permits(&self, runs: &WorkflowService, caller: &Caller) -> bool {
        match &self.target {
            ToolTarget::Endpoint(endpoint) => caller.has_one_of(endpoint.handler.spec.roles),
            ToolTarget::Workflow(spec) => require_roles(runs, spec, caller).is_ok(),
        }
    }
}

/// `name`, or its beginning and a hash of it where it is too long.
fn fitted(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let mut fitted = name[..LONGEST_NAME - HASH_DIGITS - 1].to_owned();
    fitted.push('_');
    for byte in &digest(&SHA256, name.as_bytes()).as_ref()[..HASH_DIGITS / 2] {
        // A text takes everything.
        let _ = write!(fitted, "{byte:02x}");
    }
    fitted
}

/// A schema as JSON.
fn parsed(role: &str, operation_id: &'static str, text: &str) -> Result<Value, StartError> {
    serde_json::from_str(text).map_err(|error| StartError::Schema {
        operation_id,
        detail: format!("the {role} schema is no JSON: {error}"),
    })
}

/// The schema of a tool's arguments, which the protocol wants to be of type `object`. A request of an endpoint is nothing else, however
/// its schema says so.
fn input_object(schema: Value) -> JsonObject {
    let mut object = JsonObject::new();
    object.insert("type".to_owned(), json!("object"));
    if let Value::Object(schema) = schema {
        object.extend(schema);
    }
    object
}

/// What the OpenAPI document says of operations, by their ids.
fn operation_words(document: &Value) -> BTreeMap<&str, String> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(_, path)| path.as_object().into_iter().flatten());
    let words = operations.filter_map(|(_, operation)| {
        let id = operation["operationId"].as_str()?;
        let text = |key: &str| operation[key].as_str().filter(|text| !text.is_empty());
        let text = match (text("summary"), text("description")) {
            (Some(summary), Some(description)) if !description.starts_with(summary) => {
                format!("{summary}\n\n{description}")
            }
            (summary, description) => description.or(summary)?.to_owned(),
        };
        Some((id, text))
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::fitted;

    #[test]
    fn a_name_that_is_too_long_ends_in_a_hash_of_it() {
        let long = "a".repeat(65);
        let name = fitted(&long);
        assert_eq!(name.len(), 64);
        assert!(name.starts_with(&"a".repeat(55)), "{name}");
        assert_ne!(name, fitted(&format!("{long}b")));
        assert_eq!(fitted(&long[..64]), long[..64]);
    }
}
