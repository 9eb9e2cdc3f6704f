//! The workflows of a service: checks them at start, and runs them from the program's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, broadcast};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::run::endpoint_schemas::compile_schema;
use crate::run::resources::Resources;
use crate::schema::{Validate, check as check_input, new_uuid_v4};
use crate::spec::workflow_spec::{OnFailure, WorkflowSpec};
use crate::workflow::evaluation::check_literals;
use crate::workflow::journal::{Journal, RunLease};
use crate::workflow::queue::Queue;
use crate::workflow::run_report::RunReport;
use crate::workflow::run_report::{TypedReport, TypedSteps};
use crate::workflow::run_start::{start_run, wait_for_report};
use crate::workflow::step_task::INVOKE;
use crate::workflow::workflow_service::{StepTarget, WorkflowLimits, WorkflowService};

/// How many remote changes a slow reader may be behind. Further ones are dropped, and the reader reads the journal.
const REMOTE_CHANGES_CAPACITY: usize = 256;

/// Runs the workflows of a service from its own code, for example from a handler. It works once the registry that it
/// was given to ([`Registry::workflows`](crate::Registry::workflows)) is served or has become a router.
#[derive(Clone, Default)]
pub struct Workflows(Arc<OnceLock<Weak<WorkflowService>>>);

impl Workflows {
    /// Runs a workflow for `subject`, to whom the run then belongs, and returns its report, however it ended. The run
    /// continues if the future is dropped, and is resumed if the process ends.
    ///
    /// # Errors
    /// 422 for an input that is invalid under the workflow's schema; 503 if the service is not running, shuts down before
    /// the run finishes or can't reach its journal; 500 for a workflow that the registry does not have.
    pub async fn run(
        &self,
        spec: &'static WorkflowSpec,
        input: Value,
        subject: &str,
    ) -> Result<RunReport, AgentError> {
        let roles = Vec::new();
        let caller = Caller {
            subject: subject.to_owned(),
            roles,
        };
        let service = self.0.get().and_then(Weak::upgrade);
        let service = service.ok_or_else(|| AgentError::unavailable("the service does not run"))?;
        let run = start_run(&service, spec, input, caller, None).await?;
        wait_for_report(&service, run.id, subject).await
    }

    /// Runs a workflow as [`run`](Self::run) does, with a typed input and typed outputs. The generated function of a
    /// workflow calls it. A failed step is in the report; it is no error.
    ///
    /// # Errors
    /// As those of [`run`](Self::run), and 422 for an input that [`Validate`] refuses.
    pub async fn run_typed<S: TypedSteps>(
        &self,
        spec: &'static WorkflowSpec,
        input: &(impl Serialize + Validate + Sync),
        subject: &str,
    ) -> Result<TypedReport<S>, AgentError> {
        check_input(input).map_err(AgentError::Invalid)?;
        let input = serde_json::to_value(input).map_err(AgentError::internal)?;
        self.run(spec, input, subject).await?.try_into()
    }

    /// Binds it to a service. A second call changes nothing.
    pub(crate) fn bind(&self, service: &Arc<WorkflowService>) {
        let _ = self.0.set(Arc::downgrade(service));
    }
}

/// The service that runs the workflows `specs`, whose steps call `targets`.
///
/// # Errors
/// Two workflows of one name, and a step that can never run.
pub(crate) fn build_service(
    specs: &[&'static WorkflowSpec],
    targets: BTreeMap<(&'static str, &'static str), StepTarget>,
    resources: Arc<Resources>,
    journal: Arc<dyn Journal>,
    queue: Option<Arc<dyn Queue>>,
    limits: WorkflowLimits,
) -> Result<Arc<WorkflowService>, StartError> {
    let mut by_name = BTreeMap::new();
    let mut input_schemas = BTreeMap::new();
    for spec in specs {
        check(spec, &targets)?;
        let input = compile_schema("input", spec.operation_id, spec.input_schema)?;
        input_schemas.insert(spec.name, input);
        if by_name.insert(spec.name, *spec).is_some() {
            return Err(start_error(
                spec,
                format!("there are two workflows `{}`", spec.name),
            ));
        }
    }
    let max_concurrent_runs = limits.runs.clamp(1, 100_000);
    Ok(Arc::new(WorkflowService {
        specs: by_name,
        input_schemas,
        targets,
        resources,
        journal,
        queue,
        remote_changes: broadcast::Sender::new(REMOTE_CHANGES_CAPACITY),
        lease: RunLease {
            owner: new_uuid_v4().to_string(),
            ttl: limits.lease,
        },
        retention: limits.keep,
        slots: Arc::new(Semaphore::new(max_concurrent_runs as usize)),
        max_concurrent_runs,
        active: Mutex::default(),
        has_waiting: AtomicBool::new(false),
        next_workflow: AtomicUsize::new(0),
        slot_freed: Arc::default(),
        supervisor_spawned: AtomicBool::new(false),
    }))
}

/// Checks what the scheduler relies on. Generated workflows always pass.
fn check(
    spec: &WorkflowSpec,
    targets: &BTreeMap<(&'static str, &'static str), StepTarget>,
) -> Result<(), StartError> {
    let wrong = |detail: String| start_error(spec, detail);
    if spec.concurrency == Some(0) {
        return Err(wrong("none of its steps may be under way".to_owned()));
    }
    let mut earlier = BTreeSet::new();
    for step in spec.steps {
        let id = step.id;
        if let Some(need) = step.needs.iter().find(|need| !earlier.contains(*need)) {
            return Err(wrong(format!(
                "the step `{id}` needs `{need}`, which is no step before it"
            )));
        }
        if !earlier.insert(id) {
            return Err(wrong(format!("there are two steps `{id}`")));
        }
        if let Some(template) = &step.with {
            check_literals(template).map_err(|error| {
                wrong(format!(
                    "a literal in the input of the step `{id}` is not JSON: {error}"
                ))
            })?;
        }
        let fallback = match step.on_failure {
            OnFailure::Fallback(agent) => Some((agent, INVOKE)),
            _ => None,
        };
        for target in [Some((step.agent, step.endpoint)), fallback]
            .into_iter()
            .flatten()
        {
            if !targets.contains_key(&target) {
                let (agent, endpoint) = target;
                return Err(wrong(format!(
                    "the step `{id}` asks the endpoint `{endpoint}` of the agent `{agent}`, which is not there"
                )));
            }
        }
    }
    Ok(())
}

fn start_error(spec: &WorkflowSpec, detail: String) -> StartError {
    StartError::Endpoint {
        operation_id: spec.operation_id,
        detail,
    }
}
