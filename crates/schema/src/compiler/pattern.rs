//! Regular expressions of ECMA-262, as JSON Schema wants them, with its Unicode classes and look-around.
//!
//! Invariant: matching takes time in proportion to the length of the text, whatever the pattern. Back-references can't be
//! matched so, and are refused.

pub(crate) mod character_set;
pub(crate) mod pattern_matcher;
pub(crate) mod pattern_parser;
pub(crate) mod pattern_program;

use std::fmt;
use std::sync::Arc;

use crate::compiler::pattern::pattern_matcher::is_match;
use crate::compiler::pattern::pattern_parser::parse;
use crate::compiler::pattern::pattern_program::{Program, compile};

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    program: Arc<Program>,
}

/// A regular expression that can't be matched as ECMA-262 defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    pub(crate) fault: PatternFault,
}

/// What is wrong with a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PatternFault {
    /// It is none.
    Broken(String),
    /// It is one, and can't be matched here.
    Unsupported(String),
}

impl Pattern {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The pattern is wrong, or needs something that is not supported.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let program = parse(pattern).and_then(|tree| compile(&tree));
        let program = program.map_err(|fault| PatternError {
            pattern: pattern.to_owned(),
            fault,
        })?;
        Ok(Self {
            source: pattern.to_owned(),
            program: Arc::new(program),
        })
    }

    /// Whether some part of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        is_match(&self.program, text)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl PatternError {
    /// The pattern as it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Why it can't be matched.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.fault {
            PatternFault::Broken(reason) | PatternFault::Unsupported(reason) => reason,
        }
    }

    /// Whether it is a regular expression that only can't be matched here; false where it is none at all.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.fault, PatternFault::Unsupported(_))
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_unsupported() {
            "is not supported"
        } else {
            "is no regular expression"
        };
        write!(
            f,
            "the pattern `{}` {what}: {}",
            self.pattern,
            self.reason()
        )
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_ecma_262_defines() {
        for (pattern, matches, others) in [
            (
                r"^[A-Z]{2}-[0-9]+$",
                &["AB-1"][..],
                &["AB-1\n", "A-1", "ab-1"][..],
            ),
            (
                r"^\s$",
                &["\u{A0}", "\u{FEFF}", "\u{B}"],
                &["\u{180E}", "a"],
            ),
            (r"^[\S]$", &["a", "\u{180E}"], &["\u{2003}", " "]),
            (r"^[^\S]$", &[" "], &["a"]),
            (
                r"^.$",
                &["a", "\u{85}", "\u{1F432}"],
                &["\n", "\r", "\u{2028}"],
            ),
            (r"^[\d\-x]+$", &["1-x"], &["y"]),
            (r"^[\W]$", &["-", "é"], &["a", "_"]),
            (r"^[a&&b]+$", &["a&b"], &["c"]),
            (r"^[[a]]$", &["[]", "a]"], &["a"]),
            (r"^[^]$", &["a", "\n"], &[""]),
            (r"a[]|b", &["b"], &["a"]),
            (
                r"^\cJ\0\x41\u0042\u{43}\ud83d\udc32\/$",
                &["\n\0ABC\u{1F432}/"],
                &[],
            ),
            (r"^[\b]$", &["\u{8}"], &["b"]),
            (r"\bone\b", &["one two"], &["phone"]),
            (
                r"^(?<year>\d{4})(?:-\d{2}){1,2}$",
                &["2026-11", "2026-11-21"],
                &["2026"],
            ),
            (r"^a]}$", &["a]}"], &[]),
            (r##"^"\w+"#$"##, &["\"a\"#"], &["\"é\"#"]),
            ("^[!-~]+$", &["a~!"], &[" "]),
            (r"^[+-]$", &["+", "-"], &[","]),
            (r"^\p{L}+$", &["名前", "Привет", "é"], &["a1", ""]),
            (r"^[\p{Lu}\d]+$", &["ÄB1"], &["ä"]),
            (r"^\P{Script=Greek}$", &["a"], &["λ"]),
            (r"^[^\p{gc=Nd}]$", &["a"], &["٣", "3"]),
            ("(?=a)b|c", &["c"], &["ab", "b"]),
            (
                r"^(?!\.)(?!.*\.\.)[a-z.]+@x$",
                &["a.b@x"],
                &[".a@x", "a..b@x"],
            ),
            ("(?<!a)b", &["b", "cb"], &["ab"]),
            (r"(?<=\$)\d+", &["$5"], &["5", "a5"]),
            (
                r"^P(?!$)(\d+D)?(T(?=\d)(\d+H)?)?$",
                &["P1D", "PT1H"],
                &["P", "P1DT"],
            ),
            (r"^(?:a(?=b(?!c))b)+$", &["ab", "abab"], &["abc"]),
            ("^(?:)*$|^(a?)*$", &["", "aa"], &["b"]),
            ("^(?:a{0,2}){3}$", &["", "aaaaaa"], &["aaaaaaa"]),
            ("(a+)+$", &["aaaa"], &["b"]),
            ("^a{2,3}?b*?c+?$", &["aac"], &["ac"]),
        ] {
            let compiled = Pattern::new(pattern).expect("a pattern");
            assert_eq!(compiled.as_str(), pattern);
            for text in matches {
                assert!(compiled.is_match(text), "{pattern} and {text:?}");
            }
            for text in others {
                assert!(!compiled.is_match(text), "{pattern} and {text:?}");
            }
        }
    }

    #[test]
    fn other_patterns_are_refused() {
        for pattern in [
            r"(a)\1",
            r"(?<n>a)\k<n>",
            r"\p{Nope}",
            r"\pL",
            "(?i)a",
            "a**",
            "^*",
            "(a{9999}){9999}",
            "(?P<n>a)",
            r"\Aa\z",
            "a{,3}",
            "{a",
            "[a",
            r"a\",
            r"\u{110000}",
            r"\ud83d",
            "[b-a]",
            r"[a-\d]",
            "(a",
            "a)",
            "*a",
            r"\x4",
            r"\c1",
            r"\b{2}",
            r"\01",
        ] {
            let error = Pattern::new(pattern).expect_err(pattern).to_string();
            let start = format!("the pattern `{pattern}` is no");
            assert!(error.starts_with(&start), "{error}");
        }
    }

    #[test]
    fn a_broken_pattern_is_not_called_unsupported() {
        let kind = |pattern: &str| Pattern::new(pattern).expect_err(pattern).is_unsupported();
        assert!(!kind("("));
        assert!(!kind("[b-a]"));
        assert!(kind(r"(a)\1"));
        assert!(kind("(?i)a"));
        assert!(kind("(a{9999}){9999}"));
    }

    #[test]
    fn no_text_makes_matching_slow() {
        let text = "a".repeat(20_000);
        for pattern in ["^(a+)+$", "(a|a)*b", "(?=(a+)+b)", "^(?:a?){50}a{50}b"] {
            let compiled = Pattern::new(pattern).expect(pattern);
            let start = std::time::Instant::now();
            let _ = compiled.is_match(&text);
            assert!(start.elapsed().as_secs() < 5, "{pattern}");
        }
        let empty = Pattern::new("^(?:(?:){1000000000}){1000000000}$").expect("a pattern");
        assert!(empty.is_match(""));
    }

    #[test]
    fn repetitions_share_their_set() {
        use crate::compiler::pattern::pattern_program::State;
        let compiled = Pattern::new(r"^\p{L}{1,200}$").expect("a pattern");
        let sets = compiled
            .program
            .states
            .iter()
            .filter_map(|state| match state {
                State::Take(set) => Some(Arc::as_ptr(set)),
                _ => None,
            });
        let sets: Vec<_> = sets.collect();
        assert_eq!(sets.len(), 200);
        assert!(sets.iter().all(|set| *set == sets[0]));
    }
}
