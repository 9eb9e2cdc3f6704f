//! six-steps URL RUNS IN_FLIGHT [SLOTS MILLISECONDS]: runs a workflow of six steps, RUNS times and IN_FLIGHT at a time, on the
//! store at URL, and prints the steps per second. A step does nothing for so many MILLISECONDS (0), and the process executes
//! SLOTS (64) runs at a time. With 0 RUNS, it executes those of other processes until it is killed.

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use agentgen_runtime::spec::{
    AgentSpec, EndpointSpec, Handler, Method, Policy, Prompt, SessionUse,
};
use agentgen_runtime::workflow::{Join, OnFailure, RunStatus, StepKind, StepSpec, WorkflowSpec};
use agentgen_runtime::{
    AgentError, Registry, Reply, RunContext, Secret, Service, Settings, Store, Workflows,
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

const STEPS: usize = 6;

static AGENT: AgentSpec = AgentSpec {
    name: "idler",
    slug: "idler",
    summary: "Does nothing.",
    examples: &[],
    prompt: Prompt::new(""),
    prompt_sha256: "",
    model: None,
    tools: None,
    denied_tools: &[],
    agents: &[],
    roles: &[],
    documents: None,
    policy: Policy::DEFAULT,
};

static NOTHING: EndpointSpec = EndpointSpec {
    name: "nothing",
    operation_id: "nothing",
    method: Method::Post,
    path: "/nothing",
    status: 200,
    errors: &[],
    stream: false,
    handler: Handler::Code,
    retrieve: None,
    session: SessionUse::None,
    hits: None,
    roles: &[],
    parameters: &[],
    input_schema: r#"{"type":"object"}"#,
    output_schema: r#"{"type":"object"}"#,
    output_example: "{}",
    rate: None,
    timeout_ms: None,
};

const fn step(id: &'static str, needs: &'static [&'static str]) -> StepSpec {
    StepSpec {
        id,
        kind: StepKind::Call {
            agent: "idler",
            endpoint: "nothing",
        },
        needs,
        join: Join::All,
        when: None,
        with: None,
        timeout_ms: None,
        attempts: 1,
        backoff_ms: 0,
        on_failure: OnFailure::Stop,
    }
}

static SIX_STEPS: WorkflowSpec = WorkflowSpec {
    name: "six-steps",
    operation_id: "runSixSteps",
    agent: "idler",
    input_schema: r#"{"type":"object"}"#,
    roles: &[],
    concurrency: None,
    timeout_ms: None,
    schedule: None,
    steps: &[
        step("a", &[]),
        step("b", &["a"]),
        step("c", &["b"]),
        step("d", &["c"]),
        step("e", &["d"]),
        step("f", &["e"]),
    ],
};

static STEP_TIME: OnceLock<Duration> = OnceLock::new();

async fn nothing(_: RunContext, input: Value) -> Result<Reply<Value>, AgentError> {
    if let Some(time) = STEP_TIME.get() {
        tokio::time::sleep(*time).await;
    }
    Ok(Reply::from(input))
}

/// Runs the workflow `runs` times, `in_flight` at a time.
async fn run(workflows: &Workflows, runs: usize, in_flight: usize) -> Result<(), Box<dyn Error>> {
    let runs =
        stream::iter(0..runs).map(|_| workflows.run(&SIX_STEPS, json!({"text": "ducks"}), "ann"));
    let mut reports = runs.buffer_unordered(in_flight);
    while let Some(report) = reports.next().await {
        let report = report?;
        if report.status != RunStatus::Completed {
            return Err(format!("a run did not complete: {report:?}").into());
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let mut settings = Settings::default();
    let (url, runs, in_flight) = match &arguments[..] {
        [url, runs, in_flight] => (url, runs, in_flight),
        [url, runs, in_flight, slots, milliseconds] => {
            settings.workflows.runs = slots.parse()?;
            let time = Duration::from_millis(milliseconds.parse()?);
            STEP_TIME.get_or_init(|| time);
            (url, runs, in_flight)
        }
        _ => return Err("usage: six-steps URL RUNS IN_FLIGHT [SLOTS MILLISECONDS]".into()),
    };
    let (runs, in_flight) = (runs.parse::<usize>()?, in_flight.parse::<usize>()?);
    tokio::runtime::Runtime::new()?.block_on(async {
        let workflows = Workflows::default();
        let registry = Registry::new("{}")
            .service(Service::new(&AGENT).endpoint(&NOTHING, nothing))
            .workflow(&SIX_STEPS)
            .workflows(&workflows)
            .store(Store::open(&Secret::new(url.clone())).await?);
        let router = registry.into_router(settings)?;
        // Opens the connections to the database.
        run(&workflows, in_flight.max(1), in_flight.max(1)).await?;
        if runs == 0 {
            println!("ready");
            std::future::pending::<()>().await;
        }
        let begun = Instant::now();
        run(&workflows, runs, in_flight).await?;
        let rate = (runs * STEPS) as f64 / begun.elapsed().as_secs_f64();
        println!("{rate:.0} steps/s with {in_flight} runs in flight");
        drop(router);
        Ok(())
    })
}
