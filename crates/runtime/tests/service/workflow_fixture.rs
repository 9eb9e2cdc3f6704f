//! Workflows for tests. Their agents execute the command in the input.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::schema::DateTime;
use agentgen_runtime::spec::{AgentSpec, EndpointSpec};
use agentgen_runtime::workflow::{Join, OnFailure, StepKind, StepSpec, Template, WorkflowSpec};
use agentgen_runtime::{
    AgentError, InvokeRequest, InvokeResponse, Registry, RunContext, Service, Settings, Store,
    Workflows,
};
use serde_json::Value;

use crate::agents::desk;
use crate::event_assertions::parse_timestamp;
use crate::http_client::{get, post};

/// The inputs of all agents, in order.
pub type RecordedInputs = Arc<Mutex<Vec<String>>>;

/// A step with default values. Its request is the input of the workflow.
pub const STEP: StepSpec = StepSpec {
    id: "a",
    kind: StepKind::Call {
        agent: "worker",
        endpoint: "invoke",
    },
    needs: &[],
    join: Join::All,
    when: None,
    with: None,
    timeout_ms: None,
    attempts: 1,
    backoff_ms: 1,
    on_failure: OnFailure::Stop,
};

/// A step whose input is the command `order`.
pub fn step(id: &'static str, needs: &'static [&'static str], order: &str) -> StepSpec {
    let order = Value::from(order).to_string();
    StepSpec {
        id,
        needs,
        with: Some(Template::Json(order.leak())),
        ..STEP
    }
}

/// A workflow of these steps, whose input is an object with a `topic`.
pub fn workflow(steps: Vec<StepSpec>) -> WorkflowSpec {
    WorkflowSpec {
        name: "play",
        operation_id: "runPlay",
        agent: "worker",
        input_schema: r#"{"type":"object","properties":{"topic":{"type":"string","minLength":1,"maxLength":200}},"required":["topic"],"additionalProperties":false}"#,
        roles: &[],
        concurrency: None,
        timeout_ms: None,
        schedule: None,
        steps: steps.leak(),
    }
}

/// `plan`, then `left` and `right` in parallel, then `join`.
pub fn diamond() -> WorkflowSpec {
    workflow(vec![
        StepSpec { id: "plan", ..STEP },
        step("left", &["plan"], "wait 80"),
        step("right", &["plan"], "wait 81"),
        StepSpec {
            id: "join",
            needs: &["left", "right"],
            ..STEP
        },
    ])
}

/// Executes the command in `input`: `wait MS`, `fail`, `refuse`, `hang`, `panic`, `flaky TIMES`, `mark STEP MS`, `die`, `key`.
async fn run_command(
    cx: &RunContext,
    inputs: &RecordedInputs,
    mut input: String,
) -> Result<InvokeResponse, AgentError> {
    let times = {
        let mut inputs = inputs.lock().unwrap();
        inputs.push(input.clone());
        inputs.iter().filter(|other| **other == input).count()
    };
    let number = || input.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    match input.split(' ').next().unwrap() {
        "wait" => tokio::time::sleep(Duration::from_millis(number())).await,
        "fail" => return Err(AgentError::unavailable("out of order")),
        "refuse" => return Err(AgentError::bad_request("out of order")),
        "hang" => std::future::pending().await,
        "panic" => panic!("a shelf fell over"),
        "flaky" if times <= number() as usize => {
            return Err(AgentError::unavailable("out of order"));
        }
        "die" => {
            // Whoever began the run has its answer by then.
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::process::abort()
        }
        "key" => input = cx.step_key().unwrap_or("none").to_owned(),
        // Appends the run and the step to a file that outlives the process.
        "mark" => {
            let path = std::env::var("TEST_MARKS").unwrap();
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            let line = format!("{} {}\n", cx.request_id(), input.split(' ').nth(1).unwrap());
            file.write_all(line.as_bytes()).unwrap();
            tokio::time::sleep(Duration::from_millis(number())).await;
        }
        _ => {}
    }
    Ok(InvokeResponse {
        output: format!("did: {input}"),
        run_id: cx.run_id(),
        agent: "worker".to_owned(),
        model: "code".to_owned(),
        session_id: None,
        stop_reason: StopReason::EndTurn,
        usage: Usage {
            input_tokens: 2,
            output_tokens: 1,
            ..Usage::default()
        },
    })
}

fn agent(slug: &'static str, path: &'static str, inputs: &RecordedInputs) -> Service {
    let spec = AgentSpec {
        name: slug,
        slug,
        ..desk::SPEC
    };
    let endpoint = EndpointSpec {
        path,
        operation_id: slug,
        input_schema: r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#,
        ..desk::INVOKE
    };
    let inputs = Arc::clone(inputs);
    let handler = move |cx: RunContext, request: InvokeRequest| {
        let inputs = Arc::clone(&inputs);
        async move {
            let response = run_command(&cx, &inputs, request.input).await?;
            let usage = response.usage;
            Ok(agentgen_runtime::Reply {
                usage,
                ..response.into()
            })
        }
    };
    let endpoint = Box::leak(Box::new(endpoint));
    Service::new(Box::leak(Box::new(spec))).endpoint(endpoint, handler)
}

/// The agents `worker` and `helper`, and `workflow`.
pub fn registry_of(workflow: WorkflowSpec, inputs: &RecordedInputs) -> Registry {
    Registry::new("{}")
        .service(agent("worker", "/v1/agents/worker/invoke", inputs))
        .service(agent("helper", "/v1/agents/helper/invoke", inputs))
        .workflow(Box::leak(Box::new(workflow)))
}

/// A service with one workflow.
pub struct WorkflowApp {
    pub app: Router,
    pub workflows: Workflows,
    pub inputs: RecordedInputs,
}

impl WorkflowApp {
    pub fn new(workflow: WorkflowSpec) -> Self {
        Self::with_store(workflow, Store::memory(), Settings::default())
    }

    pub fn with_store(workflow: WorkflowSpec, store: Store, settings: Settings) -> Self {
        let inputs = RecordedInputs::default();
        let workflows = Workflows::default();
        let registry = registry_of(workflow, &inputs)
            .store(store)
            .workflows(&workflows);
        let app = registry.into_router(settings).unwrap();
        Self {
            app,
            workflows,
            inputs,
        }
    }

    /// Starts a run and returns its `Location`.
    pub async fn start_run(&self) -> String {
        let path = "/v1/workflows/play/runs";
        let answer = post(&self.app, path, r#"{"topic":"ducks"}"#).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.header("location").to_owned()
    }

    /// The agents and the workflow of `registry`.
    pub fn from_registry(registry: Registry, settings: Settings) -> Self {
        let workflows = Workflows::default();
        let registry = registry.workflows(&workflows);
        Self {
            app: registry.into_router(settings).unwrap(),
            workflows,
            inputs: RecordedInputs::default(),
        }
    }

    /// Reads the events of the run at `location` until it ends. Each has its number.
    pub async fn events(&self, location: &str) -> Vec<(u64, Value)> {
        parse_run_events(&get(&self.app, &format!("{location}/events")).await.text)
    }

    /// Waits for the run at `location` to end and returns its report.
    pub async fn final_report(&self, location: &str) -> Value {
        for _ in 0..1000 {
            let report = get(&self.app, location).await.json();
            if !matches!(
                report["status"].as_str().unwrap(),
                "queued" | "running" | "waiting" | "paused"
            ) {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the run at {location} does not end")
    }

    /// Starts a run, waits for its end and returns its report.
    pub async fn run_to_end(&self) -> Value {
        let location = self.start_run().await;
        self.final_report(&location).await
    }

    pub fn inputs(&self) -> Vec<String> {
        self.inputs.lock().unwrap().clone()
    }
}

/// Parses the events of a stream: ids and data.
pub fn parse_run_events(text: &str) -> Vec<(u64, Value)> {
    let mut events = Vec::new();
    let mut id = 0;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("id: ") {
            id = number.parse().unwrap();
        }
        if let Some(data) = line.strip_prefix("data: ") {
            events.push((id, serde_json::from_str(data).unwrap()));
        }
    }
    events
}

/// The report of a step in the report of a run.
pub fn step_report<'a>(report: &'a Value, step: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|found| found["step"] == step).unwrap()
}

/// The statuses of all steps of a report, in order.
pub fn step_statuses(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps.map(|step| step["status"].as_str().unwrap()).collect()
}

/// The start and end time of a step.
pub fn step_times(report: &Value, step: &str) -> (DateTime, DateTime) {
    let step = step_report(report, step);
    (
        parse_timestamp(&step["began_at"]),
        parse_timestamp(&step["ended_at"]),
    )
}

/// Whether two steps overlapped in time.
pub fn steps_overlap(report: &Value, left: &str, right: &str) -> bool {
    let (left, right) = (step_times(report, left), step_times(report, right));
    left.0 < right.1 && right.0 < left.1
}
