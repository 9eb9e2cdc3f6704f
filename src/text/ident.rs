//! Rust identifiers, valid by construction.

use std::fmt;

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use unicode_ident::{is_xid_continue, is_xid_start};

use crate::text::ascii_words::{fold, is_apostrophe};

/// A Rust identifier that is no keyword of any edition and passes the naming lints of its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(String);

impl Ident {
    /// The name of a module, function or field for `text`: `C++ expert` becomes `c_expert`. None
    /// where `text` has no ASCII letter or digit.
    pub fn snake(text: &str) -> Option<Self> {
        Self::new(words(text).to_snake_case())
    }

    /// The name of a type or variant for `text`: `1st-agent` becomes `_1stAgent`. None where `text`
    /// has no ASCII letter or digit.
    pub fn camel(text: &str) -> Option<Self> {
        Self::new(words(text).to_upper_camel_case())
    }

    /// The name of a constant or static for `text`: `full-text search` becomes `FULL_TEXT_SEARCH`.
    /// None where `text` has no ASCII letter or digit.
    pub fn constant(text: &str) -> Option<Self> {
        Self::new(words(text).to_shouty_snake_case())
    }

    /// The name of a field for `text`, which may be of any script: `名前` stays, `+1` becomes `plus_1`, where letters and
    /// digits alone name nothing.
    pub fn field(text: &str) -> Self {
        Self::any_script(text, |words| words.to_snake_case())
    }

    /// The name of a variant for `text`, which may be of any script.
    pub fn variant(text: &str) -> Self {
        Self::any_script(text, |words| words.to_upper_camel_case())
    }

    /// The name of a field for `text` with its signs in words: `-1` becomes `minus_1`.
    pub fn spelled_field(text: &str) -> Self {
        Self::any_script(&spelled_out(text), |words| words.to_snake_case())
    }

    /// The name of a variant for `text` with its signs in words: `>=` becomes `GreaterEqual`.
    pub fn spelled_variant(text: &str) -> Self {
        Self::any_script(&spelled_out(text), |words| words.to_upper_camel_case())
    }

    /// `text`, where it is an identifier and no keyword.
    pub fn parse(text: &str) -> Option<Self> {
        let mut characters = text.chars();
        let first = characters.next()?;
        let good = (first == '_' || is_xid_start(first))
            && characters.all(is_xid_continue)
            && text.chars().all(is_stable)
            && !KEYWORDS.contains(&text);
        good.then(|| Self(text.to_owned()))
    }

    /// This identifier with `number` behind it; `between` is what stands in between. The `_` that tells a keyword from an
    /// identifier goes: `type_2`.
    pub fn numbered(&self, between: &str, number: usize) -> Self {
        let name = self.0.strip_suffix('_').filter(|name| !name.is_empty());
        Self(format!("{}{between}{number}", name.unwrap_or(&self.0)))
    }

