//! Names of operations and components that collide.

use agentgen_build::{OpenapiFormat, OpenapiVersion};

use super::{build, built};

#[test]
fn names_that_collide_in_one_agent_are_numbered() {
    let text = "---
name: twin
description: Has two of everything.
service:
  endpoints:
    x:
      input:
        type: object
        properties: { a: { $ref: '#/$defs/some-thing' }, b: { $ref: '#/$defs/some_thing2' }, c: { $ref: '#/$defs/some_thing' } }
        $defs:
          some-thing: { type: object, properties: { a: { type: string } } }
          some_thing2: { type: object, properties: { b: { type: string } } }
          some_thing: { type: object, properties: { c: { type: string } } }
---
Answer twice.
";
    let fragment = built(&[("agents/twin.md", text)], OpenapiVersion::V3_1)("openapi/twin.json");
    let schemas = &fragment["components"]["schemas"];
    for name in ["a", "b", "c"] {
        let target = schemas["TwinXRequest"]["properties"][name]["$ref"]
            .as_str()
            .unwrap();
        let component = fragment.pointer(target.strip_prefix('#').unwrap()).unwrap();
        assert!(
            component["properties"].get(name).is_some(),
            "{name}: {schemas:#}"
        );
    }
}

#[test]
fn names_that_collide_across_agents_are_errors() {
    let agent = |name: &str, endpoint: &str, property: &str| {
        format!(
            "---\nname: {name}\ndescription: One of two.\nservice:\n  endpoints:\n    {endpoint}:\n      \
             input: {{ {property}: string }}\n---\nAnswer.\n"
        )
    };
    let messages_of = |files: &[(&str, &str)]| -> Vec<String> {
        let generation = build(files, OpenapiVersion::V3_1, OpenapiFormat::Yaml);
        assert_eq!(generation.artifacts, []);
        generation
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    // `ask` + `big-cat` and `ask-big` + `cat`: one operation.
    let (one, two) = (agent("big-cat", "ask", "a"), agent("cat", "ask-big", "a"));
    let messages = messages_of(&[("agents/big-cat.md", &one), ("agents/cat.md", &two)]);
    assert_eq!(messages.len(), 1, "{messages:?}");
    for part in [
        "AG072",
        "agents/cat.md:2:",
        "agents/big-cat.md",
        "askBigCat",
    ] {
        assert!(messages[0].contains(part), "{part}: {messages:?}");
    }
    // `cat` + `big-ask` and `cat-big` + `ask`: one component, with other contents.
    let (one, two) = (agent("cat", "big-ask", "a"), agent("cat-big", "ask", "b"));
    let messages = messages_of(&[("agents/cat.md", &one), ("agents/cat-big.md", &two)]);
    assert!(!messages.is_empty());
    for message in &messages {
        for part in [
            "AG072",
            "agents/cat-big.md:2:",
            "agents/cat.md",
            "CatBigAsk",
        ] {
            assert!(message.contains(part), "{part}: {messages:?}");
        }
    }
    // The service's own operation.
    let own = agent("agents", "list", "a");
    let messages = messages_of(&[("agents/agents.md", &own)]);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].contains("the service itself both have the operation `listAgents`"),
        "{messages:?}"
    );
}
