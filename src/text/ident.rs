//! Rust identifiers, valid by construction.

use std::fmt;

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};

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
        if first.is_ascii_digit() {
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

/// `text` with a blank for every character that is not allowed in an identifier. An apostrophe joins what
/// is on its sides, so that `don't` stays one word.
fn words(text: &str) -> String {
    text.chars()
        .filter(|character| !matches!(character, '\'' | '\u{2019}'))
        .map(|character| match character {
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => ' ',
        })
        .collect()
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
            ("caf\u{e9} crème", ["caf_cr_me", "CafCrMe", "CAF_CR_ME"]),
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
}
