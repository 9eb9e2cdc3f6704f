//! The web console: where it is there, who may read what it shows, and what that is.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::workflow::{Comparison, Expression, StepSpec, Template};
use agentgen_runtime::{AgentDiagnostic, AgentDiagnostics, Settings, serve_on};
use serde_json::{Value, json};

use crate::desk_service::registry;
use crate::http_client::{get, post, request, send};
use crate::server_lifecycle::{listener, read_to_end_of_stream, send_request};
use crate::workflow_fixture::{STEP, WorkflowApp, registry_of, workflow};

const FILES: [&str; 4] = [
    "/",
    "/console/app.js",
    "/console/style.css",
    "/console/icon.svg",
];
const SECRET: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

fn with_console() -> Settings {
    Settings {
        console: Some(true),
        ..Settings::default()
    }
}

/// The statuses of the page and of its data, of a service that listens to a loopback address.
async fn served(settings: Settings) -> Vec<String> {
    let (listener, address) = listener("127.0.0.1:0").await;
    tokio::spawn(serve_on(
        listener,
        registry(),
        settings,
        std::future::pending(),
    ));
    let mut statuses = Vec::new();
    for path in ["/", "/console/service"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close");
        let answer = read_to_end_of_stream(send_request(address, &head, "").await).await;
        statuses.push(answer[9..12].to_owned());
    }
    statuses
}

#[tokio::test]
async fn the_console_is_there_by_itself_only_where_no_other_machine_reaches_it() {
    assert_eq!(served(Settings::default()).await, ["200", "200"]);
    let behind_a_proxy = Settings {
        trusted_proxies: 1,
        ..Settings::default()
    };
    assert_eq!(served(behind_a_proxy.clone()).await, ["404", "404"]);
    let wanted = Settings {
        console: Some(true),
        ..behind_a_proxy
    };
    assert_eq!(served(wanted).await, ["200", "200"]);
    let unwanted = Settings {
        console: Some(false),
        ..Settings::default()
    };
    assert_eq!(served(unwanted).await, ["404", "404"]);
    let authenticated = Settings {
        auth: Auth::hs256(&SECRET),
        ..Settings::default()
    };
    assert_eq!(served(authenticated).await, ["200", "401"]);
    // A router does not know where it is served.
    let app = registry().into_router(Settings::default()).unwrap();
    get(&app, "/").await.problem(404);
}

#[tokio::test]
async fn the_page_loads_nothing_but_its_own_files() {
    let app = registry().into_router(with_console()).unwrap();
    for path in FILES {
        let answer = get(&app, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.is_empty(), "{path}");
        let refused = send(&app, request("POST", path, &[], "")).await;
        refused.problem(405);
    }
    let page = get(&app, "/").await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(policy.contains("require-trusted-types-for 'script'"));
    for address in page
        .text
        .split(['"', '\''])
        .filter(|text| text.contains('/'))
    {
        assert!(
            !address.contains("//") && !address.starts_with('/'),
            "{address}"
        );
    }
}

#[tokio::test]
async fn what_the_console_shows_is_for_callers() {
    let settings = Settings {
        auth: Auth::hs256(&SECRET),
        ..with_console()
    };
    let app = registry().into_router(settings).unwrap();
    for path in [
        "/console/service",
        "/console/agents/desk",
        "/console/runs/01890000-0000-7000-8000-000000000000",
    ] {
        get(&app, path).await.problem(401);
    }
    let page = get(&app, "/").await.text + &get(&app, "/console/app.js").await.text;
    assert!(!page.contains("You are"), "no prompt is in the files");
}

