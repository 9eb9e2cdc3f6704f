//! What is wrong with settings, in words that hold no secret.

use crate::settings::settings_table::SETTINGS;

/// The message of a parser in words for operators. A parser's message quotes the value, which may be a secret: it is left
/// out.
pub(crate) fn explain(message: &str) -> String {
    let message = message.trim();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let mut names = rest.split('`').step_by(2);
        let wrong = names.next().unwrap_or_default();
        return unknown(wrong, &names.collect::<Vec<_>>());
    }
    let is_mismatch = message.starts_with("invalid type") || message.starts_with("invalid value");
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if is_mismatch => {
            let expected = match expected {
                "a string" => "a text in quotes",
                "a boolean" => "true or false",
                "a sequence" => "a list of texts",
                "usize" | "u32" => "a whole number",
                _ => "a table of keys and values",
            };
            format!("must be {expected}")
        }
        _ if is_mismatch => "is of another kind than it has to be".to_owned(),
        _ => message.to_owned(),
    }
}

/// There is no key `wrong`; what there is instead: the one most like it, or the same one in another table.
fn unknown(wrong: &str, known: &[&str]) -> String {
    let distance = |name: &str| strsim::damerau_levenshtein(wrong, name);
    let nearest = known.iter().min_by_key(|name| distance(name));
    let nearest = nearest.filter(|name| distance(name) <= (wrong.chars().count() / 3).max(1));
    let is_same = |key: &&str| key.rsplit('.').next() == Some(wrong);
    let mut keys = SETTINGS.iter().map(|setting| setting.key);
    let meant = nearest.copied().or_else(|| keys.find(is_same));
    match meant {
        Some(meant) => format!("there is no key `{wrong}`; did you mean `{meant}`?"),
        None => {
            let known = known.iter().map(|name| format!("`{name}`"));
            let known = known.collect::<Vec<_>>().join(", ");
            format!("there is no key `{wrong}`; there are {known}")
        }
    }
}
