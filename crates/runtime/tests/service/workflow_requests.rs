//! Requests to run a workflow: authorization, validation, and ownership of runs.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::workflow::{
    Expression, OnFailure, StepKind, StepSpec, Template, WorkflowSpec,
};
use agentgen_runtime::workflow::{RunStatus, StepStatus};
use agentgen_runtime::{Settings, StartError, Store};
use serde_json::json;

use crate::desk_service::registry;
use crate::http_client::{get, post, request, send};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{
    STEP, WorkflowApp, diamond, registry_of, step, step_report, workflow,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_run_is_visible_only_to_its_owner() {
    on_each_store(async |test_store| {
        let spec: &'static WorkflowSpec = Box::leak(Box::new(diamond()));
        let service = WorkflowApp::with_store(*spec, test_store.open().await, Settings::default());
        let input = json!({"topic": "geese"});
        let report = service.workflows.run(spec, input, "ann").await.unwrap();
        assert_eq!(report.status, RunStatus::Completed);
        assert!(
            report
                .steps
                .iter()
                .all(|step| step.status == StepStatus::Succeeded)
        );
        let location = format!("/v1/runs/{}", report.run_id);
        get(&service.app, &location).await.problem(404);
        get(&service.app, &format!("{location}/events"))
            .await
            .problem(404);
        post(&service.app, &format!("{location}/cancel"), "")
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn invalid_run_requests_are_rejected() {
    let service = WorkflowApp::new(diamond());
    let (app, runs) = (&service.app, "/v1/workflows/play/runs");
    for topic in [String::new(), "a".repeat(201)] {
        let body = json!({ "topic": topic }).to_string();
        assert_eq!(post(app, runs, &body).await.pointers(), ["/topic"]);
    }
    let pointers = post(app, runs, r#"{"topic":1,"x":2}"#).await.pointers();
    assert_eq!(pointers, ["/topic", "/x"]);
    post(app, runs, "{").await.problem(400);
    post(app, "/v1/workflows/other/runs", "{}")
        .await
        .problem(404);
    get(app, "/v1/runs/none").await.problem(404);
    let unknown = "/v1/runs/01890000-0000-7000-8000-000000000000";
    get(app, unknown).await.problem(404);
    for (method, path, allow) in [
        ("GET", runs, "POST, OPTIONS"),
        ("DELETE", unknown, "GET, HEAD, OPTIONS"),
        ("POST", &*format!("{unknown}/events"), "GET, HEAD, OPTIONS"),
        ("GET", &*format!("{unknown}/cancel"), "POST, OPTIONS"),
    ] {
        let answer = send(app, request(method, path, &[], "")).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow);
    }
    // A repeated request starts no second run.
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let body = r#"{"topic":"ducks"}"#;
    let first = send(app, request("POST", runs, &headers, body)).await;
    let again = send(app, request("POST", runs, &headers, body)).await;
    assert_eq!((first.status.as_u16(), &first.text), (202, &again.text));
    assert_eq!(first.header("location"), again.header("location"));
    let run = first.json();
    assert_eq!(
        first.header("location"),
        format!("/v1/runs/{}", run["run_id"].as_str().unwrap())
    );
    assert_eq!(run["workflow"], "play");
    service.final_report(first.header("location")).await;
    assert_eq!(service.inputs().len(), 4);
}

#[tokio::test]
async fn an_input_of_several_shapes_is_checked_against_the_one_its_tag_names() {
    let mut spec = workflow(vec![step("a", &[], "go")]);
    spec.input_schema = r#"{"type":"object","required":["by"],"properties":{"n":{"type":"integer"},"by":{"oneOf":[
        {"type":"object","required":["kind","n"],"properties":{"kind":{"const":"size"},"n":{"type":"integer"}}},
        {"type":"object","required":["kind"],"properties":{"kind":{"const":"name"}}}]}}}"#;
    let service = WorkflowApp::new(spec);
    let runs = "/v1/workflows/play/runs";
    for (body, pointer, detail) in [
        (r#"{"by":7}"#, "/by", "must be an object"),
        (
            r#"{"by":{"kind":"age"}}"#,
            "/by/kind",
            r#"must be "size" or "name""#,
        ),
        (r#"{"by":{"kind":"size"}}"#, "/by/n", "is required"),
        (
            r#"{"by":{"kind":"size","n":0.5}}"#,
            "/by/n",
            "must be an integer",
        ),
        (
            r#"{"by":{"kind":"name"},"n":"2"}"#,
            "/n",
            "must be an integer",
        ),
    ] {
        let errors = &post(&service.app, runs, body).await.problem(422)["errors"];
        assert_eq!(
            *errors,
            json!([{"detail": detail, "pointer": pointer}]),
            "{body}"
        );
    }
    for body in [
        r#"{"by":{"kind":"size","n":2.0},"n":1e2}"#,
        r#"{"by":{"kind":"name"}}"#,
    ] {
        assert_eq!(post(&service.app, runs, body).await.status, 202, "{body}");
    }
}

#[test]
fn an_invalid_workflow_is_a_startup_error() {
    let needs = |needs| StepSpec { needs, ..STEP };
    let elsewhere = StepSpec {
        kind: StepKind::Call {
            agent: "nobody",
            endpoint: "invoke",
        },
        ..STEP
    };
    let fallback = StepSpec {
        on_failure: OnFailure::Fallback("nobody"),
        ..STEP
    };
    let mut open_ended = workflow(vec![STEP]);
    open_ended.input_schema = r#"{"properties":{"topic":{"minLenght":1}}}"#;
    let error = registry_of(open_ended, &Default::default())
        .into_router(Settings::default())
        .unwrap_err();
    assert!(matches!(error, StartError::Schema { .. }));
    assert_eq!(
        error.to_string(),
        "`runPlay`: the input schema does not compile: /properties/topic/minLenght: the keyword `minLenght` is not supported"
    );
    for (steps, expected) in [
        (vec![needs(&["a"])], "the step `a` needs `a`"),
        (vec![needs(&["b"])], "the step `a` needs `b`"),
        (vec![STEP, STEP], "two steps `a`"),
        (vec![elsewhere], "the agent `nobody`"),
        (vec![fallback], "the agent `nobody`"),
    ] {
        let registry = registry_of(workflow(steps), &Default::default());
        let error = registry.into_router(Settings::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_caller_needs_the_roles_of_the_workflow_and_all_its_endpoints() {
    let mut spec = workflow(vec![step("a", &[], "go")]);
    spec.roles = &["planner"];
    let settings = || Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    let service = WorkflowApp::with_store(spec, Store::memory(), settings());
    let ask = async |method: &str, path: &str, bearer: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer),
        ];
        let body = r#"{"topic":"ducks"}"#;
        send(&service.app, request(method, path, &headers, body)).await
    };
    let bearer = |subject: &str, role: &str| {
        let exp = jsonwebtoken::get_current_timestamp() + 60;
        let claims = json!({"sub": subject, "exp": exp, "roles": [role]});
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
        format!("Bearer {}", token.unwrap())
    };
    let runs = "/v1/workflows/play/runs";
    ask("POST", runs, "").await.problem(401);
    ask("POST", runs, &bearer("ann", "user")).await.problem(403);
    let ann = bearer("ann", "planner");
    let accepted = ask("POST", runs, &ann).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let location = accepted.header("location").to_owned();
    ask("GET", &location, "").await.problem(401);
    assert_eq!(ask("GET", &location, &ann).await.status, 200);
    let bob = bearer("bob", "planner");
    ask("GET", &location, &bob).await.problem(404);
    ask("GET", &format!("{location}/events"), &bob)
        .await
        .problem(404);
    ask("POST", &format!("{location}/cancel"), &bob)
        .await
        .problem(404);

    // The workflow requires no role, but its endpoint does.
    let asks = |endpoint, roles| {
        let mut spec = workflow(vec![StepSpec {
            kind: StepKind::Call {
                agent: "desk",
                endpoint,
            },
            with: Some(Template::Json(r#"{"message":"hello"}"#)),
            ..STEP
        }]);
        spec.roles = roles;
        let registry = registry().workflow(Box::leak(Box::new(spec)));
        registry.into_router(settings()).unwrap()
    };
    let app = asks("chat", &[]);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*ann),
    ];
    let body = r#"{"topic":"ducks"}"#;
    send(&app, request("POST", runs, &headers, body))
        .await
        .problem(403);
}

#[tokio::test]
async fn a_step_calls_a_typed_endpoint_and_outputs_json() {
    let spec = workflow(vec![
        StepSpec {
            kind: StepKind::Call {
                agent: "desk",
                endpoint: "search",
            },
            with: Some(Template::Object(&[
                ("shelf", Template::Value(Expression::Number(7.0))),
                (
                    "query",
                    Template::Value(Expression::Path(&["input", "topic"])),
                ),
                ("all", Template::Json("true")),
            ])),
            ..STEP
        },
        StepSpec {
            kind: StepKind::Call {
                agent: "desk",
                endpoint: "invoke",
            },
            needs: &["a"],
            id: "b",
            with: Some(Template::Value(Expression::Path(&[
                "steps", "a", "output", "hits", "0",
            ]))),
            ..STEP
        },
        StepSpec {
            kind: StepKind::Call {
                agent: "desk",
                endpoint: "search",
            },
            id: "c",
            with: Some(Template::Json(r#"{"shelf":"seven"}"#)),
            on_failure: OnFailure::Skip,
            ..STEP
        },
    ]);
    let store = Store::memory();
    let app = registry()
        .workflow(Box::leak(Box::new(spec)))
        .store(store.clone())
        .into_router(Settings::default())
        .unwrap();
    let accepted = post(&app, "/v1/workflows/play/runs", r#"{"topic":"ducks"}"#).await;
    let service = WorkflowApp {
        app,
        workflows: agentgen_runtime::Workflows::default(),
        inputs: Default::default(),
    };
    let report = service.final_report(accepted.header("location")).await;
    assert_eq!(
        step_report(&report, "a")["output"],
        json!({"hits": ["7:ducks", "all"]}),
        "{report}"
    );
    let echoed = step_report(&report, "b")["output"].as_str().unwrap();
    assert!(echoed.ends_with(": 7:ducks"), "{echoed}");
    assert_eq!(step_report(&report, "c")["error"]["status"], 422);
    assert_eq!(
        step_report(&report, "c")["error"]["errors"][0]["pointer"],
        "/shelf"
    );
    // Steps create no sessions.
    let stored = store
        .sessions()
        .list("anonymous", "desk", None, 10)
        .await
        .unwrap();
    assert_eq!(stored, []);
}
