//! MCP servers that agent files define.

use agentgen_build::{Code, Config, Project, ServedMemory, Severity, Source, serve};
use serde_json::{Value as Json, json};

use crate::restrictions::{desk, of, text};

const LIST: &str = "mcpServers:\n  - shared\n  - db: {command: uvx, args: [\"a\\\"b\"], env: {URI: \"${URI}\"}}\n  - web: {url: https://h/mcp}";

fn inline() -> Config {
    Config {
        mcp_inline: true,
        ..Config::default()
    }
}

#[test]
fn servers_that_a_file_defines_are_named_in_one_line_unless_the_settings_allow_them() {
    let generation = desk(LIST);
    assert_eq!(
        generation.diagnostics.len(),
        1,
        "{:?}",
        generation.diagnostics
    );
    let note = &generation.diagnostics[0];
    assert_eq!(
        (note.code, note.severity),
        (Code::InlineMcpServer, Severity::Note)
    );
    assert_eq!(note.subjects, ["db", "web"]);
    assert_eq!(of(&[("desk", LIST)], inline()).diagnostics.len(), 0);
    // Names of servers alone define nothing.
    let names = "mcpServers: [shared]";
    for config in [Config::default(), inline()] {
        let generation = of(&[("desk", names)], config);
        assert_eq!(generation.diagnostics[0].code, Code::KeyWithoutEffect);
    }
}

#[test]
fn tools_of_a_server_that_the_file_defines_are_there_if_the_settings_allow_it() {
    let yaml = format!("tools: mcp__db__look, mcp__other__look\n{LIST}");
    let missing = |config| {
        let generation = of(&[("desk", &yaml)], config);
        let notes = generation.diagnostics.into_iter();
        let mut notes = notes.filter(|note| note.code == Code::McpServerMissing);
        notes.next().map(|note| note.subjects)
    };
    assert_eq!(missing(Config::default()).unwrap(), ["db", "other"]);
    assert_eq!(missing(inline()).unwrap(), ["other"]);
}

#[test]
fn definitions_are_the_same_in_generated_code_and_in_the_served_document() {
    let definitions = json!({
        "db": { "command": "uvx", "args": ["a\"b"], "env": { "URI": "${URI}" } },
        "web": { "url": "https://h/mcp" },
    });
    for yaml in [LIST.to_owned(), format!("mcp-servers: {definitions}")] {
        let rust = text(&desk(&yaml), "rust/desk.rs");
        let line = rust
            .lines()
            .find(|line| line.trim().starts_with("mcp_servers: "));
        let line = line.unwrap_or_else(|| panic!("{rust}"));
        let literal = line
            .trim()
            .trim_start_matches("mcp_servers: ")
            .trim_end_matches(',');
        let constant: String = serde_json::from_str(literal).unwrap();
        assert_eq!(
            serde_json::from_str::<Json>(&constant).unwrap(),
            definitions
        );

        let source = format!("---\nname: desk\ndescription: Does it.\n{yaml}\n---\nPrompt.\n");
        let source = Source::from_bytes("agents/desk.md", source.into_bytes()).unwrap();
        let project = Project {
            sources: vec![source],
            ..Project::default()
        };
        let served = serve(&project, &mut ServedMemory::default());
        let document: Json = serde_json::from_str(&served.documents.unwrap().agents[0]).unwrap();
        assert_eq!(document["policy"]["mcp_servers"], constant);
    }
    // Where a file defines none, nothing is written.
    assert!(!text(&desk("mcpServers: [shared]"), "rust/desk.rs").contains("mcp_servers"));
}
