//! Sets of characters.

use regex_syntax::hir::{Class, HirKind};

/// A set of characters: ranges in ascending order that don't touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CharacterSet(Vec<(u32, u32)>);

const LAST: u32 = 0x10_FFFF;

impl CharacterSet {
    /// The characters in `ranges`, both ends included.
    pub(crate) fn of(ranges: &[(char, char)]) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            set.0.push((u32::from(*first), u32::from(*last)));
        }
        set.settle();
        set
    }

    /// One character.
    pub(crate) fn one(character: char) -> Self {
        Self::of(&[(character, character)])
    }

    /// What `\d` means in ECMA-262.
    pub(crate) fn digits() -> Self {
        Self::of(&[('0', '9')])
    }

    /// What `\w` means in ECMA-262.
    pub(crate) fn word() -> Self {
        Self::of(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')])
    }

    /// What `\s` means in ECMA-262.
    pub(crate) fn space() -> Self {
        Self::of(&[
            ('\t', '\r'),
            (' ', ' '),
            ('\u{A0}', '\u{A0}'),
            ('\u{1680}', '\u{1680}'),
            ('\u{2000}', '\u{200A}'),
            ('\u{2028}', '\u{2029}'),
            ('\u{202F}', '\u{202F}'),
            ('\u{205F}', '\u{205F}'),
            ('\u{3000}', '\u{3000}'),
            ('\u{FEFF}', '\u{FEFF}'),
        ])
    }

    /// What `.` means in ECMA-262: all but its line ends.
    pub(crate) fn dot() -> Self {
        Self::of(&[('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')]).negated()
    }

    /// The characters that have the Unicode property `name`: `L`, `Script=Greek`; none for an unknown one.
    pub(crate) fn property(name: &str) -> Option<Self> {
        let hir = regex_syntax::parse(&format!("\\p{{{name}}}")).ok()?;
        match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => {
                let ranges: Vec<(char, char)> = class
                    .iter()
                    .map(|range| (range.start(), range.end()))
                    .collect();
                Some(Self::of(&ranges))
            }
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).ok()?;
                text.chars().next().map(Self::one)
            }
            _ => Some(Self::default()),
        }
    }

    /// All other characters.
    pub(crate) fn negated(&self) -> Self {
        let mut ranges = Vec::new();
        let mut next = 0;
        for (first, last) in &self.0 {
            if *first > next {
                ranges.push((next, first - 1));
            }
            next = last + 1;
        }
        if next <= LAST {
            ranges.push((next, LAST));
        }
        Self(ranges)
    }

    /// Adds the characters of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
        self.settle();
    }

    /// Whether `character` is one of them.
    pub(crate) fn contains(&self, character: char) -> bool {
        let code = u32::from(character);
        let index = self.0.partition_point(|(_, last)| *last < code);
        self.0.get(index).is_some_and(|(first, _)| *first <= code)
    }

    fn settle(&mut self) {
        self.0.sort_unstable();
        let mut settled: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match settled.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => settled.push((first, last)),
            }
        }
        self.0 = settled;
    }
}
