# Sourced by the scripts that compile a service.

# write_crate FOLDER NAME AGENTS: writes the crate served-NAME, whose build script compiles the agents in AGENTS. It uses
# the runtime of this repository ($root) and the tested versions of everything else.
write_crate() {
    local crate=$1 name=$2 agents=$3
    mkdir -p "$crate/src"
    cp -r --no-preserve=mode "$agents" "$crate/agents"
    # Cargo removes unneeded packages.
    cp "$root/Cargo.lock" "$crate/Cargo.lock"
    cat >"$crate/Cargo.toml" <<END
[package]
name = "served-$name"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
name = "${name}_api"

[dependencies]
agentgen-runtime = { path = "$root/crates/runtime" }

[build-dependencies]
agentgen-build = { path = "$root" }

[dev-dependencies]
agentgen-build = { path = "$root" }
agentgen-runtime = { path = "$root/crates/runtime", features = ["testing"] }
serde_json = "1"
tokio = { version = "1", features = ["macros", "rt", "time"] }

[workspace]
END
    cat >"$crate/build.rs" <<'END'
fn main() {
    agentgen_build::compile("agents");
}
END
    cat >"$crate/src/main.rs" <<'END'
mod agents {
    agentgen_runtime::include_agents!();
}

fn main() -> std::process::ExitCode {
    agentgen_runtime::serve(agents::registry(&agents::Prompted))
}
END
    # The same agents, loaded as `agentgen serve` does, have to answer the same.
    mkdir -p "$crate/tests"
    cp "$root/conformance/same_answers.rs" "$crate/src/same_answers.rs"
    cat >"$crate/tests/loaded.rs" <<END
//! The agents compiled and loaded.

#[path = "../src/same_answers.rs"]
mod same_answers;

#[tokio::test]
async fn loaded_agents_answer_as_compiled_ones_do() {
    let config = agentgen_build::Config {
        agents: vec!["agents".to_owned()],
        ..agentgen_build::Config::default()
    };
    let project = agentgen_build::load(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), config);
    let documents = same_answers::documents(&project);
    let compiled = || ${name}_api::agents::registry(&${name}_api::agents::Prompted);
    let compared = same_answers::compare(compiled, || same_answers::loaded(&documents)).await;
    println!("{compared} answers are the same");
    assert!(compared > 0);
}
END
    # The same code as a library, because only libraries have documentation tests.
    cat >"$crate/src/lib.rs" <<'END'
//! Agents behind a library.

/// What was generated.
pub mod agents {
    agentgen_runtime::include_agents!();
}
END
}
