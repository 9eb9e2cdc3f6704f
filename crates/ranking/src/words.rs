//! Splits text in any script into words.

/// A unit of text that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A word between blanks and punctuation, in lower case.
    Spaced(String),
    /// Two adjacent characters of a script without blanks, or a single one. Pairs find shared words without a dictionary.
    Unspaced(String),
}

/// The words of a text in their order.
pub fn words(text: &str) -> Vec<Word> {
    let text = text.to_lowercase().chars().collect::<Vec<_>>();
    let parts = text.chunk_by(|one, next| Kind::of(*one) == Kind::of(*next));
    let words = parts.flat_map(|part| match Kind::of(part[0]) {
        Kind::Gap => Vec::new(),
        Kind::Spaced => vec![Word::Spaced(String::from_iter(part))],
        Kind::Unspaced => {
            let pairs = part.windows(part.len().min(2)).map(String::from_iter);
            pairs.map(Word::Unspaced).collect()
        }
    });
    words.collect()
}

/// How a character takes part in words.
#[derive(PartialEq)]
enum Kind {
    /// It separates words.
    Gap,
    /// It belongs to a script with blanks between words.
    Spaced,
    /// It belongs to a script without blanks between words, or, as Korean, with particles joined to words.
    Unspaced,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            _ if !c.is_alphanumeric() => Self::Gap,
            // Thai to Tibetan, Burmese, Khmer, kana, Chinese characters, Hangul, and the rarer Chinese characters.
            '\u{e00}'..='\u{109f}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}' => Self::Unspaced,
            _ => Self::Spaced,
        }
    }
}
