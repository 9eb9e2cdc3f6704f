//! Requests that fit the server: dialects, settings, and what a server refuses.

use agentgen_runtime::model::{ProviderKind, StructuredOutput, SystemRole};
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Secret, Settings};
use serde_json::{Value, json};

use crate::http_client::post;
use crate::mock_model::{invoke, mock_server};
use crate::wire_cases::{
    DONE, GOOD, TWICE, app, calls, data, dialect_app, end, events, finish, hello, message, text,
    text_block,
};

const ASK: &str = r#"{"message":"Are you busy?"}"#;

fn refusal(status: u16, body: &Value) -> Script {
    Script::replay(status, "application/json", body.to_string())
}

fn error(message: &str) -> Script {
    refusal(
        400,
        &json!({"error": {"message": message, "type": "invalid_request_error", "code": null}}),
    )
}

fn answer(output: &str) -> Script {
    events(&[text(output), end()])
}

/// The bodies of all requests.
fn bodies(server: &MockServer) -> Vec<Value> {
    server
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect()
}

#[tokio::test]
async fn what_a_server_refuses_is_left_out_and_remembered() {
    let deepseek = || error("This response_format type is unavailable now");
    let mistral = || {
        refusal(
            422,
            &json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}),
        )
    };
    // DeepSeek knows JSON without a schema.
    let server = mock_server([deepseek(), answer(GOOD), answer(GOOD)]).await;
    let app_of = |server: &MockServer| app(server, ProviderKind::OpenAi, TWICE, |_| {});
    let app = app_of(&server);
    for _ in 0..2 {
        assert_eq!(post(&app, "/chat", ASK).await.status, 200);
    }
    let kinds = bodies(&server);
    let kinds = kinds
        .iter()
        .map(|body| body["response_format"]["type"].as_str().unwrap());
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["json_schema", "json_object", "json_object"]
    );

    // A server without any format, and with one refusal after the other.
    let server = mock_server([
        deepseek(),
        mistral(),
        deepseek(),
        answer(GOOD),
        answer(GOOD),
    ])
    .await;
    let app = app_of(&server);
    for _ in 0..2 {
        assert_eq!(post(&app, "/chat", ASK).await.status, 200);
    }
    for last in &bodies(&server)[3..] {
        assert!(last.get("response_format").is_none() && last.get("stream_options").is_none());
        assert!(
            last["messages"][0]["content"]
                .as_str()
                .unwrap()
                .contains("JSON Schema")
        );
    }
    assert_eq!(bodies(&server).len(), 5);

    // What stays refused is an error, and not asked for without end.
    let server = mock_server([]).await;
    server.always(mistral());
    invoke(&app_of(&server), "hi").await.problem(502);
    assert_eq!(server.requests().len(), 2);
    let server = mock_server([]).await;
    server.always(error("the prompt is too silly"));
    invoke(&app_of(&server), "hi").await.problem(502);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn each_member_is_changed_as_the_server_says() {
    let small = |policy: Policy| Policy {
        budget_tokens: Some(500),
        ..policy
    };
    for (name, refused, check) in [
        (
            "another name for the limit",
            error(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            ),
            (|body: &Value| {
                body["max_completion_tokens"] == 500 && body.get("max_tokens").is_none()
            }) as fn(&Value) -> bool,
        ),
        (
            "a lower limit",
            error(
                "max_tokens is too large: 500. This model supports at most 256 completion tokens, whereas you provided 500.",
            ),
            |body| body["max_tokens"] == 256,
        ),
        (
            "a limit that depends on the prompt",
            error(
                "'max_tokens' is too large: 500. This model's maximum context length is 480 tokens",
            ),
            |body| body.get("max_tokens").is_none(),
        ),
        (
            "no system role (Gemma)",
            refusal(
                400,
                &json!({"error": {"message": "Developer instruction is not enabled", "code": 400}}),
            ),
            |body| {
                body["messages"].as_array().unwrap().len() == 1
                    && body["messages"][0]["role"] == "user"
            },
        ),
        (
            "no system role (llama.cpp)",
            refusal(
                500,
                &json!({"error": {"code": 500, "message": "System role not supported", "type": "server_error"}}),
            ),
            |body| body["messages"][0]["role"] == "user",
        ),
        (
            "no stream options",
            error("Unrecognized request argument supplied: stream_options"),
            |body| body.get("stream_options").is_none(),
        ),
        (
            "a member of the operator",
            error("temperature is not supported by this model"),
            |body| body.get("temperature").is_none(),
        ),
        (
            "in words without JSON",
            Script::replay(400, "text/plain", "unknown field: temperature"),
            |body| body.get("temperature").is_none(),
        ),
    ] {
        let server = mock_server([refused, hello()]).await;
        let app = app(&server, ProviderKind::OpenAi, small(TWICE), |settings| {
            let extra = &mut settings
                .providers
                .get_mut("mock")
                .unwrap()
                .requests
                .extra_body;
            extra.insert("temperature".to_owned(), 1.into());
        });
        let shown = invoke(&app, "hi").await;
        assert_eq!(shown.status, 200, "{name}: {}", shown.text);
        let bodies = bodies(&server);
        assert_eq!(bodies.len(), 2, "{name}");
        assert!(check(&bodies[1]), "{name}: {}", bodies[1]);
    }
    let anthropic = |message: &str| {
        refusal(
            400,
            &json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}}),
        )
    };
    let good = || message(&[text_block(0, GOOD)], "end_turn");
    for (path, body, message, pointer, wanted) in [
        (
            "/v1/agents/desk/invoke",
            r#"{"input":"hi"}"#,
            "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens",
            "/max_tokens",
            Some(json!(4096)),
        ),
        (
            "/chat",
            ASK,
            "Thinking may not be enabled when tool_choice forces tool use.",
            "/tool_choice",
            None,
        ),
    ] {
        let server = mock_server([anthropic(message), good()]).await;
        let answer = post(
            &app(&server, ProviderKind::Anthropic, TWICE, |_| {}),
            path,
            body,
        )
        .await;
        assert_eq!(answer.status, 200, "{message}: {}", answer.text);
        assert_eq!(
            bodies(&server)[1].pointer(pointer),
            wanted.as_ref(),
            "{message}"
        );
    }
}

