//! Steps of many calls: once for each item of a list, and once for each subtask of a plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agentgen_runtime::schema::{Validate, Validator};
use agentgen_runtime::spec::{AgentSpec, EndpointSpec};
use agentgen_runtime::workflow::{
    Expression, OnFailure, StepKind, StepSpec, Template, WorkflowSpec,
};
use agentgen_runtime::{AgentError, Registry, Reply, RunContext, Service, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::http_client::{get, post};
use crate::workflow_fixture::{
    RecordedInputs, STEP, WorkflowApp, registry_of, step_report, step_times, workflow,
};

const ORDERS: Expression = Expression::Path(&["input", "orders"]);

/// Calls the worker once for each of the orders.
pub fn for_each(concurrency: u32) -> StepSpec {
    StepSpec {
        id: "work",
        kind: StepKind::ForEach {
            agent: "worker",
            endpoint: "invoke",
            items: ORDERS,
            when: None,
            concurrency,
        },
        ..STEP
    }
}

/// A workflow whose input is anything.
pub fn any_input(steps: Vec<StepSpec>) -> WorkflowSpec {
    WorkflowSpec {
        input_schema: r#"{"type":"object"}"#,
        ..workflow(steps)
    }
}

pub async fn start(app: &WorkflowApp, input: Value) -> String {
    let answer = post(&app.app, "/v1/workflows/play/runs", &input.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.header("location").to_owned()
}

async fn run(app: &WorkflowApp, input: Value) -> Value {
    let location = start(app, input).await;
    app.final_report(&location).await
}

/// The ids of the steps and units of a report, in order.
pub fn ids(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps.map(|step| step["step"].as_str().unwrap()).collect()
}

/// The types of the events with the steps they are about.
async fn outline(app: &WorkflowApp, location: &str) -> Vec<String> {
    let events = app.events(location).await;
    let outline = events.iter().map(|(_, event)| {
        let step = event["step"].as_str().or(event["report"]["step"].as_str());
        let name = event["type"].as_str().unwrap();
        format!("{name} {}", step.unwrap_or("")).trim().to_owned()
    });
    outline.collect()
}

#[tokio::test]
async fn an_agent_is_called_for_each_item_and_the_outputs_are_in_the_order_of_the_items() {
    let collect = StepSpec {
        id: "collect",
        needs: &["work"],
        with: Some(Template::Value(Expression::Path(&[
            "steps", "work", "output", "2",
        ]))),
        ..STEP
    };
    let app = WorkflowApp::new(any_input(vec![for_each(2), collect]));
    let orders = json!({ "orders": ["wait 90", "wait 1", "wait 2"] });
    let location = start(&app, orders).await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    let expected = ["work", "work[0]", "work[1]", "work[2]", "collect"];
    assert_eq!(ids(&report), expected);
    let outputs = json!(["did: wait 90", "did: wait 1", "did: wait 2"]);
    assert_eq!(step_report(&report, "work")["output"], outputs);
    assert_eq!(step_report(&report, "work[1]")["output"], "did: wait 1");
    assert_eq!(
        step_report(&report, "collect")["output"],
        "did: did: wait 2"
    );
    // Two at a time: the third begins when the second has ended, beside the first.
    let (first, third) = (
        step_times(&report, "work[0]"),
        step_times(&report, "work[2]"),
    );
    assert!(third.0 >= step_times(&report, "work[1]").1);
    assert!(third.1 < first.1, "{report}");
    // The step used what its units did, and the run each of them once.
    let usage = json!({ "input_tokens": 6, "output_tokens": 3 });
    assert_eq!(step_report(&report, "work")["usage"], usage);
    let usage = json!({ "input_tokens": 8, "output_tokens": 4 });
    assert_eq!(report["usage"], usage);
    let events = outline(&app, &location).await;
    assert_eq!(events[1], "step.started work");
    assert_eq!(
        events.last().map(String::as_str),
        Some("run.finished"),
        "{events:?}"
    );
    let finished = |id: &str| {
        events
            .iter()
            .position(|one| *one == format!("step.finished {id}"))
    };
    assert!(finished("work[1]") < finished("work[0]"));
    assert!(finished("work[0]") < finished("work"));
    assert!(finished("work") < finished("collect"));
}

#[tokio::test]
async fn a_request_is_made_of_an_item_and_its_index_and_a_condition_leaves_items_out() {
    let step = StepSpec {
        kind: StepKind::ForEach {
            agent: "worker",
            endpoint: "invoke",
            items: ORDERS,
            when: Some(Expression::Path(&["item", "ready"])),
            concurrency: 4,
        },
        with: Some(Template::Object(&[(
            "input",
            Template::Text(&[
                Template::Value(Expression::Path(&["index"])),
                Template::Json("\": \""),
                Template::Value(Expression::Path(&["item", "name"])),
            ]),
        )])),
        ..for_each(4)
    };
    let app = WorkflowApp::new(any_input(vec![step]));
    let item = |name: &str, ready: bool| json!({ "name": name, "ready": ready });
    let orders = [item("soup", true), item("tea", false), item("pie", true)];
    let report = run(&app, json!({ "orders": orders })).await;
    assert_eq!(report["status"], "completed", "{report}");
    let outputs = json!(["did: 0: soup", null, "did: 2: pie"]);
    assert_eq!(step_report(&report, "work")["output"], outputs);
    let skipped = step_report(&report, "work[1]");
    assert_eq!(skipped["status"], "skipped");
    assert_eq!(skipped["skipped"], "condition");
}

#[tokio::test]
async fn no_items_make_an_empty_list_and_what_is_no_list_fails_the_step() {
    let app = WorkflowApp::new(any_input(vec![for_each(4)]));
    for orders in [json!([]), Value::Null] {
        let report = run(&app, json!({ "orders": orders })).await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(step_report(&report, "work")["output"], json!([]));
    }
    let report = run(&app, json!({ "orders": "soup" })).await;
    assert_eq!(report["status"], "failed");
    let error = &step_report(&report, "work")["error"];
    assert_eq!(
        *error,
        json!({ "status": 422, "detail": "`for_each` is given no list" })
    );
    let many = vec!["tea"; 1001];
    let report = run(&app, json!({ "orders": many })).await;
    assert_eq!(
        step_report(&report, "work")["error"]["detail"],
        "`for_each` takes up to 1000 items, and these are 1001"
    );
    assert_eq!(app.inputs().len(), 0);
}

#[tokio::test]
async fn an_item_that_fails_stops_the_step_once_those_under_way_have_ended() {
    let app = WorkflowApp::new(any_input(vec![for_each(2)]));
    let orders = json!({ "orders": ["refuse", "wait 80", "wait 1"] });
    let report = run(&app, orders).await;
    assert_eq!(report["status"], "failed");
    assert_eq!(ids(&report), ["work", "work[0]", "work[1]"]);
    let error = &step_report(&report, "work")["error"];
    assert_eq!(error["detail"], "`work[0]` failed: out of order");
    assert_eq!(step_report(&report, "work[1]")["status"], "succeeded");
    assert_eq!(app.inputs(), ["refuse", "wait 80"]);
}

#[tokio::test]
async fn items_are_tried_again_skipped_and_given_to_a_fallback_each_for_itself() {
    let retried = StepSpec {
        attempts: 3,
        ..for_each(4)
    };
    let app = WorkflowApp::new(any_input(vec![retried]));
    let report = run(&app, json!({ "orders": ["flaky 1", "tea"] })).await;
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(step_report(&report, "work[0]")["attempts"], 2);
    assert_eq!(step_report(&report, "work[1]")["attempts"], 1);

    let skipped = StepSpec {
        on_failure: OnFailure::Skip,
        ..for_each(1)
    };
    let app = WorkflowApp::new(any_input(vec![skipped]));
    let report = run(&app, json!({ "orders": ["refuse", "tea", "refuse"] })).await;
    assert_eq!(report["status"], "completed_with_failures");
    let work = step_report(&report, "work");
    assert_eq!(work["status"], "succeeded");
    assert_eq!(work["output"], json!([null, "did: tea", null]));
    assert_eq!(
        work["error"]["detail"],
        "it went on without what failed: `work[0]`, `work[2]`"
    );

    let helped = StepSpec {
        on_failure: OnFailure::Fallback("helper"),
        ..for_each(4)
    };
    let app = WorkflowApp::new(any_input(vec![helped]));
    // The helper is asked for the same, and refuses the first time only.
    let report = run(&app, json!({ "orders": ["flaky 1", "tea"] })).await;
    assert_eq!(report["status"], "completed", "{report}");
    let helped = step_report(&report, "work[0]");
    assert_eq!(helped["fallback"], "helper");
    assert_eq!(helped["output"], "did: flaky 1");
}

#[tokio::test]
async fn a_person_who_has_the_step_begin_again_loses_no_output() {
    let asks = StepSpec {
        on_failure: OnFailure::Escalate,
        ..for_each(2)
    };
    let app = WorkflowApp::new(any_input(vec![asks]));
    let location = start(&app, json!({ "orders": ["tea", "flaky 1", "pie"] })).await;
    let report = loop {
        let report = get(&app.app, &location).await.json();
        if report["status"] == "waiting" {
            break report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let question = report["actions"][0]["id"].as_str().unwrap();
    let path = format!("{location}/actions/{question}");
    let answer = post(&app.app, &path, r#"{"decision":"retry"}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    let teas = app.inputs().iter().filter(|input| *input == "tea").count();
    assert_eq!(teas, 1, "{:?}", app.inputs());
}

#[tokio::test]
async fn a_run_that_is_cancelled_takes_its_items_with_it() {
    let app = WorkflowApp::new(any_input(vec![for_each(1)]));
    let location = start(&app, json!({ "orders": ["hang", "tea"] })).await;
    while app.inputs().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = post(&app.app, &format!("{location}/cancel"), "").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "cancelled");
    assert_eq!(ids(&report), ["work", "work[0]"]);
    assert_eq!(step_report(&report, "work")["status"], "cancelled");
    assert_eq!(step_report(&report, "work[0]")["status"], "cancelled");
}

/// What the splitter is asked, and the plan it gives.
#[derive(Debug, Serialize, Deserialize)]
struct AnyJson(Value);

impl Validate for AnyJson {
    fn validate(&self, _: &mut Validator) {}
}

/// An agent `splitter` whose endpoint `split` gives the first of `answers`, and the last where that was refused.
pub fn splitter(answers: Vec<Value>, asked: &RecordedInputs) -> Service {
    static SPEC: AgentSpec = AgentSpec {
        name: "splitter",
        slug: "splitter",
        ..desk::SPEC
    };
    static SPLIT: EndpointSpec = EndpointSpec {
        name: "split",
        path: "/v1/agents/splitter/split",
        operation_id: "split",
        input_schema: r#"{"type":"object","properties":{"task":{"type":"string"}},"required":["task"]}"#,
        output_schema: r#"{"type":"object","properties":{"subtasks":{"type":"array"}},"required":["subtasks"]}"#,
        ..desk::INVOKE
    };
    let asked = Arc::clone(asked);
    Service::new(&SPEC).endpoint(&SPLIT, move |_: RunContext, request: AnyJson| {
        let task = request.0["task"].as_str().unwrap().to_owned();
        let answer = match task.contains("The plan was refused") {
            true => answers.last(),
            false => answers.first(),
        };
        let answer = answer.unwrap().clone();
        asked.lock().unwrap().push(task);
        async move { Ok::<Reply<AnyJson>, AgentError>(AnyJson(answer).into()) }
    })
}

/// Asks the splitter.
const SPLIT: StepSpec = StepSpec {
    id: "split",
    kind: StepKind::Call {
        agent: "splitter",
        endpoint: "split",
    },
    with: Some(Template::Object(&[(
        "task",
        Template::Value(Expression::Path(&["input", "task"])),
    )])),
    ..STEP
};

/// Carries out what the splitter has planned.
const BUILD: StepSpec = StepSpec {
    id: "build",
    kind: StepKind::Plan {
        subtasks: Expression::Path(&["steps", "split", "output", "subtasks"]),
        source: Some("split"),
        agents: &["worker", "helper"],
        max: 5,
        concurrency: 2,
    },
    needs: &["split"],
    ..STEP
};

/// The marks of the units of [`marking_units`].
pub const UNITS: [&str; 7] = [
    "work[0]", "work[1]", "work[2]", "work[3]", "build[a]", "build[b]", "build[c]",
];

/// A service whose runs carry out a plan and call an agent for each item of a list, with a mark for each unit.
pub fn marking_units() -> Registry {
    let split = StepSpec {
        with: Some(Template::Object(&[(
            "task",
            Template::Value(Expression::Path(&["input", "topic"])),
        )])),
        ..SPLIT
    };
    let work = StepSpec {
        kind: StepKind::ForEach {
            agent: "worker",
            endpoint: "invoke",
            items: Expression::Path(&["steps", "split", "output", "orders"]),
            when: None,
            concurrency: 2,
        },
        needs: &["split"],
        ..for_each(2)
    };
    let answer = json!({
        "orders": ["mark work[0] 15", "mark work[1] 25", "mark work[2] 5", "mark work[3] 10"],
        "subtasks": [
            subtask("a", "worker", "mark build[a] 20", &[]),
            subtask("b", "helper", "mark build[b] 10", &["a"]),
            subtask("c", "worker", "mark build[c] 30", &["a"]),
        ],
    });
    let refused = json!({ "orders": [], "subtasks": [subtask("a", "thief", "x", &[])] });
    let splitter = splitter(vec![refused, answer], &RecordedInputs::default());
    let workflow = workflow(vec![split, BUILD, work]);
    registry_of(workflow, &RecordedInputs::default()).service(splitter)
}

/// Splits a task, has the subtasks done, and puts together what came of them.
pub fn planning_workflow() -> WorkflowSpec {
    let report = StepSpec {
        id: "report",
        needs: &["build"],
        ..STEP
    };
    any_input(vec![SPLIT, BUILD, report])
}

/// The service of [`planning_workflow`] with these plans, and what the splitter is asked.
pub fn planning(workflow: WorkflowSpec, plans: Vec<Value>) -> (WorkflowApp, RecordedInputs) {
    let (asked, inputs) = (RecordedInputs::default(), RecordedInputs::default());
    let answers = plans.into_iter().map(|plan| json!({ "subtasks": plan }));
    let splitter = splitter(answers.collect(), &asked);
    let registry: Registry = registry_of(workflow, &inputs).service(splitter);
    let mut app = WorkflowApp::from_registry(registry, Settings::default());
    app.inputs = inputs;
    (app, asked)
}

fn subtask(id: &str, agent: &str, input: &str, depends_on: &[&str]) -> Value {
    json!({ "id": id, "agent": agent, "input": input, "depends_on": depends_on })
}

pub fn soup_plan() -> Value {
    json!([
        subtask("serve", "helper", "wait 3", &["boil", "lay"]),
        subtask("boil", "worker", "wait 60", &[]),
        subtask("lay", "helper", "wait 61", &[]),
    ])
}

#[tokio::test]
async fn a_plan_is_carried_out_in_its_order_and_its_outputs_are_put_together() {
    let (app, _) = planning(planning_workflow(), vec![soup_plan()]);
    let location = start(&app, json!({ "task": "Soup." })).await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    let expected = [
        "split",
        "build",
        "build[serve]",
        "build[boil]",
        "build[lay]",
        "report",
    ];
    assert_eq!(ids(&report), expected);
    let serve = step_report(&report, "build[serve]");
    assert_eq!(serve["agent"], "helper");
    assert_eq!(serve["needs"], json!(["build[boil]", "build[lay]"]));
    // A subtask is told what came of those on which it depends.
    let told = "wait 3\n\n## boil\n\ndid: wait 60\n\n## lay\n\ndid: wait 61";
    assert!(
        app.inputs().iter().any(|input| input == told),
        "{:?}",
        app.inputs()
    );
    let output = json!([
        { "id": "serve", "agent": "helper", "output": format!("did: {told}") },
        { "id": "boil", "agent": "worker", "output": "did: wait 60" },
        { "id": "lay", "agent": "helper", "output": "did: wait 61" },
    ]);
    assert_eq!(step_report(&report, "build")["output"], output);
    let last = app.inputs().pop().unwrap();
    assert!(last.contains("## build"), "{last}");
    let events = app.events(&location).await;
    let started = events.iter().map(|(_, event)| event);
    let started = started
        .clone()
        .find(|event| event["type"] == "plan.started")
        .unwrap();
    let subtasks = started["subtasks"].as_array().unwrap().iter();
    let subtasks = subtasks.map(|subtask| subtask["step"].as_str().unwrap());
    assert_eq!(
        subtasks.collect::<BTreeSet<_>>(),
        BTreeSet::from(["build[serve]", "build[boil]", "build[lay]"])
    );
}

#[tokio::test]
async fn a_plan_is_seen_in_the_report_before_its_subtasks_begin() {
    let plan = json!([
        subtask("boil", "worker", "hang", &[]),
        subtask("serve", "helper", "wait 1", &["boil"]),
    ]);
    let (app, _) = planning(planning_workflow(), vec![plan]);
    let location = start(&app, json!({ "task": "Soup." })).await;
    while app.inputs().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = get(&app.app, &location).await.json();
    let serve = step_report(&report, "build[serve]");
    assert_eq!(serve["status"], "pending");
    assert_eq!(serve["needs"], json!(["build[boil]"]));
    post(&app.app, &format!("{location}/cancel"), "").await;
    let report = app.final_report(&location).await;
    let serve = step_report(&report, "build[serve]");
    assert_eq!(
        (&serve["status"], &serve["skipped"]),
        (&json!("skipped"), &json!("run_ended"))
    );
}

#[tokio::test]
async fn a_plan_that_can_not_be_carried_out_is_sent_back_once_with_the_reason() {
    let bad = json!([
        subtask("serve", "thief", "x", &[]),
        subtask("boil", "worker", "x", &["lay"])
    ]);
    let (app, asked) = planning(planning_workflow(), vec![bad.clone(), soup_plan()]);
    let location = start(&app, json!({ "task": "Soup." })).await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    let reason = "the subtask `serve` is for the agent `thief`, which is not one of worker, helper; \
                  the subtask `boil` depends on `lay`, which is no subtask";
    assert_eq!(
        asked.lock().unwrap().clone(),
        [
            "Soup.".to_owned(),
            format!(
                "Soup.\n\n## The plan was refused\n\nIt can't be carried out: {reason}.\n\nGive the whole plan again, with that corrected."
            )
        ]
    );
    let events = outline(&app, &location).await;
    assert_eq!(
        events[..6],
        [
            "run.started",
            "step.started split",
            "step.finished split",
            "plan.refused build",
            "step.started split",
            "step.finished split"
        ]
    );
    assert_eq!(step_report(&report, "build").get("error"), None);

    let (app, asked) = planning(planning_workflow(), vec![bad]);
    let report = run(&app, json!({ "task": "Soup." })).await;
    assert_eq!(report["status"], "failed");
    assert_eq!(asked.lock().unwrap().len(), 2);
    assert_eq!(
        step_report(&report, "build")["error"],
        json!({ "status": 422, "detail": reason })
    );
    assert_eq!(step_report(&report, "report")["status"], "skipped");
}

#[tokio::test]
async fn a_subtask_that_fails_is_fatal_to_the_plan_unless_the_step_goes_on_without_it() {
    let plan = json!([
        subtask("boil", "worker", "refuse", &[]),
        subtask("serve", "helper", "wait 1", &["boil"]),
    ]);
    let (app, _) = planning(planning_workflow(), vec![plan.clone()]);
    let report = run(&app, json!({ "task": "Soup." })).await;
    assert_eq!(report["status"], "failed");
    let serve = step_report(&report, "build[serve]");
    assert_eq!(
        (&serve["status"], &serve["skipped"]),
        (&json!("skipped"), &json!("needs"))
    );
    let mut spec = planning_workflow();
    let mut steps = spec.steps.to_vec();
    steps[1].on_failure = OnFailure::Skip;
    spec.steps = steps.leak();
    let (app, _) = planning(spec, vec![plan]);
    let report = run(&app, json!({ "task": "Soup." })).await;
    assert_eq!(report["status"], "completed_with_failures", "{report}");
    let output = json!([
        { "id": "boil", "agent": "worker", "output": null },
        { "id": "serve", "agent": "helper", "output": "did: wait 1" },
    ]);
    assert_eq!(step_report(&report, "build")["output"], output);
}
