//! Splits text in any script into words.

/// What stands for itself in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// What stands between blanks and marks, in small letters.
    Spaced(String),
    /// Two letters in a row of what is written without blanks, or one that is alone: no dictionary is needed to see where
    /// two texts share a word then.
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

/// What a character does to words.
#[derive(PartialEq)]
enum Kind {
    /// It stands between them.
    Gap,
    /// It is of a script that puts blanks between them.
    Spaced,
    /// It is of one that does not, or, as Korean, writes a word and what belongs to it as one.
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