#[tokio::test]
async fn thoughts_do_not_go_back_where_they_are_refused() {
    let thought = crate::wire_cases::delta(json!({"reasoning_content": "hm"}));
    let call =
        calls(json!([{"index": 0, "id": "a", "function": {"name": "books", "arguments": "{}"}}]));
    let asks = events(&[thought, call, finish("tool_calls"), DONE.to_owned()]);
    let server = mock_server([
        asks,
        error("property 'reasoning_content' is unsupported"),
        hello(),
    ])
    .await;
    let app = app(&server, ProviderKind::OpenAi, TWICE, |_| {});
    assert_eq!(invoke(&app, "hi").await.status, 200);
    let sent = bodies(&server);
    let of = |body: &Value| body["messages"][2].get("reasoning_content").cloned();
    assert_eq!((of(&sent[1]), of(&sent[2])), (Some(json!("hm")), None));
}

#[tokio::test]
async fn a_filter_that_declines_the_prompt_is_a_refusal() {
    let azure = json!({"error": {"message": "The response was filtered", "code": "content_filter", "status": 400}});
    let server = mock_server([refusal(400, &azure)]).await;
    let answer = invoke(&app(&server, ProviderKind::OpenAi, TWICE, |_| {}), "hi")
        .await
        .json();
    assert_eq!(
        (&answer["output"], &answer["stop_reason"]),
        (&json!(""), &json!("refusal"))
    );
    // One that declines the answer has taken what it reported.
    let used = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}});
    let declined = events(&[data(&used), data(&azure), end()]);
    let server = mock_server([declined]).await;
    let desk = app(&server, ProviderKind::OpenAi, TWICE, |_| {});
    let answer = invoke(&desk, "hi").await.json();
    assert_eq!(answer["stop_reason"], "refusal");
    assert_eq!(
        answer["usage"],
        json!({"input_tokens": 7, "output_tokens": 2})
    );
    let server = mock_server([refusal(400, &azure)]).await;
    let typed = post(
        &app(&server, ProviderKind::OpenAi, TWICE, |_| {}),
        "/chat",
        ASK,
    )
    .await;
    assert_eq!(typed.problem(502)["detail"], "the model declined to answer");
}

#[tokio::test]
async fn a_refusal_that_may_pass_is_tried_again() {
    for (code, kind) in [
        ("tool_use_failed", "invalid_request_error"),
        ("json_validate_failed", "invalid_request_error"),
        ("ThrottlingException", "bad_request"),
        ("overloaded", "error"),
    ] {
        let error = json!({"error": {"message": "m", "code": code, "type": kind}});
        let server = mock_server([refusal(400, &error), hello()]).await;
        let desk = app(&server, ProviderKind::OpenAi, TWICE, |_| {});
        assert_eq!(
            invoke(&desk, "hi").await.json()["output"],
            "Hello.",
            "{code}"
        );
        assert_eq!(server.requests().len(), 2, "{code}");
    }
}

#[tokio::test]
async fn a_budget_never_asks_for_more_than_a_model_can() {
    let with = |policy: Policy, most: Option<u64>| {
        (
            Policy {
                budget_tokens: policy.budget_tokens,
                ..TWICE
            },
            most,
        )
    };
    let budget = |tokens: u64| Policy {
        budget_tokens: Some(tokens),
        ..Policy::DEFAULT
    };
    for ((policy, most), sent) in [
        (with(Policy::DEFAULT, None), None),
        (with(budget(20_000), None), None),
        (with(budget(4_096), None), Some(4_096)),
        (with(budget(20_000), Some(16_384)), Some(16_384)),
        (with(budget(500), Some(16_384)), Some(500)),
        (with(Policy::DEFAULT, Some(16_384)), Some(16_384)),
    ] {
        let server = mock_server([hello()]).await;
        let app = app(&server, ProviderKind::OpenAi, policy, |settings| {
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.requests.max_output_tokens = most;
        });
        assert_eq!(invoke(&app, "hi").await.status, 200);
        assert_eq!(
            bodies(&server)[0]["max_tokens"].as_u64(),
            sent,
            "{policy:?} {most:?}"
        );
    }
}

