//! What an agent is: its prompt, its model and its limits, as constants of the generated code.

/// One agent as the generator wrote it down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgentSpec {
    /// The name as its author wrote it.
    pub name: &'static str,
    /// The name as it stands in paths.
    pub slug: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// The situations of its examples: when it is the one to ask.
    pub examples: &'static [&'static str],
    /// The whole prompt, byte for byte.
    pub prompt: &'static str,
    /// SHA-256 of the prompt in 64 hexadecimal digits.
    pub prompt_sha256: &'static str,
    /// The model asked for, if any: an alias or a name.
    pub model: Option<&'static str>,
    /// The tools it may use; `None` restricts nothing.
    pub tools: Option<&'static [&'static str]>,
    /// Slugs of the agents it may hand over to.
    pub agents: &'static [&'static str],
    /// The documents it looks things up in.
    pub documents: Option<DocumentsSpec>,
    /// Its limits.
    pub policy: Policy,
}

/// The documents that an agent looks things up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentsSpec {
    /// The collection they are kept in. Agents that name the same one share it.
    pub collection: &'static str,
    /// The roles of which a caller needs one to read, add and remove whole documents; empty admits every caller.
    pub roles: &'static [&'static str],
}

/// How an agent is run: what to do when something fails, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Models or agents to turn to when the first choice fails, in order.
    pub fallbacks: &'static [&'static str],
    /// How often a call of the provider is tried again that fails before anybody has seen something of the answer, and
    /// may succeed later.
    pub retry_attempts: u32,
    /// The first pause between two attempts, in milliseconds.
    pub retry_backoff_ms: u64,
    /// After how many failures in a row a model is left alone; 0 never. Agents of one model share its failures.
    pub breaker_failures: u32,
    /// For how long it is then left alone, in milliseconds; then one call tries whether it answers again.
    pub breaker_cooldown_ms: u64,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The most tokens a turn may use, as far as the provider counts them: a model that has tools called is not asked
    /// again once they are used up.
    pub budget_tokens: Option<u64>,
    /// How often the model may be asked before it has an answer, having tools called each time before; 16 if not set.
    pub budget_turns: Option<u32>,
    /// How many requests a caller may make; endpoints may state their own.
    pub rate: Option<Rate>,
    /// How much of a session's history is kept, in estimated tokens.
    pub history_tokens: Option<u64>,
    /// After how many idle seconds a session is forgotten.
    pub session_ttl_seconds: Option<u64>,
}

impl Policy {
    /// No limits of its own: what the runtime's settings say holds.
    pub const DEFAULT: Self = Self {
        fallbacks: &[],
        retry_attempts: 0,
        retry_backoff_ms: 500,
        breaker_failures: 0,
        breaker_cooldown_ms: 30_000,
        timeout_ms: None,
        budget_tokens: None,
        budget_turns: None,
        rate: None,
        history_tokens: None,
        session_ttl_seconds: None,
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
