//! Compiles the agents.

fn main() {
    agentgen_build::compile("agents");
}
