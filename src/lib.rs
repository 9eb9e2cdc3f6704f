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
//! [`plan`](plan::plan) and [`apply`](apply::apply) bring the output folder up to date. `generate` reads
//! and writes nothing else, and the same project gives the same bytes:
//!
//! ```
//! use agentgen_build::project::Project;
//! use agentgen_build::source::Source;
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
pub mod apply;
pub mod arazzo;
pub mod arazzo_ids;
pub mod arazzo_request;
pub mod artifact;
#[cfg(feature = "cli")]
pub mod carry;
pub mod code;
pub mod compile;
pub mod config;
#[cfg(feature = "cli")]
pub mod config_file;
pub mod diagnostic;
pub mod discover;
pub mod documents;
pub mod embed_contract;
pub mod endpoint;
pub mod example;
pub mod expression;
pub mod expression_parse;
pub mod expression_place;
pub mod expression_scope;
pub mod expression_token;
pub mod expression_type;
pub mod fix;
pub mod frontmatter;
pub mod generate;
mod glob;
#[cfg(feature = "cli")]
pub mod graph;
#[cfg(feature = "cli")]
pub mod graph_dot;
#[cfg(feature = "cli")]
pub mod graph_mermaid;
#[cfg(feature = "cli")]
pub mod graph_svg;
pub mod ident;
mod invoke;
pub mod json_schema;
pub mod key;
#[cfg(feature = "cli")]
pub mod lockfile;
pub mod lookup_contract;
pub mod manifest;
#[cfg(feature = "cli")]
pub mod markdown;
pub mod method;
pub mod nearest;
pub mod node;
pub mod openapi_component;
mod openapi_description;
pub mod openapi_document;
mod openapi_documents;
mod openapi_operation;
pub mod openapi_text;
pub mod openapi_version;
mod openapi_workflow;
pub mod operation;
pub mod outline;
#[cfg(feature = "cli")]
pub mod package_name;
pub mod parallel;
pub mod parameter;
pub mod picoschema;
#[cfg(feature = "cli")]
pub mod place;
pub mod plan;
pub mod printable;
pub mod project;
#[cfg(feature = "cli")]
pub mod ranking;
mod record;
pub mod repair;
mod repair_text;
mod repair_value;
pub mod retrieve;
pub mod route;
pub mod rust_agent;
pub mod rust_checks;
pub mod rust_context;
pub mod rust_endpoint_types;
pub mod rust_limits;
mod rust_part;
pub mod rust_source;
mod rust_step_output;
pub mod rust_text;
pub mod rust_type;
pub mod rust_types;
pub mod rust_workflow;
#[cfg(feature = "cli")]
pub mod scaffold;
pub mod scalar;
pub mod schema;
pub mod schema_canonical;
pub mod schema_choice;
pub mod schema_doubt;
pub mod schema_example;
pub mod schema_example_scalar;
pub mod schema_keywords;
pub mod schema_object;
pub mod schema_overlap;
pub mod schema_part;
pub mod schema_range;
pub mod schema_recursion;
pub mod schema_scalar;
pub mod schema_type;
pub mod schema_typed;
pub mod schema_union;
pub mod schema_valid;
pub mod schema_words;
pub mod search_contract;
pub mod service;
pub mod setting;
pub mod sha256;
pub mod slug;
pub mod source;
pub mod span;
pub mod spec;
pub mod split;
pub mod step_input;
pub mod step_input_check;
#[cfg(feature = "cli")]
pub mod stub;
#[cfg(feature = "cli")]
pub mod suggest;
#[cfg(feature = "cli")]
mod suggest_ask;
#[cfg(feature = "cli")]
pub mod suggest_branch;
#[cfg(feature = "cli")]
pub mod suggest_edit;
#[cfg(feature = "cli")]
mod suggest_endpoint;
#[cfg(feature = "cli")]
mod suggest_flow;
#[cfg(feature = "cli")]
mod suggest_graph;
#[cfg(feature = "cli")]
mod suggest_group;
#[cfg(feature = "cli")]
mod suggest_insert;
#[cfg(feature = "cli")]
mod suggest_item;
#[cfg(feature = "cli")]
mod suggest_json;
#[cfg(feature = "cli")]
mod suggest_lookup;
#[cfg(feature = "cli")]
mod suggest_names;
#[cfg(feature = "cli")]
mod suggest_output;
#[cfg(feature = "cli")]
pub mod suggest_proposal;
#[cfg(feature = "cli")]
pub mod suggest_propose;
#[cfg(feature = "cli")]
mod suggest_roster;
#[cfg(feature = "cli")]
mod suggest_route;
#[cfg(feature = "cli")]
mod suggest_skeleton;
#[cfg(feature = "cli")]
mod suggest_steps;
#[cfg(feature = "cli")]
mod suggest_text;
#[cfg(feature = "cli")]
mod suggest_title;
#[cfg(feature = "cli")]
mod suggest_workflow;
pub mod target;
pub mod template;
pub mod tokens;
pub mod tools;
#[cfg(feature = "cli")]
pub mod vendor;
#[cfg(feature = "cli")]
mod words;
pub mod workflow;
pub mod workflow_check;
pub mod workflow_order;
pub mod workflow_step;
pub mod yaml;

pub use artifact::Artifact;
pub use compile::{Builder, compile, configure};
pub use discover::load;
pub use generate::{Generation, generate};
