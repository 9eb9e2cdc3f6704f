//! The frontmatter keys that agent harnesses know, and the kinds of their values.

use serde_json::{Map, Value as Json, json};

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::text::did_you_mean::{did_you_mean, nearest};
use crate::yaml::Once;
use crate::yaml::node::{Entry, Node, Value};

/// The kinds of value that a key may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text; numbers and truth values count as their text.
    Text,
    /// Text or a list of texts.
    Texts,
    /// Names of models: text or a list of texts.
    Models,
    /// Tools: text, a list of texts, or a mapping of names to truth values.
    Tools,
    /// `true` or `false`, in quotes too.
    Truth,
    /// A number.
    Number,
    /// A mapping.
    Mapping,
    /// A mapping of these keys to one of these words.
    Words(&'static str, &'static [&'static str]),
    /// A list or a mapping.
    Structure,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or a number.
    WordOrNumber(&'static [&'static str]),
    /// Whatever the harness makes of it.
    Any,
}

/// What a service makes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It has an effect.
    Used,
    /// It tells a harness what to do, and a service nothing.
    Ignored,
    /// It describes the agent for people and catalogs, and no harness acts on it.
    Describes,
}

use Effect::{Describes, Ignored, Used};

/// Keys of Claude Code, Agent Skills, GitHub Copilot, OpenCode, Gemini CLI and Codex agents, and of
/// agentgen itself.
const KEYS: &[(&str, Kind, Effect)] = &[
    ("agents", Kind::Any, Ignored),
    ("allowed-tools", Kind::Tools, Used),
    ("allowedTools", Kind::Tools, Used),
    ("allowed_tools", Kind::Tools, Used),
    ("approvalMode", Kind::Text, Ignored),
    ("argument-hint", Kind::Any, Describes),
    ("autoCompactWindow", Kind::Number, Ignored),
    ("background", Kind::Truth, Ignored),
    ("capabilities", Kind::Any, Describes),
    ("category", Kind::Any, Describes),
    ("color", Kind::Text, Ignored),
    ("commandExecutionPolicy", Kind::Text, Ignored),
    ("compatibility", Kind::Any, Describes),
    ("description", Kind::Text, Used),
    ("developer_instructions", Kind::Text, Ignored),
    ("disable", Kind::Truth, Ignored),
    ("disable-model-invocation", Kind::Truth, Ignored),
    ("disallowed-tools", Kind::Tools, Used),
    ("disallowedTools", Kind::Tools, Used),
    ("disallowed_tools", Kind::Tools, Used),
    ("displayName", Kind::Text, Describes),
    ("display_name", Kind::Text, Describes),
    (
        "effort",
        Kind::WordOrNumber(&["low", "medium", "high", "xhigh", "max"]),
        Ignored,
    ),
    ("emoji", Kind::Text, Describes),
    ("examples", Kind::Any, Describes),
    (
        "experimental",
        Kind::Words("cacheTtl", &["5m", "1h"]),
        Ignored,
    ),
    ("fallback-models", Kind::Models, Used),
    ("fallbackModels", Kind::Models, Used),
    ("fallback_models", Kind::Models, Used),
    ("handoffs", Kind::Any, Ignored),
    ("hidden", Kind::Truth, Ignored),
    ("hooks", Kind::Mapping, Ignored),
    ("infer", Kind::Any, Ignored),
    ("initialPrompt", Kind::Text, Ignored),
    ("isolation", Kind::Word(&["worktree", "remote"]), Ignored),
    ("kind", Kind::Text, Describes),
    ("license", Kind::Text, Describes),
    ("max-turns", Kind::Number, Used),
    ("maxSteps", Kind::Number, Used),
    ("maxTurns", Kind::Number, Used),
    ("max_turns", Kind::Number, Used),
    ("mcp-servers", Kind::Structure, Ignored),
    ("mcpServers", Kind::Structure, Ignored),
    ("mcp_servers", Kind::Structure, Ignored),
    ("memory", Kind::Word(&["user", "project", "local"]), Ignored),
    ("metadata", Kind::Any, Describes),
    ("mode", Kind::Text, Ignored),
    ("model", Kind::Models, Used),
    ("modelPolicy", Kind::Any, Ignored),
    ("model_reasoning_effort", Kind::Text, Ignored),
    ("models", Kind::Models, Used),
    ("name", Kind::Text, Used),
    ("nickname_candidates", Kind::Texts, Describes),
    ("observeSubagents", Kind::Truth, Ignored),
    ("observeToolResults", Kind::Truth, Ignored),
    ("observer", Kind::Texts, Ignored),
    ("observerMessage", Kind::Text, Ignored),
    ("omitClaudeMd", Kind::Truth, Ignored),
    ("permission", Kind::Any, Used),
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
        Ignored,
    ),
    ("priority", Kind::Any, Describes),
    ("prompt", Kind::Text, Used),
    ("readonly", Kind::Truth, Ignored),
    ("role", Kind::Any, Describes),
    (
        "sandbox_mode",
        Kind::Word(&["read-only", "workspace-write", "danger-full-access"]),
        Ignored,
    ),
    ("service", Kind::Mapping, Used),
    ("skills", Kind::Any, Ignored),
    ("steps", Kind::Any, Used),
    ("tags", Kind::Any, Describes),
    ("target", Kind::Any, Ignored),
    ("temperature", Kind::Number, Ignored),
    ("tier", Kind::Any, Describes),
    ("timeout_mins", Kind::Number, Used),
    ("title", Kind::Text, Describes),
    ("tools", Kind::Tools, Used),
    ("top_p", Kind::Number, Ignored),
    ("triggers", Kind::Any, Describes),
    ("type", Kind::Any, Describes),
    ("user-invocable", Kind::Truth, Ignored),
    ("version", Kind::Text, Describes),
    ("vibe", Kind::Text, Describes),
    ("when-to-use", Kind::Text, Describes),
    ("whenToUse", Kind::Text, Describes),
    ("when_to_use", Kind::Text, Describes),
];

