//! Regular expressions of ECMA-262, as JSON Schema wants them, run by a linear-time engine.
//!
//! A pattern is translated first. What the engine would read differently is spelled out: `\s` as the white space of
//! ECMA-262, `.` as all but its line ends. What the engine can't do, or what ECMA-262 does not define, is refused:
//! look-around, back-references, Unicode properties, inline flags.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use regex_lite::Regex;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

/// A regular expression that can't be matched as ECMA-262 defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Pattern {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The pattern is wrong, or needs something that is not supported.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let refuse = |reason: String| PatternError {
            pattern: pattern.to_owned(),
            reason,
        };
        let translated = Translator::new(pattern).translate().map_err(refuse)?;
        let regex = Regex::new(&translated).map_err(|error| refuse(error.to_string()))?;
        Ok(Self {
            source: pattern.to_owned(),
            regex,
        })
    }

    /// Whether some part of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
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
        &self.reason
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the pattern `{}` is not supported: {}",
            self.pattern, self.reason
        )
    }
}

impl std::error::Error for PatternError {}

/// What `\s` means in ECMA-262, as the content of a character class.
const SPACE: &str = r"\t\n\x{B}\x{C}\r\x{20}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";
/// All other characters: a class can hold a negated one only if it is spelled out.
const NOT_SPACE: &str = r"\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF}";
/// All characters but the line ends of ECMA-262.
const DOT: &str = r"[^\n\r\x{2028}\x{2029}]";

/// Writes a pattern of ECMA-262 in the syntax of the engine.
struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    output: String,
}

