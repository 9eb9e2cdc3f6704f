//! Decodes server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Only `data` is kept: providers repeat the event's type in it.

use std::collections::VecDeque;

const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// Takes bytes in pieces of any size, and returns the data of complete events.
#[derive(Debug, Default)]
pub(crate) struct SseDecoder {
    /// The bytes of the current line.
    line: Vec<u8>,
    /// The `data` lines of the current event.
    data: Option<String>,
    /// Whether the first line has ended; it may start with a byte order mark.
    has_line: bool,
    /// Whether the last byte was `\r`: a following `\n` belongs to the same line end.
    after_return: bool,
    ready: VecDeque<String>,
}

/// An event exceeds [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl SseDecoder {
    /// Adds bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
        }
        let buffered = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if buffered > MAX_EVENT_BYTES {
            return Err(TooLarge);
        }
        Ok(())
    }

    /// The data of the next complete event.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.has_line, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            self.ready.extend(self.data.take());
            return;
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        if field != "data" {
            return;
        }
        let value = value.strip_prefix(' ').unwrap_or(value);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SseDecoder;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = SseDecoder::default();
        for piece in pieces {
            assert_eq!(reader.feed(piece), Ok(()));
        }
        std::iter::from_fn(|| reader.next()).collect()
    }

    #[test]
    fn events_are_the_same_however_lines_end_and_bytes_arrive() {
        for end in ["\n", "\r", "\r\n"] {
            let text = "\u{feff}data: eins|: a comment|event: x|data:zwei|data:  für|id: 7||data||retry: 3||data: cut";
            let text = text.replace('|', end);
            let wanted = ["eins\nzwei\n für", ""];
            assert_eq!(read(&[text.as_bytes()]), wanted);
            assert_eq!(read(&text.as_bytes().chunks(1).collect::<Vec<_>>()), wanted);
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = SseDecoder::default();
        let piece = vec![b'x'; 1024 * 1024];
        assert!((0..9).any(|_| reader.feed(&piece).is_err()));
    }
}
