//! `agentgen route`: the local ranking, and the choice of a running service.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use crate::command_folder::{Folder, finish};
use serde_json::Value;

#[test]
fn routes_to_the_agent_that_fits() {
    let agent = |name: &str, description: &str, prompt: &str| {
        format!("---\nname: {name}\ndescription: {description}\n---\n{prompt}\n")
    };
    let sailor = "Sets sails. <example>Context: A storm comes. user: Must I reef?</example>";
    let folder = Folder::new(&[
        ("agents/sailor.md", &agent("sailor", sailor, "You sail.")),
        (
            "agents/cook.md",
            &agent("cook", "Cooks meals on ships.", "You cook."),
        ),
        (
            "agents/baker.md",
            &agent("baker", "Bakes bread.", "You bake."),
        ),
        (
            "agents/miller.md",
            &agent("miller", "Grinds bread grain.", "You bake."),
        ),
    ]);
    let run = folder.run(&["route", "Which sail in storms?"]).expect(0);
    assert!(run.stdout.starts_with("sailor  "), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1);
    // The word stands in an example alone, and with another ending.
    let run = folder.run(&["route", "reefing"]).expect(0);
    assert!(run.stdout.starts_with("sailor  "), "{}", run.stdout);

    let asked = ["route", "bread for a meal on the ship", "--format", "json"];
    let ranked = folder.run(&asked).expect(0).json();
    let agents = |ranked: &Value| -> Vec<String> {
        let ranked = ranked.as_array().unwrap().iter();
        let agents = ranked.map(|ranked| ranked["agent"].as_str().unwrap().to_owned());
        agents.collect()
    };
    assert_eq!(agents(&ranked)[0], "cook");
    let scores: Vec<f64> = (0..3)
        .map(|place| ranked[place]["score"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|one, next| one >= next) && scores[2] > 0.0);
    let limited = [&asked[..], &["--limit", "1"]].concat();
    assert_eq!(agents(&folder.run(&limited).expect(0).json()), ["cook"]);
    // Equals stand in the order of their names.
    let baking = folder.run(&["route", "bake", "--format", "json"]).expect(0);
    assert_eq!(agents(&baking.json())[0], "baker");

    let run = folder.run(&["route", "the quantum"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("no agent matches"), "{}", run.stderr);
    let run = folder
        .run(&["route", "quantum", "--format", "json"])
        .expect(1);
    assert_eq!(run.json(), Value::Array(Vec::new()));
    folder.run(&["route", "bread", "--limit", "0"]).expect(2);
}

/// A service that answers one request so; its address, and the request that came.
fn service(status: &'static str, body: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        // The body is one JSON object without another one in it, and ends the request.
        while !request.ends_with('}') {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "this is all there is: {request}");
            request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n");
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .unwrap();
        request
    });
    (address, answering)
}

#[test]
fn routes_as_a_service_says() {
    let folder = Folder::new(&[]);
    let by_model =
        r#"{"agents":[{"agent":"cook","path":"/cook"},{"agent":"sailor"}],"by":"model"}"#;
    let (address, request) = service("200 OK", by_model);
    let slashed = format!("{address}/");
    let run = folder.run(&[
        "route",
        "A \"soup\"",
        "--limit",
        "99",
        "--service",
        &slashed,
    ]);
    let run = run.expect(0);
    assert_eq!(run.stdout, "cook\nsailor\n");
    assert!(run.stderr.contains("the service's model"), "{}", run.stderr);
    let request = request.join().unwrap();
    assert!(
        request.starts_with("POST /v1/route HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.ends_with(r#"{"text":"A \"soup\"","limit":20}"#),
        "{request}"
    );
    assert!(
        !request.to_lowercase().contains("authorization"),
        "{request}"
    );

    let by_ranking = r#"{"agents":[{"agent":"co\u001b[2Jok","score":1.5}],"by":"ranking"}"#;
    let (address, _) = service("200 OK", by_ranking);
    let run = folder
        .run(&["route", "soup", "--service", &address])
        .expect(0);
    assert_eq!(run.stdout, "co\\u{1b}[2Jok  1.500\n");
    assert_eq!(run.stderr, "");

    let (address, request) = service("200 OK", r#"{"agents":[],"by":"model"}"#);
    let asked = ["route", "soup", "--format", "json", "--service", &address];
    let mut command = folder.command_in("", &asked);
    command.env("AGENTGEN_TOKEN", "abc");
    let run = finish(command).expect(1);
    assert_eq!(run.json(), Value::Array(Vec::new()));
    let request = request.join().unwrap();
    assert!(
        request.contains("authorization: Bearer abc\r\n"),
        "{request}"
    );
}

#[test]
fn says_why_a_service_does_not_route() {
    let folder = Folder::new(&[]);
    let (refusing, _) = service("401 Unauthorized", r#"{"detail":"there is no token"}"#);
    let (failing, _) = service("503 Service Unavailable", "busy");
    let (foreign, _) = service("200 OK", "<html>");
    for (address, status, said) in [
        (&*refusing, 2, "answers 401: there is no token"),
        (&failing, 3, "answers 503"),
        (&foreign, 3, "this is not an agentgen service"),
        ("http://127.0.0.1:1", 3, "refused"),
        ("127.0.0.1:8080", 2, "written as in http://127.0.0.1:8080"),
        (
            "https://127.0.0.1:8080",
            2,
            "written as in http://127.0.0.1:8080",
        ),
    ] {
        let run = folder.run(&["route", "soup", "--service", address]);
        let run = run.expect(status);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    let far = ["route", "soup", "--service", "http://192.0.2.1:8080"];
    let mut command = folder.command_in("", &far);
    command.env("AGENTGEN_TOKEN", "abc");
    let run = finish(command).expect(2);
    assert!(run.stderr.contains("in the clear"), "{}", run.stderr);
    let both = ["route", "soup", "--service", &foreign, "--agents", "agents"];
    folder.run(&both).expect(2);
}
