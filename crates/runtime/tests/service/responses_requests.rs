//! Requests to OpenAI's Responses API: what goes back of an answer, and what a server refuses.

use agentgen_runtime::model::{ProviderKind, StructuredOutput};
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::{MockServer, Script};
use serde_json::{Value, json};

use crate::http_client::post;
use crate::mock_model::{invoke, mock_server};
use crate::wire_cases::{
    GOOD, Outcome, TWICE, app, call_item, check, event, item, message_item, response,
};

use Outcome::Passes;

const KIND: ProviderKind = ProviderKind::OpenAiResponses;
const ASK: &str = r#"{"message":"Are you busy?"}"#;
const ONE: &str = r#"{"number":1}"#;

/// The request that followed `script`, which called tools: what came after the user's message.
async fn sent_back(script: Script) -> Vec<Value> {
    let server = mock_server([script, response(&[message_item(0, "Hello.")])]).await;
    let answer = invoke(&app(&server, KIND, TWICE, |_| {}), "hi").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "no tool was called");
    requests[1].body["input"].as_array().unwrap()[1..].to_vec()
}

#[tokio::test]
async fn calls_are_put_together_from_their_pieces() {
    let call = |index: u32, arguments: &str| {
        json!({
            "type": "function_call", "id": format!("fc_{index}"), "call_id": format!("call_{index}"), "name": "books",
            "arguments": arguments,
        })
    };
    let at = |index: u32, member: &str, text: &str, kind: &str| {
        let mut piece = json!({ "output_index": index });
        piece[member] = text.into();
        event(piece, &format!("response.function_call_arguments.{kind}"))
    };
    let added = |index: u32| {
        event(
            json!({ "output_index": index, "item": call(index, "") }),
            "response.output_item.added",
        )
    };
    let without = |key: &str| {
        let mut call = call(0, ONE);
        call.as_object_mut().unwrap().remove(key);
        item(0, &call, &[])
    };
    for (name, parts, wanted) in [
        (
            "the item alone",
            vec![call_item(0, "books", ONE)],
            vec![ONE],
        ),
        (
            "deltas alone",
            vec![
                added(0),
                at(0, "delta", r#"{"num"#, "delta"),
                at(0, "delta", "ber\":1}", "delta"),
            ],
            vec![ONE],
        ),
        (
            "the whole alone",
            vec![added(0), at(0, "arguments", ONE, "done")],
            vec![ONE],
        ),
        (
            "everything",
            vec![item(
                0,
                &call(0, ONE),
                &[
                    at(0, "delta", ONE, "delta"),
                    at(0, "arguments", ONE, "done"),
                ],
            )],
            vec![ONE],
        ),
        (
            "two, interleaved",
            vec![
                added(0),
                added(1),
                at(0, "delta", r#"{"number":"#, "delta"),
                at(1, "delta", r#"{"number":"#, "delta"),
                at(0, "delta", "1}", "delta"),
                at(1, "delta", "2}", "delta"),
            ],
            vec![ONE, r#"{"number":2}"#],
        ),
        ("no id of the call", vec![without("call_id")], vec![ONE]),
        ("no arguments", vec![without("arguments")], vec!["{}"]),
        (
            "broken arguments",
            vec![call_item(0, "books", r#"{"number":1"#)],
            vec![r#"{"number":1"#],
        ),
        (
            "the same id twice",
            vec![
                call_item(0, "books", ONE),
                call_item(1, "books", r#"{"number":2}"#).replace("call_1", "call_0"),
            ],
            vec![ONE, r#"{"number":2}"#],
        ),
    ] {
        let items = sent_back(response(&parts)).await;
        let calls = items.iter().filter(|item| item["type"] == "function_call");
        let calls = calls.collect::<Vec<_>>();
        let arguments = calls.iter().map(|call| call["arguments"].as_str().unwrap());
        assert_eq!(arguments.collect::<Vec<_>>(), wanted, "{name}");
        let ids = calls.iter().map(|call| call["call_id"].as_str().unwrap());
        let ids = ids.collect::<std::collections::BTreeSet<_>>();
        assert_eq!(ids.len(), calls.len(), "{name}: the ids of calls differ");
        let results = items
            .iter()
            .filter(|item| item["type"] == "function_call_output");
        let results = results.map(|item| item["call_id"].as_str().unwrap());
        assert_eq!(
            results.collect::<std::collections::BTreeSet<_>>(),
            ids,
            "{name}"
        );
    }
    let lost = response(&[at(0, "delta", ONE, "delta")]);
    check(KIND, vec![("arguments without a call", lost, Passes)]).await;
}

#[tokio::test]
async fn items_go_back_as_they_are_to_the_model_that_wrote_them() {
    let thought = |content: Value| json!({ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": content });
    let begins = |index: u32, item: &Value| {
        event(
            json!({ "output_index": index, "item": item }),
            "response.output_item.added",
        )
    };
    let ends = |index: u32, item: &Value| {
        event(
            json!({ "output_index": index, "item": item }),
            "response.output_item.done",
        )
    };
    let message = json!({
        "type": "message", "id": "msg", "role": "assistant", "status": "completed", "phase": "commentary",
        "content": [{ "type": "output_text", "text": "I look.", "annotations": [] }],
    });
    let script = response(&[
        begins(0, &thought("half".into())),
        ends(0, &thought("all of it".into())),
        ends(1, &message),
        call_item(2, "books", ONE),
    ]);
    let items = sent_back(script).await;
    let call = json!({
        "type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "books", "arguments": ONE, "status": "completed",
    });
    let result =
        json!({ "type": "function_call_output", "call_id": "call_2", "output": "\"books of 1\"" });
    assert_eq!(items[..3], [thought("all of it".into()), message, call]);
    assert_eq!(items[3]["call_id"], result["call_id"]);

    // The server has not stored thoughts that come without their content.
    let script = response(&[ends(0, &thought(Value::Null)), call_item(1, "books", ONE)]);
    let kinds = sent_back(script).await;
    let kinds = kinds.iter().map(|item| item["type"].as_str().unwrap());
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["function_call", "function_call_output"]
    );

    // Another model gets the calls alone.
    let server = mock_server([
        response(&[ends(0, &thought("x".into())), call_item(1, "books", ONE)]),
        Script::error(503, "busy"),
        response(&[message_item(0, "Hello.")]),
    ])
    .await;
    let policy = Policy {
        retry_attempts: 1,
        fallbacks: &["opus"],
        ..Policy::DEFAULT
    };
    let app = app(&server, KIND, policy, |settings| {
        let other = "mock:other".to_owned();
        settings.models.insert("opus".to_owned(), other);
    });
    assert_eq!(invoke(&app, "hi").await.status, 200);
    let requests = server.requests();
    assert_eq!(requests[1].body["input"][1]["type"], "reasoning");
    assert_eq!(requests[2].body["model"], "other");
    let call =
        json!({ "type": "function_call", "call_id": "call_1", "name": "books", "arguments": ONE });
    assert_eq!(requests[2].body["input"][1], call);
}

/// The bodies of the requests after an answer of `/chat` in this form.
async fn bodies(scripts: Vec<Script>, structured: Option<StructuredOutput>) -> Vec<Value> {
    let server: MockServer = mock_server(scripts).await;
    let app = app(&server, KIND, TWICE, |settings| {
        let requests = &mut settings.providers.get_mut("mock").unwrap().requests;
        requests.structured = structured;
        let extra = json!({ "text": { "verbosity": "low" }, "top_p": 0.5 });
        requests.extra_body = extra.as_object().unwrap().clone();
    });
    let answer = post(&app, "/chat", ASK).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let requests = server.requests().into_iter();
    requests.map(|request| request.body).collect()
}

#[tokio::test]
async fn structured_output_is_asked_for_in_every_way() {
    let good = || response(&[message_item(0, GOOD)]);
    let schema = bodies(vec![good()], None).await.remove(0);
    assert_eq!(schema["text"]["format"]["type"], "json_schema");
    assert_eq!(schema["text"]["format"]["strict"], false);
    assert_eq!(schema["text"]["verbosity"], "low");
    assert_eq!(schema["top_p"], 0.5);
    assert_eq!(schema["store"], false);
    assert_eq!(schema["include"], json!(["reasoning.encrypted_content"]));

    let object = bodies(vec![good()], Some(StructuredOutput::JsonObject)).await;
    assert_eq!(object[0]["text"]["format"], json!({"type": "json_object"}));

    let prompt = bodies(vec![good()], Some(StructuredOutput::Prompt)).await;
    assert_eq!(prompt[0]["text"], json!({"verbosity": "low"}));

    let called = response(&[
        call_item(0, "books", ONE),
        call_item(1, "final_answer", r#"{"mood":"busy","reply":"Wait."}"#),
    ]);
    let answered = response(&[call_item(0, "final_answer", GOOD)]);
    let tool = bodies(vec![called, answered], Some(StructuredOutput::Tool)).await;
    assert_eq!(tool[0]["tool_choice"], "required");
    assert_eq!(tool[0]["tools"][1]["name"], "final_answer");
    // A call that has no result does not go back.
    let back = tool[1]["input"].to_string();
    assert!(
        back.contains("call_0") && !back.contains("call_1"),
        "{back}"
    );
}

#[tokio::test]
async fn what_a_server_refuses_is_left_out_and_remembered() {
    let refused = |param: Value, message: &str| {
        let error = json!({ "message": message, "type": "invalid_request_error", "param": param, "code": null });
        Script::replay(
            400,
            "application/json",
            json!({ "error": error }).to_string(),
        )
    };
    let good = || response(&[message_item(0, GOOD)]);
    let sent = bodies(
        vec![
            refused(
                "include".into(),
                "Encrypted content is not supported with this model.",
            ),
            refused(
                "text.format".into(),
                "'text.format' of type 'json_schema' is not supported with this model.",
            ),
            refused(
                "top_p".into(),
                "Unsupported parameter: 'top_p' is not supported with this model.",
            ),
            refused(
                "text.verbosity".into(),
                "Unsupported value: 'low' is not supported with this model.",
            ),
            good(),
        ],
        None,
    )
    .await;
    assert_eq!(sent.len(), 5);
    assert!(sent[0].get("include").is_some() && sent[1].get("include").is_none());
    assert_eq!(sent[2]["text"]["format"], json!({"type": "json_object"}));
    assert!(sent[3].get("top_p").is_none());
    assert!(sent[4].get("text").is_none());
    assert!(sent.iter().all(|body| body["store"] == false));

    let server = mock_server([refused("store".into(), "store must be true"), good()]).await;
    let answer = invoke(&app(&server, KIND, TWICE, |_| {}), "hi").await;
    answer.problem(502);
    assert_eq!(server.requests().len(), 1, "nothing is stored in silence");
}

#[tokio::test]
async fn limits_fit_the_api() {
    for (budget, most, wanted) in [
        (Some(4_096), None, Some(4_096)),
        (Some(3), None, Some(16)),
        (None, Some(9_000), Some(9_000)),
        (None, None, None),
    ] {
        let server = mock_server([response(&[message_item(0, "Hello.")])]).await;
        let policy = Policy {
            budget_tokens: budget,
            ..TWICE
        };
        let app = app(&server, KIND, policy, |settings| {
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.requests.max_output_tokens = most;
        });
        invoke(&app, "hi").await;
        let sent = server.requests()[0].body["max_output_tokens"].as_u64();
        assert_eq!(sent, wanted, "{budget:?} {most:?}");
    }
}

#[tokio::test]
async fn calls_in_the_text_are_made() {
    let text = format!(r#"<tool_call>{{"name":"books","arguments":{ONE}}}</tool_call>"#);
    let items = sent_back(response(&[message_item(0, &text)])).await;
    let call = items.iter().find(|item| item["type"] == "function_call");
    let call = call.unwrap();
    assert_eq!(
        (&call["name"], &call["arguments"]),
        (&json!("books"), &json!(ONE))
    );
    let last = items.last().unwrap();
    assert_eq!(last["call_id"], call["call_id"]);
}
