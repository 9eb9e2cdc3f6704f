//! Text in Rust source: literals and doc comments.

use std::fmt;

/// `text` as a Rust string literal with its quotes. What a reader can't see, bidirectional controls
/// among it, is escaped.
pub fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '\'' => literal.push('\''),
            '"' | '\\' | '\n' | '\r' | '\t' => literal.extend(character.escape_default()),
            visible if is_visible(visible) => literal.push(visible),
            hidden => literal.push_str(&format!("\\u{{{:x}}}", u32::from(hidden))),
        }
    }
    literal.push('"');
    literal
}

/// `value` as an expression of type `Option`: `::core::option::Option::Some(5)`.
pub fn option(value: Option<impl fmt::Display>) -> String {
    match value {
        Some(value) => format!("::core::option::Option::Some({value})"),
        None => "::core::option::Option::None".to_owned(),
    }
}

/// `texts` as a slice of string literals: `&["a", "b"]`.
pub fn str_slice(texts: &[impl AsRef<str>]) -> String {
    let literals: Vec<String> = texts.iter().map(|text| literal(text.as_ref())).collect();
    format!("&[{}]", literals.join(", "))
}

/// The first sentence of `text` as one line of Markdown that shows it as it reads: nothing in it is a
/// link, code, a list or HTML, so that neither rustdoc nor clippy finds anything in it.
pub fn doc(text: &str) -> String {
    let line = first_sentence(text);
    let mut markdown = String::with_capacity(line.len());
    let characters: Vec<char> = line.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or(' ');
    let number = characters
        .iter()
        .take_while(|character| character.is_ascii_digit())
        .count();
    for (index, character) in characters.iter().copied().enumerate() {
        let before = if index == 0 { ' ' } else { at(index - 1) };
        let escaped = match character {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' | '&' | '|' | '$' | '^' => true,
            '_' => !(before.is_alphanumeric() && at(index + 1).is_alphanumeric()),
            '#' | '+' | '-' | '>' | '=' | '!' | ':' if index == 0 => true,
            '.' | ')' if number > 0 && index == number => true,
            // A bare URL is something rustdoc warns of.
            ':' => at(index + 1) == '/',
            _ => false,
        };
        if escaped {
            markdown.push('\\');
        }
        markdown.push(character);
    }
    markdown
}

/// `text` as a code span of Markdown, on one line.
pub fn code_span(text: &str) -> String {
    let line = visible_line(text).replace('`', "'");
    if line.is_empty() {
        "` `".to_owned()
    } else {
        format!("`{line}`")
    }
}

/// `text` on one line, without what a reader can't see.
pub fn visible_line(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            word.chars()
                .filter(|character| is_visible(*character))
                .collect()
        })
        .filter(|word: &String| !word.is_empty())
        .collect();
    words.join(" ")
}

/// The most characters that a doc comment takes from a text.
const MAX_DOC: usize = 240;

fn first_sentence(text: &str) -> String {
    let paragraph = text.trim_start().split("\n\n").next().unwrap_or_default();
    let mut sentence = String::new();
    let mut length = 0;
    for word in visible_line(paragraph).split(' ') {
        length += word.chars().count() + 1;
        if length > MAX_DOC {
            sentence.extend(
                word.chars()
                    .take(MAX_DOC.saturating_sub(sentence.chars().count() + 1)),
            );
            sentence.push('\u{2026}');
            break;
        }
        sentence.push_str(word);
        let ends = word.ends_with(['.', '!', '?']);
        if ends
            && !matches!(
                word,
                "e.g." | "i.e." | "cf." | "vs." | "etc." | "no." | "No."
            )
        {
            break;
        }
        sentence.push(' ');
    }
    sentence.trim_end().to_owned()
}

fn is_visible(character: char) -> bool {
    if character == ' ' || character.is_ascii_graphic() {
        return true;
    }
    if character.is_ascii() {
        return false;
    }
    // Behind another character a combining mark counts as visible, as it should.
    let mut pair = String::from("a");
    pair.push(character);
    pair.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::{code_span, doc, literal};

    #[test]
    fn literals_say_what_the_text_is() {
        let texts = [
            "plain",
            "\"quoted\" 'single' \\",
            "a\r\nb\tc\0",
            "\u{202e}bidi\u{200b}",
            "e\u{301} नमस्ते",
            "{{ }} {% raw %} */ \"##",
            "",
        ];
        for text in texts {
            let literal = literal(text);
            let parsed: syn::LitStr =
                syn::parse_str(&literal).unwrap_or_else(|error| panic!("{literal}: {error}"));
            assert_eq!(parsed.value(), text);
            assert!(
                !literal.contains(['\r', '\0', '\u{202e}', '\u{200b}']),
                "{literal}"
            );
        }
    }

    #[test]
    fn docs_are_one_plain_sentence() {
        let cases = [
            ("What it says. And more.", "What it says."),
            (
                "  use e.g. `x` or [y](z)\nof <b>",
                "use e.g. \\`x\\` or \\[y\\](z) of \\<b>",
            ),
            ("1. first", "1\\."),
            ("- item", "\\- item"),
            ("snake_case and _emphasis_", "snake_case and \\_emphasis\\_"),
            ("see https://x.org/", "see https\\://x.org/"),
            ("a\u{202e}b\r\n\r\nc", "ab c"),
            ("    fn main() {}\n\nmore", "fn main() {}"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(doc(text), expected);
        }
        assert_eq!(doc(&"x".repeat(1000)).chars().count(), 240);
        assert_eq!(code_span("a`b\n c"), "`a'b c`");
    }
}
