//! Settings of a service block: durations, rates, counts, lists of names.

use serde::Serialize;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::node::{Entry, Node, Value};

/// A limit of requests per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// How many requests.
    pub requests: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// A name in the source, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name as it was written.
    pub text: String,
    /// Its place in the source.
    pub span: Span,
}

/// The longest duration, in milliseconds: a hundred years.
const LONGEST_MS: u64 = 36_525 * 86_400_000;

/// What is wrong where another kind of value belongs: "`stream` is text", "`stream` is empty".
pub fn found(node: &Node, report: &Report) -> String {
    let name = named(node, report);
    match &node.value {
        Value::Null => format!("{name} is empty"),
        Value::String(text) if text.trim().is_empty() => format!("{name} is an empty text"),
        Value::Number(number) => format!("{name} is the number {number}"),
        Value::Bool(truth) => format!("{name} is `{truth}`"),
        _ => format!("{name} is {}", node.kind()),
    }
}

/// The key of `node` in backquotes, and the key of the list that it is in: "`stream`", "an item of `roles`"; else "this".
fn named(node: &Node, report: &Report) -> String {
    let text = report.source().text();
    let before = text.get(..node.span.start).unwrap_or_default();
    if let Some(key) = key_at_end(before) {
        return format!("`{key}`");
    }
    match list_key(before) {
        Some(key) => format!("an item of `{key}`"),
        None => "this".to_owned(),
    }
}

/// The key that ends `before`, behind which its value starts.
fn key_at_end(before: &str) -> Option<&str> {
    let line = before.trim_end().strip_suffix(':')?;
    let start = line
        .rfind(['\n', '{', ',', '['])
        .map_or(0, |index| index + 1);
    let key = line[start..].trim().trim_start_matches("- ").trim();
    let quoted = key.trim_matches(['"', '\'']);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    (!quoted.is_empty() && quoted.chars().all(is_plain)).then_some(quoted)
}

/// The key of the list that is not closed at the end of `before`: `key: [a, `, or lines with a dash below `key:`.
fn list_key(before: &str) -> Option<&str> {
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    let line = &before[line_start..];
    if let Some(open) = line.rfind('[').filter(|open| !line[*open..].contains(']')) {
        return key_at_end(&line[..open]);
    }
    line.trim()
        .strip_prefix('-')
        .filter(|rest| rest.is_empty())?;
    let above = before[..line_start].lines().rev();
    let mut heads = above.skip_while(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with(['-', '#'])
    });
    key_at_end(heads.next()?)
}

/// The duration in `node`, such as `500ms`, `30s`, `5m`, `2h` or `7d`, in milliseconds.
pub fn duration_ms(node: &Node, report: &mut Report) -> Option<u64> {
    let parsed = node.as_str().and_then(|text| {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        // What is too long for the number is too long for a duration.
        let number: u64 = text[..digits].parse().unwrap_or(u64::MAX);
        let unit = match text[digits..].trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(number.saturating_mul(unit))
    });
    let (message, advice) = match parsed {
        Some(1..=LONGEST_MS) => return parsed,
        Some(0) => (
            format!("{} is zero", named(node, report)),
            "write a number above zero",
        ),
        Some(_) => (
            format!("{} is too long", named(node, report)),
            "it can be a hundred years at most: `36525d`",
        ),
        None => (
            format!("{} is not a duration", named(node, report)),
            "write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
        ),
    };
    report
        .error(Code::BadSetting, node.span, message)
        .advise(advice);
    None
}

/// The rate in `node`, such as `60/minute`.
pub fn rate(node: &Node, report: &mut Report) -> Option<Rate> {
    let parsed = node.as_str().and_then(|text| {
        let (requests, unit) = text.split_once('/')?;
        let requests: u32 = requests.trim().parse().ok()?;
        let seconds = match unit.trim() {
            "second" | "sec" | "s" => 1,
            "minute" | "min" | "m" => 60,
            "hour" | "h" => 3_600,
            "day" | "d" => 86_400,
            _ => return None,
        };
        (requests > 0).then_some(Rate { requests, seconds })
    });
    if parsed.is_none() {
        let message = format!("{} is not a rate", named(node, report));
        report
            .error(Code::BadSetting, node.span, message)
            .advise("write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`");
    }
    parsed
}

/// The whole number above zero in `node`.
pub fn count(node: &Node, report: &mut Report) -> Option<u64> {
    let parsed = match &node.value {
        Value::Number(number) => number.as_u64().filter(|number| *number > 0),
        _ => None,
    };
    if parsed.is_none() {
        let message = found(node, report);
        report
            .error(Code::BadSetting, node.span, message)
            .advise("it takes a whole number above zero");
    }
    parsed
}

