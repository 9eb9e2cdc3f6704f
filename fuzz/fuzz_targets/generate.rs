//! Whole projects: files between lines `=== PATH`. Twice the same input gives the same output.
#![no_main]

use agentgen_build::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut files: Vec<(&str, &str)> = Vec::new();
    for part in text.split("=== ").filter(|part| !part.is_empty()).take(8) {
        let (path, text) = part.split_once('\n').unwrap_or(("agents/agent.md", part));
        files.push((path, text));
    }
    files.sort_unstable();
    files.dedup_by_key(|(path, _)| *path);
    let once = agentgen_fuzz::generate(&files, Target::DEFAULT);
    let twice = agentgen_fuzz::generate(&files, Target::DEFAULT);
    assert_eq!(once.artifacts, twice.artifacts);
});
