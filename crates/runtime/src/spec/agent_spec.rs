//! What an agent is: its prompt, its model and its limits, as constants of the generated code.

use crate::spec::prompt::Prompt;

/// One agent as the generator wrote it down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgentSpec {
    /// The name as its author wrote it.
    pub name: &'static str,
    /// The name in paths.
    pub slug: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// The situations of its examples: requests that it is for.
    pub examples: &'static [&'static str],
    /// The whole prompt, byte for byte.
    pub prompt: Prompt,
    /// SHA-256 of the prompt in 64 hexadecimal digits.
    pub prompt_sha256: &'static str,
    /// The model asked for, if any: an alias or a name.
    pub model: Option<&'static str>,
    /// The names of the tools it may use, with `*` for any characters; `None` restricts nothing. An entry with arguments, as in
    /// `Bash(git diff:*)`, allows nothing.
    pub tools: Option<&'static [&'static str]>,
    /// The tools it may never use, whatever `tools` says; names as there, in any case. An entry with arguments denies the whole
    /// tool. `Agent` and `Task` stand for every handoff.
    pub denied_tools: &'static [&'static str],
    /// The slugs of the agents it may hand off to.
    pub agents: &'static [&'static str],
    /// The roles of which a caller needs one to be answered by it: under `invoke`, in place of another agent, or where one
    /// hands off to it. Empty admits every caller.
    pub roles: &'static [&'static str],
    /// The documents it searches.
    pub documents: Option<DocumentsSpec>,
    /// Its limits.
    pub policy: Policy,
}

impl AgentSpec {
    /// Whether its model may call the tool `name`: it is listed, if there is a list, and not denied.
    pub(crate) fn may_use(&self, name: &str) -> bool {
        let is_listed = |tools: &[&str]| tools.iter().any(|entry| matches(entry, name));
        self.tools.is_none_or(is_listed) && !self.denies(name)
    }

    /// Whether the tool `name` is denied.
    pub(crate) fn denies(&self, name: &str) -> bool {
        is_restricted(self.denied_tools, name)
    }

    /// Whether a person approves each call of the tool `name`.
    pub(crate) fn needs_approval(&self, name: &str) -> bool {
        is_restricted(self.policy.tools.approve, name)
    }

    /// Whether its model may ask a person something.
    pub(crate) fn asks(&self) -> bool {
        let ToolPolicy {
            approve, ask_user, ..
        } = self.policy.tools;
        ask_user || !approve.is_empty()
    }

    /// Whether its model may hand tasks to the agents it lists.
    pub(crate) fn may_hand_off(&self) -> bool {
        !self.denies("Agent") && !self.denies("Task")
    }
}

/// Whether one of `entries` is about the tool `name`, in any case and whatever arguments the entry is about.
fn is_restricted(entries: &[&str], name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    entries.iter().any(|entry| {
        let pattern = entry.split('(').next().unwrap_or(entry).trim();
        matches(&pattern.to_ascii_lowercase(), &name)
    })
}

/// Whether `pattern`, in which `*` stands for any characters, is `name`.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut tail) = name.strip_prefix(start) else {
        return false;
    };
    let Some((middle, end)) = rest.rsplit_once('*') else {
        return tail.ends_with(rest);
    };
    for part in middle.split('*') {
        match tail.find(part) {
            Some(at) => tail = &tail[at + part.len()..],
            None => return false,
        }
    }
    tail.ends_with(end)
}

/// The documents that an agent searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentsSpec {
    /// The collection they are in. Agents that name the same one share it.
    pub collection: &'static str,
    /// The roles of which a caller needs one to read, add and remove whole documents; empty admits every caller.
    pub roles: &'static [&'static str],
}

/// How an agent runs: what happens on failures, and its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The models or agents that answer when the first choice fails, in order.
    pub fallbacks: &'static [&'static str],
    /// How often a model is called in all, if the failures are transient and no part of the answer was sent. 1 turns retries
    /// off, and so does 0.
    pub retry_attempts: u32,
    /// The first pause between two attempts, in milliseconds.
    pub retry_backoff_ms: u64,
    /// How many failures in a row open the circuit breaker of a model; 0 never. Agents of one model share it.
    pub breaker_failures: u32,
    /// How long the circuit breaker stays open, in milliseconds; then one call probes the model.
    pub breaker_cooldown_ms: u64,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The most tokens of a turn, as the provider counts them: once they are used up, no further model call follows a tool
    /// call.
    pub budget_tokens: Option<u64>,
    /// The most model calls of a turn, all but the last followed by tool calls; 16 if not set.
    pub budget_turns: Option<u32>,
    /// How many requests a caller may make; endpoints may state their own.
    pub rate: Option<Rate>,
    /// How much of a session's history is sent, in estimated tokens.
    pub history_tokens: Option<u64>,
    /// After how many idle seconds a session is deleted.
    pub session_ttl_seconds: Option<u64>,
    /// What its tools may not do without a person.
    pub tools: ToolPolicy,
    /// The MCP servers that its file defines, by name, in the format of `.mcp.json`; empty for none. The settings say whether they are
    /// run.
    pub mcp_servers: &'static str,
}

/// When a model that calls tools waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolPolicy {
    /// The tools whose calls a person approves first; names as in [`AgentSpec::denied_tools`], and `*` for all tools.
    pub approve: &'static [&'static str],
    /// The roles of which that person needs one; empty: the caller that started the run.
    pub roles: &'static [&'static str],
    /// How long a question stays open, in milliseconds; `None` for as long as it takes.
    pub timeout_ms: Option<u64>,
    /// Whether the model has the tool `ask_user`, with which it asks the caller that started the run.
    pub ask_user: bool,
}

impl ToolPolicy {
    /// Every tool runs at once.
    pub const DEFAULT: Self = Self {
        approve: &[],
        roles: &[],
        timeout_ms: None,
        ask_user: false,
    };
}

impl Policy {
    /// Two retries, as the SDKs of providers make, and no limits of its own: the settings of the runtime apply.
    pub const DEFAULT: Self = Self {
        fallbacks: &[],
        retry_attempts: 3,
        retry_backoff_ms: 500,
        breaker_failures: 0,
        breaker_cooldown_ms: 30_000,
        timeout_ms: None,
        budget_tokens: None,
        budget_turns: None,
        rate: None,
        history_tokens: None,
        session_ttl_seconds: None,
        tools: ToolPolicy::DEFAULT,
        mcp_servers: "",
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// So many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many requests.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: u32,
}
