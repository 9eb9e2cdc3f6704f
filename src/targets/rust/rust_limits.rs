//! The limits of an agent as the templates of Rust code are given them.

use std::fmt;

use serde::Serialize;

use crate::targets::rust::rust_agent::{RustPolicy, RustRate};
use crate::text::rust_literal::literal;

/// A limit of an agent.
#[derive(Debug, Clone, Serialize)]
pub struct Limit {
    /// The field of the runtime's `Policy`.
    pub name: &'static str,
    /// The value as Rust.
    pub value: String,
}

/// How many fields the runtime's `Policy` has.
pub const LIMITS: usize = 11;

/// The limits in `policy` that are not the default, in the order of the runtime's `Policy`.
pub fn limits(policy: &RustPolicy<'_>) -> Vec<Limit> {
    fn some(value: impl fmt::Display) -> String {
        format!("::core::option::Option::Some({value})")
    }
    let fallbacks = policy.fallbacks.map(|models| {
        let models: Vec<String> = models.iter().map(|model| literal(model)).collect();
        format!("&[{}]", models.join(", "))
    });
    let rate = policy.rate.map(|rate| {
        let RustRate { requests, seconds } = rate;
        some(format!(
            "::agentgen_runtime::spec::Rate {{ requests: {requests}, seconds: {seconds} }}"
        ))
    });
    let limits: [(&'static str, Option<String>); LIMITS] = [
        ("fallbacks", fallbacks),
        (
            "retry_attempts",
            policy.retry_attempts.map(|value| value.to_string()),
        ),
        (
            "retry_backoff_ms",
            policy.retry_backoff_ms.map(|value| value.to_string()),
        ),
        (
            "breaker_failures",
            policy.breaker_failures.map(|value| value.to_string()),
        ),
        (
            "breaker_cooldown_ms",
            policy.breaker_cooldown_ms.map(|value| value.to_string()),
        ),
        ("timeout_ms", policy.timeout_ms.map(some)),
        ("budget_tokens", policy.budget_tokens.map(some)),
        ("budget_turns", policy.budget_turns.map(some)),
        ("rate", rate),
        ("history_tokens", policy.history_tokens.map(some)),
        ("session_ttl_seconds", policy.session_ttl_seconds.map(some)),
    ];
    limits
        .into_iter()
        .filter_map(|(name, value)| {
            Some(Limit {
                name,
                value: value?,
            })
        })
        .collect()
}
