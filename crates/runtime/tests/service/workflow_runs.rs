//! Execution of workflows: the order of steps, their inputs, and limits.

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::{
    Comparison, Expression, Join, OnFailure, StepSpec, Template, WorkflowSpec,
};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::durability::http_request;
use crate::http_client::eventually;
use crate::store_fixture::{on_each_store, sqlite_store};
use crate::workflow_fixture::{
    WorkflowApp, diamond, registry_of, step, step_report, step_statuses, step_times, steps_overlap,
    workflow,
};

#[tokio::test]
async fn steps_run_in_order_and_in_parallel_on_every_store() {
    on_each_store(async |test_store| {
        let service =
            WorkflowApp::with_store(diamond(), test_store.open().await, Settings::default());
        let report = service.run_to_end().await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(step_statuses(&report), ["succeeded"; 4]);
        assert!(steps_overlap(&report, "left", "right"), "{report}");
        for (first, second) in [
            ("plan", "left"),
            ("plan", "right"),
            ("left", "join"),
            ("right", "join"),
        ] {
            assert!(
                step_times(&report, first).1 <= step_times(&report, second).0,
                "{report}"
            );
        }
        // A step without `with` receives the input and the outputs of the steps it needs.
        assert_eq!(step_report(&report, "plan")["output"], "did: ducks");
        let expected = "did: ducks\n\n## left\n\ndid: wait 80\n\n## right\n\ndid: wait 81";
        assert_eq!(step_report(&report, "join")["output"], expected);
        assert_eq!(
            report["usage"],
            json!({"input_tokens": 8, "output_tokens": 4})
        );
        assert_eq!(step_report(&report, "join")["attempts"], 1);
        assert_eq!(service.inputs().len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_join_starts_when_its_quorum_has_finished() {
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
        let report = WorkflowApp::new(workflow(steps)).run_to_end().await;
        assert_eq!(step_statuses(&report), ["succeeded"; 4]);
        let needed = report["steps"].as_array().unwrap().iter();
        let needed = needed
            .clone()
            .find(|step| step["output"] == format!("did: {waits_for}"));
        let needed = needed.unwrap()["step"].as_str().unwrap();
        assert!(
            step_times(&report, needed).1 <= step_times(&report, "last").0,
            "{report}"
        );
        assert!(
            step_times(&report, "last").1 < step_times(&report, "c").1,
            "{report}"
        );
    }
}

#[tokio::test]
async fn conditions_and_inputs_read_earlier_outputs() {
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
    let service = WorkflowApp::new(workflow(steps));
    let report = service.run_to_end().await;
    assert_eq!(report["status"], "completed");
    let expected = [
        "succeeded",
        "succeeded",
        "skipped",
        "succeeded",
        "skipped",
        "skipped",
    ];
    assert_eq!(step_statuses(&report), expected, "{report}");
    assert_eq!(step_report(&report, "b")["output"], "did: on: did: go");
    assert_eq!(step_report(&report, "c")["skipped"], "condition");
    assert_eq!(step_report(&report, "e")["skipped"], "needs");
    assert_eq!(step_report(&report, "f")["skipped"], "needs");
    assert_eq!(service.inputs().len(), 3);
}

#[tokio::test]
async fn the_concurrency_of_a_workflow_is_limited() {
    let steps = ["a", "b", "c", "d"].map(|id| step(id, &[], "wait 40"));
    let mut capped = workflow(steps.to_vec());
    capped.concurrency = Some(2);
    let report = WorkflowApp::new(capped).run_to_end().await;
    assert!(steps_overlap(&report, "a", "b"), "{report}");
    assert!(steps_overlap(&report, "c", "d"), "{report}");
    assert!(
        step_times(&report, "a").1 <= step_times(&report, "d").0,
        "{report}"
    );
    assert!(
        step_times(&report, "b").1 <= step_times(&report, "d").0
            || step_times(&report, "a").1 <= step_times(&report, "c").0
    );
}

#[tokio::test]
async fn a_run_over_the_limit_is_queued() {
    let settings = Settings {
        workflows: WorkflowLimits {
            runs: 1,
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    };
    let spec = workflow(vec![step("a", &[], "wait 50")]);
    let service = WorkflowApp::with_store(spec, Store::memory(), settings);
    let (first, second) = (service.start_run().await, service.start_run().await);
    let (first, second) = (
        service.final_report(&first).await,
        service.final_report(&second).await,
    );
    assert_eq!(
        (&first["status"], &second["status"]),
        (&json!("completed"), &json!("completed"))
    );
    assert!(step_times(&first, "a").1 <= step_times(&second, "a").0);
}

#[tokio::test]
async fn runs_of_a_stopped_service_are_resumed_by_the_next_one() {
    let test_store = sqlite_store();
    let steps = vec![
        step("a", &[], "wait 30"),
        StepSpec {
            on_failure: OnFailure::Skip,
            ..step("b", &["a"], "hang")
        },
        step("c", &["b"], "end"),
    ];
    let serve = async |spec: WorkflowSpec| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let settings = Settings {
            store: agentgen_runtime::Secret::new(test_store.url.clone()),
            drain: std::time::Duration::from_millis(100),
            ..Settings::default()
        };
        let inputs = crate::workflow_fixture::RecordedInputs::default();
        let registry = registry_of(spec, &inputs);
        let served = tokio::spawn(agentgen_runtime::serve_on(
            listener,
            registry,
            settings,
            async {
                let _ = stopped.await;
            },
        ));
        (address, stop, served, inputs)
    };
    let (address, stop, served, inputs) = serve(workflow(steps.clone())).await;
    let (status, run) = http_request(
        address,
        "POST",
        "/v1/workflows/play/runs",
        r#"{"topic":"x"}"#,
    )
    .await;
    assert_eq!(status, 202, "{run}");
    assert!(eventually(|| inputs.lock().unwrap().len() == 2).await);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();

    // The next service resumes it at once, without waiting for the lease of ten seconds.
    let mut steps = steps;
    steps[1].timeout_ms = Some(1);
    let (address, stop, served, inputs) = serve(workflow(steps)).await;
    let location = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    let mut report = Value::Null;
    for _ in 0..100 {
        report = http_request(address, "GET", &location, "").await.1;
        if report["status"] == "completed_with_failures" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(report["status"], "completed_with_failures", "{report}");
    assert_eq!(*inputs.lock().unwrap(), ["hang", "end"]);
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    test_store.remove().await;
}
