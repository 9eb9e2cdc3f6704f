//! The frontmatter reader: strict YAML and repair agree, a fix keeps values and body, and what was fixed needs no second fix.
#![no_main]

use std::sync::Arc;

use agentgen_build::Source;
use agentgen_build::inspect::{Reading, Report, fix, read_frontmatter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let source = Arc::new(Source::new("agents/agent.md", text.to_owned()));
    let Reading::Agent(document) = read_frontmatter(&mut Report::new(&source), false) else { return };
    let Some(fixed) = fix(&source, &document) else { return };
    assert!(document.repaired, "a fix of what needs none");
    let again = Arc::new(Source::new("agents/agent.md", fixed.clone()));
    let Reading::Agent(second) = read_frontmatter(&mut Report::new(&again), true) else {
        panic!("the fix can't be read:\n{fixed}");
    };
    assert!(!second.repaired);
    assert_eq!(document.frontmatter.to_json(), second.frontmatter.to_json());
    assert_eq!(text[document.body], fixed[second.body.clone()]);
    assert_eq!(fix(&again, &second), None);
});
