//! Questions of agents, answered in the terminal: a real service, and a model that asks its user.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::command_folder::Folder;
use crate::serve::{serve, with_stdin};

const DESK: &str = "---\nname: desk\ndescription: Takes orders.\nservice:\n  tools: { ask_user: true }\n---\nYou take orders.\n";
const ASKS: &str = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"ask_user","arguments":"{\"question\":\"Which colour?\",\"options\":[\"red\",\"blue\"]}"}}]},"finish_reason":"tool_calls"}]}"#;

/// A model that asks which colour its user wants, and repeats the answer. Returns its address.
fn model() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection));
        }
    });
    address
}

fn answer(mut connection: TcpStream) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let chunk = match body.rsplit_once(r#""role":"tool""#) {
        None => ASKS.to_owned(),
        Some(_) => {
            let colour = if body.contains(r#":"red""#) {
                "red"
            } else {
                "none"
            };
            format!(
                r#"{{"choices":[{{"index":0,"delta":{{"content":"You get {colour}."}},"finish_reason":"stop"}}]}}"#
            )
        }
    };
    let events = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ncontent-length: ";
    let _ = write!(connection, "{head}{}\r\n\r\n{events}", events.len());
}

#[test]
fn an_agent_asks_in_a_conversation_and_continues_with_the_answer() {
    let settings = format!(
        "[models]\ndefault = \"own:model\"\n[providers.own]\ndialect = \"llama.cpp\"\nbase_url = \"http://{}/v1\"\n",
        model()
    );
    let folder = Folder::new(&[("agents/desk.md", DESK), ("service.toml", &settings)]);
    let service = serve(&folder);
    for target in [&["--service", &service.url][..], &["--agents", "agents"]] {
        let chat = [&["chat", "desk"][..], target].concat();
        // What the service refuses is asked again.
        let (said, told) = with_stdin(&folder, &chat, "Order a book.\ngreen\nred\n");
        assert_eq!(said, "You get red.\n", "{told}");
        assert!(told.contains("Which colour?"), "{told}");
        assert!(told.contains("{answer: red/blue} > "), "{told}");
    }
}