/// Keys whose values are checked where they are read.
const READ_ELSEWHERE: &[&str] = &[
    "max-turns",
    "maxSteps",
    "maxTurns",
    "max_turns",
    "model",
    "models",
    "steps",
    "timeout_mins",
];

/// Keys that restrict an agent, beside those of tools.
const RESTRICTIONS: [&str; 8] = [
    "max-turns",
    "maxSteps",
    "maxTurns",
    "max_turns",
    "permission",
    "service",
    "steps",
    "timeout_mins",
];

/// Keys that must not be there twice: of two values, the one that does not count might be the restriction.
pub const ONCE: Once = Once::Keys(|key| {
    let mut known = KEYS.iter().filter(|(known, ..)| *known == key);
    RESTRICTIONS.contains(&key) || known.any(|(_, kind, _)| *kind == Kind::Tools)
});

/// Keys whose values are prose: nothing in them is cut off or resolved.
const PROSE_KEYS: &[&str] = &[
    "argument-hint",
    "description",
    "initialPrompt",
    "prompt",
    "vibe",
    "when-to-use",
    "whenToUse",
    "when_to_use",
];

/// The JSON Schema of each key's value. A key without a value says nothing.
pub fn properties() -> Map<String, Json> {
    let all = KEYS.iter();
    all.map(|(key, kind, effect)| {
        let mut schema = kind.schema();
        if *effect == Ignored {
            schema["description"] = json!("For other harnesses: a service does not read it.");
        }
        ((*key).to_owned(), schema)
    })
    .collect()
}

impl Kind {
    fn schema(self) -> Json {
        let text = json!({ "type": ["string", "number", "boolean"] });
        match self {
            Self::Text => json!({ "type": ["string", "number", "boolean", "null"] }),
            Self::Texts | Self::Models => json!({
                "type": ["string", "number", "boolean", "array", "null"],
                "items": text,
            }),
            Self::Tools => json!({
                "type": ["string", "boolean", "array", "object", "null"],
                "items": text,
            }),
            Self::Truth => json!({ "enum": [true, false, "true", "false", null] }),
            Self::Number => json!({ "type": ["number", "string", "null"] }),
            Self::Mapping => json!({ "type": ["object", "null"] }),
            Self::Words(key, words) => json!({
                "type": ["object", "null"],
                "properties": { key: { "enum": words } },
            }),
            Self::Structure => json!({ "type": ["array", "object", "null"] }),
            Self::Word(words) => json!({ "enum": words }),
            Self::WordOrNumber(words) => {
                json!({ "anyOf": [{ "enum": words }, { "type": "number" }] })
            }
            Self::Any => json!({}),
        }
    }
}

