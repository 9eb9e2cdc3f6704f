//! The `src/main.rs` of the service that `conformance/bench-loop` measures: the agents, with one tool.

use agentgen_runtime::schemars::{self, JsonSchema};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(serde::Deserialize, JsonSchema)]
struct Shelf {
    /// The number of the shelf.
    number: u32,
}

fn main() -> std::process::ExitCode {
    let shelf = tool(
        "shelf",
        "Says what is on a shelf.",
        |_: ToolContext, shelf: Shelf| async move {
            Ok::<_, ToolError>(format!("Shelf {}: maps and tides.", shelf.number))
        },
    );
    agentgen_runtime::serve(looped::registry().tool(shelf))
}
