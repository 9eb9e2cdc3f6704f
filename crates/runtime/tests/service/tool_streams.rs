//! Tool calls as servers with OpenAI's API send them, and what goes back. Each case is a public report, or of the same kind.

use agentgen_runtime::model::{Dialect, ProviderKind};
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mock_model::{invoke, mock_server, output_text, stream_events};
use crate::wire_cases::{
    DONE, Outcome, TWICE, app, calls, check, data, delta, end, events, finish, hello, text,
};

const ONE: &str = r#"{"number":1}"#;
const TWO: &str = r#"{"number":2}"#;

/// A piece of a call; `null` leaves a member out.
fn piece(index: Value, id: Value, name: Value, arguments: Value) -> Value {
    let mut call = json!({ "function": {} });
    for (key, value) in [("index", index), ("id", id)] {
        if !value.is_null() {
            call[key] = value;
        }
    }
    for (key, value) in [("name", name), ("arguments", arguments)] {
        if !value.is_null() {
            call["function"][key] = value;
        }
    }
    call
}

/// The messages that went back after `script`, which called tools.
async fn sent_back(name: &str, script: Script) -> Vec<Value> {
    let server = mock_server([script, hello()]).await;
    let answer = invoke(&app(&server, ProviderKind::OpenAi, TWICE, |_| {}), "hi").await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text);
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{name}: no tool was called");
    let messages = requests[1].body["messages"].as_array().unwrap().clone();
    let start = messages
        .iter()
        .position(|message| message["role"] == "assistant");
    messages[start.unwrap()..].to_vec()
}

