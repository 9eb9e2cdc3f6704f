//! What one agent file says about its agent: name, description, examples, tools, model.
//!
//! Invariant: every key of the frontmatter is kept, known or not. Nothing is inferred from prose. It imports `frontmatter` and what
//! that imports.

pub mod agent_file;
pub mod example_blocks;
pub mod model_choice;
pub mod run_limits;
pub mod tool_access;
pub mod tool_keys;
pub mod tool_list;
pub mod tool_names;
pub mod tool_policy;
pub mod tool_rules;

#[cfg(test)]
mod description_tests;
#[cfg(test)]
mod tool_access_tests;