/// What an escape or one place of a character class means.
enum Atom {
    Character(char),
    /// The content of a character class.
    Set(&'static str),
}

type Translated<T> = Result<T, String>;

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        Self {
            rest: pattern.chars().peekable(),
            output: String::new(),
        }
    }

    fn translate(mut self) -> Translated<String> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' => self.repetition()?,
                '.' => self.output.push_str(DOT),
                '^' | '$' | '|' | ')' | '*' | '+' | '?' => self.output.push(character),
                literal => self.literal(literal),
            }
        }
        Ok(self.output)
    }

    /// What follows a `\` outside of a class.
    fn escape(&mut self) -> Translated<()> {
        match self.rest.peek() {
            Some(assertion @ ('b' | 'B')) => {
                self.output.extend(['\\', *assertion]);
                self.rest.next();
                if self.rest.peek() == Some(&'{') {
                    return Err("an assertion can't be repeated".to_owned());
                }
            }
            _ => match self.atom()? {
                Atom::Character(character) => self.literal(character),
                Atom::Set(set) => self.output.extend(["[", set, "]"]),
            },
        }
        Ok(())
    }

    /// What follows a `\` and means a character, or several.
    fn atom(&mut self) -> Translated<Atom> {
        let Some(letter) = self.rest.next() else {
            return Err("it ends with `\\`".to_owned());
        };
        let character = match letter {
            'd' => return Ok(Atom::Set(r"\d")),
            'D' => return Ok(Atom::Set(r"\D")),
            'w' => return Ok(Atom::Set(r"\w")),
            'W' => return Ok(Atom::Set(r"\W")),
            's' => return Ok(Atom::Set(SPACE)),
            'S' => return Ok(Atom::Set(NOT_SPACE)),
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\u{B}',
            'f' => '\u{C}',
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => char::from(letter as u8 % 32),
                _ => return Err("`\\c` needs a letter".to_owned()),
            },
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => '\0',
            'x' => char::from_u32(self.hex(2)?).ok_or("`\\x` needs a character")?,
            'u' => self.unicode()?,
            '0'..='9' | 'k' => return Err("back-references can't be matched".to_owned()),
            'p' | 'P' => return Err("Unicode properties can't be matched".to_owned()),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(format!("ECMA-262 does not define `\\{letter}`"));
            }
            literal => literal,
        };
        Ok(Atom::Character(character))
    }

    /// What follows `\u`: four digits, two times four for a pair of surrogates, or any number in braces.
    fn unicode(&mut self) -> Translated<char> {
        let wrong = "`\\u` needs the code of a character";
        if self.rest.next_if_eq(&'{').is_some() {
            let mut code = 0_u32;
            loop {
                match self.rest.next() {
                    Some('}') => return char::from_u32(code).ok_or(wrong.to_owned()),
                    Some(digit) => {
                        let digit = digit.to_digit(16).ok_or(wrong)?;
                        code = code.saturating_mul(16).saturating_add(digit);
                    }
                    None => return Err(wrong.to_owned()),
                }
            }
        }
        let mut units = vec![u16::try_from(self.hex(4)?).map_err(|_| wrong)?];
        if matches!(units[0], 0xD800..0xDC00) {
            let is_pair = self.rest.next() == Some('\\') && self.rest.next() == Some('u');
            if is_pair {
                units.push(u16::try_from(self.hex(4)?).map_err(|_| wrong)?);
            }
        }
        String::from_utf16(&units)
            .ok()
            .and_then(|text| text.chars().next())
            .ok_or(wrong.to_owned())
    }

    fn hex(&mut self, digits: usize) -> Translated<u32> {
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|digit| digit.to_digit(16));
            code =
                code * 16 + digit.ok_or(format!("an escape needs {digits} hexadecimal digits"))?;
        }
        Ok(code)
    }

    /// What follows a `[`. In ECMA-262, `[` and `&&` mean themselves in a class, and a class may be empty.
    fn class(&mut self) -> Translated<()> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        self.output.push_str(if is_negated { "[^" } else { "[" });
        if self.rest.next_if_eq(&']').is_some() {
            // No character, or any.
            self.output
                .truncate(self.output.len() - usize::from(is_negated) - 1);
            self.output.push_str(if is_negated { "[" } else { "[^" });
            self.output.push_str(r"\x{0}-\x{10FFFF}]");
            return Ok(());
        }
        loop {
            match self.class_atom()? {
                None => break,
                Some(Atom::Set(set)) => self.output.push_str(set),
                Some(Atom::Character(first)) => self.class_range(first)?,
            }
        }
        self.output.push(']');
        Ok(())
    }

    /// One place of a class; `None` at its end.
    fn class_atom(&mut self) -> Translated<Option<Atom>> {
        match self.rest.next() {
            None => Err("a `[` has no `]`".to_owned()),
            Some(']') => Ok(None),
            Some('\\') => match self.rest.next_if_eq(&'b') {
                Some(_) => Ok(Some(Atom::Character('\u{8}'))),
                None => self.atom().map(Some),
            },
            Some(literal) => Ok(Some(Atom::Character(literal))),
        }
    }

    /// The character `first` of a class, or the range that starts with it.
    fn class_range(&mut self, first: char) -> Translated<()> {
        self.literal(first);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
            return Ok(());
        }
        self.rest.next();
        match self.class_atom()? {
            Some(Atom::Character(last)) => {
                self.output.push('-');
                self.literal(last);
                Ok(())
            }
            _ => Err("a range needs a character at both ends".to_owned()),
        }
    }

    /// What follows a `(`.
    fn group(&mut self) -> Translated<()> {
        self.output.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.output.push('?');
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some(':'), _) => {
                self.output.extend(self.rest.next());
                Ok(())
            }
            (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => {
                Err("look-around can't be matched".to_owned())
            }
            (Some('<'), _) => {
                // The name is copied, so that nothing in it is taken for syntax.
                for character in self.rest.by_ref() {
                    self.output.push(character);
                    if character == '>' {
                        return Ok(());
                    }
                }
                Err("the name of a group has no end".to_owned())
            }
            _ => Err("a group starts with `(`, `(?:` or `(?<name>`".to_owned()),
        }
    }

    /// What follows a `{`.
    fn repetition(&mut self) -> Translated<()> {
        let mut count = String::new();
        let is_closed = loop {
            match self.rest.next() {
                Some('}') => break true,
                Some(character) => count.push(character),
                None => break false,
            }
        };
        let (least, most) = count.split_once(',').unwrap_or((&count, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_closed || least.is_empty() || !is_number(least) || !is_number(most) {
            return Err(
                "`{` needs a count: `{2}`, `{2,}` or `{2,5}`; a brace itself is `\\{`".to_owned(),
            );
        }
        self.output.extend(["{", &count, "}"]);
        Ok(())
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii() && !character.is_ascii_alphanumeric() {
            let code = u32::from(character);
            self.output.push_str(&format!("\\x{{{code:X}}}"));
        } else {
            self.output.push(character);
        }
    }
}

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
            "(?=a)",
            "(?<!a)b",
            r"(a)\1",
            r"(?<n>a)\k<n>",
            r"\p{L}",
            "(?i)a",
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
            assert!(error.starts_with(&format!("the pattern `{pattern}` is not supported: ")));
        }
    }
}
