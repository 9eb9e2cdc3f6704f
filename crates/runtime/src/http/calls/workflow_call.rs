//! Runs of workflows: who may start one, and how.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::Value;

use crate::auth::claims::Caller;
use crate::http::admission::require_role;
use crate::http::api_error::{ApiError, Denied};
use crate::http::idempotency;
use crate::spec::workflow_spec::{StepSpec, WorkflowSpec};
use crate::workflow::journal::JournaledRun;
use crate::workflow::run_start;
use crate::workflow::workflow_service::WorkflowService;
use crate::workflow::workflows::children;

/// Checks the roles of a workflow and of every endpoint that its steps call: starting a workflow must not get around
/// them.
///
/// # Errors
/// 403.
pub(crate) fn require_roles(
    runs: &WorkflowService,
    spec: &'static WorkflowSpec,
    caller: &Caller,
) -> Result<(), Denied> {
    let (mut lists, mut open) = (Vec::new(), vec![spec]);
    while let Some(spec) = open.pop() {
        let targets = spec.steps.iter().flat_map(StepSpec::targets);
        let targets = targets.filter_map(|target| runs.targets.get(&target));
        lists.push(spec.roles);
        lists.extend(targets.map(|target| target.mounted.spec.roles));
        // None of them leads back: see `workflows::check_children`.
        open.extend(children(spec).filter_map(|name| runs.specs.get(name).copied()));
    }
    // Of several missing roles, the same one is reported every time.
    lists.sort_unstable();
    for roles in lists {
        require_role(caller, roles)?;
    }
    Ok(())
}

/// Starts a run for a caller that has the roles for it, or finds the one that an earlier request with the same `Idempotency-Key` started.
///
/// # Errors
/// An input that is invalid, a key of another request, and what the journal says.
pub(crate) async fn start(
    runs: &Arc<WorkflowService>,
    spec: &'static WorkflowSpec,
    input: Value,
    caller: Caller,
    headers: &HeaderMap,
) -> Result<JournaledRun, ApiError> {
    let key = idempotency::read_key(headers)?;
    let repeated = key.is_some().then(|| input.clone());
    let run = run_start::start_run(runs, spec, input, caller, key, None).await?;
    match repeated {
        Some(input) if input != run.input => Err(idempotency::key_reused()),
        _ => Ok(run),
    }
}
