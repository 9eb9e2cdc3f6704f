use std::sync::Arc;

use super::{with_agent, with_contract_renamed, with_module_renamed, without_module};
use crate::agent::Agent;
use crate::diagnostics::source::Source;
use crate::project::Project;

const MODULE: &str = "\
//! Mine.

// agentgen: modules
pub mod agents;
pub mod poet;
// agentgen: end of modules

/// Mine too: poet.
pub struct Handlers;

impl crate::generated::Handlers for Handlers {
    // agentgen: handlers
    fn agents(&self) -> impl crate::generated::agents::Agents {
        agents::Handler
    }

    /// Of the poet.
    fn poet(&self) -> impl crate::generated::poet::Poet {
        if true { poet::Handler::new(\"poet\") } else { poet::Handler::default() }
    }
    // agentgen: end of handlers
}
";

fn agent(name: &str) -> Agent {
    let text = format!("---\nname: {name}\ndescription: Works.\n---\nYou work.\n");
    let source = Arc::new(Source::new(&format!("agents/{name}.md"), text));
    let project = Project {
        sources: vec![source],
        ..Project::default()
    };
    let agents = crate::generate::check(&project).agents;
    agents.into_iter().next().expect("the agent is valid")
}

#[test]
fn a_module_goes_with_its_handler_and_nothing_else() {
    let without = without_module(MODULE, "poet");
    assert!(
        !without.contains("mod poet") && !without.contains("fn poet"),
        "{without}"
    );
    assert!(!without.contains("Of the poet."), "{without}");
    assert!(without.contains("/// Mine too: poet."), "{without}");
    assert!(
        without.contains("        agents::Handler\n    }\n    // agentgen: end of handlers\n"),
        "{without}"
    );
    let none = without_module(&without, "agents");
    assert!(
        none.contains("// agentgen: modules\n// agentgen: end of modules\n"),
        "{none}"
    );
    assert!(
        none.contains("    // agentgen: handlers\n    // agentgen: end of handlers\n"),
        "{none}"
    );
    assert_eq!(without_module(MODULE, "nobody"), MODULE);
}

#[test]
fn what_was_added_last_is_taken_out_again() {
    for name in ["baker", "zoo-keeper", "mod-rs"] {
        let agent = agent(name);
        let with = with_agent(MODULE, &agent).expect("the marks are there");
        assert_ne!(with, MODULE);
        assert_eq!(without_module(&with, agent.module.as_str()), MODULE);
    }
}

#[test]
fn windows_line_ends_stay() {
    let windows = MODULE.replace('\n', "\r\n");
    let without = without_module(&windows, "poet");
    assert_eq!(
        without,
        without_module(MODULE, "poet").replace('\n', "\r\n")
    );
}

#[test]
fn a_module_is_renamed_with_what_was_written_into_its_handler() {
    let renamed = with_module_renamed(MODULE, "poet", "Poet", &agent("bard"));
    assert!(
        renamed.contains("pub mod agents;\npub mod bard;\n"),
        "{renamed}"
    );
    let method = "\
    fn bard(&self) -> impl crate::generated::bard::Bard {
        if true { bard::Handler::new(\"poet\") } else { bard::Handler::default() }
    }
";
    assert!(renamed.contains(method), "{renamed}");
    assert!(renamed.contains("/// Mine too: poet."), "{renamed}");
    let first = with_module_renamed(MODULE, "poet", "Poet", &agent("aardvark"));
    assert!(
        first.contains("modules\npub mod aardvark;\npub mod agents;\n"),
        "{first}"
    );
    let last = with_module_renamed(MODULE, "agents", "Agents", &agent("zebra"));
    assert!(
        last.contains("modules\npub mod poet;\npub mod zebra;\n"),
        "{last}"
    );
}

#[test]
fn only_paths_to_the_contract_are_renamed_in_a_handler() {
    let text = "\
use crate::generated::poet as contract;
use super::poet::Handler as Poet;
/// Answers for `poet`: contract Poet.
impl contract::Poet for Handler {
    fn poet(&self) -> contract::PoetRequest { let poet = my::poet::VALUE; poet }
}
impl crate::generated::poet::Poet for Other {}
";
    let renamed = with_contract_renamed(text, "poet", "Poet", &agent("night-bard"));
    let expected = text
        .replace("generated::poet", "generated::night_bard")
        .replace("contract::Poet for", "contract::NightBard for")
        .replace("night_bard::Poet for", "night_bard::NightBard for");
    assert_eq!(renamed, expected);
}
