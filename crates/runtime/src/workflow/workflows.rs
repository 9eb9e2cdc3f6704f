//! The workflows of a service: checks them at start, and runs them from the program's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::run::endpoint_schemas::compile_schema;
use crate::run::resources::Resources;
use crate::schema::{Schema, Uuid, Validate, check as check_input, new_uuid_v4};
use crate::spec::workflow_spec::{OnFailure, ScheduleSpec, StepKind, StepSpec, WorkflowSpec};
use crate::workflow::agent_run::AGENT_RUN;
use crate::workflow::execution::evaluation::check_literals;
use crate::workflow::journal::{Journal, RunLease};
use crate::workflow::queue::Queue;
use crate::workflow::run_report::{RunReport, TypedReport, TypedSteps, step_of};
use crate::workflow::run_schedules::Timetable;
use crate::workflow::run_start::{start_run, wait_for_report};
use crate::workflow::waiting::answers;
use crate::workflow::waiting::inbox::NewEvent;
use crate::workflow::workflow_service::{StepTarget, WorkflowLimits, WorkflowService};

/// How many bytes of a hash are the digest of a definition.
const DIGEST_BYTES: usize = 16;

/// Runs the workflows of a service from its own code, for example from a handler. It works once the registry that it
/// was given to ([`Registry::workflows`](crate::Registry::workflows)) is served or has become a router.
#[derive(Clone, Default)]
pub struct Workflows(Arc<OnceLock<Weak<WorkflowService>>>);

