//! The frontmatter keys that agent harnesses know, and the kinds of their values.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::text::did_you_mean::{did_you_mean, nearest};
use crate::yaml::node::{Entry, Node, Value};

/// The kinds of value that a key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text; numbers and truth values count as their text.
    Text,
    /// Text or a list of texts.
    Texts,
    /// Tools: text, a list of texts, or a mapping of names to truth values.
    Tools,
    /// `true` or `false`.
    Truth,
    /// A number.
    Number,
    /// A mapping.
    Mapping,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Whatever the harness makes of it.
    Any,
}

/// Keys of Claude Code, Agent Skills, GitHub Copilot, OpenCode, Gemini CLI and Codex agents, and of
/// agentgen itself.
const KEYS: &[(&str, Kind)] = &[
    ("agents", Kind::Any),
    ("allowed-tools", Kind::Tools),
    ("allowedTools", Kind::Tools),
    ("argument-hint", Kind::Any),
    ("background", Kind::Truth),
    ("capabilities", Kind::Any),
    ("category", Kind::Any),
    ("color", Kind::Text),
    ("compatibility", Kind::Any),
    ("description", Kind::Text),
    ("developer_instructions", Kind::Text),
    ("disable", Kind::Truth),
    ("disable-model-invocation", Kind::Truth),
    ("disallowedTools", Kind::Tools),
    ("displayName", Kind::Text),
    ("display_name", Kind::Text),
    (
        "effort",
        Kind::Word(&["low", "medium", "high", "xhigh", "max"]),
    ),
    ("emoji", Kind::Text),
    ("examples", Kind::Any),
    ("handoffs", Kind::Any),
    ("hidden", Kind::Truth),
    ("hooks", Kind::Any),
    ("infer", Kind::Any),
    ("initialPrompt", Kind::Text),
    ("isolation", Kind::Word(&["worktree"])),
    ("kind", Kind::Text),
    ("license", Kind::Text),
    ("maxSteps", Kind::Number),
    ("maxTurns", Kind::Number),
    ("max_turns", Kind::Number),
    ("mcp-servers", Kind::Any),
    ("mcpServers", Kind::Any),
    ("mcp_servers", Kind::Any),
    ("memory", Kind::Any),
    ("metadata", Kind::Any),
    ("mode", Kind::Text),
    ("model", Kind::Texts),
    ("modelPolicy", Kind::Any),
    ("model_reasoning_effort", Kind::Text),
    ("models", Kind::Any),
    ("name", Kind::Text),
    ("nickname_candidates", Kind::Texts),
    ("permission", Kind::Any),
    (
        "permissionMode",
        Kind::Word(&[
            "default",
            "acceptEdits",
            "auto",
            "dontAsk",
            "bypassPermissions",
            "plan",
        ]),
    ),
    ("priority", Kind::Any),
    ("prompt", Kind::Text),
    ("readonly", Kind::Truth),
    ("role", Kind::Any),
    (
        "sandbox_mode",
        Kind::Word(&["read-only", "workspace-write", "danger-full-access"]),
    ),
    ("service", Kind::Mapping),
    ("skills", Kind::Any),
    ("steps", Kind::Any),
    ("tags", Kind::Any),
    ("target", Kind::Any),
    ("temperature", Kind::Number),
    ("tier", Kind::Any),
    ("timeout_mins", Kind::Number),
    ("title", Kind::Text),
    ("tools", Kind::Tools),
    ("top_p", Kind::Number),
    ("triggers", Kind::Any),
    ("type", Kind::Any),
    ("user-invocable", Kind::Truth),
    ("version", Kind::Text),
    ("vibe", Kind::Text),
    ("when_to_use", Kind::Text),
    ("whenToUse", Kind::Text),
];

/// Keys whose values are prose: nothing in them is cut off or resolved.
const PROSE_KEYS: &[&str] = &[
    "argument-hint",
    "description",
    "initialPrompt",
    "prompt",
    "vibe",
    "whenToUse",
    "when_to_use",
];

/// Whether a harness knows the key.
pub fn is_known(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}

/// Whether the value of `key` is prose.
pub fn is_prose(key: &str) -> bool {
    PROSE_KEYS.contains(&key)
}

/// Says what is odd about the keys of `frontmatter`. Nothing is lost for it: every key is kept.
pub fn check(frontmatter: &Node, report: &mut Report) {
    for entry in frontmatter.entries().unwrap_or_default() {
        match KEYS.iter().find(|(key, _)| *key == entry.key) {
            Some((_, kind)) => check_value(entry, *kind, report),
            None => check_unknown(entry, report),
        }
    }
}

fn check_unknown(entry: &Entry, report: &mut Report) {
    let message = format!("there is no key `{}`", entry.key);
    match nearest(&entry.key, KEYS.iter().map(|(key, _)| *key)) {
        Some(known) => report
            .warning(Code::UnknownKey, entry.key_span, message)
            .advise(format!("did you mean `{known}`? The key is kept as it is")),
        None => report
            .note(Code::UnknownKey, entry.key_span, message)
            .about([&entry.key])
            .advise("it is kept in the bundle; no output is made from it"),
    }
}

fn check_value(entry: &Entry, kind: Kind, report: &mut Report) {
    let value = &entry.value.value;
    let (fits, expected) = match kind {
        Kind::Text => (!matches!(value, Value::List(_) | Value::Map(_)), "text"),
        Kind::Texts => (
            entry
                .value
                .items()
                .map_or(!matches!(value, Value::Map(_)), |items| {
                    items.iter().all(|item| item.as_str().is_some())
                }),
            "text or a list of texts",
        ),
        // What can't be read as tools is an error of the spec, reported where tools are read.
        Kind::Tools | Kind::Any => (true, ""),
        Kind::Truth => (matches!(value, Value::Bool(_)), "`true` or `false`"),
        Kind::Number => (matches!(value, Value::Number(_)), "a number"),
        Kind::Mapping => (matches!(value, Value::Map(_)), "a mapping"),
        Kind::Word(words) => {
            let text = entry.value.as_str().unwrap_or_default();
            if !words.contains(&text) {
                let message = format!("`{}` is none of {}", entry.key, words.join(", "));
                let otherwise = "the value is kept as it is";
                report
                    .warning(Code::UnknownValue, entry.value.span, message)
                    .advise(did_you_mean(text, words.iter().copied(), otherwise));
            }
            (true, "")
        }
    };
    if !fits && !matches!(value, Value::Null) {
        let message = format!("`{}` is {}", entry.key, entry.value.kind());
        report
            .warning(Code::WrongType, entry.value.span, message)
            .advise(format!("it takes {expected}; the value is kept as it is"));
    }
}