#[tokio::test]
async fn the_console_shows_prompts_contracts_and_policies() {
    let app = registry().into_router(with_console()).unwrap();
    let service = get(&app, "/console/service").await.json();
    let desk = &service["agents"][0];
    assert_eq!(
        (&desk["name"], &desk["answered_by"]),
        (&json!("desk"), &json!("echo"))
    );
    assert_eq!(service["live"], false);
    let detail = get(&app, "/console/agents/desk").await.json();
    let prompt = detail["prompt"].as_str().unwrap();
    assert!(!prompt.is_empty());
    assert_eq!(detail["tokens"], prompt.len().div_ceil(4));
    assert_eq!(desk["tokens"], detail["tokens"]);
    assert!(detail["policy"]["retry_attempts"].is_u64());
    let endpoints = detail["endpoints"].as_array().unwrap();
    let ids = endpoints
        .iter()
        .map(|endpoint| endpoint["operation_id"].clone());
    assert_eq!(Value::from_iter(ids), desk["operations"]);
    get(&app, "/console/agents/nobody").await.problem(404);
}

/// `plan`, and a step that is called with what `plan` said unless it said nothing.
fn planned() -> Vec<StepSpec> {
    const SAID: Expression = Expression::Path(&["steps", "plan", "output"]);
    vec![
        StepSpec { id: "plan", ..STEP },
        StepSpec {
            id: "act",
            needs: &["plan"],
            when: Some(Expression::Compare(
                Comparison::NotEqual,
                &SAID,
                &Expression::Text(""),
            )),
            with: Some(Template::Object(&[("input", Template::Value(SAID))])),
            ..STEP
        },
        StepSpec {
            id: "rest",
            needs: &["act"],
            when: Some(Expression::Boolean(false)),
            ..STEP
        },
    ]
}

#[tokio::test]
async fn the_console_shows_workflows_and_what_their_steps_were_called_with() {
    let inputs = Default::default();
    let registry = registry_of(workflow(planned()), &inputs);
    let service = WorkflowApp::from_registry(registry, with_console());
    let shown = get(&service.app, "/console/service").await.json();
    let steps = &shown["workflows"][0]["steps"];
    assert_eq!(steps[1]["needs"], json!(["plan"]));
    assert_eq!(steps[1]["when"], "plan.output != ''");
    let report = service.run_to_end().await;
    let run = report["run_id"].as_str().unwrap();
    let read = get(&service.app, &format!("/console/runs/{run}"))
        .await
        .json();
    assert_eq!(read["input"], json!({ "topic": "ducks" }));
    assert_eq!(
        read["steps"],
        json!({ "plan": { "input": "ducks" }, "act": { "input": report["steps"][0]["output"] } })
    );
    assert_eq!(inputs.lock().unwrap()[1], report["steps"][0]["output"]);
    let own = service.workflows.clone();
    let spec = Box::leak(Box::new(workflow(planned())));
    let other = own
        .run(spec, json!({ "topic": "geese" }), "ann")
        .await
        .unwrap();
    let path = format!("/console/runs/{}", other.run_id);
    get(&service.app, &path).await.problem(404);
    post(&service.app, &path, "").await.problem(405);
}

#[tokio::test]
async fn the_console_shows_the_diagnostics_of_a_program_that_reads_files() {
    let diagnostics = AgentDiagnostics::default();
    let registry = registry().diagnostics(&diagnostics);
    let app = registry.into_router(with_console()).unwrap();
    let service = get(&app, "/console/service").await.json();
    assert_eq!(
        (&service["live"], &service["diagnostics"]),
        (&json!(true), &json!([]))
    );
    diagnostics.set(vec![AgentDiagnostic {
        severity: "error",
        code: "AG005".to_owned(),
        message: "this is not YAML".to_owned(),
        file: "agents/desk.md".to_owned(),
        line: Some(3),
        agent: Some("desk".to_owned()),
    }]);
    let service = get(&app, "/console/service").await.json();
    assert_eq!(service["diagnostics"][0]["line"], 3);
    diagnostics.set(Vec::new());
    let service = get(&app, "/console/service").await.json();
    assert_eq!(service["diagnostics"], json!([]));
}

#[tokio::test]
async fn the_api_documentation_links_to_a_console_that_is_there() {
    let app = registry().into_router(with_console()).unwrap();
    assert!(
        get(&app, "/docs")
            .await
            .text
            .contains(r#"<a href="./">Console</a>"#)
    );
    let app = registry().into_router(Settings::default()).unwrap();
    let page = get(&app, "/docs").await.text;
    assert!(!page.contains("Console") && !page.contains("<!--"));
}