/// The same as [`count`], for numbers that fit into 32 bits.
pub fn small_count(node: &Node, report: &mut Report) -> Option<u32> {
    let number = count(node, report)?;
    let small = u32::try_from(number).ok();
    if small.is_none() {
        let message = format!("{} is too large", named(node, report));
        report
            .error(Code::BadSetting, node.span, message)
            .advise(format!("it can be {} at most", u32::MAX));
    }
    small
}

/// How often something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// The attempts in all, the first one included.
    pub attempts: Option<u32>,
    /// The pause before the second attempt, in milliseconds.
    pub backoff_ms: Option<u64>,
}

/// Attempts in all as a number, or `attempts` and `backoff`. `retry: 0` is one attempt, as in "no retries".
pub fn retry(node: &Node, report: &mut Report) -> Retry {
    let mut retry = Retry::default();
    match &node.value {
        Value::Map(_) => {}
        Value::Number(number) if number.as_u64() == Some(0) => retry.attempts = Some(1),
        Value::Number(_) => retry.attempts = small_count(node, report),
        _ => {
            let message = found(node, report);
            report
                .error(Code::BadSetting, node.span, message)
                .advise("it takes the number of attempts, or a mapping with attempts, backoff");
        }
    }
    if node.entries().is_none() {
        return retry;
    }
    for Entry { key, value, .. } in allowed_entries(node, &["attempts", "backoff"], report) {
        match key.as_str() {
            "attempts" => retry.attempts = small_count(value, report),
            _ => retry.backoff_ms = duration_ms(value, report),
        }
    }
    retry
}

/// The truth value in `node`.
pub fn truth(node: &Node, report: &mut Report) -> Option<bool> {
    if let Value::Bool(truth) = node.value {
        return Some(truth);
    }
    let message = found(node, report);
    report
        .error(Code::BadSetting, node.span, message)
        .advise("it takes `true` or `false`");
    None
}

/// The text in `node`.
pub fn text<'a>(node: &'a Node, report: &mut Report) -> Option<&'a str> {
    let text = node.as_str().map(str::trim).filter(|text| !text.is_empty());
    if text.is_none() {
        let message = found(node, report);
        report
            .error(Code::BadSetting, node.span, message)
            .advise("it takes text");
    }
    text
}

/// A text that is a name, with its place.
pub fn name(node: &Node, report: &mut Report) -> Option<Name> {
    text(node, report).map(|text| Name {
        text: text.to_owned(),
        span: node.span,
    })
}

/// The names in the list in `node`, each once.
pub fn names(node: &Node, report: &mut Report) -> Vec<Name> {
    let Some(items) = node.items() else {
        let message = found(node, report);
        report
            .error(Code::BadSetting, node.span, message)
            .advise("it takes a list of names: `[one, two]`");
        return Vec::new();
    };
    let mut names: Vec<Name> = Vec::new();
    for item in items {
        let Some(text) = text(item, report) else {
            continue;
        };
        if names.iter().any(|name| name.text == text) {
            report
                .warning(
                    Code::BadSetting,
                    item.span,
                    format!("`{text}` is listed twice"),
                )
                .advise("once is enough");
            continue;
        }
        names.push(Name {
            text: text.to_owned(),
            span: item.span,
        });
    }
    names
}

/// The entries of the mapping in `node`; those whose key is not in `keys` are errors and left out.
pub fn allowed_entries<'a>(node: &'a Node, keys: &[&str], report: &mut Report) -> Vec<&'a Entry> {
    let Some(entries) = node.entries() else {
        let message = found(node, report);
        report
            .error(Code::BadSetting, node.span, message)
            .advise(format!("it takes a mapping with {}", keys.join(", ")));
        return Vec::new();
    };
    let mut allowed = Vec::new();
    for entry in entries {
        if keys.contains(&entry.key.as_str()) {
            allowed.push(entry);
            continue;
        }
        let message = format!("there is no setting `{}`", entry.key);
        let joined = entry.key.split_once(':');
        let help = match joined.filter(|(key, _)| keys.contains(key)) {
            // `{method:get}` is one key.
            Some((key, value)) => format!("write `{key}: {value}`, with a space behind the colon"),
            None => {
                let otherwise = format!("the settings are {}", keys.join(", "));
                did_you_mean(&entry.key, keys.iter().copied(), otherwise)
            }
        };
        report
            .error(Code::UnknownKey, entry.key_span, message)
            .advise(help);
    }
    allowed
}
