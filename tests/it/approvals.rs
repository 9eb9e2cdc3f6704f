//! `service.tools`: what the tools of an agent may not do without a person, and what that makes of its operations.

use agentgen_build::{Code, Config};
use serde_json::{Value as Json, json};

use crate::restrictions::{desk, of, text};

#[test]
fn an_approval_names_a_tool_that_the_agent_has() {
    let refused = |yaml: &str| {
        let generation = desk(yaml);
        let errors = generation.diagnostics.iter();
        let errors = errors.filter(|error| error.code == Code::ApprovalWithoutTool);
        errors
            .map(|error| (error.message.clone(), error.help.clone().unwrap()))
            .collect::<Vec<_>>()
    };
    let approve = |tools: &str, approve: &str| {
        refused(&format!(
            "{tools}\nservice:\n  tools: {{ approve: [{approve}] }}"
        ))
    };
    for (tools, approved) in [
        ("tools: Read, Write", "write"),
        ("tools: mcp__files", "mcp__files__write"),
        ("tools: mcp__files__write", "mcp__files__*"),
        ("tools: [Read]", "'*'"),
        ("model: haiku", "anything"),
    ] {
        assert_eq!(approve(tools, approved), [], "{tools}: {approved}");
    }
    assert_eq!(
        approve("tools: Read, Write", "Wirte"),
        [(
            "the agent has no tool `Wirte` that somebody could approve".to_owned(),
            "did you mean `Write`? Else take `Wirte` out, or add it to `tools`".to_owned()
        )]
    );
    assert_eq!(
        approve("tools: mcp__files__read", "mcp__files__write").len(),
        1
    );
}

#[test]
fn agents_that_ask_and_those_they_work_for_answer_202() {
    let desk = "service:\n  agents: [porter]";
    let porter =
        "service:\n  tools: { approve: [shelve], roles: [clerk], timeout: 2h, ask_user: true }";
    let plain = "model: haiku";
    let agents = [("desk", desk), ("porter", porter), ("lone", plain)];
    let generation = of(&agents, Config::default());
    let document = |path: &str| -> Json {
        let text = text(&generation, path);
        serde_yaml::from_str(&text).unwrap()
    };
    for (agent, waits) in [("desk", true), ("porter", true), ("lone", false)] {
        let fragment = document(&format!("openapi/{agent}.yaml"));
        let path = format!("/v1/agents/{agent}/invoke");
        let operation = &fragment["paths"][&path]["post"];
        let waiting = &operation["responses"]["202"]["content"]["application/json"]["schema"];
        let report = json!({ "$ref": "#/components/schemas/WorkflowRunReport" });
        assert_eq!(*waiting == report, waits, "{agent}: {waiting}");
        let parameters = operation["parameters"].as_array().unwrap();
        let prefers = parameters.iter().any(|one| one["name"] == "Prefer");
        assert_eq!(prefers, waits, "{agent}");
    }
    let whole = document("openapi.yaml");
    assert!(whole["paths"]["/v1/runs/{run_id}/actions/{action_id}"].is_object());
    let porter = text(&generation, "rust/porter.rs");
    for constant in [
        r#"approve: &["shelve"]"#,
        r#"roles: &["clerk"]"#,
        "timeout_ms: ::core::option::Option::Some(7200000)",
        "ask_user: true",
    ] {
        assert!(porter.contains(constant), "{constant}: {porter}");
    }
}