#[tokio::test]
async fn tool_calls_are_put_together_from_their_pieces() {
    let null = || Value::Null;
    let whole =
        |id: &str, arguments: &str| piece(null(), id.into(), "books".into(), arguments.into());
    let at = |index: u64, id: &str, arguments: &str| {
        piece(index.into(), id.into(), "books".into(), arguments.into())
    };
    let more = |index: Value, arguments: &str| piece(index, null(), null(), arguments.into());
    let tools = || finish("tool_calls") + DONE;
    let cases = [
        (
            "as documented",
            vec![
                calls(json!([at(0, "a", "")])),
                calls(json!([more(0.into(), r#"{"number""#)])),
                calls(json!([more(0.into(), ":1}")])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "JSON in a text",
            vec![calls(json!([at(0, "a", r#""{\"number\":1}""#)])), tools()],
            vec![ONE],
        ),
        (
            "name in each piece",
            vec![
                calls(json!([at(0, "a", "")])),
                calls(json!([at(0, "a", r#"{"number":"#)])),
                calls(json!([at(0, "a", "1}")])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "name in each piece, no index",
            vec![
                calls(json!([whole("a", r#"{"number":"#)])),
                calls(json!([whole("a", "1}")])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "name in pieces",
            vec![
                calls(json!([piece(0.into(), "a".into(), "bo".into(), null())])),
                calls(json!([piece(0.into(), null(), "oks".into(), ONE.into())])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "name so far in each piece",
            vec![
                calls(json!([piece(0.into(), "a".into(), "bo".into(), null())])),
                calls(json!([piece(0.into(), null(), "books".into(), ONE.into())])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "name in the second piece",
            vec![
                calls(json!([piece(0.into(), "a".into(), "".into(), "".into())])),
                calls(json!([at(0, "a", ONE)])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "name with marks",
            vec![
                calls(json!([piece(
                    0.into(),
                    "a".into(),
                    "books<|channel|>commentary".into(),
                    ONE.into()
                )])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "no index",
            vec![
                calls(json!([whole("a", ONE)])),
                calls(json!([whole("b", TWO)])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "no index, with pieces",
            vec![
                calls(json!([whole("a", "")])),
                calls(json!([more(null(), r#"{"number""#)])),
                calls(json!([more(null(), ":1}")])),
                calls(json!([whole("b", TWO)])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "no index and no id",
            vec![
                calls(json!([piece(null(), null(), "books".into(), ONE.into())])),
                calls(json!([piece(null(), null(), "books".into(), TWO.into())])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "no index and no id, in one chunk",
            vec![
                calls(json!([
                    piece(null(), null(), "books".into(), ONE.into()),
                    piece(null(), null(), "books".into(), TWO.into())
                ])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "index 0 for all",
            vec![
                calls(json!([at(0, "a", ONE)])),
                calls(json!([at(0, "b", TWO)])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "index 0 for all, with pieces",
            vec![
                calls(json!([at(0, "a", "")])),
                calls(json!([more(0.into(), ONE)])),
                calls(json!([at(0, "b", r#"{"num"#)])),
                calls(json!([more(0.into(), r#"ber":2}"#)])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "another id in each piece",
            vec![
                calls(json!([at(0, "a", "")])),
                calls(json!([piece(
                    0.into(),
                    "b".into(),
                    null(),
                    r#"{"number":"#.into()
                )])),
                calls(json!([piece(0.into(), "c".into(), null(), "1}".into())])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "another id and the name in each piece",
            vec![
                calls(json!([at(0, "a", "")])),
                calls(json!([at(0, "b", r#"{"number":"#)])),
                calls(json!([at(0, "c", "1}")])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "the same id for all",
            vec![
                calls(json!([at(0, "a", ONE)])),
                calls(json!([at(1, "a", TWO)])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "interleaved",
            vec![
                calls(json!([at(0, "a", ""), at(1, "b", "")])),
                calls(json!([more(0.into(), r#"{"number":"#)])),
                calls(json!([more(1.into(), r#"{"number":"#)])),
                calls(json!([more(0.into(), "1}")])),
                calls(json!([more(1.into(), "2}")])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "index as a text",
            vec![
                calls(json!([piece(
                    "0".into(),
                    "a".into(),
                    "books".into(),
                    ONE.into()
                )])),
                calls(json!([piece(
                    "1".into(),
                    "b".into(),
                    "books".into(),
                    TWO.into()
                )])),
                tools(),
            ],
            vec![ONE, TWO],
        ),
        (
            "id as a number",
            vec![
                calls(json!([piece(
                    0.into(),
                    7.into(),
                    "books".into(),
                    ONE.into()
                )])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "arguments as an object",
            vec![
                calls(json!([piece(
                    0.into(),
                    "a".into(),
                    "books".into(),
                    json!({"number": 1})
                )])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "arguments as a whole twice",
            vec![
                calls(json!([at(0, "a", ONE)])),
                calls(json!([at(0, "a", ONE)])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "empty arguments",
            vec![calls(json!([at(0, "a", "")])), tools()],
            vec!["{}"],
        ),
        (
            "null arguments",
            vec![
                calls(json!([piece(0.into(), "a".into(), "books".into(), null())])),
                tools(),
            ],
            vec!["{}"],
        ),
        (
            "the text null",
            vec![calls(json!([at(0, "a", "null")])), tools()],
            vec!["{}"],
        ),
        (
            "broken arguments",
            vec![calls(json!([at(0, "a", r#"{"number":1"#)])), tools()],
            vec![r#"{"number":1"#],
        ),
        (
            "members beside each other",
            vec![
                calls(json!([{"id": "a", "name": "books", "arguments": ONE}])),
                tools(),
            ],
            vec![ONE],
        ),
        (
            "one call, not in a list",
            vec![delta(json!({"tool_calls": at(0, "a", ONE)})), tools()],
            vec![ONE],
        ),
        (
            "reason stop",
            vec![calls(json!([at(0, "a", ONE)])), end()],
            vec![ONE],
        ),
        (
            "reason missing",
            vec![calls(json!([at(0, "a", ONE)])), DONE.to_owned()],
            vec![ONE],
        ),
        (
            "function_call of 2023",
            vec![
                delta(json!({"function_call": {"name": "books", "arguments": ""}})),
                delta(json!({"function_call": {"arguments": ONE}})),
                finish("function_call"),
                DONE.to_owned(),
            ],
            vec![ONE],
        ),
        (
            "text before",
            vec![text("I look. "), calls(json!([at(0, "a", ONE)])), tools()],
            vec![ONE],
        ),
    ];
    for (name, parts, wanted) in cases {
        let messages = sent_back(name, events(&parts)).await;
        let sent = messages[0]["tool_calls"].as_array().unwrap();
        let arguments = sent
            .iter()
            .map(|call| call["function"]["arguments"].as_str().unwrap());
        assert_eq!(arguments.collect::<Vec<_>>(), wanted, "{name}");
        for (call, result) in sent.iter().zip(&messages[1..]) {
            assert_eq!(call["function"]["name"], "books", "{name}");
            assert_eq!(call["id"], result["tool_call_id"], "{name}");
        }
        let ids = sent.iter().map(|call| call["id"].as_str().unwrap());
        let ids = ids.collect::<std::collections::BTreeSet<_>>();
        assert_eq!(ids.len(), sent.len(), "{name}: the ids of calls differ");
        assert!(!ids.contains(""), "{name}");
    }
}

#[tokio::test]
async fn tool_calls_of_a_whole_answer_are_read() {
    let call = |arguments: &str| piece(Value::Null, Value::Null, "books".into(), arguments.into());
    let message =
        json!({ "role": "assistant", "content": null, "tool_calls": [call(ONE), call(ONE)] });
    let answer = json!({ "choices": [{ "message": message, "finish_reason": "tool_calls" }] });
    let script = Script::replay(200, "application/json", answer.to_string());
    let messages = sent_back("whole", script).await;
    assert_eq!(messages[0]["tool_calls"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_only_the_server_understands_goes_back_verbatim() {
    let call = |further: Value| {
        let mut call = piece(0.into(), "a".into(), "books".into(), ONE.into());
        call.as_object_mut()
            .unwrap()
            .extend(further.as_object().unwrap().clone());
        calls(json!([call])) + &finish("tool_calls") + DONE
    };
    let plain = || call(json!({}));
    let signature = json!({"google": {"thought_signature": "SIG=="}});
    let part = |text: &str, signature: Value| json!({"type": "reasoning.text", "index": 0, "text": text, "signature": signature});
    for (name, parts, pointer, wanted) in [
        (
            "DeepSeek",
            vec![
                delta(json!({"reasoning_content": "I need ", "content": null})),
                delta(json!({"reasoning_content": "help."})),
                plain(),
            ],
            "/reasoning_content",
            json!("I need help."),
        ),
        (
            "vLLM",
            vec![delta(json!({"reasoning": "hm"})), plain()],
            "/reasoning",
            json!("hm"),
        ),
        (
            "OpenRouter",
            vec![
                delta(json!({"reasoning_details": [part("I ", Value::Null)]})),
                delta(json!({"reasoning_details": [part("need.", "SIG".into())]})),
                plain(),
            ],
            "/reasoning_details",
            json!([part("I need.", "SIG".into())]),
        ),
        (
            "OpenRouter, encrypted",
            vec![
                delta(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]})),
                plain(),
            ],
            "/reasoning_details/0/data",
            json!("x"),
        ),
        (
            "Gemini",
            vec![call(json!({"extra_content": signature}))],
            "/tool_calls/0/extra_content",
            signature.clone(),
        ),
        (
            "Gemini, on the message",
            vec![delta(json!({"extra_content": signature})), plain()],
            "/extra_content",
            signature.clone(),
        ),
        (
            "a member that is not known yet",
            vec![call(json!({"cache_key": {"a": [1]}}))],
            "/tool_calls/0/cache_key",
            json!({"a": [1]}),
        ),
        (
            "in the function",
            vec![
                calls(
                    json!([{"index": 0, "id": "a", "function": {"name": "books", "arguments": ONE, "signature": "S"}}]),
                ),
                finish("tool_calls"),
                DONE.to_owned(),
            ],
            "/tool_calls/0/function/signature",
            json!("S"),
        ),
    ] {
        let messages = sent_back(name, events(&parts)).await;
        assert_eq!(
            messages[0].pointer(pointer),
            Some(&wanted),
            "{name}: {}",
            messages[0]
        );
        let known = ["role", "tool_calls"];
        assert!(
            known.iter().all(|key| messages[0].get(*key).is_some()),
            "{name}"
        );
        // Servers refuse `null` here.
        assert_eq!(messages[0].get("content"), None, "{name}");
    }
}

#[tokio::test]
async fn answers_without_the_calls_they_announce_are_failures() {
    let nameless = piece(0.into(), "a".into(), Value::Null, ONE.into());
    let cut = piece(0.into(), "a".into(), "books".into(), r#"{"num"#.into());
    let cases = vec![
        (
            "no call",
            events(&[text("Let me look."), finish("tool_calls"), DONE.to_owned()]),
            Outcome::Passes,
        ),
        (
            "no name",
            events(&[
                calls(json!([nameless])),
                finish("tool_calls"),
                DONE.to_owned(),
            ]),
            Outcome::Passes,
        ),
        ("cut", events(&[calls(json!([cut]))]), Outcome::Passes),
        (
            "error after a call",
            events(&[calls(json!([cut])), data(&json!({"error": "m"}))]),
            Outcome::Passes,
        ),
        (
            "at the limit",
            events(&[text("I "), calls(json!([cut])), finish("length")]),
            Outcome::Text("I ", "max_tokens"),
        ),
    ];
    check(ProviderKind::OpenAi, cases).await;
}

const HERMES: &str =
    "I look.\n<tool_call>\n{\"name\": \"books\", \"arguments\": {\"number\": 1}}\n</tool_call>";
const INVOKE: &str = "/v1/agents/desk/invoke";

/// An answer that comes character by character.
fn written(answer: &str) -> Script {
    let pieces = answer.chars().map(|c| text(&c.to_string()));
    events(&pieces.chain([end()]).collect::<Vec<_>>())
}

#[tokio::test]
async fn calls_that_the_model_writes_into_its_text_are_made() {
    for (name, answer, said) in [
        ("Hermes", HERMES, Some("I look.\n")),
        (
            "after thoughts",
            "<think>I could use <tool_call>.</think><tool_call>{\"name\":\"books\",\"arguments\":{\"number\":1}}</tool_call>",
            None,
        ),
        (
            "Mistral",
            "[TOOL_CALLS][{\"name\":\"books\",\"arguments\":{\"number\":1}}]",
            None,
        ),
        (
            "Llama",
            "<|python_tag|>{\"name\":\"books\",\"parameters\":{\"number\":1}}<|eom_id|>",
            None,
        ),
    ] {
        let messages = sent_back(name, written(answer)).await;
        assert_eq!(messages.len(), 2, "{name}");
        assert_eq!(messages[0]["content"].as_str(), said, "{name}");
        let function = &messages[0]["tool_calls"][0]["function"];
        assert_eq!(function["name"], "books", "{name}");
        assert_eq!(function["arguments"], ONE, "{name}");
        assert_eq!(messages[1]["content"], "books of 1", "{name}");
    }
}

#[tokio::test]
async fn callers_of_a_stream_do_not_see_the_calls_in_its_text() {
    let server = mock_server([written(HERMES), hello()]).await;
    let app = app(&server, ProviderKind::OpenAi, TWICE, |_| {});
    let events = stream_events(&app, INVOKE, r#"{"input":"hi"}"#).await;
    assert_eq!(output_text(&events), "I look.\n\n\nHello.");
    let tools = events.iter().filter(|(name, _)| name == "tool.started");
    assert_eq!(tools.count(), 1);
}

#[tokio::test]
async fn what_looks_like_a_call_stays_text_where_it_is_none() {
    let other = HERMES.replace("books", "bombs");
    let quoted = format!("```\n{HERMES}\n```");
    for (answer, dialect, setting) in [
        (HERMES, "openai", None),
        (HERMES, "vllm", Some(false)),
        (&other, "vllm", None),
        (&quoted, "vllm", None),
    ] {
        let server = mock_server([written(answer)]).await;
        let app = app(&server, ProviderKind::OpenAi, TWICE, |settings| {
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.dialect = Dialect::named(dialect).unwrap();
            provider.requests.tool_calls_in_text = setting;
        });
        let answered = invoke(&app, "hi").await.json();
        assert_eq!(answered["output"], answer, "{dialect}");
        assert_eq!(server.requests().len(), 1);
    }
}
