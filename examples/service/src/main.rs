//! Serves the agents.

use agentgen_example_service::{Handlers, agents};

fn main() -> std::process::ExitCode {
    agentgen_runtime::serve(agents::registry(&Handlers))
}
