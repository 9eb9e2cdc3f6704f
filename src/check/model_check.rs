//! The models that agents name: aliases and ids.

use crate::agent::{Agent, find_agent};
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::config::Config;
use crate::text::did_you_mean::{did_you_mean, it_takes};

/// Claude Code's names of models.
const ALIASES: [&str; 6] = ["sonnet", "opus", "haiku", "fable", "best", "opusplan"];
/// Words of a service: the model it is set to, and the one that repeats what it is told.
const OWN_WORDS: [&str; 3] = ["default", "echo", "inherit"];

/// Warns of names that look like an alias and are none: the service would not start with them.
pub fn check_models(agents: &[Agent], config: &Config, diagnostics: &mut Vec<Diagnostic>) {
    for agent in agents {
        let (spec, service) = (&agent.spec, &agent.service);
        let first = match &service.model {
            Some(model) => Some((model, &service.source)),
            None => spec
                .models
                .first
                .as_ref()
                .map(|model| (model, &spec.source)),
        };
        // What is no model at all in the service block is an error of its own: see `agent_checks`.
        let fallbacks = &service.policy.fallbacks;
        let (source, of_block) = if *fallbacks == spec.models.fallbacks {
            (&spec.source, false)
        } else {
            (&service.source, true)
        };
        let fallbacks = fallbacks
            .iter()
            .filter(|name| find_agent(agents, &name.text).is_none())
            .filter(|name| !of_block || is_model(&name.text, config))
            .map(|name| (name, source));
        for (name, source) in first.into_iter().chain(fallbacks) {
            if let Some((message, help)) = problem(&name.text, config) {
                let mut diagnostic = Diagnostic::error(Code::UnknownValue, "", message)
                    .with_severity(Severity::Warning)
                    .at(source, name.span)
                    .help(help);
                diagnostic.about([&name.text]);
                diagnostics.push(diagnostic);
            }
        }
    }
}

/// Whether `name` is a model: an alias, or what has the form of an id.
pub fn is_model(name: &str, config: &Config) -> bool {
    is_id(name) || aliases(config).any(|alias| alias == name) || OWN_WORDS.contains(&name)
}

/// What is wrong with the model `name`, and what to do about it.
fn problem(name: &str, config: &Config) -> Option<(String, String)> {
    if is_id(name) || OWN_WORDS.contains(&name) {
        return None;
    }
    if !config.service_models.is_empty() {
        let known = || config.service_models.iter().map(String::as_str);
        if known().any(|alias| alias == name) {
            return None;
        }
        let message = format!("service.toml does not say which model `{name}` is");
        let key = if name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        {
            name.to_owned()
        } else {
            format!("{name:?}")
        };
        let otherwise = format!("add `{key} = \"provider:model\"` under [models] there");
        return Some((message, did_you_mean(name, known(), otherwise)));
    }
    if aliases(config).any(|alias| alias == name) {
        return None;
    }
    let message = format!("`{name}` is not the name of a model");
    let otherwise = format!(
        "{}, an alias under [models], or an id such as `claude-sonnet-4-5` or `provider:model`",
        it_takes(ALIASES)
    );
    Some((message, did_you_mean(name, aliases(config), otherwise)))
}

/// The aliases of models that there are.
pub fn aliases(config: &Config) -> impl Iterator<Item = &str> {
    let own = config.models.iter().map(|(alias, _)| alias.as_str());
    ALIASES
        .into_iter()
        .chain(own)
        .chain(config.service_models.iter().map(String::as_str))
}

/// Whether `name` has the form of an id: `provider:model`, or a name with a version in it and without blanks or
/// brackets.
fn is_id(name: &str) -> bool {
    let is_versioned = name.bytes().any(|byte| byte.is_ascii_digit());
    let is_of_vendor = name.starts_with("claude-") || name.starts_with("gpt-");
    !name.contains(|c: char| c.is_whitespace() || matches!(c, '[' | ']'))
        && (name.contains([':', '/']) || is_versioned || is_of_vendor)
}
