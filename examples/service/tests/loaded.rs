//! The same agents compiled, and loaded as `agentgen serve` does: every operation answers the same.

#![allow(clippy::expect_used)]

use std::path::Path;

use agentgen_build::{Config, load};

#[path = "../../../conformance/same_answers.rs"]
mod same_answers;

/// What the build script compiled from the agents of the repository.
mod agents {
    include!(concat!(env!("OUT_DIR"), "/orchestra/rust/mod.rs"));
}

#[tokio::test]
async fn loaded_agents_answer_as_compiled_ones_do() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let config = Config {
        agents: vec!["agents".to_owned()],
        // The repository's templates are the built-in ones.
        templates: String::new(),
        ..Config::default()
    };
    let documents = same_answers::documents(&load(&repository, config));
    let compiled = || agents::registry(&agents::Prompted);
    let compared = same_answers::compare(compiled, || same_answers::loaded(&documents)).await;
    assert!(compared > 100, "{compared}");
}