impl Workflows {
    /// Runs a workflow for `subject`, to whom the run then belongs, and returns its report, however it ended. Roles don't
    /// restrict it: the program decides what it runs. The run continues if the future is dropped, and is resumed if the process ends.
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
        let service = self.service()?;
        let run = start_run(&service, spec, input, of_program(subject), None, None).await?;
        wait_for_report(&service, run.id, subject).await
    }

    /// Starts a workflow as [`run`](Self::run) does, and returns the run's id at once.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub async fn start(
        &self,
        spec: &'static WorkflowSpec,
        input: Value,
        subject: &str,
    ) -> Result<Uuid, AgentError> {
        let service = self.service()?;
        let run = start_run(&service, spec, input, of_program(subject), None, None).await?;
        Ok(run.id)
    }

    /// The report of a run of `subject` as far as it has come, with what it waits for; `None` if there is no such run.
    ///
    /// # Errors
    /// 503 if the service is not running or can't reach its journal.
    pub async fn report(&self, run: Uuid, subject: &str) -> Result<Option<RunReport>, AgentError> {
        Ok(self.service()?.report(run, subject).await?)
    }

    /// Answers the question `action` of a run for `subject`, to whom the run belongs. Roles don't restrict it.
    ///
    /// # Errors
    /// 404 for a question that is not there, 422 for an answer that is invalid under its schema, 409 if it was answered before, 410 if it has
    /// expired; 503 if the service is not running or can't reach its journal.
    pub async fn answer(
        &self,
        run: Uuid,
        action: Uuid,
        answer: &(impl Serialize + Sync),
        subject: &str,
    ) -> Result<(), AgentError> {
        let value = serde_json::to_value(answer).map_err(AgentError::internal)?;
        let service = self.service()?;
        answers::answer(&service, run, action, value, &of_program(subject)).await?;
        Ok(())
    }

    /// Sends the event `name` to a run of `subject`. A step that waits for it later receives it, too.
    ///
    /// # Errors
    /// 404 for a run that is not there, and if none of its steps waits for such an event; 422 for a payload that no such step takes; 409 if the
    /// run has ended; 503 if the service is not running or can't reach its journal.
    pub async fn send_event(
        &self,
        run: Uuid,
        name: &str,
        payload: &(impl Serialize + Sync),
        subject: &str,
    ) -> Result<(), AgentError> {
        let service = self.service()?;
        let report = service.report(run, subject).await?;
        let report = report.ok_or_else(|| AgentError::not_found("there is no such run"))?;
        let event = NewEvent {
            name: name.to_owned(),
            payload: serde_json::to_value(payload).map_err(AgentError::internal)?,
            by: subject.to_owned(),
        };
        answers::send_event(&service, &report, event).await
    }

    fn service(&self) -> Result<Arc<WorkflowService>, AgentError> {
        let service = self.0.get().and_then(Weak::upgrade);
        service.ok_or_else(|| AgentError::unavailable("the service does not run"))
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

/// The program itself, on behalf of `subject`.
fn of_program(subject: &str) -> Caller {
    Caller {
        subject: subject.to_owned(),
        roles: None,
    }
}

/// The service that runs the workflows `specs`, whose steps call `targets`. With `runs_agents`, any call of an endpoint may be a run.
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
    runs_agents: bool,
) -> Result<Arc<WorkflowService>, StartError> {
    let mut by_name = BTreeMap::new();
    let mut input_schemas = BTreeMap::new();
    let mut definitions = BTreeMap::new();
    // Only where there are such runs, so that nothing else is claimed in vain.
    let asks = targets.values().any(|target| target.agent.asks());
    let agent_runs = (asks || runs_agents).then_some(&AGENT_RUN);
    let mut timetables = BTreeMap::new();
    for spec in specs.iter().copied().chain(agent_runs) {
        check(spec, &targets)?;
        definitions.insert(spec.name, definition_digest(spec, &targets));
        let input = compile_schema("input", spec.operation_id, spec.input_schema)?;
        if let Some(schedule) = &spec.schedule {
            let timetable = Timetable::read(schedule);
            let timetable =
                timetable.map_err(|error| start_error(spec, format!("its schedule: {error}")))?;
            check_scheduled_input(spec, schedule, &input)?;
            timetables.insert(spec.name, timetable);
        }
        input_schemas.insert(spec.name, input);
        if by_name.insert(spec.name, spec).is_some() {
            return Err(start_error(
                spec,
                format!("there are two workflows `{}`", spec.name),
            ));
        }
    }
    for spec in specs {
        check_children(spec, &by_name)?;
    }
    let max_concurrent_runs = limits.runs.clamp(1, 100_000);
    Ok(Arc::new(WorkflowService {
        waits: asks || by_name.values().any(|spec| waits(spec)),
        specs: by_name,
        definitions,
        timetables,
        input_schemas,
        targets,
        resources,
        journal,
        queue,
        followers: Default::default(),
        live_readers: Default::default(),
        lease: RunLease {
            owner: new_uuid_v4().to_string(),
            ttl: limits.lease,
        },
        retention: limits.keep,
        slots: Arc::new(Semaphore::new(max_concurrent_runs as usize)),
        probation: Arc::new(Semaphore::new(1)),
        max_resumptions: limits.resumptions,
        max_output_bytes: limits.output_bytes,
        max_queued_runs: limits.queued,
        max_concurrent_runs,
        active: Mutex::default(),
        has_waiting: AtomicBool::new(false),
        next_workflow: AtomicUsize::new(0),
        slot_freed: Arc::default(),
        supervisor_spawned: AtomicBool::new(false),
    }))
}

/// Checks the input of the runs that `schedule` starts.
fn check_scheduled_input(
    spec: &WorkflowSpec,
    schedule: &ScheduleSpec,
    schema: &Schema,
) -> Result<(), StartError> {
    let wrong = |detail: String| start_error(spec, format!("the input of its schedule: {detail}"));
    let input = serde_json::from_str(schedule.input);
    let input: Value = input.map_err(|error| wrong(error.to_string()))?;
    match schema.violations(&input).first() {
        None => Ok(()),
        Some(violation) => Err(wrong(violation.to_string())),
    }
}

