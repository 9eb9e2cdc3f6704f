use std::sync::Arc;

use super::check_handlers;
use crate::diagnostics::source::Source;
use crate::project::Project;
use crate::project::handler_stubs::HandlerStubs;

const MODULE: &str = "\
// agentgen: modules
pub mod helpers;
pub mod night_clerk;
pub mod poet;
// agentgen: end of modules

pub struct Handlers;

// `crate::generated::ghost::Ghost` is only a comment.
impl crate::generated::Handlers for Handlers {
    fn poet(&self) -> impl crate::generated::poet::Poet {
        poet::Handler
    }

    fn night_clerk(&self) -> impl crate::generated::night_clerk::NightClerk {
        night_clerk::Handler
    }
}
";

/// What is reported where `agents` have these names and `mod.rs` this text.
fn report(names: &[&str], module: &str, files: &[(&str, &str)]) -> Vec<String> {
    let source = |name: &&str| {
        let text = format!("---\nname: {name}\ndescription: Works.\n---\nYou work.\n");
        Arc::new(Source::new(&format!("agents/{name}.md"), text))
    };
    let project = Project {
        sources: names.iter().map(source).collect(),
        ..Project::default()
    };
    let agents = crate::generate::check(&project).agents;
    let file = |(name, text): &(&str, &str)| {
        let path = format!("src/agents/{name}.rs");
        (
            (*name).to_owned(),
            Arc::new(Source::new(&path, (*text).to_owned())),
        )
    };
    let handlers = HandlerStubs {
        module: Arc::new(Source::new("src/agents/mod.rs", module.to_owned())),
        handlers: files.iter().map(file).collect(),
    };
    let mut diagnostics = Vec::new();
    check_handlers(&agents, &handlers, &mut diagnostics);
    diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn a_handler_without_an_agent_is_reported_where_it_is_declared() {
    assert_eq!(report(&["poet", "night-clerk"], MODULE, &[]), [""; 0]);
    assert_eq!(
        report(&["poet"], MODULE, &[]),
        [
            "src/agents/mod.rs:3:9: error[AG098]: `night_clerk` is the handler of an agent that is not there \
          (run `agentgen remove night-clerk`, or bring back the agent's file)"
        ]
    );
    assert_eq!(report(&["other"], MODULE, &[]).len(), 2);
}

#[test]
fn a_declaration_is_enough_where_its_file_names_the_agent() {
    let module = "pub mod helpers;\npub(crate) mod poet;\n// mod gone;\n";
    let poet = ("poet", "use crate::generated::poet as contract;\n");
    let found = report(
        &["other"],
        module,
        &[poet, ("helpers", "pub fn help() {}\n")],
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("src/agents/mod.rs:2:16: "),
        "{found:?}"
    );
    assert_eq!(report(&["poet"], module, &[poet]), [""; 0]);
}

#[test]
fn a_method_is_enough_where_the_declaration_is_gone() {
    let module = MODULE.replace("pub mod poet;\n", "");
    let found = report(&["night-clerk"], &module, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("src/agents/mod.rs:10:"), "{found:?}");
}
