//! Thoughts that a model writes into its text, between tags. Servers that know the model's format take them out; others
//! pass them on, and of some models only the closing tag, since the opening one is a part of their prompt.

/// The tags around thoughts: DeepSeek, Qwen and many others, Mistral, Seed.
const TAGS: [(&str, &str); 3] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
];
/// A closing tag counts without an opening one at the end of a line.
const LONE_CLOSE: &str = "</think>\n";
/// Marks blocks of code, in which tags are examples.
const FENCE: &str = "```";

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part of the answer.
    Text(String),
    Thought(String),
    /// All text so far was thoughts.
    TextWasThought,
}

/// Splits a text that comes in pieces into answer and thoughts. Only thoughts before the answer count: a tag in the middle
/// of an answer is text.
#[derive(Debug)]
pub(crate) struct ThinkingTags {
    state: State,
    /// Not yet decided.
    buffer: String,
    /// The text so far.
    text: String,
    /// Whether the model is known to write closing tags alone: text is then kept back until one comes.
    closes_only: bool,
    /// Whether a closing tag without an opening one was found.
    found_lone_close: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing but space so far; `after_thoughts`: since thoughts ended.
    Start {
        after_thoughts: bool,
    },
    Thinking {
        close: &'static str,
    },
    Answer,
}

impl ThinkingTags {
    /// `closes_only`: the model is known to write closing tags alone.
    pub(crate) fn new(closes_only: bool) -> Self {
        Self {
            state: State::Start {
                after_thoughts: false,
            },
            buffer: String::new(),
            text: String::new(),
            closes_only,
            found_lone_close: false,
        }
    }

    /// Whether a closing tag without an opening one was found.
    pub(crate) const fn found_lone_close(&self) -> bool {
        self.found_lone_close
    }

    /// Adds the next part of the text.
    pub(crate) fn add(&mut self, text: &str) -> Vec<Piece> {
        self.buffer.push_str(text);
        let mut pieces = Vec::new();
        while self.advance(&mut pieces) {}
        pieces
    }

    /// The text has ended.
    pub(crate) fn end(&mut self) -> Vec<Piece> {
        let rest = std::mem::take(&mut self.buffer);
        if rest.is_empty() {
            return Vec::new();
        }
        match self.state {
            State::Thinking { .. } => vec![Piece::Thought(rest)],
            State::Start { .. } | State::Answer => vec![Piece::Text(rest)],
        }
    }

    /// Decides about a part of the buffer. Returns whether there may be more to decide.
    fn advance(&mut self, pieces: &mut Vec<Piece>) -> bool {
        match self.state {
            State::Start { after_thoughts } => {
                let begun = self.buffer.trim_start();
                if let Some((open, close)) = TAGS.iter().find(|(open, _)| begun.starts_with(open)) {
                    self.buffer = begun[open.len()..].to_owned();
                    self.state = State::Thinking { close };
                    return true;
                }
                if TAGS.iter().any(|(open, _)| open.starts_with(begun)) {
                    return false;
                }
                if after_thoughts {
                    self.buffer = begun.to_owned();
                }
                self.state = State::Answer;
                true
            }
            State::Thinking { close } => {
                if let Some((thought, rest)) = self.buffer.split_once(close) {
                    pieces
                        .extend((!thought.is_empty()).then(|| Piece::Thought(thought.to_owned())));
                    self.buffer = rest.to_owned();
                    self.state = State::Start {
                        after_thoughts: true,
                    };
                    return true;
                }
                let thought = self.take_decided(close);
                pieces.extend((!thought.is_empty()).then_some(Piece::Thought(thought)));
                false
            }
            State::Answer => self.advance_answer(pieces),
        }
    }