    fn any_script(text: &str, join: fn(&str) -> String) -> Self {
        let name = join(&words_of_any_script(text));
        let spelled = || join(&words_of_any_script(&spelled_out(text)));
        let ident = Self::new(name).or_else(|| Self::new(spelled()));
        ident.unwrap_or_else(|| Self("value".to_owned()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This identifier with `_` behind it, for where the plain one is taken.
    pub fn with_underscore(&self) -> Self {
        Self(format!("{}_", self.0))
    }

    fn new(mut name: String) -> Option<Self> {
        let first = name.chars().next()?;
        if first != '_' && !is_xid_start(first) {
            name.insert(0, '_');
        }
        if KEYWORDS.contains(&name.as_str()) {
            name.push('_');
        }
        Some(Self(name))
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Ident {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// `text` without accents, and with a blank for every character that is not allowed in an identifier. An apostrophe joins
/// what is on its sides, so that `don't` stays one word.
fn words(text: &str) -> String {
    fold(text)
        .chars()
        .filter(|character| !is_apostrophe(*character))
        .map(|character| match character {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => ' ',
        })
        .collect()
}

/// As [`words`], with the letters and digits of all scripts.
fn words_of_any_script(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() && is_xid_continue(c) && is_stable(c);
    text.chars()
        .filter(|character| !matches!(character, '\'' | '\u{2019}'))
        .map(|character| if allowed(character) { character } else { ' ' })
        .collect()
}

/// Whether a character is the same in the normal form in which Rust compares identifiers (NFC), whatever stands before
/// it: those that are not would make two names one.
fn is_stable(character: char) -> bool {
    !matches!(character,
        '\u{300}'..='\u{36F}' | '\u{374}' | '\u{37E}' | '\u{387}' | '\u{958}'..='\u{95F}'
        | '\u{1100}'..='\u{11FF}' | '\u{1F71}'..='\u{1F7D}' | '\u{2126}' | '\u{212A}' | '\u{212B}'
        | '\u{3099}' | '\u{309A}' | '\u{F900}'..='\u{FAFF}' | '\u{FB1D}'..='\u{FB4E}' | '\u{2F800}'..='\u{2FA1F}')
}

/// `text` with its signs in words.
fn spelled_out(text: &str) -> String {
    if text.trim().is_empty() {
        return if text.is_empty() { "empty" } else { "blank" }.to_owned();
    }
    let mut words = String::new();
    for character in text.chars() {
        let word = match character {
            letter if letter.is_alphanumeric() && is_xid_continue(letter) && is_stable(letter) => {
                words.push(letter);
                continue;
            }
            ' ' | '_' | '\'' => " ",
            '!' => " not ",
            '#' => " sharp ",
            '$' => " dollar ",
            '%' => " percent ",
            '&' => " and ",
            '*' => " star ",
            '+' => " plus ",
            '-' => " minus ",
            '.' => " dot ",
            '/' => " slash ",
            ':' => " colon ",
            '<' => " less ",
            '=' => " equal ",
            '>' => " greater ",
            '?' => " question ",
            '@' => " at ",
            '^' => " caret ",
            '|' => " or ",
            '~' => " tilde ",
            other => {
                words.push_str(&format!(" u{:04x} ", u32::from(other)));
                continue;
            }
        };
        words.push_str(word);
    }
    words
}

/// The strict and the reserved keywords of edition 2024, and `macro_rules`. The other weak keywords
/// are good names everywhere.
const KEYWORDS: [&str; 54] = [
    "Self",
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "macro_rules",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "_",
];

#[cfg(test)]
mod tests {
    use super::Ident;

    fn names(text: &str) -> [String; 3] {
        [
            Ident::snake(text),
            Ident::camel(text),
            Ident::constant(text),
        ]
        .map(|ident| ident.map_or_else(String::new, |ident| ident.to_string()))
    }

    #[test]
    fn awkward_names_become_identifiers() {
        let cases = [
            (
                "fastapi-orchestrator",
                [
                    "fastapi_orchestrator",
                    "FastapiOrchestrator",
                    "FASTAPI_ORCHESTRATOR",
                ],
            ),
            ("gen", ["gen_", "Gen", "GEN"]),
            ("self", ["self_", "Self_", "SELF"]),
            ("Self", ["self_", "Self_", "SELF"]),
            ("option", ["option", "Option", "OPTION"]),
            ("C++ expert", ["c_expert", "CExpert", "C_EXPERT"]),
            ("1st-agent", ["_1st_agent", "_1stAgent", "_1ST_AGENT"]),
            ("don't-panic", ["dont_panic", "DontPanic", "DONT_PANIC"]),
            ("../evil", ["evil", "Evil", "EVIL"]),
            ("caf\u{e9} crème", ["cafe_creme", "CafeCreme", "CAFE_CREME"]),
            ("__x__y__", ["x_y", "XY", "X_Y"]),
            ("\u{1f680}", ["", "", ""]),
            ("--", ["", "", ""]),
            ("", ["", "", ""]),
        ];
        for (text, expected) in cases {
            assert_eq!(names(text), expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn every_identifier_parses() {
        let texts = super::KEYWORDS.iter().copied().chain([
            "union",
            "auto",
            "default",
            "raw",
            "safe",
            "str",
            "u8",
            "42",
            "async await",
        ]);
        for text in texts {
            for name in names(text).iter().filter(|name| !name.is_empty()) {
                assert!(syn::parse_str::<syn::Ident>(name).is_ok(), "{name}");
            }
        }
    }
    #[test]
    fn fields_and_variants_have_names_in_any_script() {
        for (text, field, variant) in [
            ("名前", "名前", "名前"),
            ("Привет мир", "привет_мир", "ПриветМир"),
            ("prénom", "prénom", "Prénom"),
            ("+1", "_1", "_1"),
            ("+", "plus", "Plus"),
            ("type", "type_", "Type"),
            ("\u{1f680}", "u1f680", "U1f680"),
            ("", "empty", "Empty"),
            // What Rust would write in another form is left out.
            ("e\u{301}t\u{e9}", "e_t\u{e9}", "ET\u{e9}"),
            ("\u{212B}", "u212b", "U212b"),
        ] {
            assert_eq!(Ident::field(text).as_str(), field);
            assert_eq!(Ident::variant(text).as_str(), variant);
            assert!(syn::parse_str::<syn::Ident>(field).is_ok(), "{field}");
        }
        assert_eq!(Ident::spelled_field("-1").as_str(), "minus_1");
        assert_eq!(Ident::spelled_variant(">=").as_str(), "GreaterEqual");
        assert_eq!(Ident::parse("type"), None);
        assert_eq!(Ident::parse("a b"), None);
        assert_eq!(
            Ident::parse("ä_1")
                .map(|ident| ident.to_string())
                .as_deref(),
            Some("ä_1")
        );
    }
}
