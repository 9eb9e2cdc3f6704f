//! JSON Schema and Picoschema: what is accepted compiles for validation, and its OpenAPI and Rust parse.
#![no_main]

use agentgen_build::Target;
use agentgen_fuzz::{agent, generate, indented};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let sidecar = format!("endpoints:\n  go:\n    path: /go\n    output:\n{}", indented(text, 6));
    let files = [("agents/agent.md", agent("", "Help.\n")), ("agents/agent.service.yaml", sidecar)];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let generation = generate(&files, &[Target::Rust, Target::Openapi]);
    for endpoint in generation.agents.iter().flat_map(|agent| &agent.service.endpoints) {
        for schema in [&endpoint.input, &endpoint.output] {
            agentgen_schema::Schema::compile(&schema.json).expect("a schema that is accepted can be enforced");
        }
    }
});
