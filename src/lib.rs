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
//! Underneath, [`load`] reads a project from the disk, [`generate()`] makes all artifacts of it in memory, and [`plan()`]
//! and [`apply()`] bring the output folder up to date. `generate` reads and writes nothing but memory, and the same project
//! gives the same bytes:
//!
//! ```
//! use agentgen_build::{Project, Source};
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

mod agent;
mod build_script;
mod check;
mod contract;
mod diagnostics;
mod expression;
mod frontmatter;
mod generate;
mod incremental;
mod output;
mod parallel;
mod project;
mod schema;
mod served_project;
mod spec;
mod targets;
mod text;
mod yaml;

pub use agent::Agent;
pub use build_script::{Builder, compile, configure};
pub use diagnostics::code::Code;
pub use diagnostics::diagnostic_group::{Group, Grouped, grouped};
pub use diagnostics::source::Source;
pub use diagnostics::span::{Location, Span};
pub use diagnostics::{Diagnostic, Related, Severity};
pub use generate::{Generation, check, generate};
pub use incremental::build_state::state_folder;
pub use incremental::{Build, Built, ReadCounts};
pub use output::apply::apply;
pub use output::artifact::Artifact;
pub use output::output_lock::OutputLock;
pub use output::plan::{Change, ChangeKind, Obstacle, Options, Plan, Scope, plan};
pub use project::config::{Config, Openapi, OpenapiFormat, OpenapiVersion, Target};
pub use project::discover::{ProjectFiles, find, load};
pub use project::{Project, UserTemplate};
pub use served_project::{ServedDocuments, ServedMemory, ServedProject, serve};
pub use targets::rust::stub::{Stubs, stubs};

/// What the tool reads of agents. It may change in any minor version.
pub mod inspect {
    pub use crate::agent::agent_schema::agent_schema;
    pub use crate::agent::operation::{Operation, all as operations};
    pub use crate::agent::{find_agent, find_slug};
    pub use crate::check::handler_check::orphans as orphaned_handlers;
    pub use crate::contract::document_collection::{Documents, path as documents_path};
    pub use crate::contract::endpoint::Endpoint;
    pub use crate::contract::endpoint_error::EndpointError;
    pub use crate::contract::endpoint_path::{
        parameters as path_parameters, path_error, shape as path_shape,
    };
    pub use crate::contract::parameter::Parameter;
    pub use crate::contract::retrieve::Retrieve;
    pub use crate::contract::workflow_contract::{Join, OnFailure, Step, StepKind, Workflow};
    pub use crate::contract::{
        Handler, Method, ParameterKind, ParameterLocation, Policy, SCHEMA as SERVICE_SCHEMA,
        Service,
    };
    pub use crate::diagnostics::{Report, has_errors};
    pub use crate::frontmatter::rewrite::fix;
    pub use crate::frontmatter::{Document, Reading, read as read_frontmatter, read_yaml};
    pub use crate::output::atomic_file::write_file;
    pub use crate::output::manifest::{FILE_NAME as MANIFEST_NAME, Manifest};
    pub use crate::output::replace_file::replace_file;
    pub use crate::project::agent_folders::{default_folder, list};
    pub use crate::project::config_file::{
        FILE_NAME as CONFIG_NAME, ProjectSettings, SCHEMA as CONFIG_SCHEMA,
        read_nearest as read_settings,
    };
    pub use crate::project::discover::{
        SIDECAR_ENDINGS, byte_order_mark, find_named, load_named, read as read_source, reason,
        relative,
    };
    pub use crate::project::glob::is_pattern;
    pub use crate::project::handler_stubs::{
        HandlerStubs, MODULE_FILE as STUB_MODULE, USUAL_FOLDER as USUAL_STUBS, read_handlers,
    };
    pub use crate::project::project_boundary::path_inside;
    pub use crate::spec::agent_file::{Spec, is_yaml, read as read_spec};
    pub use crate::spec::example_blocks::{Example, shorten};
    pub use crate::spec::tool_list::Tool;
    pub use crate::targets::prompts::{SCHEMA as BUNDLE_SCHEMA, bundle};
    pub use crate::targets::rust::stub::stub_of;
    pub use crate::targets::rust::stub_module::{
        with_contract_renamed, with_module_renamed, without_module,
    };
    pub use crate::targets::template_engine::{BUILTIN, Templates};
    pub use crate::text::did_you_mean::{did_you_mean, nearest};
    pub use crate::text::escaped_json::pretty as json_text;
    pub use crate::text::ident::Ident;
    pub use crate::text::lines::lines;
    pub use crate::text::measures::sha256_hex;
    pub use crate::text::printable::{is_hidden, printable};
    pub use crate::text::slug::Slug;
    pub use crate::yaml::node::{Entry, Node, Value};
}