    fn advance_answer(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if let Some(index) = self.buffer.find(LONE_CLOSE) {
            let rest = self.buffer.split_off(index);
            let before = std::mem::take(&mut self.buffer);
            self.text.push_str(&before);
            let is_example = self.text.matches(FENCE).count() % 2 == 1
                || TAGS.iter().any(|(open, _)| self.text.contains(open));
            if is_example || self.found_lone_close {
                let (tag, rest) = rest.split_at(LONE_CLOSE.len());
                self.text.push_str(tag);
                pieces.push(Piece::Text(before + tag));
                rest.clone_into(&mut self.buffer);
                return true;
            }
            if self.closes_only {
                pieces.push(Piece::Thought(before));
            } else {
                pieces.extend((!before.is_empty()).then_some(Piece::Text(before)));
                pieces.push(Piece::TextWasThought);
            }
            self.text.clear();
            self.found_lone_close = true;
            self.buffer = rest[LONE_CLOSE.len()..].to_owned();
            self.state = State::Start {
                after_thoughts: true,
            };
            return true;
        }
        if self.closes_only && !self.found_lone_close {
            return false;
        }
        let text = self.take_decided(LONE_CLOSE);
        self.text.push_str(&text);
        pieces.extend((!text.is_empty()).then_some(Piece::Text(text)));
        false
    }

    /// Takes the buffer without an end that may be the beginning of `tag`.
    fn take_decided(&mut self, tag: &str) -> String {
        let kept = beginning(&self.buffer, tag);
        let kept = self.buffer.split_off(self.buffer.len() - kept);
        std::mem::replace(&mut self.buffer, kept)
    }
}

/// How many bytes at the end of `text` may be the beginning of `mark`.
pub(crate) fn beginning(text: &str, mark: &str) -> usize {
    let longest = mark.len().min(text.len());
    let lengths = (1..=longest).rev();
    let mut lengths = lengths.filter(|length| text.ends_with(&mark[..*length]));
    lengths.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Piece, ThinkingTags};

    /// The answer and the thoughts of a text that comes in pieces of `size` characters.
    fn split(text: &str, size: usize, closes_only: bool) -> (String, String) {
        let mut tags = ThinkingTags::new(closes_only);
        let (mut answer, mut thoughts) = (String::new(), String::new());
        let characters = text.chars().collect::<Vec<_>>();
        let mut pieces = Vec::new();
        for piece in characters.chunks(size) {
            pieces.extend(tags.add(&piece.iter().collect::<String>()));
        }
        pieces.extend(tags.end());
        for piece in pieces {
            match piece {
                Piece::Text(text) => answer += &text,
                Piece::Thought(thought) => thoughts += &thought,
                Piece::TextWasThought => thoughts += &std::mem::take(&mut answer),
            }
        }
        (answer, thoughts)
    }

    #[test]
    fn thoughts_are_split_from_the_answer() {
        for (text, answer, thoughts) in [
            ("Hello.", "Hello.", ""),
            ("  Hello.", "  Hello.", ""),
            ("<think>\nhm</think>\n\nHello.", "Hello.", "\nhm"),
            ("\n<think>a</think> <think>b</think>Hello.", "Hello.", "ab"),
            ("[THINK]é < 1[/THINK]Grüße", "Grüße", "é < 1"),
            ("<think>never ends", "", "never ends"),
            ("<think></think>", "", ""),
            ("I reason.\n</think>\nHello.", "Hello.", "I reason.\n"),
            ("So it is 4.</think>\n\nHello.", "Hello.", "So it is 4."),
            (
                "Write `</think>` at the end.",
                "Write `</think>` at the end.",
                "",
            ),
            (
                "As in:\n```\nhm\n</think>\n```",
                "As in:\n```\nhm\n</think>\n```",
                "",
            ),
            (
                "Use <think>\nhm\n</think>\nso.",
                "Use <think>\nhm\n</think>\nso.",
                "",
            ),
            ("a < b, <thin", "a < b, <thin", ""),
            (
                "<thinking>is a word</thinking>",
                "<thinking>is a word</thinking>",
                "",
            ),
            ("ends with </think>", "ends with </think>", ""),
        ] {
            for size in [1, 2, 3, 7, 100] {
                let wanted = (answer.to_owned(), thoughts.to_owned());
                assert_eq!(
                    split(text, size, false),
                    wanted,
                    "{text} in pieces of {size}"
                );
                assert_eq!(
                    split(text, size, true),
                    wanted,
                    "{text} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn text_is_kept_back_where_only_the_end_of_thoughts_is_marked() {
        let mut tags = ThinkingTags::new(true);
        assert_eq!(tags.add("I reason."), []);
        let pieces = tags.add("</think>\nHello.");
        let wanted = [
            Piece::Thought("I reason.".to_owned()),
            Piece::Text("Hello.".to_owned()),
        ];
        assert_eq!(pieces, wanted);
    }
}
