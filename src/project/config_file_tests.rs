#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::project::config::{Config, OpenapiFormat, OpenapiVersion, Target};
use crate::project::config_file::{LINT_KEYS, OPENAPI_KEYS, ROOT_KEYS, SCHEMA, parse};

fn source(text: &str) -> Arc<Source> {
    Source::from_bytes("agentgen.toml", text.as_bytes().to_vec()).unwrap()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(&source("")).unwrap(), Config::default());
}

#[test]
fn reads_every_key() {
    let config = parse(&source(
        r#"
agents = ["a", "b/*.md"]
out = "o"
templates = "t"
targets = ["openapi", "prompts"]
[openapi]
version = "3.2"
format = "json"
title = "Support desk"
api_version = "2.0.0"
servers = ["https://api.example.com"]
[models]
sonnet = "anthropic:x"
haiku = "anthropic:y"
[lint]
deny = ["AG012"]
strict = true
"#,
    ))
    .unwrap();
    assert_eq!(config.agents, ["a", "b/*.md"]);
    assert_eq!((config.out.as_str(), config.templates.as_str()), ("o", "t"));
    assert_eq!(config.targets, [Target::Openapi, Target::Prompts]);
    assert_eq!(config.openapi.version, OpenapiVersion::V3_2);
    assert_eq!(config.openapi.format, OpenapiFormat::Json);
    assert_eq!(config.openapi.title, "Support desk");
    assert_eq!(config.openapi.api_version, "2.0.0");
    assert_eq!(config.openapi.servers, ["https://api.example.com"]);
    let aliases: Vec<&str> = config
        .models
        .iter()
        .map(|(alias, _)| alias.as_str())
        .collect();
    assert_eq!(aliases, ["sonnet", "haiku"]);
    assert_eq!(config.deny, [Code::OddClosing]);
    assert!(config.strict);
}

#[test]
fn finds_every_problem_at_its_place() {
    let text = "agent = []\nout = 1\ntargets = [\"rust\", \"openappi\"]\n[openapi]\nversion = 3.1\ntitel = \"x\"\n[lint]\ndeny = \"AG012\"\nstrict = \"yes\"\n";
    let problems: Vec<String> = parse(&source(text))
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        problems,
        [
            "agentgen.toml:1:1: error[AG090]: unknown key `agent` (did you mean `agents`?)",
            "agentgen.toml:2:7: error[AG090]: expected text, found a number (write it in quotes: `\"...\"`)",
            "agentgen.toml:3:20: error[AG090]: `openappi` can't be chosen here (did you mean `openapi`?)",
            "agentgen.toml:5:11: error[AG090]: expected text, found a number (write it in quotes: `\"...\"`)",
            "agentgen.toml:6:1: error[AG090]: unknown key `titel` (did you mean `title`?)",
            "agentgen.toml:8:8: error[AG090]: expected a list, found text (write it in brackets: `[\"...\"]`)",
            "agentgen.toml:9:10: error[AG090]: expected true or false, found text (write it without quotes: `true` or `false`)",
        ]
    );
}

