//! The text of one input file, and the places in it.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::span::{Location, Span};

/// The largest input file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The text of one input file, or some lines of it. A byte order mark is left out; everything else is unchanged.
#[derive(Debug)]
pub struct Source {
    path: String,
    text: String,
    /// Where `text` begins in the file: the bytes and the lines before it.
    before: (usize, usize),
    line_starts: Vec<usize>,
    /// How many characters start before each block of [`BLOCK`] bytes: places in long lines are found quickly.
    characters: Vec<usize>,
}

/// In bytes.
const BLOCK: usize = 1024;

impl Source {
    /// The text in `bytes`, known as `path` (relative to the project, with `/` between its parts).
    ///
    /// # Errors
    ///
    /// Where the file is too large or is not UTF-8 text.
    pub fn from_bytes(path: &str, bytes: Vec<u8>) -> Result<Arc<Self>, SourceError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(SourceError::TooLarge(bytes.len() as u64));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(SourceError::Utf16);
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..offset];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            SourceError::NotUtf8 { line, offset }
        })?;
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        if let Some(offset) = text.find('\0') {
            let line = 1 + text[..offset].matches('\n').count();
            return Err(SourceError::Nul { line });
        }
        Ok(Arc::new(Self::new(path, text)))
    }

    /// The source of `text`, unchanged.
    pub fn new(path: &str, text: String) -> Self {
        let mut line_starts = vec![0];
        let bytes = text.as_bytes();
        for (index, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                line_starts.push(index + 1);
            }
        }
        let mut characters = vec![0];
        for block in bytes.chunks(BLOCK) {
            let before = characters.last().copied().unwrap_or_default();
            characters.push(before + character_starts(block));
        }
        Self {
            path: path.to_owned(),
            text,
            before: (0, 0),
            line_starts,
            characters,
        }
    }

    /// Whole lines of the file at `path`, behind so many bytes and lines of it. Places in these lines are those in the file.
    pub(crate) fn excerpt(path: &str, text: String, (bytes, lines): (usize, usize)) -> Self {
        Self {
            before: (bytes, lines),
            ..Self::new(path, text)
        }
    }

    /// The lines of `span`, and how many bytes and lines are before them.
    pub(crate) fn lines_of(&self, span: Span) -> (&str, (usize, usize)) {
        let number = |offset| self.location(offset).line - 1 - self.before.1;
        let (first, last) = (number(span.start), number(span.end));
        let start = self.line_starts[first];
        let end = self.line_starts.get(last + 1).copied();
        let text = &self.text[start..end.unwrap_or(self.text.len())];
        (text, (self.before.0 + start, self.before.1 + first))
    }

    /// The path the source is known by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line and column of the byte at `offset`; the end of the text for what lies behind it.
    pub fn location(&self, offset: usize) -> Location {
        let mut offset = offset.saturating_sub(self.before.0).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        Location {
            line: line + self.before.1,
            column: 1 + self.characters_before(offset) - self.characters_before(start),
        }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = &self.text.as_bytes()[block * BLOCK..offset];
        self.characters[block] + character_starts(rest)
    }

    /// The byte at a line and column (both from 1, columns in characters), or the nearest one before it.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let (bytes, lines) = self.before;
        let line = line.clamp(lines + 1, lines + self.line_starts.len());
        let start = bytes + self.line_starts[line - 1 - lines];
        self.line(line)
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(start + self.line(line).len(), |(index, _)| start + index)
    }

    /// The place of `text` in what is written at `span`; all of `span` where it is not written like that.
    pub fn find_in(&self, span: Span, text: &str) -> Span {
        let before = self.before.0;
        let range = span.start.saturating_sub(before)..span.end.saturating_sub(before);
        let written = self.text.get(range).unwrap_or_default();
        match written.find(text) {
            Some(offset) => Span::new(span.start + offset, span.start + offset + text.len()),
            None => span,
        }
    }

    /// The line with the given number (from 1), without its line end; empty if there is none.
    pub fn line(&self, number: usize) -> &str {
        let Some(start) = number
            .checked_sub(1 + self.before.1)
            .and_then(|index| self.line_starts.get(index))
        else {
            return "";
        };
        let end = self
            .line_starts
            .get(number - self.before.1)
            .copied()
            .unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }
}

/// How many characters start in `bytes`, which are UTF-8.
fn character_starts(bytes: &[u8]) -> usize {
    let continues = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    bytes.iter().filter(|byte| !continues(**byte)).count()
}

/// Why a file is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceError {
    /// It has so many bytes, which are more than [`MAX_FILE_BYTES`].
    TooLarge(u64),
    /// It is UTF-16 text.
    Utf16,
    /// The byte at this offset, on this line, belongs to no UTF-8 text.
    NotUtf8 {
        /// The line, from 1.
        line: usize,
        /// The bytes before it.
        offset: usize,
    },
    /// This line contains a NUL byte.
    Nul {
        /// The line, from 1.
        line: usize,
    },
}

impl SourceError {
    /// The code of the diagnostic that says so.
    pub fn code(self) -> Code {
        match self {
            Self::TooLarge(_) => Code::TooLarge,
            Self::Utf16 | Self::NotUtf8 { .. } | Self::Nul { .. } => Code::NotText,
        }
    }

    /// What to do about it.
    pub fn help(self) -> String {
        match self {
            Self::TooLarge(_) => format!("keep it under {MAX_FILE_BYTES} bytes"),
            Self::Utf16 | Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::Nul { .. } => "the file is not text; remove the byte or the file".to_owned(),
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(f, "the file has {bytes} bytes"),
            Self::Utf16 => f.write_str("the file is UTF-16 text"),
            Self::NotUtf8 { line, offset } => {
                write!(f, "line {line} is not UTF-8 (byte {offset} of the file)")
            }
            Self::Nul { line } => write!(f, "line {line} contains a NUL byte"),
        }
    }
}

impl std::error::Error for SourceError {}

#[cfg(test)]
mod tests {
    use super::Source;
    use crate::diagnostics::span::Span;

    #[test]
    fn an_excerpt_has_the_places_of_its_file() {
        let text = "---\nname: é x\r\nmodel: a\rtools: [Bash]\n\n---\nWork.";
        let source = Source::new("a.md", text.to_owned());
        for start in 0..=text.len() {
            for end in start..=text.len() {
                let span = Span::new(start, end);
                let (lines, before) = source.lines_of(span);
                let excerpt = Source::excerpt("a.md", lines.to_owned(), before);
                for offset in [start, end] {
                    let place = source.location(offset);
                    assert_eq!(excerpt.location(offset), place, "{span:?}");
                    assert_eq!(excerpt.line(place.line), source.line(place.line));
                    let offset = source.offset(place.line, place.column);
                    assert_eq!(excerpt.offset(place.line, place.column), offset);
                }
                assert_eq!(excerpt.lines_of(span), (lines, before));
            }
        }
        let excerpt = Source::excerpt("a.md", "model: a\r".to_owned(), (16, 2));
        assert_eq!((excerpt.line(2), excerpt.line(4)), ("", ""));
        assert_eq!(excerpt.find_in(Span::new(16, 24), "a"), Span::new(23, 24));
    }
}
