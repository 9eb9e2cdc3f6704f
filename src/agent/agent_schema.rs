//! The JSON Schema of an agent's frontmatter: the keys that harnesses know, and the service block.

use serde_json::{Value as Json, json};

use crate::contract::SCHEMA;
use crate::frontmatter::known_keys;

/// What the keys with an effect are for, where their names don't say it.
const DESCRIPTIONS: &[(&str, &str)] = &[
    ("name", "Names the agent, its paths, files and Rust module."),
    (
        "description",
        "When to ask the agent. Text in <example> becomes examples.",
    ),
    (
        "model",
        "The model or alias that runs the agent. The others of a list are fallbacks.",
    ),
    (
        "models",
        "The models that run the agent: the first one, then its fallbacks.",
    ),
    (
        "fallbackModels",
        "Models to turn to, in order, when the first one fails.",
    ),
    (
        "tools",
        "The tools that the model may use. Without it: all that the service registers.",
    ),
    (
        "disallowedTools",
        "Tools that the model may not use. A denial always wins.",
    ),
    (
        "permission",
        "What OpenCode allows: `deny` and `ask` deny a tool.",
    ),
    ("maxTurns", "The most model calls of one answer."),
    ("timeout_mins", "The longest a run may take, in minutes."),
    ("prompt", "In a YAML file: the prompt."),
];

/// The JSON Schema (2020-12) of an agent's frontmatter, for editors. Unknown keys are no errors: they are kept for whoever reads
/// them.
pub fn agent_schema() -> String {
    let mut properties = known_keys::properties();
    for (key, description) in DESCRIPTIONS {
        properties[*key]["description"] = json!(description);
    }
    // The schema of the block is part of this package, and a test reads it.
    let service: Json = serde_json::from_str(SCHEMA).unwrap_or_default();
    properties["service"] = json!({ "$ref": "#/$defs/service" });
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:agentgen:schema:agent",
        "title": "Agent",
        "description": "The frontmatter of an agent's Markdown file, or its YAML file.",
        "type": "object",
        "properties": properties,
        "$defs": service["$defs"],
    });
    format!("{schema:#}\n")
}
