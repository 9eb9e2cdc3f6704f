//! Decodes server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Model servers bend the format, so this is more lenient than a browser: a JSON object that is complete ends its event,
//! also without the blank line, and so does the end of the stream.

use std::collections::VecDeque;

const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;
/// The data that ends a stream of OpenAI's protocol.
pub(crate) const DONE: &str = "[DONE]";

/// A complete event.
#[derive(Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The `event` field; empty if there is none.
    pub name: String,
    /// The `data` lines, joined.
    pub data: String,
}

/// Takes bytes in pieces of any size, and returns complete events.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// The bytes of the current line.
    line: Vec<u8>,
    /// The `event` field of the current event.
    name: String,
    /// An `event` field after complete data: it belongs to this event if a blank line follows, else to the next one.
    late_name: Option<String>,
    /// The `data` lines of the current event.
    data: Option<String>,
    /// How far the JSON object in `data` is.
    json: JsonProgress,
    /// Whether the first line has ended; it may start with a byte order mark.
    has_line: bool,
    /// Whether the last byte was `\r`: a following `\n` belongs to the same line end.
    after_return: bool,
    ready: VecDeque<SseEvent>,
}

/// An event has more bytes than a decoder takes, 8 MiB.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Follows a JSON object by its braces, so that each byte is looked at once.
#[derive(Debug, Default)]
struct JsonProgress {
    depth: usize,
    in_string: bool,
    escaped: bool,
    is_complete: bool,
}

impl JsonProgress {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' => self.depth += 1,
                b'}' => {
                    self.is_complete = self.depth == 1;
                    self.depth = self.depth.saturating_sub(1);
                }
                _ => {}
            }
        }
    }
}

impl SseDecoder {
    /// Adds bytes.
    ///
    /// # Errors
    /// An event larger than 8 MiB.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
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

    /// The stream has ended. An event without the blank line after it counts if its JSON is complete.
    pub fn end(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
        if self.is_whole() {
            self.name_late();
            self.end_event();
        }
    }

    /// The next complete event.
    pub fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.has_line, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            self.name_late();
            self.end_event();
            return;
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" | "error" if self.is_whole() => {
                let next = self.late_name.take();
                self.end_event();
                self.name = next.unwrap_or_default();
            }
            _ => {}
        }
        match field {
            "event" if self.is_whole() => self.late_name = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            // Frameworks put whole events into events.
            "data" => self.add_data(value.strip_prefix("data: ").unwrap_or(value)),
            // Older servers of llama.cpp report errors in a field of this name.
            "error" => {
                "error".clone_into(&mut self.name);
                self.add_data(value);
            }
            _ => {}
        }
    }

    fn add_data(&mut self, value: &str) {
        self.json.add(value);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
    }

    /// Whether the data needs no further line: it is a complete JSON object, or the end of OpenAI's streams.
    fn is_whole(&self) -> bool {
        self.json.is_complete || self.data.as_deref().is_some_and(|data| data.trim() == DONE)
    }

    fn name_late(&mut self) {
        let late = self.late_name.take();
        if self.name.is_empty() {
            self.name = late.unwrap_or_default();
        }
    }

    fn end_event(&mut self) {
        self.json = JsonProgress::default();
        let name = std::mem::take(&mut self.name);
        if let Some(data) = self.data.take() {
            self.ready.push_back(SseEvent { name, data });
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
        reader.end();
        std::iter::from_fn(|| reader.next_event())
            .map(|event| match &*event.name {
                "" => event.data,
                name => format!("{name}={}", event.data),
            })
            .collect()
    }

    #[test]
    fn events_are_the_same_however_lines_end_and_bytes_arrive() {
        for end in ["\n", "\r", "\r\n"] {
            let text = "\u{feff}data: eins|: a comment|event: x|data:zwei|data:  für|id: 7||data||retry: 3||data: cut";
            let text = text.replace('|', end);
            let wanted = ["x=eins\nzwei\n für", ""];
            assert_eq!(read(&[text.as_bytes()]), wanted);
            assert_eq!(read(&text.as_bytes().chunks(1).collect::<Vec<_>>()), wanted);
        }
    }

    #[test]
    fn a_complete_object_ends_its_event() {
        for (text, wanted) in [
            (
                "data: {\"a\": \"}\"}\ndata: {\"b\": 2}\ndata: [DONE]\n",
                &["{\"a\": \"}\"}", "{\"b\": 2}", "[DONE]"][..],
            ),
            (
                "event: one\ndata: {}\nevent: two\ndata: {}\n",
                &["one={}", "two={}"],
            ),
            (
                "data: {}\nevent: one\n\ndata: {}\nevent: two\ndata: {}\n\n",
                &["one={}", "{}", "two={}"],
            ),
            ("data: data: {}\ndata: \ndata: \n\n", &["{}", "\n"]),
            // An object over several lines is one event.
            (
                "data: {\ndata: \"a\": {}\ndata: }\n\ndata: {}\n\n",
                &["{\n\"a\": {}\n}", "{}"],
            ),
            (
                "data: {\"a\": \"\\\"}\ndata: \"}",
                &["{\"a\": \"\\\"}\n\"}"],
            ),
            // The last event lacks its end, and even the end of its line.
            ("data: {\"a\": 1}", &["{\"a\": 1}"]),
            ("data: [DONE]", &["[DONE]"]),
            // It is cut.
            ("data: {\"a\": 1", &[]),
            ("error: {\"code\": 500}\n\n", &["error={\"code\": 500}"]),
        ] {
            assert_eq!(read(&[text.as_bytes()]), wanted, "{text}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = SseDecoder::default();
        let piece = vec![b'x'; 1024 * 1024];
        assert!((0..9).any(|_| reader.feed(&piece).is_err()));
    }
}
