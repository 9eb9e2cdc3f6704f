//! A public agent, as its authors wrote it, works on a repository.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::command_folder::Folder;
use crate::serve::serve;

/// An agent that lists `Read`, `Grep` and `Glob`.
const AGENT: &str =
    "davila7__claude-code-templates/cli-tool/components/agents/security/compliance-auditor.md";

/// A model with the API Chat Completions, at this port. It calls the tools one after the other, and then answers with their results. Each
/// request that it gets comes out of the receiver.
fn scripted_model(calls: Vec<(&'static str, Value)>) -> (u16, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let messages = body["messages"].as_array().unwrap().clone();
            let _ = tell.send(body);
            let results = messages.iter().filter(|message| message["role"] == "tool");
            let results: Vec<&str> = results
                .map(|result| result["content"].as_str().unwrap())
                .collect();
            let (delta, reason) = match calls.get(results.len()) {
                Some((name, arguments)) => {
                    let function = json!({ "name": name, "arguments": arguments.to_string() });
                    let id = format!("call_{}", results.len());
                    let call =
                        json!({ "index": 0, "id": id, "type": "function", "function": function });
                    (json!({ "tool_calls": [call] }), "tool_calls")
                }
                None => (json!({ "content": results.join("\n---\n") }), "stop"),
            };
            let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
            let chunk = json!({ "id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice] });
            let text = format!("data: {chunk}\n\ndata: [DONE]\n\n");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close";
            write!(
                stream,
                "{head}\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
        }
    });
    (port, told)
}

#[test]
fn a_public_agent_works_on_a_repository() {
    let Some(corpus) = std::env::var_os("AGENTGEN_CORPUS") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "AGENTGEN_CORPUS is not set"
        );
        return;
    };
    let path = Path::new(&corpus).join("agents").join(AGENT);
    let agent = std::fs::read_to_string(path).unwrap();
    let (port, told) = scripted_model(vec![
        ("Glob", json!({ "pattern": "**/*.py" })),
        (
            "Grep",
            json!({ "pattern": "password", "output_mode": "content", "-i": true }),
        ),
        ("Read", json!({ "file_path": "app/users.py", "limit": 1 })),
        ("Read", json!({ "file_path": "../service.toml" })),
        (
            "Write",
            json!({ "file_path": "app/users.py", "content": "" }),
        ),
    ]);
    let settings = format!(
        "[models]\ndefault = \"m:m\"\nsonnet = \"m:m\"\nopus = \"m:m\"\nhaiku = \"m:m\"\n[providers.m]\nkind = \"openai\"\n\
         base_url = \"http://127.0.0.1:{port}/v1\"\n[workspace]\nroot = \"repo\"\n"
    );
    let folder = Folder::new(&[
        ("agents/compliance-auditor.md", &agent),
        ("service.toml", &settings),
        ("repo/app/users.py", "PASSWORD = 'x'\nprint(PASSWORD)\n"),
        ("repo/.gitignore", "venv/\n"),
        ("repo/venv/lib.py", "password\n"),
    ]);
    let service = serve(&folder);
    let request = json!({ "input": "Is this repository compliant?" });
    let (status, answer) = service.post("/v1/agents/compliance-auditor/invoke", request);
    assert_eq!(status, 200, "{answer}");
    let results: Vec<&str> = answer["output"]
        .as_str()
        .unwrap()
        .split("\n---\n")
        .collect();
    assert_eq!(results[0], "app/users.py");
    assert_eq!(
        results[1],
        "app/users.py:1:PASSWORD = 'x'\napp/users.py:2:print(PASSWORD)"
    );
    assert!(results[2].starts_with("     1\tPASSWORD = 'x'\n[cut off"));
    assert!(results[3].contains("has `..` in it"), "{}", results[3]);
    assert!(results[4].contains("denied: this agent has no such tool"));
    let first = told.recv().unwrap();
    let offered = first["tools"].as_array().unwrap().iter();
    let offered: Vec<&str> = offered
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(offered, ["Glob", "Grep", "Read"]);
    // The check knows what the settings give.
    let checked = folder.run(&["check"]).expect(0).stderr;
    assert!(!checked.contains("AG028"), "{checked}");
}
