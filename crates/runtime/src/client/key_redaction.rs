//! Takes keys out of texts that are logged.

/// What stands in place of a key.
pub(crate) const REDACTED: &str = "[redacted]";
/// How the keys of model providers and clouds begin.
const KEY_PREFIXES: [&str; 14] = [
    "sk-", "sk_", "pk-", "rk-", "gsk_", "xai-", "hf_", "nvapi-", "AIza", "AKIA", "ASIA", "ya29.",
    "eyJ", "ghp_",
];
/// Shorter words are no keys, but may begin like one.
const MIN_KEY_BYTES: usize = 8;

/// `message` on one line, without `secrets` and without words that look like a key. Providers quote keys, whole or in part.
pub(crate) fn redact_keys<'a>(message: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let mut text = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, REDACTED);
    }
    let mut redacted = String::with_capacity(text.len());
    let mut after_bearer = false;
    for piece in text.split_inclusive(|c: char| !is_key_char(c)) {
        let word = piece.trim_end_matches(|c: char| !is_key_char(c));
        let is_key = word.len() >= MIN_KEY_BYTES
            && (after_bearer || KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix)));
        redacted.push_str(if is_key { REDACTED } else { word });
        redacted.push_str(&piece[word.len()..]);
        after_bearer = word.eq_ignore_ascii_case("bearer");
    }
    redacted
}

fn is_key_char(c: char) -> bool {
    // Providers put asterisks in place of the middle of a key.
    c.is_ascii_alphanumeric() || "_-.*".contains(c)
}

#[cfg(test)]
mod tests {
    use super::redact_keys;

    #[test]
    fn keys_are_taken_out() {
        for (message, wanted) in [
            (
                "Incorrect API key provided: sk-proj-abcd1234.",
                "Incorrect API key provided: [redacted]",
            ),
            ("key 'sk-fix****1234' is wrong", "key '[redacted]' is wrong"),
            (
                "header Bearer abcdefgh123, no",
                "header Bearer [redacted], no",
            ),
            ("two\nlines of my-own-secret", "two lines of [redacted]"),
            (
                "the model claude-sonnet-4-5-20250929 is asked at task-queue-1",
                "the model claude-sonnet-4-5-20250929 is asked at task-queue-1",
            ),
            ("sk-1", "sk-1"),
            ("", ""),
        ] {
            assert_eq!(
                redact_keys(message, ["my-own-secret", ""].into_iter()),
                wanted
            );
        }
    }
}
