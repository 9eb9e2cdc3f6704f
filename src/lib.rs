//! Compiles agent files into prompt bundles, typed Rust handlers and OpenAPI documents.
//!
//! In a build script:
//!
//! ```no_run
//! agentgen_build::compile("agents");
//! ```
//!
//! In the crate, which depends on `agentgen-runtime`:
//!
//! ```text
//! mod agents {
//!     agentgen_runtime::include_agents!();
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     agentgen_runtime::serve(agents::registry(&agents::Prompted))
//! }
//! ```
//!
//! Underneath, [`load`] reads a project from the disk, [`generate()`] makes everything of it in memory, and
//! [`plan`](output::plan::plan) and [`apply`](output::apply::apply) bring the output folder up to date. `generate` reads
//! and writes nothing else, and the same project gives the same bytes:
//!
//! ```
//! use agentgen_build::project::Project;
//! use agentgen_build::diagnostics::source::Source;
//!
//! let text = "---\nname: librarian\ndescription: Knows every book.\n---\nYou are the librarian.\n";
//! let source = Source::from_bytes("agents/librarian.md", text.into()).expect("it is UTF-8");
//! let project = Project {
//!     sources: vec![source],
//!     ..Project::default()
//! };
//! let generation = agentgen_build::generate(&project);
//! assert!(generation.artifacts.iter().any(|file| file.path == "rust/librarian.rs"));
//! ```

pub mod agent;
pub mod build_script;
pub mod check;
pub mod contract;
pub mod diagnostics;
pub mod expression;
pub mod frontmatter;
pub mod generate;
pub mod output;
pub mod parallel;
pub mod project;
pub mod schema;
pub mod spec;
pub mod targets;
pub mod text;
pub mod yaml;

pub use build_script::{Builder, compile, configure};
pub use generate::{Generation, generate};
pub use output::artifact::Artifact;
pub use project::discover::load;
