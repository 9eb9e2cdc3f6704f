//! The workflows of a service: what can be run, and the means to run it from its own code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, broadcast};

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::run::resources::Resources;
use crate::schema::new_uuid_v4;
use crate::schema::validate::{Validate, check as check_input};
use crate::spec::workflow_spec::{OnFailure, WorkflowSpec};
use crate::workflow::journal::{Journal, RunLease};
use crate::workflow::queue::Queue;
use crate::workflow::run_report::RunReport;
use crate::workflow::run_start::{begin, ended};
use crate::workflow::step_task::INVOKE;
use crate::workflow::typed_report::{TypedReport, TypedSteps};
use crate::workflow::workflow_service::{Place, Runs, WorkflowLimits};

/// How many runs may have news that a reader has not heard of; if there are more, it looks for itself.
const NEWS: usize = 256;

/// The workflows of a service, to be run from its own code. A handler can hold one from the beginning; there is
/// something to run as soon as the registry that it was given to ([`Registry::workflows`](crate::Registry::workflows))
/// is served, or has become a router.
#[derive(Clone, Default)]
pub struct Workflows(Arc<OnceLock<Weak<Runs>>>);

impl Workflows {
    /// Runs a workflow to its end for `subject`, whose run it is then, and gives its report, however it ended. The run
    /// goes on if the future is dropped, and after the end of the process as any other.
    ///
    /// # Errors
    /// 422 for an input that does not fit the workflow's schema, 503 if the service does not run, stops before the run is
    /// over or can't reach its journal, and 500 for a workflow that the registry was not given.
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
        let runs = self.0.get().and_then(Weak::upgrade);
        let runs = runs.ok_or_else(|| AgentError::unavailable("the service does not run"))?;
        let run = begin(&runs, spec, input, caller, None).await?;
        ended(&runs, run.id, subject).await
    }

    /// Runs a workflow as [`run`](Self::run) does, with its input and the outputs of its steps in their types. What is
    /// generated of a workflow calls it. A step that failed is told in the report and is no error.
    ///
    /// # Errors
    /// As those of [`run`](Self::run), and 422 for an input that its own [`Validate`] refuses.
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

    /// Has it run the workflows of `runs`, if it has none yet.
    pub(crate) fn bind(&self, runs: &Arc<Runs>) {
        let _ = self.0.set(Arc::downgrade(runs));
    }
}

/// The workflows `specs`, whose steps ask `places`.
///
/// # Errors
/// A name that is there twice, and a step that could never be run.
pub(crate) fn runs(
    specs: &[&'static WorkflowSpec],
    places: BTreeMap<(&'static str, &'static str), Place>,
    resources: Arc<Resources>,
    journal: Arc<dyn Journal>,
    queue: Option<Arc<dyn Queue>>,
    limits: WorkflowLimits,
) -> Result<Arc<Runs>, StartError> {
    let mut known = BTreeMap::new();
    for spec in specs {
        check(spec, &places).map_err(|detail| wrong(spec, detail))?;
        if known.insert(spec.name, *spec).is_some() {
            return Err(wrong(
                spec,
                format!("there are two workflows `{}`", spec.name),
            ));
        }
    }
    let most = limits.runs.clamp(1, 100_000);
    Ok(Arc::new(Runs {
        specs: known,
        places,
        resources,
        journal,
        queue,
        elsewhere: broadcast::Sender::new(NEWS),
        lease: RunLease {
            owner: new_uuid_v4().to_string(),
            ttl: limits.lease,
        },
        keep: limits.keep,
        slots: Arc::new(Semaphore::new(most as usize)),
        most,
        active: Mutex::default(),
        queued: AtomicBool::new(false),
        turn: AtomicUsize::new(0),
        freed: Arc::default(),
        is_kept: AtomicBool::new(false),
    }))
}

/// Whether the workflow can be run: what the generator promises, and the scheduler relies on.
fn check(
    spec: &WorkflowSpec,
    places: &BTreeMap<(&'static str, &'static str), Place>,
) -> Result<(), String> {
    if spec.concurrency == Some(0) {
        return Err("none of its steps may be under way".to_owned());
    }
    serde_json::from_str::<Value>(spec.input_schema)
        .map_err(|error| format!("its input schema is not JSON: {error}"))?;
    let mut before = BTreeSet::new();
    for step in spec.steps {
        let id = step.id;
        if let Some(need) = step.needs.iter().find(|need| !before.contains(*need)) {
            return Err(format!(
                "the step `{id}` needs `{need}`, which is no step before it"
            ));
        }
        if !before.insert(id) {
            return Err(format!("there are two steps `{id}`"));
        }
        let fallback = match step.on_failure {
            OnFailure::Fallback(agent) => Some((agent, INVOKE)),
            _ => None,
        };
        for place in [Some((step.agent, step.endpoint)), fallback]
            .into_iter()
            .flatten()
        {
            if !places.contains_key(&place) {
                let (agent, endpoint) = place;
                return Err(format!(
                    "the step `{id}` asks the endpoint `{endpoint}` of the agent `{agent}`, which is not there"
                ));
            }
        }
    }
    Ok(())
}

fn wrong(spec: &WorkflowSpec, detail: String) -> StartError {
    StartError::Endpoint {
        operation_id: spec.operation_id,
        detail,
    }
}
