//! Serves the agents.

use agentgen_example_service::{Handlers, agents};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    agentgen_runtime::serve(agents::registry(&Handlers))
}
