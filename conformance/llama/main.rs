//! The agents of conformance/llama, with a tool.

use agentgen_runtime::schemars::JsonSchema;
use agentgen_runtime::tools::{ToolContext, ToolError, tool};

mod agents {
    agentgen_runtime::include_agents!();
}

#[derive(serde::Deserialize, JsonSchema)]
#[schemars(crate = "agentgen_runtime::schemars")]
struct Shelf {
    /// The number of the shelf.
    #[schemars(range(min = 1, max = 3))]
    number: u32,
}

fn main() -> std::process::ExitCode {
    let books = tool(
        "books",
        "Lists the books of a shelf.",
        |_: ToolContext, shelf: Shelf| async move {
            match shelf.number {
                1 => Ok(vec!["Maps", "Tides"]),
                2 | 3 => Ok(vec!["Stones"]),
                _ => Err(ToolError::new("there is no such shelf")),
            }
        },
    );
    agentgen_runtime::serve(agents::registry(&agents::Prompted).tool(books))
}
