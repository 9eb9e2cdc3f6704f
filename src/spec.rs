//! What one agent file says about its agent: name, description, examples, tools, model.
//!
//! Invariant: every key of the frontmatter is kept, known or not. Nothing is inferred from prose. It imports `frontmatter` and what
//! that imports.

pub mod agent_file;
pub mod example_blocks;
pub mod tool_list;

#[cfg(test)]
mod description_tests;
