//! Conditions and inputs of workflow steps.
#![no_main]

use agentgen_build::Target;
use agentgen_fuzz::{agent, generate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (condition, input) = text.split_once('\n').unwrap_or((text, "{{ input.topic }}"));
    let (Ok(condition), Ok(input)) = (serde_json::to_string(condition), serde_json::to_string(input)) else { return };
    let service = format!(
        "service:\n  workflows:\n    flow:\n      input: {{topic: string, size?: integer}}\n      steps:\n\
         \x20       - first: agent\n\
         \x20       - second: {{agent: agent, when: {condition}, with: {{input: {input}}}}}\n"
    );
    generate(&[("agents/agent.md", &agent(&service, "Help.\n"))], &[Target::Rust, Target::Openapi]);
});
