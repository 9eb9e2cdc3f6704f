//! How runs of workflows go: in which order, what failures do, and what is told of it.

use agentgen_runtime::workflow::{
    Comparison, Expression, Join, OnFailure, StepSpec, Template, WorkflowSpec,
};
use agentgen_runtime::{Auth, RunStatus, Settings, StepStatus, Store, WorkflowLimits};
use serde_json::{Value, json};

use crate::durability::ask;
use crate::orchestra::{STEP, Stage, of, overlap, registry_of, statuses, step, times, workflow};
use crate::stores::{file, on_each};
use crate::support::{eventually, get, post, registry, request, send};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn diamond() -> WorkflowSpec {
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

#[tokio::test]
async fn steps_run_in_order_and_side_by_side_on_every_store() {
    on_each(async |fresh| {
        let stage = Stage::on(diamond(), fresh.open().await, Settings::default());
        let report = stage.report().await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(statuses(&report), ["succeeded"; 4]);
        assert!(overlap(&report, "left", "right"), "{report}");
        for (first, second) in [
            ("plan", "left"),
            ("plan", "right"),
            ("left", "join"),
            ("right", "join"),
        ] {
            assert!(
                times(&report, first).1 <= times(&report, second).0,
                "{report}"
            );
        }
        // Without a request of its own a step is told the input, and what came of the steps it needs.
        assert_eq!(of(&report, "plan")["output"], "did: ducks");
        let told = "did: ducks\n\n## left\n\ndid: wait 80\n\n## right\n\ndid: wait 81";
        assert_eq!(of(&report, "join")["output"], told);
        assert_eq!(
            report["usage"],
            json!({"input_tokens": 8, "output_tokens": 4})
        );
        assert_eq!(of(&report, "join")["attempts"], 1);
        assert_eq!(stage.asked().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_join_begins_with_as_many_as_it_says() {
    for (join, waits_for) in [(Join::Any, "wait 1"), (Join::Quorum(2), "wait 60")] {
        let last = StepSpec {
            join,
            ..step("last", &["a", "b", "c"], "end")
        };
        let steps = vec![
            step("a", &[], "wait 1"),
            step("b", &[], "wait 60"),
            step("c", &[], "wait 400"),
            last,
        ];
        let report = Stage::new(workflow(steps)).report().await;
        assert_eq!(statuses(&report), ["succeeded"; 4]);
        let needed = report["steps"].as_array().unwrap().iter();
        let needed = needed
            .clone()
            .find(|step| step["output"] == format!("did: {waits_for}"));
        let needed = needed.unwrap()["step"].as_str().unwrap();
        assert!(
            times(&report, needed).1 <= times(&report, "last").0,
            "{report}"
        );
        assert!(times(&report, "last").1 < times(&report, "c").1, "{report}");
    }
}

#[tokio::test]
async fn a_condition_and_a_request_see_what_came_before() {
    const SAID: Expression = Expression::Path(&["steps", "a", "output"]);
    const IN: Expression = Expression::Compare(Comparison::In, &Expression::Text("did"), &SAID);
    const OUT: Expression = Expression::Compare(Comparison::In, &Expression::Text("x"), &SAID);
    let steps = vec![
        step("a", &[], "go"),
        StepSpec {
            when: Some(IN),
            with: Some(Template::Text(&[
                Template::Json("\"on: \""),
                Template::Value(SAID),
            ])),
            ..step("b", &["a"], "")
        },
        StepSpec {
            when: Some(OUT),
            ..step("c", &["a"], "never")
        },
        step("d", &["c"], "all the same"),
        StepSpec {
            join: Join::Any,
            ..step("e", &["c"], "never")
        },
        step("f", &["e"], "never"),
    ];
    let stage = Stage::new(workflow(steps));
    let report = stage.report().await;
    assert_eq!(report["status"], "completed");
    let expected = [
        "succeeded",
        "succeeded",
        "skipped",
        "succeeded",
        "skipped",
        "skipped",
    ];
    assert_eq!(statuses(&report), expected, "{report}");
    assert_eq!(of(&report, "b")["output"], "did: on: did: go");
    assert_eq!(of(&report, "c")["skipped"], "condition");
    assert_eq!(of(&report, "e")["skipped"], "needs");
    assert_eq!(of(&report, "f")["skipped"], "needs");
    assert_eq!(stage.asked().len(), 3);
}

#[tokio::test]
async fn no_more_steps_are_under_way_than_the_workflow_says() {
    let steps = ["a", "b", "c", "d"].map(|id| step(id, &[], "wait 40"));
    let mut capped = workflow(steps.to_vec());
    capped.concurrency = Some(2);
    let report = Stage::new(capped).report().await;
    assert!(overlap(&report, "a", "b"), "{report}");
    assert!(overlap(&report, "c", "d"), "{report}");
    assert!(times(&report, "a").1 <= times(&report, "d").0, "{report}");
    assert!(
        times(&report, "b").1 <= times(&report, "d").0
            || times(&report, "a").1 <= times(&report, "c").0
    );
}

#[tokio::test]
async fn a_step_is_tried_again_as_often_as_it_says_and_only_if_that_may_help() {
    let tried = |order| StepSpec {
        attempts: 3,
        on_failure: OnFailure::Skip,
        ..step("a", &[], order)
    };
    for (order, attempts, status) in [
        ("flaky 2", 3, "succeeded"),
        ("fail", 3, "failed"),
        ("refuse", 1, "failed"),
        ("panic", 3, "failed"),
    ] {
        let stage = Stage::new(workflow(vec![tried(order)]));
        let report = stage.report().await;
        assert_eq!(of(&report, "a")["attempts"], attempts, "{report}");
        assert_eq!(statuses(&report), [status]);
        assert_eq!(stage.asked().len(), attempts);
        let metrics = get(&stage.app, "/metrics").await.text;
        let counted = format!(
            "agentgen_workflow_steps_total{{status=\"{status}\",step=\"a\",workflow=\"play\"}} 1"
        );
        assert!(metrics.contains(&counted), "{metrics}");
        if order == "flaky 2" {
            let counted = "agentgen_workflow_decisions_total{decision=\"retry\",step=\"a\",workflow=\"play\"} 2";
            assert!(metrics.contains(counted), "{metrics}");
        }
    }
}

/// A step that fails, one beside it, and one that needs it.
async fn failing(on_failure: OnFailure, order: &str) -> (Value, Vec<String>) {
    let first = StepSpec {
        on_failure,
        ..step("first", &[], order)
    };
    let steps = vec![
        first,
        step("beside", &[], "wait 100"),
        step("after", &["first"], "wait 1"),
    ];
    let stage = Stage::new(workflow(steps));
    (stage.report().await, stage.asked())
}

#[tokio::test]
async fn a_failure_does_what_the_step_says() {
    let (report, _) = failing(OnFailure::Stop, "refuse").await;
    assert_eq!(report["status"], "failed");
    assert_eq!(statuses(&report), ["failed", "cancelled", "skipped"]);
    assert_eq!(report["error"], "the step `first` failed");
    let error = &of(&report, "first")["error"];
    assert_eq!(*error, json!({"status": 400, "detail": "out of order"}));
    assert_eq!(of(&report, "after")["skipped"], "run_ended");

    let (report, _) = failing(OnFailure::Escalate, "refuse").await;
    assert_eq!(report["status"], "escalated");
    assert_eq!(statuses(&report), ["failed", "cancelled", "skipped"]);

    let (report, _) = failing(OnFailure::Skip, "refuse").await;
    assert_eq!(report["status"], "completed_with_failures");
    assert_eq!(statuses(&report), ["failed", "succeeded", "succeeded"]);

    let (report, asked) = failing(OnFailure::Fallback("helper"), "flaky 1").await;
    assert_eq!(report["status"], "completed");
    assert_eq!(statuses(&report), ["succeeded"; 3]);
    let first = of(&report, "first");
    assert_eq!(
        (&first["fallback"], &first["agent"]),
        (&json!("helper"), &json!("worker"))
    );
    assert_eq!(first["output"], "did: flaky 1");
    assert_eq!(first["error"]["status"], 503);
    assert_eq!(asked.iter().filter(|order| *order == "flaky 1").count(), 2);

    let (report, _) = failing(OnFailure::Fallback("helper"), "refuse").await;
    assert_eq!(report["status"], "failed");
    assert_eq!(statuses(&report)[0], "failed");
}

#[tokio::test]
async fn steps_and_runs_end_when_their_time_is_up() {
    let late = StepSpec {
        timeout_ms: Some(50),
        on_failure: OnFailure::Skip,
        ..step("a", &[], "hang")
    };
    let report = Stage::new(workflow(vec![late])).report().await;
    assert_eq!(of(&report, "a")["error"]["status"], 504, "{report}");
    assert_eq!(report["status"], "completed_with_failures");

    let mut short = workflow(vec![step("a", &[], "hang"), step("b", &["a"], "x")]);
    short.timeout_ms = Some(80);
    let report = Stage::new(short).report().await;
    assert_eq!(report["status"], "failed", "{report}");
    assert_eq!(report["error"], "the run took longer than 80 ms");
    assert_eq!(statuses(&report), ["cancelled", "skipped"]);
}

#[tokio::test]
async fn a_run_can_be_called_off_on_every_store() {
    on_each(async |fresh| {
        let spec = workflow(vec![step("a", &[], "hang"), step("b", &["a"], "x")]);
        let stage = Stage::on(spec, fresh.open().await, Settings::default());
        let place = stage.begin().await;
        let answer = post(&stage.app, &format!("{place}/cancel"), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let report = stage.over(&place).await;
        assert_eq!(report["status"], "cancelled");
        assert_eq!(of(&report, "b")["status"], "skipped", "{report}");
        // Twice is as good as once; what is over otherwise stays as it is.
        let again = post(&stage.app, &format!("{place}/cancel"), "").await;
        assert_eq!(again.status, 202);
    })
    .await;
    let stage = Stage::new(diamond());
    let place = stage.begin().await;
    stage.over(&place).await;
    let answer = post(&stage.app, &format!("{place}/cancel"), "").await;
    answer.problem(409);
}

/// The events of a stream: ids and data.
fn events(text: &str) -> Vec<(u64, Value)> {
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

#[tokio::test]
async fn events_are_told_as_they_come_and_again_from_where_a_reader_was() {
    on_each(async |fresh| {
        let stage = Stage::on(diamond(), fresh.open().await, Settings::default());
        let place = format!("{}/events", stage.begin().await);
        // Read while the run is under way, to the end.
        let live = get(&stage.app, &place).await;
        assert_eq!(live.header("content-type"), "text/event-stream");
        let live = events(&live.text);
        let names = live.iter().map(|(_, data)| data["type"].as_str().unwrap());
        let names = names.collect::<Vec<_>>();
        let expected = [
            "run.started",
            "step.started",
            "step.finished",
            "step.started",
            "step.started",
            "step.finished",
            "step.finished",
            "step.started",
            "step.finished",
            "run.finished",
        ];
        assert_eq!(names, expected);
        assert_eq!(live[9].1["status"], "completed");
        let numbers = live.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
        for after in [0, 4, 9] {
            let headers = [("last-event-id", &*after.to_string())];
            let rest = send(&stage.app, request("GET", &place, &headers, "")).await;
            assert_eq!(events(&rest.text), live[after..], "after {after}");
        }
        let last = send(
            &stage.app,
            request("GET", &place, &[("last-event-id", "10")], ""),
        )
        .await;
        assert_eq!(last.status, 204);
        let wrong = send(
            &stage.app,
            request("GET", &place, &[("last-event-id", "x")], ""),
        )
        .await;
        wrong.problem(400);
    })
    .await;
}

#[tokio::test]
async fn a_run_is_its_owners_alone() {
    on_each(async |fresh| {
        let spec: &'static WorkflowSpec = Box::leak(Box::new(diamond()));
        let stage = Stage::on(*spec, fresh.open().await, Settings::default());
        let input = json!({"topic": "geese"});
        let report = stage.workflows.run(spec, input, "ann").await.unwrap();
        assert_eq!(report.status, RunStatus::Completed);
        assert!(
            report
                .steps
                .iter()
                .all(|step| step.status == StepStatus::Succeeded)
        );
        let place = format!("/v1/runs/{}", report.run_id);
        get(&stage.app, &place).await.problem(404);
        get(&stage.app, &format!("{place}/events"))
            .await
            .problem(404);
        post(&stage.app, &format!("{place}/cancel"), "")
            .await
            .problem(404);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_for_a_run_is_told_so() {
    let stage = Stage::new(diamond());
    let (app, runs) = (&stage.app, "/v1/workflows/play/runs");
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
    // The same request, sent again, begins no second run.
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
    stage.over(first.header("location")).await;
    assert_eq!(stage.asked().len(), 4);
}

#[tokio::test]
async fn a_run_that_finds_no_place_waits_its_turn() {
    let settings = Settings {
        workflows: WorkflowLimits {
            runs: 1,
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    };
    let spec = workflow(vec![step("a", &[], "wait 50")]);
    let stage = Stage::on(spec, Store::memory(), settings);
    let (first, second) = (stage.begin().await, stage.begin().await);
    let (first, second) = (stage.over(&first).await, stage.over(&second).await);
    assert_eq!(
        (&first["status"], &second["status"]),
        (&json!("completed"), &json!("completed"))
    );
    assert!(times(&first, "a").1 <= times(&second, "a").0);
}

#[test]
fn a_workflow_that_could_never_run_keeps_the_service_from_starting() {
    let needs = |needs| StepSpec { needs, ..STEP };
    let elsewhere = StepSpec {
        agent: "nobody",
        ..STEP
    };
    let fallback = StepSpec {
        on_failure: OnFailure::Fallback("nobody"),
        ..STEP
    };
    for (steps, told) in [
        (vec![needs(&["a"])], "the step `a` needs `a`"),
        (vec![needs(&["b"])], "the step `a` needs `b`"),
        (vec![STEP, STEP], "two steps `a`"),
        (vec![elsewhere], "the agent `nobody`"),
        (vec![fallback], "the agent `nobody`"),
    ] {
        let registry = registry_of(workflow(steps), &Default::default());
        let error = registry.into_router(Settings::default()).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_caller_needs_the_roles_of_the_workflow_and_of_every_endpoint_it_asks() {
    let mut spec = workflow(vec![step("a", &[], "go")]);
    spec.roles = &["planner"];
    let settings = || Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    let stage = Stage::on(spec, Store::memory(), settings());
    let ask = async |method: &str, path: &str, bearer: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer),
        ];
        let body = r#"{"topic":"ducks"}"#;
        send(&stage.app, request(method, path, &headers, body)).await
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
    let begun = ask("POST", runs, &ann).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let place = begun.header("location").to_owned();
    ask("GET", &place, "").await.problem(401);
    assert_eq!(ask("GET", &place, &ann).await.status, 200);
    let bob = bearer("bob", "planner");
    ask("GET", &place, &bob).await.problem(404);
    ask("GET", &format!("{place}/events"), &bob)
        .await
        .problem(404);
    ask("POST", &format!("{place}/cancel"), &bob)
        .await
        .problem(404);

    // The workflow lets everybody in; the endpoint that it asks does not.
    let asks = |endpoint, roles| {
        let mut spec = workflow(vec![StepSpec {
            agent: "desk",
            endpoint,
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
async fn a_step_asks_a_typed_endpoint_and_its_answer_is_json() {
    let spec = workflow(vec![
        StepSpec {
            agent: "desk",
            endpoint: "search",
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
            agent: "desk",
            needs: &["a"],
            id: "b",
            with: Some(Template::Value(Expression::Path(&[
                "steps", "a", "output", "hits", "0",
            ]))),
            ..STEP
        },
        StepSpec {
            agent: "desk",
            endpoint: "search",
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
    let begun = post(&app, "/v1/workflows/play/runs", r#"{"topic":"ducks"}"#).await;
    let stage = Stage {
        app,
        workflows: agentgen_runtime::Workflows::default(),
        asked: Default::default(),
    };
    let report = stage.over(begun.header("location")).await;
    assert_eq!(
        of(&report, "a")["output"],
        json!({"hits": ["7:ducks", "all"]}),
        "{report}"
    );
    let echoed = of(&report, "b")["output"].as_str().unwrap();
    assert!(echoed.ends_with(": 7:ducks"), "{echoed}");
    assert_eq!(of(&report, "c")["error"]["status"], 422);
    assert_eq!(of(&report, "c")["error"]["errors"][0]["pointer"], "/shelf");
    // A step leaves no conversation behind.
    let kept = store
        .sessions()
        .list("anonymous", "desk", None, 10)
        .await
        .unwrap();
    assert_eq!(kept, []);
}

#[tokio::test]
async fn a_service_that_stops_leaves_its_runs_to_the_next_one() {
    let fresh = file();
    let steps = vec![
        step("a", &[], "wait 30"),
        step("b", &["a"], "hang"),
        step("c", &["b"], "end"),
    ];
    let serve = async |spec: WorkflowSpec| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let settings = Settings {
            store: agentgen_runtime::Secret::new(fresh.url.clone()),
            drain: std::time::Duration::from_millis(100),
            ..Settings::default()
        };
        let asked = crate::orchestra::Asked::default();
        let registry = registry_of(spec, &asked);
        let served = tokio::spawn(agentgen_runtime::serve_on(
            listener,
            registry,
            settings,
            async {
                let _ = stopped.await;
            },
        ));
        (address, stop, served, asked)
    };
    let (address, stop, served, asked) = serve(workflow(steps.clone())).await;
    let (status, run) = ask(
        address,
        "POST",
        "/v1/workflows/play/runs",
        r#"{"topic":"x"}"#,
    )
    .await;
    assert_eq!(status, 202, "{run}");
    assert!(eventually(|| asked.lock().unwrap().len() == 2).await);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();

    // The next one finds it at once, although nobody has let a lease of ten seconds run out.
    let mut steps = steps;
    steps[1] = step("b", &["a"], "wait 1");
    let (address, stop, served, asked) = serve(workflow(steps)).await;
    let place = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    let mut report = Value::Null;
    for _ in 0..100 {
        report = ask(address, "GET", &place, "").await.1;
        if report["status"] == "completed" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(*asked.lock().unwrap(), ["wait 1", "end"]);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    fresh.remove().await;
}
