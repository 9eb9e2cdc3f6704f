//! Compiles the agents, and beside them those of the repository, whose workflows the tests run.

use agentgen_build::Target;

fn main() {
    agentgen_build::compile("agents");
    agentgen_build::configure()
        .agents("../../agents")
        .allow_outside(true)
        .targets([Target::Prompts, Target::Rust])
        .out_dir("orchestra")
        .compile();
}
