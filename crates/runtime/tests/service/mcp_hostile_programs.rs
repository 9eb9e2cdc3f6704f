//! MCP servers on this machine that hang, flood, crash, or send too much. The run goes on, and so do other servers.

use std::time::Duration;

use agentgen_runtime::mcp::McpServerSettings;
use agentgen_runtime::testing::Script;
use serde_json::json;

use crate::mcp_fixture::{McpServer, app, degraded, model_that_calls, plain_tool, result, results};
use crate::mcp_shell_server::ShellServer;
use crate::mock_model::{agent, invoke, mock_server, offered_tools};
use crate::provider_log::CapturedLog;

/// A server that behaves.
async fn good_server() -> McpServer {
    McpServer::start(json!([plain_tool("echo")])).await
}

#[tokio::test]
async fn a_server_that_hangs_or_floods_at_its_start_is_done_without() {
    for (mode, reason) in [
        ("hang-at-start", "did not start within 2s"),
        ("hang-at-list", "did not start within 2s"),
        ("flood-at-start", ""),
    ] {
        let (program, good) = (ShellServer::new(), good_server().await);
        let model = model_that_calls("mcp__sh__env", &json!({})).await;
        let named = agent(|agent| agent.tools = Some(&["mcp__sh__env", "mcp__good__*"]));
        let servers = [
            ("good", good.settings()),
            ("sh", program.hasty_settings(mode)),
        ];
        let app = app(&model, named, servers);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let (text, is_error) = result(&model);
        assert!(is_error, "{mode}: {text}");
        assert!(text.starts_with("the MCP server `sh` "), "{mode}: {text}");
        assert!(text.contains(reason), "{mode}: {text}");
        let offered = offered_tools(&model.requests()[0].body);
        assert_eq!(offered, ["mcp__good__echo", "mcp__sh__env"]);
        assert_eq!(degraded(&app).await.as_deref(), Some("sh"));
    }
}

