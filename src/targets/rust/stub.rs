//! Stubs of handlers: code that compiles and answers 501 until the user writes it.
//!
//! The folder of stubs contains `mod.rs` and a file for each agent. A file that exists is never changed; for an agent
//! that has none, the file is written, and `mod.rs` gets a module and a handler between its marks.

use agentgen_schema::Handler;
use serde::Serialize;

use crate::agent::Agent;
use crate::diagnostics::Diagnostic;
use crate::output::artifact::Artifact;
use crate::project::UserTemplate;
use crate::project::handler_stubs::MODULE_FILE;
use crate::targets::rust::parse;
use crate::targets::rust::rust_context::{EndpointContext, endpoint_contexts};
use crate::targets::rust::rust_paths::SERVICE;
use crate::targets::rust::stub_module::{signature, with_agent};
use crate::targets::template_engine::Templates;
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, literal};

const STUB: &str = "rust/stub.rs.tera";
const MODULES: &str = "rust/stubs.rs.tera";
/// How long it lets the arguments of a call be.
const ARGUMENT_WIDTH: usize = 60;

/// The stubs of `agents` that are missing, and `mod.rs` where it changes, by their paths below the folder of stubs.
/// `read` gives the text of a file there, or none where there is no file.
///
/// # Errors
///
/// What is wrong with the templates.
pub fn stubs(
    agents: &[Agent],
    templates: &[UserTemplate],
    read: impl Fn(&str) -> Option<String>,
) -> Result<Stubs, Diagnostic> {
    let templates = &Templates::new(templates)?;
    let mut files = Vec::new();
    let before = read(MODULE_FILE);
    let mut modules = match &before {
        Some(text) => text.clone(),
        None => templates.render(MODULES, &serde_json::json!({}))?,
    };
    let mut unmarked = Vec::new();
    for agent in agents {
        let path = format!("{}.rs", agent.module);
        if read(&path).is_some() {
            continue;
        }
        files.push(Artifact {
            path,
            bytes: stub(agent, templates)?.into_bytes(),
        });
        match with_agent(&modules, agent) {
            Some(text) => modules = text,
            None => unmarked.push(agent.module.to_string()),
        }
    }
    if before.as_deref() != Some(&modules) {
        files.push(Artifact {
            path: MODULE_FILE.to_owned(),
            bytes: modules.into_bytes(),
        });
    }
    Ok(Stubs { files, unmarked })
}

/// The stub of `agent`, as a build writes it.
///
/// # Errors
///
/// What is wrong with the templates.
pub fn stub_of(agent: &Agent, templates: &[UserTemplate]) -> Result<String, Diagnostic> {
    stub(agent, &Templates::new(templates)?)
}

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Stubs {
    /// The files.
    pub files: Vec<Artifact>,
    /// The modules that `mod.rs` does not name, because its marks are gone.
    pub unmarked: Vec<String>,
}

#[derive(Serialize)]
struct Context<'a> {
    name_doc: String,
    module: &'a Ident,
    type_name: &'a Ident,
    code: bool,
    unwritten: Vec<Unwritten>,
    written: Vec<Written>,
}

/// An endpoint that is answered without a method.
#[derive(Serialize)]
struct Unwritten {
    /// Method and path as Markdown.
    route: String,
    /// By what.
    by: &'static str,
}

/// A method that has to be written.
#[derive(Serialize)]
struct Written {
    route: String,
    doc: String,
    signature: String,
    body: String,
}

fn stub(agent: &Agent, templates: &Templates) -> Result<String, Diagnostic> {
    let (endpoints, _) = endpoint_contexts(agent, &SERVICE);
    let (code, others): (Vec<_>, Vec<_>) = endpoints.iter().partition(|endpoint| endpoint.code);
    let context = Context {
        name_doc: code_span(&agent.spec.name),
        module: &agent.module,
        type_name: &agent.type_name,
        code: !code.is_empty(),
        unwritten: others.iter().map(|endpoint| unwritten(endpoint)).collect(),
        written: code.iter().map(|endpoint| written(endpoint)).collect(),
    };
    let text = templates.render(STUB, &context)?;
    match parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(templates.bad_output(
            STUB,
            format!("what the template makes is not Rust: {error}"),
        )),
    }
}

fn unwritten(endpoint: &EndpointContext<'_>) -> Unwritten {
    Unwritten {
        route: endpoint.route_doc.clone(),
        by: match endpoint.constants.handler {
            Handler::Search => "from the agent's documents",
            Handler::Embed => "by the embedding model",
            Handler::Model | Handler::Code => "by the prompt",
        },
    }
}

fn written(endpoint: &EndpointContext<'_>) -> Written {
    let qualified = |ty: &str| {
        if ty.contains(['(', ':']) {
            ty.to_owned()
        } else {
            format!("contract::{ty}")
        }
    };
    let (request, response) = (qualified(&endpoint.request), qualified(&endpoint.response));
    Written {
        route: endpoint.route_doc.clone(),
        doc: endpoint.doc.clone(),
        signature: signature(
            &format!("async fn {}", endpoint.method),
            &["&self", "_cx: &RunContext", &format!("_request: {request}")],
            &format!("Result<{response}, AgentError>"),
        ),
        body: body(endpoint.constants.name),
    }
}

/// What a method does that is not written, as rustfmt lays it out.
fn body(name: &str) -> String {
    let name = literal(name);
    let error = format!("AgentError::not_implemented({name})");
    if error.chars().count() <= ARGUMENT_WIDTH {
        return format!("        Err({error})");
    }
    format!("        Err(AgentError::not_implemented(\n            {name},\n        ))")
}
