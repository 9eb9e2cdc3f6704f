//! Reads a regular expression of ECMA-262 into a tree.

use std::iter::Peekable;
use std::str::Chars;

use std::sync::Arc;

use crate::compiler::pattern::PatternFault;
use crate::compiler::pattern::character_set::CharacterSet;

/// A part of a regular expression.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    /// One character of a set, which its repetitions share.
    Set(Arc<CharacterSet>),
    /// The start of the text.
    Start,
    /// The end of the text.
    End,
    /// A place with a word on one side alone, or any other place.
    Boundary { negated: bool },
    /// One after the other.
    Sequence(Vec<Tree>),
    /// One of them.
    Choice(Vec<Tree>),
    /// So many times.
    Repeat {
        part: Box<Tree>,
        least: u32,
        most: Option<u32>,
    },
    /// What must follow or stand before, or must not.
    Look {
        part: Box<Tree>,
        behind: bool,
        negated: bool,
    },
}

/// How deeply groups may be nested.
const MAX_DEPTH: usize = 200;

type Parsed<T> = Result<T, PatternFault>;

/// The tree of `pattern`.
pub(crate) fn parse(pattern: &str) -> Parsed<Tree> {
    let mut parser = Parser {
        rest: pattern.chars().peekable(),
        depth: 0,
    };
    let tree = parser.choice()?;
    match parser.rest.next() {
        None => Ok(tree),
        Some(_) => Err(broken("a `)` has no `(`")),
    }
}

fn broken(reason: impl Into<String>) -> PatternFault {
    PatternFault::Broken(reason.into())
}

fn unsupported(reason: impl Into<String>) -> PatternFault {
    PatternFault::Unsupported(reason.into())
}

struct Parser<'p> {
    rest: Peekable<Chars<'p>>,
    depth: usize,
}

/// What an escape or one place of a character class means.
enum Atom {
    Character(char),
    Set(CharacterSet),
}

impl Atom {
    fn set(self) -> CharacterSet {
        match self {
            Self::Character(character) => CharacterSet::one(character),
            Self::Set(set) => set,
        }
    }
}