#[tokio::test]
async fn a_call_that_hangs_leaves_the_server_and_others_usable() {
    let (program, good) = (ShellServer::new(), good_server().await);
    let settings = McpServerSettings {
        call_timeout: Duration::from_secs(1),
        ..program.settings("")
    };
    let model = mock_server([
        Script::tool_call("mcp__sh__hang", &json!({})),
        Script::tool_call("mcp__good__echo", &json!({})),
        Script::text("ok"),
        Script::tool_call("mcp__sh__env", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let servers = [("good", good.settings()), ("sh", settings)];
    let app = app(&model, agent(|_| {}), servers);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let expected = [
        ("the tool did not answer within 1s".to_owned(), true),
        ("{}".to_owned(), false),
    ];
    assert_eq!(results(&model), expected);
    assert_eq!(degraded(&app).await.as_deref(), Some("sh"));
    // It is told that nobody waits any more, and has not been started again.
    assert_eq!(invoke(&app, "go").await.status, 200);
    let received = program.noted("received");
    assert!(received.contains("notifications/cancelled"), "{received}");
    assert_eq!(program.starts(), 1);
    assert_eq!(degraded(&app).await, None);
}

#[tokio::test]
async fn a_program_that_reads_nothing_holds_nobody_up_and_is_started_again() {
    let program = ShellServer::new();
    let settings = McpServerSettings {
        call_timeout: Duration::from_secs(1),
        ..program.settings("")
    };
    // More than a pipe holds.
    let long = json!({ "text": "x".repeat(300_000) });
    let model = mock_server([
        Script::tool_call("mcp__sh__deaf", &json!({})),
        Script::tool_call("mcp__sh__env", &long),
        Script::tool_call("mcp__sh__env", &long),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, agent(|_| {}), [("sh", settings)]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let silence = ("the tool did not answer within 1s".to_owned(), true);
    assert_eq!(results(&model), [silence.clone(), silence.clone(), silence]);
    program.wait_for_end_of_child().await;
}

#[tokio::test]
async fn a_call_ends_with_its_run() {
    let program = ShellServer::new();
    let model = model_that_calls("mcp__sh__hang", &json!({})).await;
    let short = agent(|agent| agent.policy.timeout_ms = Some(3_000));
    let app = app(&model, short, [("sh", program.settings(""))]);
    assert_eq!(invoke(&app, "go").await.status, 504);
    let cancelled = || {
        let received = program.noted("received");
        let call = received
            .lines()
            .find(|line| line.contains(r#""hang""#))?
            .to_owned();
        let id = call.split_once(r#""id":"#)?.1.split(',').next()?.to_owned();
        let mut lines = received.lines();
        lines.find(|line| {
            line.contains("notifications/cancelled")
                && line.contains(&format!(r#""requestId":{id}"#))
        })?;
        Some(())
    };
    assert!(program.eventually(|| cancelled().is_some()).await);
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_and_leaves_nothing_behind() {
    let program = ShellServer::new();
    let model = mock_server([
        Script::tool_call("mcp__sh__crash", &json!({})),
        Script::tool_call("mcp__sh__env", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, agent(|_| {}), [("sh", program.settings(""))]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let results = results(&model);
    assert!(
        results[0].0.starts_with("the MCP server `sh` "),
        "{results:?}"
    );
    assert!(results[0].1 && !results[1].1, "{results:?}");
    assert!(results[1].0.contains("TOKEN="), "{results:?}");
    assert_eq!(program.starts(), 2);
    assert_eq!(degraded(&app).await, None);
    // What the program has started ends with it.
    drop(app);
    program.wait_for_end_of_child().await;
}

#[tokio::test]
async fn a_program_that_ends_in_each_call_is_not_started_for_each() {
    let program = ShellServer::new();
    let crashes = (0..8).map(|_| Script::tool_call("mcp__sh__crash", &json!({})));
    let model = mock_server(crashes.chain([Script::text("ok")])).await;
    let app = app(&model, agent(|_| {}), [("sh", program.settings(""))]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert!(program.starts() < 8, "{}", program.starts());
    assert_eq!(degraded(&app).await.as_deref(), Some("sh"));
}

#[tokio::test]
async fn a_server_that_floods_loses_its_connection() {
    let (program, good) = (ShellServer::new(), good_server().await);
    let model = mock_server([
        Script::tool_call("mcp__sh__flood", &json!({})),
        Script::tool_call("mcp__good__echo", &json!({})),
        Script::tool_call("mcp__sh__env", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let servers = [("good", good.settings()), ("sh", program.settings(""))];
    let app = app(&model, agent(|_| {}), servers);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let results = results(&model);
    let flood = "the MCP server `sh` sends too many messages that nobody asked for";
    assert_eq!(results[0], (flood.to_owned(), true));
    assert_eq!(results[1], ("{}".to_owned(), false));
    assert!(!results[2].1, "{results:?}");
}

#[tokio::test]
async fn a_server_that_floods_between_calls_is_ended() {
    let program = ShellServer::new();
    let model = mock_server([Script::text("ok")]).await;
    let settings = program.settings("flood-later");
    let app = app(&model, agent(|_| {}), [("sh", settings)]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    program.wait_for_end_of_child().await;
    assert_eq!(degraded(&app).await.as_deref(), Some("sh"));
}

#[tokio::test]
async fn a_loud_program_is_heard_no_more_than_its_due() {
    let log = CapturedLog::default();
    let guard = log.capture(tracing::Level::INFO);
    let program = ShellServer::new();
    let model = mock_server([
        Script::tool_call("mcp__sh__loud", &json!({})),
        Script::tool_call("mcp__sh__env", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, agent(|_| {}), [("sh", program.settings(""))]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let results = results(&model);
    assert_eq!(results[0], ("loud".to_owned(), false));
    assert!(!results[1].1, "{results:?}");
    drop(guard);
    assert!(!log.text().contains("not so loud"));
}

#[tokio::test]
async fn a_result_of_100_mb_is_refused_before_it_is_read() {
    let program = ShellServer::new();
    let model = mock_server([
        Script::tool_call("mcp__sh__huge", &json!({})),
        Script::tool_call("mcp__sh__env", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, agent(|_| {}), [("sh", program.settings(""))]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let results = results(&model);
    let huge = "the MCP server `sh` sent a message of more than 16 MiB";
    assert_eq!(results[0], (huge.to_owned(), true));
    assert!(!results[1].1, "{results:?}");
    // The rest was never read.
    assert_eq!(program.noted("written"), "");
    assert_eq!(degraded(&app).await, None);
}

#[tokio::test]
async fn progress_gives_a_call_more_time_up_to_a_limit() {
    let log = CapturedLog::default();
    let _guard = log.capture(tracing::Level::DEBUG);
    let program = ShellServer::new();
    for (max_total_timeout, expected) in [
        (60, ("done", false)),
        (1, ("the tool did not answer within 1s", true)),
    ] {
        let settings = McpServerSettings {
            // Shorter than the call, and longer than the time between two reports.
            call_timeout: Duration::from_secs(3),
            max_total_timeout: Duration::from_secs(max_total_timeout),
            ..program.settings("")
        };
        let model = model_that_calls("mcp__sh__slow", &json!({})).await;
        let app = app(&model, agent(|_| {}), [("sh", settings)]);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let (text, is_error) = result(&model);
        assert_eq!((text.as_str(), is_error), expected);
    }
    let text = log.text();
    assert!(text.contains("an MCP server reports progress"));
    assert!(
        text.contains(r#"server="sh" progress=8.0 text="busy""#),
        "{text}"
    );
}
