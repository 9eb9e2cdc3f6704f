//! Exchanges with providers, replayed byte for byte. `tests/fixtures/README.md` says where they come from.

use std::path::PathBuf;

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::{Secret, schemars};
use serde_json::{Value, json};

use crate::http_client::post;
use crate::mock_model::{
    KINDS, NO_RETRIES, desk_with, mock_server, output_text, registry_of, stream_events,
};

const INVOKE: &str = "/v1/agents/desk/invoke";
const MAPS: &str = r#"{"input":"Where are the maps?"}"#;
const BUSY: &str = r#"{"message":"Are you busy?"}"#;

/// When this variable is set, the request files are rewritten.
const UPDATE: &str = "AGENTGEN_UPDATE_SNAPSHOTS";

fn fixture(kind: ProviderKind, name: &str) -> PathBuf {
    let folder = match kind {
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::OpenAi => "openai",
        ProviderKind::OpenAiResponses => "openai-responses",
    };
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(folder).join(name)
}

/// A script that replays the file `name`. The name of an error contains its status.
fn answer(kind: ProviderKind, name: &str) -> Script {
    let bytes = std::fs::read(fixture(kind, name)).unwrap();
    match *name.split('.').collect::<Vec<_>>() {
        [_, "sse"] => Script::replay(200, "text/event-stream; charset=utf-8", bytes),
        [_, status, "json"] => Script::replay(status.parse().unwrap(), "application/json", bytes),
        _ => panic!("{name}"),
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Shelf {
    /// The number on the shelf.
    number: u32,
}

/// The desk with a tool, on a server that replays `answers`.
async fn replayed(kind: ProviderKind, answers: &[&str]) -> (Router, MockServer) {
    let server = mock_server(answers.iter().map(|name| answer(kind, name))).await;
    let books = tool(
        "books",
        "Lists the books of a shelf.",
        |_: ToolContext, shelf: Shelf| async move {
            match shelf.number {
                4 => Ok(["Maps"]),
                number => Err(ToolError::new(format!("there is no shelf {number}"))),
            }
        },
    );
    let mut settings = server.settings(kind);
    let (key, model) = match kind {
        ProviderKind::Anthropic => ("sk-ant-fixture", "mock:claude-sonnet-4-5"),
        ProviderKind::OpenAi => ("sk-fixture", "mock:gpt-4.1-mini"),
        ProviderKind::OpenAiResponses => ("sk-fixture", "mock:gpt-5.1"),
    };
    settings
        .models
        .insert("sonnet".to_owned(), model.to_owned());
    let provider = settings.providers.get_mut("mock").unwrap();
    provider.api_key = Some(Secret::new(key));
    let app = registry_of(desk_with(NO_RETRIES))
        .tool(books)
        .into_router(settings)
        .unwrap();
    (app, server)
}

/// The requests are those in the files `NAME.request.json`.
#[track_caller]
fn sent(kind: ProviderKind, server: &MockServer, names: &[&str]) {
    let requests = server.requests();
    assert_eq!(requests.len(), names.len());
    for (request, name) in requests.iter().zip(names) {
        let path = fixture(kind, &format!("{name}.request.json"));
        if std::env::var_os(UPDATE).is_some() {
            let text = serde_json::to_string_pretty(&request.body).unwrap() + "\n";
            std::fs::write(&path, text).unwrap();
        }
        let wanted = serde_json::from_slice::<Value>(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(request.body, wanted, "{}", path.display());
    }
}

#[tokio::test]
async fn text_answers_are_read_with_usage() {
    for (kind, usage) in [
        (
            ProviderKind::Anthropic,
            json!({"input_tokens": 1051, "output_tokens": 19}),
        ),
        (
            ProviderKind::OpenAi,
            json!({"input_tokens": 25, "output_tokens": 17}),
        ),
        (
            ProviderKind::OpenAiResponses,
            json!({"input_tokens": 1049, "output_tokens": 17}),
        ),
    ] {
        let (app, server) = replayed(kind, &["text.sse"]).await;
        let events = stream_events(&app, INVOKE, MAPS).await;
        let text = "Die Karten stehen im Regal 4 – ganz oben. 🗺️";
        assert_eq!(output_text(&events), text);
        let (_, last) = events.last().unwrap();
        assert_eq!(last["output"]["output"], text);
        assert_eq!(
            (&last["usage"], &last["stop_reason"]),
            (&usage, &json!("end_turn"))
        );
        sent(kind, &server, &["text"]);
    }
}

#[tokio::test]
async fn tool_calls_and_their_results_are_exchanged() {
    for (kind, before, usage) in [
        (
            ProviderKind::Anthropic,
            "I'll look at both shelves.\n\n",
            json!({"input_tokens": 960, "output_tokens": 106}),
        ),
        (
            ProviderKind::OpenAi,
            "",
            json!({"input_tokens": 229, "output_tokens": 56}),
        ),
        (
            ProviderKind::OpenAiResponses,
            "",
            json!({"input_tokens": 292, "output_tokens": 120}),
        ),
    ] {
        let (app, server) = replayed(kind, &["tool_use.sse", "tool_answer.sse"]).await;
        let body = r#"{"input":"What is on shelves 4 and 5?"}"#;
        let events = stream_events(&app, INVOKE, body).await;
        let numbers = events.iter().filter(|(name, _)| name == "tool.started");
        let numbers = numbers.map(|(_, data)| data["arguments"]["number"].as_u64().unwrap());
        assert_eq!(numbers.collect::<Vec<_>>(), [4, 5]);
        let (_, last) = events.last().unwrap();
        let text = format!("{before}Shelf 4 has maps; there is no shelf 5.");
        assert_eq!(last["output"]["output"], text);
        assert_eq!(last["usage"], usage);
        sent(kind, &server, &["tool_use", "tool_answer"]);
    }
}

#[tokio::test]
async fn structured_outputs_are_read() {
    for kind in KINDS {
        let (app, server) = replayed(kind, &["structured.sse"]).await;
        let answer = post(&app, "/chat", BUSY).await.json();
        let wanted = json!({"mood": "calm", "reply": "No, come in.", "sure": 0.9});
        assert_eq!(answer, wanted);
        sent(kind, &server, &["structured"]);
    }
}

#[tokio::test]
async fn stop_reasons_are_reported() {
    for (kind, name, text, reason) in [
        (
            ProviderKind::Anthropic,
            "max_tokens.sse",
            "The maps are",
            "max_tokens",
        ),
        (
            ProviderKind::Anthropic,
            "thinking.sse",
            "Shelf 4.",
            "end_turn",
        ),
        (
            ProviderKind::OpenAi,
            "max_tokens.sse",
            "The maps are",
            "max_tokens",
        ),
        (
            ProviderKind::OpenAi,
            "refusal.sse",
            "I can't help with that.",
            "refusal",
        ),
        (
            ProviderKind::OpenAiResponses,
            "reasoning.sse",
            "Shelf 4.",
            "end_turn",
        ),
        (
            ProviderKind::OpenAiResponses,
            "max_tokens.sse",
            "The maps are",
            "max_tokens",
        ),
        (
            ProviderKind::OpenAiResponses,
            "refusal.sse",
            "I can't help with that.",
            "refusal",
        ),
        (
            ProviderKind::OpenAiResponses,
            "content_filter.sse",
            "The maps",
            "refusal",
        ),
    ] {
        let (app, _server) = replayed(kind, &[name]).await;
        let answer = post(&app, INVOKE, MAPS).await.json();
        assert_eq!(
            (&answer["output"], &answer["stop_reason"]),
            (&json!(text), &json!(reason))
        );
    }
}

#[tokio::test]
async fn a_minimal_server_is_supported() {
    let kind = ProviderKind::OpenAi;
    let (app, server) = replayed(kind, &["bare.sse", "bare_answer.sse"]).await;
    let answer = post(&app, INVOKE, r#"{"input":"What is on shelf 4?"}"#)
        .await
        .json();
    assert_eq!(answer["output"], "Shelf 4 has maps.");
    // It reports no usage.
    assert_eq!(answer["usage"]["estimated"], true);
    assert!(answer["usage"]["output_tokens"].as_u64().unwrap() >= 5);
    sent(kind, &server, &["bare", "bare_answer"]);
}

#[tokio::test]
async fn thoughts_are_not_asked_for_where_the_model_has_none() {
    let kind = ProviderKind::OpenAiResponses;
    let answers = ["no_encrypted_content.400.json", "text.sse"];
    let (app, server) = replayed(kind, &answers).await;
    assert_eq!(post(&app, INVOKE, MAPS).await.status, 200);
    sent(kind, &server, &["text", "no_include"]);
}

#[tokio::test]
async fn provider_errors_map_to_statuses_without_provider_text() {
    let [anthropic, openai, responses] = KINDS;
    for (kind, name, status) in [
        (anthropic, "authentication.401.json", 502),
        (anthropic, "invalid.400.json", 502),
        (anthropic, "rate_limit.429.json", 503),
        (anthropic, "overloaded.529.json", 503),
        (anthropic, "overloaded.sse", 503),
        (openai, "authentication.401.json", 502),
        (openai, "model.404.json", 502),
        (openai, "quota.429.json", 502),
        (openai, "rate_limit.429.json", 503),
        (openai, "server.500.json", 503),
        (responses, "authentication.401.json", 502),
        (responses, "quota.429.json", 502),
        (responses, "failed.sse", 503),
        (responses, "rate_limit.sse", 503),
    ] {
        let (app, _server) = replayed(kind, &[name]).await;
        let answer = post(&app, INVOKE, MAPS).await;
        let problem = answer.problem(status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("the model's provider "), "{detail}");
        for theirs in [
            "sk-fix",
            "organization",
            "org-fixture",
            "gpt-0",
            "64000",
            "Overloaded",
        ] {
            assert!(!answer.text.contains(theirs), "{name}: {}", answer.text);
        }
    }
}
