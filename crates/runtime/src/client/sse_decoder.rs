//! Reads server-sent events: the format of <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::collections::VecDeque;

/// The largest event that is read, in bytes.
const LARGEST_EVENT: usize = 8 * 1024 * 1024;

/// One event: its data, whose JSON says what kind it is.
pub(crate) type Data = String;

/// Takes bytes as they come, and gives the data of whole events.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    data: Option<String>,
    began: bool,
    after_return: bool,
    ready: VecDeque<Data>,
}

/// An event is larger than any that makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl EventReader {
    /// Takes some more bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
        }
        let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if held > LARGEST_EVENT {
            return Err(TooLarge);
        }
        Ok(())
    }

    /// The next whole event.
    pub(crate) fn next(&mut self) -> Option<Data> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.began, true) {
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
    use super::EventReader;

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = EventReader::default();
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
        let mut reader = EventReader::default();
        let piece = vec![b'x'; 1024 * 1024];
        assert!((0..9).any(|_| reader.feed(&piece).is_err()));
    }
}
