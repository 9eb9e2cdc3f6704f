//! The limits of a run that frontmatter sets: turns and minutes.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::text::printable::printable;
use crate::yaml::node::{Node, Value};

const TURN_KEYS: [&str; 5] = ["maxTurns", "max_turns", "max-turns", "maxSteps", "steps"];
const MINUTE_KEYS: [&str; 1] = ["timeout_mins"];
const MS_PER_MINUTE: f64 = 60_000.0;

/// A limit, the key that sets it, and the place of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<T> {
    /// The key as it was written.
    pub key: &'static str,
    /// The limit.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// The limits of a run that frontmatter sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// The most model calls of a turn.
    pub turns: Option<Limit<u32>>,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: Option<Limit<u64>>,
}

/// Reads the limits in `frontmatter`.
pub fn read(frontmatter: &Node, report: &mut Report) -> RunLimits {
    RunLimits {
        turns: first(frontmatter, &TURN_KEYS, report, |number| {
            let turns = whole(number).filter(|turns| *turns > 0)?;
            Some(u32::try_from(turns).unwrap_or(u32::MAX))
        }),
        timeout_ms: first(frontmatter, &MINUTE_KEYS, report, |number| {
            let ms = number.as_f64()? * MS_PER_MINUTE;
            // Casts saturate.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (ms >= 1.0).then_some(ms as u64)
        }),
    }
}

/// The whole number that `number` is: `5.0` is 5.
fn whole(number: &serde_json::Number) -> Option<u64> {
    let fraction = number.as_f64().filter(|value| value.fract() == 0.0);
    // Casts saturate.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    number.as_u64().or_else(|| {
        fraction
            .filter(|value| *value > 0.0)
            .map(|value| value as u64)
    })
}

/// The value of the first of `keys` that sets a limit.
fn first<T>(
    frontmatter: &Node,
    keys: &[&'static str],
    report: &mut Report,
    read: impl Fn(&serde_json::Number) -> Option<T>,
) -> Option<Limit<T>> {
    keys.iter().find_map(|key| {
        let node = frontmatter.get(key)?;
        let number = match &node.value {
            Value::Number(number) => Some(number.clone()),
            Value::String(text) => text.trim().parse().ok(),
            // Other harnesses keep something else under this key.
            Value::List(_) | Value::Map(_) if *key == "steps" => return None,
            Value::Null => return None,
            _ => None,
        };
        let value = number.as_ref().and_then(&read);
        if value.is_none() {
            let found = match node.scalar_text() {
                Some(text) if !text.trim().is_empty() => format!("`{}`", printable(text.trim())),
                _ => node.kind().to_owned(),
            };
            let kind = match MINUTE_KEYS.contains(key) {
                true => "a number of minutes",
                false => "a whole number from 1",
            };
            report
                .warning(Code::WrongType, node.span, format!("`{key}` is {found}"))
                .advise(format!(
                    "it takes {kind}; without one, the limit of the service holds"
                ));
        }
        Some(Limit {
            key,
            value: value?,
            span: node.span,
        })
    })
}