/// The digest of everything that decides which steps run, what they are asked and what they answer: the schema of the
/// run's input; of each step its id, its endpoint with the schemas of its input and output, what it needs and how many of
/// that, its condition, its request, and what its failure does. Time limits, retries, roles and prompts are not part of
/// it: a run goes on with the new ones. Neither is a step's fallback beyond its name.
///
/// It is stored with each run, so it must not change unless one of these does: it is made of JSON, whose members are
/// sorted, and of schemas as values.
fn definition_digest(
    spec: &WorkflowSpec,
    targets: &BTreeMap<(&'static str, &'static str), StepTarget>,
) -> String {
    let steps = spec.steps.iter().map(|step| {
        let call = step.call();
        let endpoint = call.and_then(|call| targets.get(&call));
        let endpoint = endpoint.map(|target| target.mounted.spec);
        let mut definition = json!({
            "id": step.id,
            "agent": call.map(|(agent, _)| agent),
            "endpoint": call.map(|(_, endpoint)| endpoint),
            "needs": step.needs,
            "join": step.join,
            "when": step.when,
            "with": step.with,
            "on_failure": failure_definition(step),
            "input": endpoint.map(|endpoint| schema_value(endpoint.input_schema)),
            "output": endpoint.map(|endpoint| schema_value(endpoint.output_schema)),
        });
        if let Some(waits_for) = wait_definition(step) {
            definition["waits_for"] = waits_for;
        }
        definition
    });
    let steps = steps.collect::<Vec<_>>();
    let mut definition = json!({"input": schema_value(spec.input_schema), "steps": steps});
    // Another crate may have switched on serde_json's `preserve_order`.
    definition.sort_all_objects();
    let hash = digest(&SHA256, definition.to_string().as_bytes());
    let mut hex = String::with_capacity(2 * DIGEST_BYTES);
    for byte in hash.as_ref().iter().take(DIGEST_BYTES) {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// What a step is beyond a single call: what it waits for, or where its units come from.
fn wait_definition(step: &StepSpec) -> Option<Value> {
    Some(match &step.kind {
        StepKind::Call { .. } | StepKind::AgentRun => return None,
        StepKind::ForEach { items, when, .. } => json!({ "for_each": items, "when": when }),
        StepKind::Plan {
            subtasks,
            source,
            agents,
            max,
            ..
        } => json!({ "plan": subtasks, "source": source, "agents": agents, "max": max }),
        StepKind::Workflow { workflow } => json!({ "workflow": workflow }),
        StepKind::Ask {
            prompt,
            answer_schema,
            ..
        } => json!({ "ask": prompt, "answer": schema_value(answer_schema) }),
        StepKind::WaitFor {
            event,
            payload_schema,
        } => json!({ "event": event, "payload": schema_value(payload_schema) }),
        StepKind::Wait { .. } => json!("moment"),
    })
}

/// What the failure of a step does. Programs from before the question knew `escalate` as an end of the run.
fn failure_definition(step: &StepSpec) -> Value {
    match step.on_failure {
        OnFailure::Escalate => json!("ask"),
        other => json!(other),
    }
}

/// Whether a run of `spec` may wait for something.
fn waits(spec: &WorkflowSpec) -> bool {
    let mut steps = spec.steps.iter();
    steps.any(|step| step.waits() || step.on_failure == OnFailure::Escalate)
}

/// A schema as a value: its layout does not matter. A text that is no JSON, which no service starts with, stands for itself.
fn schema_value(schema: &str) -> Value {
    serde_json::from_str(schema).unwrap_or_else(|_| Value::from(schema))
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
        if step_of(id) != id {
            return Err(wrong(format!(
                "the step `{id}` is named as a unit of a step is"
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
        match &step.kind {
            StepKind::Call { .. }
            | StepKind::AgentRun
            | StepKind::ForEach { .. }
            | StepKind::Plan { .. }
            | StepKind::Workflow { .. }
            | StepKind::Wait { .. } => {}
            StepKind::Ask {
                prompt,
                answer_schema,
                ..
            } => {
                check_literals(prompt).map_err(|error| {
                    wrong(format!(
                        "a literal in the question of the step `{id}` is not JSON: {error}"
                    ))
                })?;
                compile_schema("answer", spec.operation_id, answer_schema)?;
            }
            StepKind::WaitFor { payload_schema, .. } => {
                compile_schema("payload", spec.operation_id, payload_schema)?;
            }
        }
        for target in step.targets() {
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

/// The workflows that the steps of `spec` run.
pub(crate) fn children(spec: &WorkflowSpec) -> impl Iterator<Item = &'static str> {
    spec.steps.iter().filter_map(|step| match step.kind {
        StepKind::Workflow { workflow } => Some(workflow),
        _ => None,
    })
}

/// Checks that every workflow that a run of `spec` leads to is there, and that none leads back to it.
fn check_children(
    spec: &WorkflowSpec,
    by_name: &BTreeMap<&'static str, &'static WorkflowSpec>,
) -> Result<(), StartError> {
    let (mut seen, mut open) = (BTreeSet::new(), children(spec).collect::<Vec<_>>());
    while let Some(name) = open.pop() {
        let Some(child) = by_name.get(name) else {
            return Err(start_error(spec, format!("there is no workflow `{name}`")));
        };
        if child.name == spec.name {
            return Err(start_error(spec, "it runs itself".to_owned()));
        }
        if seen.insert(name) {
            open.extend(children(child));
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::definition_digest;
    use crate::spec::workflow_spec::tests::STEP;
    use crate::spec::workflow_spec::{
        Comparison, Expression, Join, OnFailure, StepSpec, Template, WorkflowSpec,
    };

    const STEPS: &[StepSpec] = &[
        STEP,
        StepSpec {
            id: "b",
            needs: &["a"],
            join: Join::Quorum(1),
            when: Some(Expression::Compare(
                Comparison::AtLeast,
                &Expression::Path(&["steps", "a", "output", "score"]),
                &Expression::Number(0.5),
            )),
            with: Some(Template::Object(&[(
                "input",
                Template::Text(&[
                    Template::Json("\"About \""),
                    Template::Value(Expression::Path(&["input", "topic"])),
                ]),
            )])),
            on_failure: OnFailure::Fallback("helper"),
            ..STEP
        },
    ];
    const SPEC: WorkflowSpec = WorkflowSpec {
        name: "play",
        operation_id: "runPlay",
        agent: "desk",
        input_schema: r#"{"type": "object", "required": ["topic"]}"#,
        roles: &[],
        concurrency: None,
        timeout_ms: None,
        schedule: None,
        steps: STEPS,
    };

    fn digest(spec: WorkflowSpec) -> String {
        definition_digest(&spec, &BTreeMap::new())
    }

    /// The digest of [`SPEC`]. A program with another one does not resume the runs that are stored now.
    const DIGEST: &str = "cfcda39f05a16138895c64d3f712c8cf";

    #[test]
    fn the_digest_of_a_definition_stays() {
        assert_eq!(digest(SPEC), DIGEST);
        let same = WorkflowSpec {
            input_schema: r#"{"required":["topic"],"type":"object"}"#,
            concurrency: Some(1),
            roles: &["planner"],
            ..SPEC
        };
        assert_eq!(digest(same), DIGEST);
    }

    #[test]
    fn the_digest_of_another_definition_is_another_one() {
        let [a, b] = [STEPS[0], STEPS[1]];
        let steps: [&'static [StepSpec]; 6] = [
            &[],
            Vec::leak(vec![b, a]),
            Vec::leak(vec![a, StepSpec { when: None, ..b }]),
            Vec::leak(vec![a, StepSpec { with: None, ..b }]),
            Vec::leak(vec![
                a,
                StepSpec {
                    join: Join::All,
                    ..b
                },
            ]),
            Vec::leak(vec![
                a,
                StepSpec {
                    on_failure: OnFailure::Stop,
                    ..b
                },
            ]),
        ];
        let mut digests = steps
            .map(|steps| digest(WorkflowSpec { steps, ..SPEC }))
            .to_vec();
        digests.push(digest(SPEC));
        digests.push(digest(WorkflowSpec {
            input_schema: r#"{"type":"object"}"#,
            ..SPEC
        }));
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 8);
    }
}
