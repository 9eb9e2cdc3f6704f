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
use crate::targets::rust::rust_context::{EndpointContext, endpoint_contexts};
use crate::targets::template_engine::Templates;
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, literal};

const STUB: &str = "rust/stub.rs.tera";
const MODULES: &str = "rust/stubs.rs.tera";
/// The file that declares the modules.
pub const MODULE_FILE: &str = "mod.rs";
/// How long rustfmt lets a line be.
const WIDTH: usize = 100;
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
    let (endpoints, _) = endpoint_contexts(agent);
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
    match syn::parse_file(&text) {
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
        by: match endpoint.handler {
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
        body: body(endpoint.name),
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

/// The head of a method in an `impl`, as rustfmt lays it out.
fn signature(name: &str, parameters: &[&str], output: &str) -> String {
    let line = format!("    {name}({}) -> {output} {{", parameters.join(", "));
    if line.chars().count() <= WIDTH {
        return line;
    }
    let mut lines = format!("    {name}(\n");
    for parameter in parameters {
        lines.push_str(&format!("        {parameter},\n"));
    }
    let end = format!("    ) -> {output}");
    // rustfmt leaves room for the indentation once more here.
    let brace = if end.chars().count() + 2 <= WIDTH - 4 {
        " {"
    } else {
        "\n    {"
    };
    lines + &end + brace
}

/// `text` of `mod.rs` with the module and the handler of `agent`; none where a mark is missing.
fn with_agent(text: &str, agent: &Agent) -> Option<String> {
    let module = agent.module.as_str();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let declaration = format!("pub mod {module};");
    let declared = format!("mod {module};");
    if !lines.iter().any(|line| line.trim().ends_with(&declared)) {
        let (start, end) = marks(&lines, "modules")?;
        let at = lines[start + 1..end]
            .iter()
            .position(|line| {
                let name = line.trim().strip_prefix("pub mod ");
                let name = name.and_then(|name| name.strip_suffix(';'));
                name.is_some_and(|name| name > module)
            })
            .map_or(end, |index| start + 1 + index);
        // An agent called `agents` has a module that is called as the one it is in.
        if module == "agents" {
            lines.insert(at, "#[allow(clippy::module_inception)]".to_owned());
            lines.insert(at + 1, declaration);
        } else {
            lines.insert(at, declaration);
        }
    }
    let function = format!("fn {module}(");
    if !lines.iter().any(|line| line.trim().starts_with(&function)) {
        let (start, end) = marks(&lines, "handlers")?;
        let output = format!(
            "impl crate::generated::{module}::{}",
            agent.type_name.as_str()
        );
        let mut method = Vec::new();
        if end > start + 1 {
            method.push(String::new());
        }
        let head = signature(&format!("fn {module}"), &["&self"], &output);
        method.extend(head.lines().map(str::to_owned));
        method.push(format!("        {module}::Handler"));
        method.push("    }".to_owned());
        lines.splice(end..end, method);
    }
    Some(lines.join("\n") + "\n")
}

/// The lines of the marks around what is called `what`.
fn marks(lines: &[String], what: &str) -> Option<(usize, usize)> {
    let find = |mark: String| lines.iter().position(|line| line.trim() == mark);
    let start = find(format!("// agentgen: {what}"))?;
    let end = find(format!("// agentgen: end of {what}"))?;
    (start < end).then_some((start, end))
}