/// Whether a harness knows the key.
pub fn is_known(key: &str) -> bool {
    KEYS.iter().any(|(known, ..)| *known == key)
}

/// Whether the value of `key` is prose.
pub fn is_prose(key: &str) -> bool {
    PROSE_KEYS.contains(&key)
}

/// Says what is odd about the keys of `frontmatter`, and which of them have no effect. Nothing is lost for it: every key is kept.
pub fn check(frontmatter: &Node, report: &mut Report) {
    let mut ignored: Vec<&Entry> = Vec::new();
    for entry in frontmatter.entries().unwrap_or_default() {
        match KEYS.iter().find(|(key, ..)| *key == entry.key) {
            Some((_, kind, effect)) => {
                check_value(entry, *kind, report);
                let is_ignored = *effect == Ignored && entry.value.value != Value::Null;
                // What becomes of servers that are defined here depends on the settings of the service.
                if is_ignored && mcp_definitions(entry).is_empty() {
                    ignored.push(entry);
                }
            }
            None => check_unknown(entry, report),
        }
    }
    note_ignored(&ignored, report);
}

/// The MCP servers that the file itself defines, by name: under `mcpServers`, a mapping, or a list of mappings and of the names of others.
pub fn mcp_definitions(entry: &Entry) -> Map<String, Json> {
    const KEYS: [&str; 3] = ["mcpServers", "mcp-servers", "mcp_servers"];
    let lists = match &entry.value.value {
        _ if !KEYS.contains(&&*entry.key) => &[],
        Value::List(items) => &items[..],
        _ => std::slice::from_ref(&entry.value),
    };
    let servers = lists.iter().filter_map(Node::entries).flatten();
    let servers = servers.filter(|server| matches!(server.value.value, Value::Map(_)));
    servers
        .map(|server| (server.key.clone(), server.value.to_json()))
        .collect()
}

/// Says once which keys have no effect in a service.
fn note_ignored(entries: &[&Entry], report: &mut Report) {
    let Some(first) = entries.first() else {
        return;
    };
    let names: Vec<String> = entries
        .iter()
        .map(|entry| format!("`{}`", entry.key))
        .collect();
    let (verb, advice) = match names.len() {
        1 => (
            "has",
            "the agent's own harness reads it; it is kept in the bundle",
        ),
        _ => (
            "have",
            "the agent's own harness reads them; they are kept in the bundle",
        ),
    };
    let message = format!("{} {verb} no effect in a service", names.join(", "));
    report
        .note(Code::KeyWithoutEffect, first.key_span, message)
        .about(entries.iter().map(|entry| &entry.key))
        .advise(advice);
}

fn check_unknown(entry: &Entry, report: &mut Report) {
    let message = format!("there is no key `{}`", entry.key);
    // A key that takes another kind of value is not what was meant.
    let candidates = KEYS.iter().filter(|(_, kind, effect)| {
        *effect != Describes && is_plausible(*kind, &entry.value.value)
    });
    match nearest(&entry.key, candidates.map(|(key, ..)| *key)) {
        Some(known) => report
            .warning(Code::UnknownKey, entry.key_span, message)
            .advise(format!("did you mean `{known}`? The key is kept as it is")),
        None => match restriction(&entry.key, &entry.value.value) {
            Some((effect, known)) => report
                .warning(
                    Code::UnknownKey,
                    entry.key_span,
                    format!("{message}: it {effect}"),
                )
                .advise(format!("write `{known}`")),
            None => report
                .note(Code::UnknownKey, entry.key_span, message)
                .about([&entry.key])
                .advise("it is kept in the bundle; no output is made from it"),
        },
    }
}

/// What a key that is unknown and reads like a rule on tools fails to do, and the key that does it.
fn restriction(key: &str, value: &Value) -> Option<(&'static str, &'static str)> {
    const DENY: [&str; 9] = [
        "deny", "denied", "disallow", "exclude", "block", "forbid", "disable", "ban", "prohibit",
    ];
    const ALLOW: [&str; 5] = ["allow", "enable", "include", "permit", "whitelist"];
    let key = key.to_ascii_lowercase();
    let is_list = matches!(value, Value::String(_) | Value::List(_) | Value::Map(_));
    let about_tools = key.contains("tool") || key == "disallowed" || key == "denied";
    let says =
        |words: &[&str]| is_list && about_tools && words.iter().any(|word| key.contains(word));
    if says(&DENY) {
        Some(("denies nothing", "disallowedTools"))
    } else {
        says(&ALLOW).then_some(("restricts nothing", "tools"))
    }
}

