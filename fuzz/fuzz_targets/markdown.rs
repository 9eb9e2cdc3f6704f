//! Bodies and descriptions: the body's bytes are in the bundle as they are, and examples are found without a panic.
#![no_main]

use agentgen_build::Target;
use agentgen_fuzz::{generate, indented};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (description, body) = text.split_once("\n===\n").unwrap_or(("Helps.", text));
    let file = format!("---\nname: agent\ndescription: |\n  Helps.\n{}---\n{body}", indented(description, 2));
    let generation = generate(&[("agents/agent.md", &file)], &[Target::Prompts]);
    let prompt = generation.artifacts.iter().find(|artifact| artifact.path.ends_with("/prompt.md"));
    if let Some(prompt) = prompt {
        assert!(file.as_bytes().ends_with(&prompt.bytes), "the body was changed");
        assert!(prompt.bytes.ends_with(body.as_bytes()) || file.len() - prompt.bytes.len() > file.len() - body.len());
    }
});
