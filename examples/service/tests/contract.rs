//! Every endpoint of the example, called with the examples of its OpenAPI document.

#![allow(clippy::unwrap_used)]

use agentgen_example_service::{Handlers, agents};
use agentgen_runtime::auth::Auth;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::{MockServer, Script, TestClient};
use agentgen_runtime::{Registry, Settings};
use serde_json::json;

fn registry() -> Registry {
    agents::registry(&Handlers)
}

#[tokio::test]
async fn every_endpoint_answers_as_its_contract_says() {
    let client = TestClient::new(registry(), Settings::default()).unwrap();
    let samples = client.samples();
    assert_eq!(samples.len(), registry().endpoints().count());
    for sample in samples {
        let response = client.call(&sample).await;
        assert_eq!(sample.check(&response), Ok(()));
        if sample.endpoint.stream {
            let events = client.stream(&sample).await.events();
            assert_eq!(events.first().unwrap().0, "run.started");
            assert_eq!(events.last().unwrap().0, "run.completed");
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_its_contract_is_found() {
    let client = TestClient::new(registry(), Settings::default()).unwrap();
    for sample in client.samples() {
        let good = client.call(&sample).await;
        for (status, body) in [
            (200, "[1"),
            (200, "{\"no\": true}"),
            (500, "{}"),
            (404, "{}"),
        ] {
            let mut bad = good.clone();
            bad.status = status;
            bad.body = body.to_owned();
            let said = sample.check(&bad).unwrap_err();
            assert!(
                said.contains(sample.endpoint.path.split('{').next().unwrap()),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn without_a_token_every_endpoint_is_401() {
    let settings = Settings {
        auth: Auth::hs256(b"a secret of the tests: 32 bytes or more"),
        ..Settings::default()
    };
    let client = TestClient::new(registry(), settings).unwrap();
    for sample in client.samples() {
        let response = client.call(&sample).await;
        assert_eq!(response.status, 401, "{sample}");
        assert_eq!(response.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_scripted_model_answers_whatever_the_agents_call_their_models() {
    let model = MockServer::start().await.unwrap();
    model.push(Script::text("It is late.").usage(9, 4));
    let settings = model.settings_for(&registry(), ProviderKind::Anthropic);
    let client = TestClient::new(registry(), settings).unwrap();
    let answer = client
        .post(
            "/v1/agents/proofreader/invoke",
            &json!({ "input": "Its late." }),
        )
        .await;
    assert_eq!(answer.json()["output"], "It is late.", "{answer:?}");
    let missing = client.get("/nothing/here").await;
    assert_eq!(missing.status, 404);
}
