//! The models of an agent: the first choice, and what answers when that fails.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::text::printable::printable;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings::Name;

/// What stands behind a model's name in Claude Code for its long context window: `sonnet[1m]`.
const LONG_CONTEXT: &str = "[1m]";
/// Words for the model that the service is set to.
const DEFAULT: [&str; 3] = ["inherit", "default", "auto"];
/// The keys of models in the order in which they are tried.
const MODEL_KEYS: [&str; 2] = ["model", "models"];
const FALLBACK_KEYS: [&str; 3] = ["fallbackModels", "fallback_models", "fallback-models"];

/// The models that frontmatter names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelChoice {
    /// The first choice; `None` is the model that the service is set to.
    pub first: Option<Name>,
    /// The models that are tried when it fails, in order.
    pub fallbacks: Vec<Name>,
}

/// Reads the models in `frontmatter`. Of a list, also of one in a text with commas, the first is the model and the others are its fallbacks.
pub fn read(frontmatter: &Node, report: &mut Report) -> ModelChoice {
    let mut entries = MODEL_KEYS.iter().filter_map(|key| frontmatter.entry(key));
    let mut names = entries
        .find_map(|entry| models(entry, report))
        .unwrap_or_default()
        .into_iter();
    let mut choice = ModelChoice {
        first: names.next(),
        fallbacks: names.collect(),
    };
    for entry in FALLBACK_KEYS
        .iter()
        .filter_map(|key| frontmatter.entry(key))
    {
        choice
            .fallbacks
            .extend(models(entry, report).unwrap_or_default());
    }
    let mut seen: Vec<String> = choice.first.iter().map(|name| name.text.clone()).collect();
    choice.fallbacks.retain(|name| {
        let is_new = !seen.contains(&name.text);
        seen.push(name.text.clone());
        is_new
    });
    let is_default = |name: &Name| DEFAULT.contains(&name.text.to_ascii_lowercase().as_str());
    choice.first = choice.first.filter(|name| !is_default(name));
    choice
}

/// The names in `entry`; `None` if it names none.
fn models(entry: &Entry, report: &mut Report) -> Option<Vec<Name>> {
    let node = &entry.value;
    let nodes = match &node.value {
        Value::Null => return None,
        Value::List(items) => items.iter().collect(),
        // The mapping of somebody else's harness.
        Value::Map(_) if entry.key != "model" => return None,
        _ => vec![node],
    };
    let mut names = Vec::new();
    for node in nodes {
        match node.scalar_text() {
            Some(text) => {
                let parts = text.split(',').map(str::trim);
                for part in parts.filter(|part| !part.is_empty()) {
                    names.push(Name {
                        text: without_suffix(part, node, report).to_owned(),
                        span: node.span,
                    });
                }
            }
            None => {
                let message = if node.span == entry.value.span {
                    format!("`{}` is {}", entry.key, node.kind())
                } else {
                    format!("`{}` has an item that is {}", entry.key, node.kind())
                };
                report.error(Code::WrongType, node.span, message).advise(
                    "it takes the name of a model, such as `sonnet`, or a list of such names",
                );
            }
        }
    }
    (!names.is_empty()).then_some(names)
}

/// The model that `text` names, without Claude Code's suffix for a long context window.
fn without_suffix<'t>(text: &'t str, node: &Node, report: &mut Report) -> &'t str {
    let at = text.len().saturating_sub(LONG_CONTEXT.len());
    let name = match text.get(at..) {
        Some(end) if end.eq_ignore_ascii_case(LONG_CONTEXT) => text[..at].trim_end(),
        _ => return text,
    };
    if name.is_empty() {
        return text;
    }
    let message = format!("`{LONG_CONTEXT}` has no effect in a service");
    report
        .note(Code::KeyWithoutEffect, node.span, message)
        .advise(format!(
            "the model is `{}`; what its name stands for, under [models] in service.toml, decides on the context window",
            printable(name)
        ));
    name
}
