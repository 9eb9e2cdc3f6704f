//! The target `a2a`: agent cards for registries.

use agentgen_build::{Code, Config, Target};
use serde_json::{Value as Json, json};

use crate::restrictions::{of, text};

const DESK: &str = "service:\n  endpoints:\n    find:\n      path: /find\n      input: { title: string }\n      output: { shelf: string }";

fn config(servers: &[&str]) -> Config {
    let mut config = Config {
        targets: vec![Target::A2a],
        ..Config::default()
    };
    config.openapi.servers = servers.iter().map(|url| (*url).to_owned()).collect();
    config
}

#[test]
fn a_card_says_what_an_agent_is_for_and_where_it_is() {
    let generation = of(
        &[("desk", DESK)],
        config(&["/", "https://api.example.com/"]),
    );
    let written = text(&generation, "a2a/desk.json");
    let card: Json = serde_json::from_str(&written).unwrap();
    let url = "https://api.example.com/a2a/desk";
    assert_eq!(card["url"], url);
    let interfaces = card["supportedInterfaces"].as_array().unwrap();
    let versions = interfaces.iter().map(|interface| {
        assert_eq!(interface["url"], url);
        (&interface["protocolBinding"], &interface["protocolVersion"])
    });
    let expected = [
        (&json!("JSONRPC"), &json!("1.0")),
        (&json!("HTTP+JSON"), &json!("1.0")),
        (&json!("JSONRPC"), &json!("0.3")),
    ];
    assert!(versions.eq(expected));
    let ids = card["skills"].as_array().unwrap().iter();
    assert_eq!(
        ids.map(|skill| &skill["id"]).collect::<Vec<_>>(),
        ["desk", "findDesk"]
    );
}

#[test]
fn a_card_needs_an_address() {
    for servers in [&["/"][..], &[]] {
        let generation = of(&[("desk", DESK)], config(servers));
        let errors = generation.diagnostics.iter();
        let errors: Vec<_> = errors
            .filter(|error| error.code == Code::BadConfig)
            .collect();
        assert_eq!(errors.len(), 1, "{:?}", generation.diagnostics);
        assert!(
            errors[0]
                .help
                .as_ref()
                .unwrap()
                .contains("[openapi] servers")
        );
        assert!(generation.artifacts.is_empty());
    }
}
