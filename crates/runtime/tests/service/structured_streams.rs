//! Structured output with what models write around it.

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::Script;
use serde_json::json;

use crate::http_client::post;
use crate::mock_model::mock_server;
use crate::wire_cases::{
    GOOD, TWICE, app, delta, end, events, finish, message, text, text_block, tool_block,
};

const ASK: &str = r#"{"message":"Are you busy?"}"#;
const OTHER: &str = r#"{"mood":"busy","reply":"No."}"#;

/// What `/chat` answers, and how many calls it took.
async fn chat(kind: ProviderKind, scripts: Vec<Script>) -> (u16, String, usize) {
    let server = mock_server(scripts).await;
    let answer = post(&app(&server, kind, TWICE, |_| {}), "/chat", ASK).await;
    (answer.status.as_u16(), answer.text, server.requests().len())
}

#[tokio::test]
async fn the_one_value_in_a_text_is_the_answer() {
    let fence = format!("```json\n{GOOD}\n```");
    for (name, output) in [
        ("alone", GOOD.to_owned()),
        ("space", format!("\n\n  {GOOD}\n\n")),
        ("BOM", format!("\u{feff}{GOOD}")),
        ("fence", fence.clone()),
        ("fence without a language", format!("```\n{GOOD}\n```")),
        (
            "prose and fence",
            format!("Here is the JSON:\n\n{fence}\n\nLet me know."),
        ),
        ("fence and prose", format!("{fence}\nHope this helps!")),
        ("prose before", format!("Sure! {GOOD}")),
        ("prose after", format!("{GOOD}\n\nI hope that helps.")),
        (
            "thoughts",
            format!("<think>\nThey want {{\"a\": 1}}.\n</think>\n\n{GOOD}"),
        ),
        (
            "thoughts with another answer",
            format!("<think>{OTHER}</think>{GOOD}"),
        ),
        (
            "thoughts that only end",
            format!("I reason.\n</think>\n{GOOD}"),
        ),
        (
            "thoughts that only end, on one line",
            format!("{OTHER} or not?</think>{GOOD}"),
        ),
        ("twice the same", format!("{GOOD}\n{GOOD}")),
        (
            "a draft that does not fit",
            format!("{{\"mood\":\"angry\"}} is wrong, so {GOOD}"),
        ),
        (
            "brackets in the prose",
            format!("As [1] and {{x}} say: {GOOD} [2]"),
        ),
        ("one member around", format!("{{\"answer\":{GOOD}}}")),
        (
            "one member around, as text",
            json!({ "answer": GOOD }).to_string(),
        ),
        ("a list around", format!("[{GOOD}]")),
        ("JSON in a text", json!(GOOD).to_string()),
        ("a brace in a text", GOOD.replace("Come", "} Come")),
    ] {
        let script = events(&[text(&output), end()]);
        let (status, body, requests) = chat(ProviderKind::OpenAi, vec![script]).await;
        assert_eq!((status, requests), (200, 1), "{name}: {body}");
        assert!(body.contains("\"calm\""), "{name}: {body}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_asked_for_again_with_the_reason() {
    for (name, output, why) in [
        (
            "two values",
            format!("{GOOD} or {OTHER}"),
            "two different JSON values",
        ),
        (
            "two fences",
            format!("```json\n{GOOD}\n```\n```json\n{OTHER}\n```"),
            "two different JSON values",
        ),
        ("prose", "I am not busy.".to_owned(), "not JSON"),
        ("a comma too many", GOOD.replace('}', ",}"), "not JSON"),
        ("another case", GOOD.replace("calm", "Calm"), "/mood"),
        (
            "a member missing",
            r#"So: {"mood":"calm"}"#.to_owned(),
            "reply",
        ),
        (
            "two members around",
            format!("{{\"answer\":{GOOD},\"sure\":1}}"),
            "mood",
        ),
    ] {
        let server = mock_server([
            events(&[text(&output), end()]),
            events(&[text(GOOD), end()]),
        ])
        .await;
        let answer = post(
            &app(&server, ProviderKind::OpenAi, TWICE, |_| {}),
            "/chat",
            ASK,
        )
        .await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        let requests = server.requests();
        assert_eq!(requests.len(), 2, "{name}");
        let messages = requests[1].body["messages"].as_array().unwrap();
        let correction = messages.last().unwrap()["content"].as_str().unwrap();
        assert!(correction.contains(why), "{name}: {correction}");
    }
}

#[tokio::test]
async fn structured_output_that_failed_is_no_success() {
    let ends = |script: Script| vec![script.clone(), script.clone(), script];
    for (name, script, status) in [
        (
            "cut off",
            events(&[text(&GOOD[..20]), finish("length")]),
            502,
        ),
        (
            "declined",
            events(&[delta(json!({"refusal": "I can't."})), end()]),
            502,
        ),
        ("nothing", events(&[end()]), 502),
        (
            "thoughts alone",
            events(&[delta(json!({"reasoning_content": GOOD})), end()]),
            502,
        ),
        ("failed", events(&[text(GOOD), finish("error")]), 502),
        ("cut", events(&[text(GOOD)]), 502),
    ] {
        let (found, body, _) = chat(ProviderKind::OpenAi, ends(script)).await;
        assert_eq!(found, status, "{name}: {body}");
    }
}

#[tokio::test]
async fn answers_of_the_answer_tool_are_read() {
    let wrapped = json!({ "input": GOOD }).to_string();
    let tool = |index: u32, input: &str| tool_block(index, "final_answer", input);
    for (name, blocks) in [
        ("one", vec![tool(0, GOOD)]),
        (
            "text before",
            vec![text_block(0, "Let me see."), tool(1, GOOD)],
        ),
        ("two of the same", vec![tool(0, GOOD), tool(1, GOOD)]),
        (
            "two of the same with other spaces",
            vec![tool(0, GOOD), tool(1, &GOOD.replace(':', ": "))],
        ),
        (
            "one member around",
            vec![tool(0, &format!("{{\"input\":{GOOD}}}"))],
        ),
        ("as the text of JSON", vec![tool(0, &wrapped)]),
        (
            "text alone",
            vec![text_block(0, &format!("```json\n{GOOD}\n```"))],
        ),
    ] {
        let script = message(&blocks, "tool_use");
        let script = if name == "text alone" {
            message(&blocks, "end_turn")
        } else {
            script
        };
        let (status, body, requests) = chat(ProviderKind::Anthropic, vec![script]).await;
        assert_eq!((status, requests), (200, 1), "{name}: {body}");
        assert!(body.contains("\"calm\""), "{name}: {body}");
    }
    let two = message(&[tool(0, GOOD), tool(1, OTHER)], "tool_use");
    let one = message(&[tool(0, OTHER)], "tool_use");
    let (status, body, requests) = chat(ProviderKind::Anthropic, vec![two, one]).await;
    assert_eq!((status, requests), (200, 2), "{body}");
    assert!(body.contains("\"busy\""), "{body}");
}