impl Parser<'_> {
    fn choice(&mut self) -> Parsed<Tree> {
        let mut choices = vec![self.sequence()?];
        while self.rest.next_if_eq(&'|').is_some() {
            choices.push(self.sequence()?);
        }
        Ok(match <[Tree; 1]>::try_from(choices) {
            Ok([single]) => single,
            Err(choices) => Tree::Choice(choices),
        })
    }

    fn sequence(&mut self) -> Parsed<Tree> {
        let mut parts = Vec::new();
        while let Some(character) = self.rest.next_if(|c| !matches!(c, '|' | ')')) {
            let part = match character {
                '^' => Tree::Start,
                '$' => Tree::End,
                '.' => Tree::Set(CharacterSet::dot().into()),
                '[' => Tree::Set(self.class()?.into()),
                '(' => self.group()?,
                '\\' => self.escape()?,
                '*' | '+' | '?' => return Err(broken(format!("`{character}` repeats nothing"))),
                '{' => return Err(broken(BRACE)),
                literal => Tree::Set(CharacterSet::one(literal).into()),
            };
            parts.push(self.repeated(part)?);
        }
        Ok(Tree::Sequence(parts))
    }

    /// `part` with the quantifier that follows.
    fn repeated(&mut self, part: Tree) -> Parsed<Tree> {
        let (least, most) = match self.rest.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => (1, Some(1)),
            _ => return Ok(part),
        };
        let (least, most) = match self.rest.next() {
            Some('{') => self.count()?,
            _ => (least, most),
        };
        // Whether few or many are taken first does not change whether there is a match.
        self.rest.next_if_eq(&'?');
        if matches!(part, Tree::Start | Tree::End | Tree::Boundary { .. }) {
            return Err(broken("an assertion can't be repeated"));
        }
        Ok(Tree::Repeat {
            part: Box::new(part),
            least,
            most,
        })
    }

    /// What follows a `{`.
    fn count(&mut self) -> Parsed<(u32, Option<u32>)> {
        let mut text = String::new();
        let is_closed = loop {
            match self.rest.next() {
                Some('}') => break true,
                Some(character) => text.push(character),
                None => break false,
            }
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let (least, most) = match text.split_once(',') {
            None => (number(&text), number(&text).map(Some)),
            Some((least, "")) => (number(least), Some(None)),
            Some((least, most)) => (number(least), number(most).map(Some)),
        };
        match (least, most) {
            (Some(least), Some(most)) if is_closed && most.is_none_or(|most| least <= most) => {
                Ok((least, most))
            }
            (Some(_), Some(_)) if is_closed => Err(broken("a count ends before it begins")),
            _ => Err(broken(BRACE)),
        }
    }

    /// What follows a `(`.
    fn group(&mut self) -> Parsed<Tree> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(unsupported("groups are nested too deeply"));
        }
        let look = if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some(':') => None,
                Some('=') => Some((false, false)),
                Some('!') => Some((false, true)),
                Some('<') if self.rest.next_if_eq(&'=').is_some() => Some((true, false)),
                Some('<') if self.rest.next_if_eq(&'!').is_some() => Some((true, true)),
                Some('<') => {
                    self.group_name()?;
                    None
                }
                Some('P') => return Err(broken("the name of a group is written `(?<name>`")),
                Some('a'..='z' | '-') => {
                    return Err(unsupported("flags in a group are not supported"));
                }
                _ => {
                    return Err(broken(
                        "a group starts with `(`, `(?:`, `(?<name>`, `(?=`, `(?!`, `(?<=` or `(?<!`",
                    ));
                }
            }
        } else {
            None
        };
        let part = self.choice()?;
        if self.rest.next() != Some(')') {
            return Err(broken("a `(` has no `)`"));
        }
        self.depth -= 1;
        Ok(match look {
            None => part,
            Some((behind, negated)) => Tree::Look {
                part: Box::new(part),
                behind,
                negated,
            },
        })
    }

    fn group_name(&mut self) -> Parsed<()> {
        let mut name = String::new();
        for character in self.rest.by_ref() {
            if character == '>' {
                let starts =
                    name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$'));
                let is_name = starts
                    && name
                        .chars()
                        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
                return is_name
                    .then_some(())
                    .ok_or_else(|| broken("the name of a group is no name"));
            }
            name.push(character);
        }
        Err(broken("the name of a group has no end"))
    }

    /// What follows a `\` outside of a class.
    fn escape(&mut self) -> Parsed<Tree> {
        match self.rest.peek() {
            Some(letter @ ('b' | 'B')) => {
                let negated = *letter == 'B';
                self.rest.next();
                Ok(Tree::Boundary { negated })
            }
            _ => self.atom().map(|atom| Tree::Set(atom.set().into())),
        }
    }

    /// What follows a `\` and means a character, or several.
    fn atom(&mut self) -> Parsed<Atom> {
        let Some(letter) = self.rest.next() else {
            return Err(broken("it ends with `\\`"));
        };
        let character = match letter {
            'd' => return Ok(Atom::Set(CharacterSet::digits())),
            'D' => return Ok(Atom::Set(CharacterSet::digits().negated())),
            'w' => return Ok(Atom::Set(CharacterSet::word())),
            'W' => return Ok(Atom::Set(CharacterSet::word().negated())),
            's' => return Ok(Atom::Set(CharacterSet::space())),
            'S' => return Ok(Atom::Set(CharacterSet::space().negated())),
            'p' => return Ok(Atom::Set(self.property()?)),
            'P' => return Ok(Atom::Set(self.property()?.negated())),
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\u{B}',
            'f' => '\u{C}',
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => char::from(letter as u8 % 32),
                _ => return Err(broken("`\\c` needs a letter")),
            },
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => '\0',
            'x' => char::from_u32(self.hex(2)?).ok_or_else(|| broken("`\\x` needs a character"))?,
            'u' => self.unicode()?,
            '0'..='9' | 'k' => return Err(unsupported("back-references can't be matched")),
            letter if letter.is_ascii_alphanumeric() => {
                return Err(broken(format!("ECMA-262 does not define `\\{letter}`")));
            }
            literal => literal,
        };
        Ok(Atom::Character(character))
    }

    /// What follows `\p`: the name of a Unicode property in braces.
    fn property(&mut self) -> Parsed<CharacterSet> {
        let wrong = || broken("`\\p` needs a property in braces: `\\p{L}`, `\\p{Script=Greek}`");
        if self.rest.next() != Some('{') {
            return Err(wrong());
        }
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('}') => break,
                Some(c) if c.is_ascii_alphanumeric() || matches!(c, '_' | '=') => name.push(c),
                _ => return Err(wrong()),
            }
        }
        CharacterSet::property(&name)
            .ok_or_else(|| broken(format!("there is no Unicode property `{name}`")))
    }

    /// What follows `\u`: four digits, two times four for a pair of surrogates, or any number in braces.
    fn unicode(&mut self) -> Parsed<char> {
        let wrong = || broken("`\\u` needs the code of a character");
        if self.rest.next_if_eq(&'{').is_some() {
            let mut code = 0_u32;
            loop {
                match self.rest.next() {
                    Some('}') => return char::from_u32(code).ok_or_else(wrong),
                    Some(digit) => {
                        let digit = digit.to_digit(16).ok_or_else(wrong)?;
                        code = code.saturating_mul(16).saturating_add(digit);
                    }
                    None => return Err(wrong()),
                }
            }
        }
        let mut units = vec![u16::try_from(self.hex(4)?).map_err(|_| wrong())?];
        if matches!(units[0], 0xD800..0xDC00) {
            let is_pair = self.rest.next() == Some('\\') && self.rest.next() == Some('u');
            if is_pair {
                units.push(u16::try_from(self.hex(4)?).map_err(|_| wrong())?);
            }
        }
        String::from_utf16(&units)
            .ok()
            .and_then(|text| text.chars().next())
            .ok_or_else(wrong)
    }

    fn hex(&mut self, digits: usize) -> Parsed<u32> {
        let wrong = || broken(format!("an escape needs {digits} hexadecimal digits"));
        let mut code = 0;
        for _ in 0..digits {
            let digit = self.rest.next().and_then(|digit| digit.to_digit(16));
            code = code * 16 + digit.ok_or_else(wrong)?;
        }
        Ok(code)
    }

    /// What follows a `[`. In ECMA-262, `[` means itself in a class, and a class may be empty.
    fn class(&mut self) -> Parsed<CharacterSet> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        let mut set = CharacterSet::default();
        while let Some(atom) = self.class_atom()? {
            let first = match atom {
                Atom::Set(other) => {
                    set.extend(&other);
                    continue;
                }
                Atom::Character(first) => first,
            };
            let mut ahead = self.rest.clone();
            if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
                set.extend(&CharacterSet::one(first));
                continue;
            }
            self.rest.next();
            match self.class_atom()? {
                Some(Atom::Character(last)) if first <= last => {
                    set.extend(&CharacterSet::of(&[(first, last)]));
                }
                Some(Atom::Character(_)) => return Err(broken("a range ends before it begins")),
                _ => return Err(broken("a range needs a character at both ends")),
            }
        }
        Ok(if is_negated { set.negated() } else { set })
    }

    /// One place of a class; `None` at its end.
    fn class_atom(&mut self) -> Parsed<Option<Atom>> {
        match self.rest.next() {
            None => Err(broken("a `[` has no `]`")),
            Some(']') => Ok(None),
            Some('\\') => match self.rest.next_if_eq(&'b') {
                Some(_) => Ok(Some(Atom::Character('\u{8}'))),
                None => self.atom().map(Some),
            },
            Some(literal) => Ok(Some(Atom::Character(literal))),
        }
    }
}

const BRACE: &str = "`{` needs a count: `{2}`, `{2,}` or `{2,5}`; a brace itself is `\\{`";
