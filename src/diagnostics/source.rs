//! The text of one input file, and the places in it.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::span::{Location, Span};

/// The largest input file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// The text of one input file. A byte order mark is left out; everything else is unchanged.
#[derive(Debug)]
pub struct Source {
    path: String,
    text: String,
    line_starts: Vec<usize>,
}

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
        Self {
            path: path.to_owned(),
            text,
            line_starts,
        }
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
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        Location {
            line,
            column: 1 + self.text[start..offset].chars().count(),
        }
    }

    /// The byte at a line and column (both from 1, columns in characters), or the nearest one before it.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let line = line.clamp(1, self.line_starts.len());
        let start = self.line_starts[line - 1];
        self.line(line)
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(start + self.line(line).len(), |(index, _)| start + index)
    }

    /// The place of `text` in what is written at `span`; all of `span` where it is not written like that.
    pub fn find_in(&self, span: Span, text: &str) -> Span {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        match written.find(text) {
            Some(offset) => Span::new(span.start + offset, span.start + offset + text.len()),
            None => span,
        }
    }

    /// The line with the given number (from 1), without its line end; empty if there is none.
    pub fn line(&self, number: usize) -> &str {
        let Some(start) = number
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index))
        else {
            return "";
        };
        let end = self
            .line_starts
            .get(number)
            .copied()
            .unwrap_or(self.text.len());
        self.text[*start..end].trim_end_matches(['\n', '\r'])
    }
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