#[tokio::test]
async fn dialects_write_requests_as_their_servers_want_them() {
    for (dialect, format, stream_options, header) in [
        ("openai-compatible", "json_schema", true, "authorization"),
        ("ollama", "json_schema", true, "authorization"),
        ("vllm", "json_schema", true, "authorization"),
        ("llama.cpp", "json_schema", true, "authorization"),
        ("lmstudio", "json_schema", true, "authorization"),
        ("litellm", "json_schema", true, "authorization"),
        ("openrouter", "json_schema", true, "authorization"),
        ("together", "json_schema", true, "authorization"),
        ("gemini", "json_schema", true, "authorization"),
        ("openai", "json_schema", true, "authorization"),
        ("deepseek", "json_object", true, "authorization"),
        ("groq", "json_object", true, "authorization"),
        ("mistral", "json_schema", false, "authorization"),
        ("azure", "json_schema", true, "api-key"),
    ] {
        let server = mock_server([answer(GOOD)]).await;
        let dialect = agentgen_runtime::model::Dialect::named(dialect).unwrap();
        let change = |settings: &mut Settings| {
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.dialect = dialect;
            provider.api_key = Some(Secret::new("sk-hush"));
        };
        // Without tools.
        let app = crate::mock_model::agent_app(crate::mock_model::desk_with(TWICE), {
            let mut settings = server.settings(ProviderKind::OpenAi);
            change(&mut settings);
            settings
        });
        assert_eq!(post(&app, "/chat", ASK).await.status, 200, "{dialect:?}");
        let request = &server.requests()[0];
        assert_eq!(
            request.body["response_format"]["type"], format,
            "{dialect:?}"
        );
        assert_eq!(
            request.body.get("stream_options").is_some(),
            stream_options,
            "{dialect:?}"
        );
        assert!(request.header(header).ends_with("sk-hush"), "{dialect:?}");
    }
    // Servers that can't do both get the schema in the prompt.
    for dialect in ["llama.cpp", "gemini", "groq", "deepseek"] {
        let server = mock_server([answer(GOOD)]).await;
        assert_eq!(
            post(&dialect_app(&server, dialect), "/chat", ASK)
                .await
                .status,
            200
        );
        let body = &bodies(&server)[0];
        assert!(
            body.get("response_format").is_none() && body.get("tools").is_some(),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn settings_change_the_form_of_requests() {
    let server = mock_server([answer(GOOD), answer(GOOD)]).await;
    let app_with = |change: &dyn Fn(&mut Settings)| {
        app(&server, ProviderKind::OpenAi, TWICE, |settings| {
            change(settings)
        })
    };
    let app = app_with(&|settings| {
        let requests = &mut settings.providers.get_mut("mock").unwrap().requests;
        requests.structured = Some(StructuredOutput::Prompt);
        requests.stream_options = Some(false);
        requests.system_role = Some(SystemRole::Developer);
        requests.max_output_tokens = Some(100);
        requests.max_tokens_parameter = Some("max_completion_tokens".to_owned());
        requests
            .headers
            .insert("x-title".to_owned(), Secret::new("desk"));
        requests
            .extra_body
            .insert("temperature".to_owned(), json!(0.2));
    });
    assert_eq!(post(&app, "/chat", ASK).await.status, 200);
    let request = &server.requests()[0];
    let body = &request.body;
    assert!(body.get("response_format").is_none() && body.get("stream_options").is_none());
    assert_eq!(body["messages"][0]["role"], "developer");
    assert_eq!(
        (&body["max_completion_tokens"], &body["temperature"]),
        (&json!(100), &json!(0.2))
    );
    assert_eq!(request.header("x-title"), "desk");

    // The answer as the input of a tool.
    let input =
        json!([{"index": 0, "id": "a", "function": {"name": "final_answer", "arguments": GOOD}}]);
    server.always(events(&[
        calls(input),
        finish("tool_calls"),
        DONE.to_owned(),
    ]));
    let app = app_with(&|settings| {
        let requests = &mut settings.providers.get_mut("mock").unwrap().requests;
        requests.structured = Some(StructuredOutput::Tool);
    });
    assert_eq!(post(&app, "/chat", ASK).await.json()["mood"], "calm");
    let body = bodies(&server).pop().unwrap();
    let names = body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["function"]["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["books", "final_answer"]);
    assert_eq!(body["tool_choice"], "required");
}