#[test]
fn the_schema_knows_the_same_keys_and_defaults() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let keys = |at: &str| -> Vec<String> {
        let properties = schema.pointer(at).unwrap().as_object().unwrap();
        properties.keys().cloned().collect()
    };
    assert_eq!(keys("/properties"), ROOT_KEYS);
    assert_eq!(keys("/properties/openapi/properties"), OPENAPI_KEYS);
    assert_eq!(keys("/properties/lint/properties"), LINT_KEYS);
    let default = Config::default();
    let value = |at: &str| {
        schema
            .pointer(&format!("/properties/{at}/default"))
            .unwrap()
    };
    assert_eq!(*value("allow_outside"), default.allow_outside);
    assert_eq!(*value("out"), default.out);
    assert_eq!(*value("templates"), default.templates);
    let words = |targets: &[Target]| -> Vec<&str> {
        targets.iter().map(|target| target.as_str()).collect()
    };
    assert_eq!(*value("targets"), serde_json::json!(words(Target::DEFAULT)));
    let choices = |at: &str| schema.pointer(&format!("/properties/{at}/enum")).unwrap();
    assert_eq!(
        *schema.pointer("/properties/targets/items/enum").unwrap(),
        serde_json::json!(Target::ALL.map(Target::as_str))
    );
    assert_eq!(
        *choices("openapi/properties/version"),
        serde_json::json!(OpenapiVersion::ALL.map(OpenapiVersion::as_str))
    );
    assert_eq!(
        *choices("openapi/properties/format"),
        serde_json::json!(OpenapiFormat::ALL.map(OpenapiFormat::as_str))
    );
    assert_eq!(
        *value("openapi/properties/version"),
        default.openapi.version.as_str()
    );
    assert_eq!(
        *value("openapi/properties/format"),
        default.openapi.format.as_str()
    );
    assert_eq!(*value("openapi/properties/title"), default.openapi.title);
    assert_eq!(
        *value("openapi/properties/servers"),
        serde_json::json!(default.openapi.servers)
    );
}

#[test]
fn broken_toml_has_a_place() {
    let problems = parse(&source("out = \"x\"\nagents = [\n")).unwrap_err();
    assert!(problems[0].location().unwrap().line >= 2, "{}", problems[0]);
}

fn first_problem(text: &str) -> String {
    parse(&source(text)).unwrap_err()[0].to_string()
}

#[test]
fn what_toml_forbids_is_an_error_at_its_place() {
    for (text, expected) in [
        (
            "out = \"a\"\nout = \"b\"\n",
            "2:1: error[AG090]: `out` is here twice",
        ),
        (
            "[openapi]\n[lint]\n[openapi]\n",
            "3:2: error[AG090]: `openapi` is here twice",
        ),
        (
            "out = \"a\"\n[out]\n",
            "2:2: error[AG090]: `out` is here twice",
        ),
        ("[[models]]\na = \"b\"\n", "1:"),
        ("out = 'a\n", "1:"),
        ("out = \"\\q\"\n", "1:"),
        (
            "out = 2026-01-01\n",
            "1:7: error[AG090]: expected text, found a date",
        ),
        ("out = a\n", "1:7: error[AG090]: "),
        ("out \"a\"\n", "1:"),
        (
            &format!("{}x = 1\n", "x.".repeat(20_000)),
            "1:65: error[AG090]: a key has more than 32 parts",
        ),
        (
            &format!("# {}\n", "x".repeat(200_000)),
            "1:1: error[AG090]: the settings have 200003 bytes (keep them under 102400 bytes)",
        ),
    ] {
        let problem = first_problem(text);
        let expected = format!("agentgen.toml:{expected}");
        assert!(problem.starts_with(&expected), "{text:?}: {problem}");
    }
}

#[test]
fn every_way_to_write_a_table_is_read() {
    for text in [
        "[openapi]\ntitle = \"A\\u00e9 b\"\nservers = [\n  \"/a\", # one\n  '/b',\n]\n",
        "openapi = { title = \"A\u{e9} b\", servers = [\"/a\", \"/b\"] }\n",
        "openapi.title = \"A\u{e9} b\"\n\"openapi\".'servers' = [\"/a\", \"/b\"]\n",
        "[lint]\r\n[openapi]\r\ntitle = \"\"\"\r\nA\u{e9} b\"\"\"\r\nservers = ['/a', '''/b''']\r\n",
    ] {
        let config = parse(&source(text)).unwrap();
        assert_eq!(config.openapi.title, "A\u{e9} b", "{text:?}");
        assert_eq!(config.openapi.servers, ["/a", "/b"], "{text:?}");
    }
    let deep = format!("agents = {}{}\n", "[".repeat(5000), "]".repeat(5000));
    parse(&source(&deep)).unwrap_err();
}
