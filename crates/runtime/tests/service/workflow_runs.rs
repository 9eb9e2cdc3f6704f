//! How runs of workflows go: which steps begin when, and what they are told.

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::{Comparison, Expression, Join, StepSpec, Template, WorkflowSpec};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::durability::ask;
use crate::http_client::eventually;
use crate::store_fixture::{file, on_each};
use crate::workflow_fixture::{
    Stage, diamond, of, overlap, registry_of, statuses, step, times, workflow,
};

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
        let asked = crate::workflow_fixture::Asked::default();
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