/// Whether `value` may have been written for a key of this kind.
fn is_plausible(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text => matches!(value, Value::String(_) | Value::Null),
        Kind::Models => match value {
            Value::List(items) => items.iter().any(|item| is_plausible(kind, &item.value)),
            Value::String(text) => is_like_a_model(text),
            _ => false,
        },
        Kind::Word(words) => matches!(value, Value::String(text) if words.contains(&text.as_str())),
        Kind::WordOrNumber(words) => match value {
            Value::String(text) => words.contains(&text.as_str()),
            _ => matches!(value, Value::Number(_)),
        },
        _ => fits(kind, value),
    }
}

/// Whether `text` is an alias of Claude Code or has a version in it, as ids of models have.
fn is_like_a_model(text: &str) -> bool {
    let aliases = [
        "best", "fable", "haiku", "inherit", "opus", "opusplan", "sonnet",
    ];
    aliases.contains(&text) || text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Whether a key of this kind takes `value`.
fn fits(kind: Kind, value: &Value) -> bool {
    let is_text = |node: &Node| matches!(node.value, Value::String(_) | Value::Number(_));
    match (kind, value) {
        (_, Value::Null) | (Kind::Any, _) => true,
        (Kind::Text, _) => !matches!(value, Value::List(_) | Value::Map(_)),
        (Kind::Texts | Kind::Models, Value::List(items)) => items.iter().all(is_text),
        (Kind::Texts | Kind::Models, _) => !matches!(value, Value::Map(_)),
        (Kind::Tools, _) => !matches!(value, Value::Number(_)),
        (Kind::Truth, Value::String(text)) => matches!(text.as_str(), "true" | "false"),
        (Kind::Truth, _) => matches!(value, Value::Bool(_)),
        (Kind::Number, Value::String(text)) => text.trim().parse::<f64>().is_ok(),
        (Kind::Number, _) => matches!(value, Value::Number(_)),
        (Kind::Mapping | Kind::Words(..), _) => matches!(value, Value::Map(_)),
        (Kind::Structure, _) => matches!(value, Value::List(_) | Value::Map(_)),
        (Kind::Word(words), Value::String(text)) => words.contains(&text.as_str()),
        (Kind::WordOrNumber(words), Value::String(text)) => words.contains(&text.as_str()),
        (Kind::WordOrNumber(_), _) => matches!(value, Value::Number(_)),
        (Kind::Word(_), _) => false,
    }
}

fn check_value(entry: &Entry, kind: Kind, report: &mut Report) {
    if let Kind::Words(key, words) = kind
        && let Some(inner) = entry.value.entry(key)
    {
        check_value(inner, Kind::Word(words), report);
    }
    // What can't be read as tools is an error of the spec, reported where tools are read; so are limits.
    if kind == Kind::Tools
        || READ_ELSEWHERE.contains(&entry.key.as_str())
        || fits(kind, &entry.value.value)
    {
        return;
    }
    let expected = match kind {
        Kind::Text => "text",
        Kind::Texts | Kind::Models => "text or a list of texts",
        Kind::Truth => "`true` or `false`",
        Kind::Number => "a number",
        Kind::Mapping | Kind::Words(..) => "a mapping",
        Kind::Structure => "a list or a mapping",
        Kind::Word(words) | Kind::WordOrNumber(words) => {
            return check_word(entry, words, report);
        }
        Kind::Tools | Kind::Any => return,
    };
    let message = format!("`{}` is {}", entry.key, entry.value.kind());
    report
        .warning(Code::WrongType, entry.value.span, message)
        .advise(format!("it takes {expected}; the value is kept as it is"));
}

fn check_word(entry: &Entry, words: &[&str], report: &mut Report) {
    let text = entry.value.as_str().unwrap_or_default();
    let message = format!("`{}` is none of {}", entry.key, words.join(", "));
    let otherwise = "the value is kept as it is";
    report
        .warning(Code::UnknownValue, entry.value.span, message)
        .advise(did_you_mean(text, words.iter().copied(), otherwise));
}
