//! Streams of events (`text/event-stream`, as in the HTML standard).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt, try_unfold};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use super::call::in_time;
use super::events::AgentEvent;
use super::problem::{ClientError, DeclaredError, FailedRun, NoDeclaredError};

/// The events of one run, up to its answer. What fails the run is an error, as it is without a stream. To drop the stream
/// ends the run.
pub struct EventStream<T, E = NoDeclaredError> {
    events: Pin<Box<dyn Stream<Item = Result<AgentEvent<T>, ClientError<E>>> + Send>>,
}

impl<T: DeserializeOwned, E: DeclaredError> EventStream<T, E> {
    pub(crate) fn new(response: Response, timeout: Option<Duration>) -> Self {
        let reader = (EventReader::new(response, timeout), false);
        let events = try_unfold(reader, async |(mut reader, is_over)| {
            if is_over {
                return Ok(None);
            }
            let Some(message) = reader.next().await? else {
                return Err(ClientError::Interrupted);
            };
            let event: AgentEvent<T> = message.read(reader.status)?;
            if let AgentEvent::Failed {
                run_id,
                usage,
                mut problem,
            } = event
            {
                problem.run = Some(FailedRun { run_id, usage });
                return Err(ClientError::of(problem));
            }
            let is_over = matches!(event, AgentEvent::Completed { .. });
            Ok(Some((event, (reader, is_over))))
        });
        Self {
            events: Box::pin(events),
        }
    }

    /// The answer: reads what is left of the stream.
    ///
    /// # Errors
    /// What failed the run, or what happened on the way.
    pub async fn output(mut self) -> Result<T, ClientError<E>> {
        while let Some(event) = self.next().await {
            if let AgentEvent::Completed { output, .. } = event? {
                return Ok(output);
            }
        }
        Err(ClientError::Interrupted)
    }
}

impl<T, E> Stream for EventStream<T, E> {
    type Item = Result<AgentEvent<T>, ClientError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(cx)
    }
}

impl<T, E> fmt::Debug for EventStream<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

/// One server-sent event.
pub(crate) struct Message {
    pub(crate) id: Option<String>,
    data: String,
}

impl Message {
    /// The event that the data are.
    pub(crate) fn read<T: DeserializeOwned, E>(&self, status: u16) -> Result<T, ClientError<E>> {
        serde_json::from_str(&self.data).map_err(|error| ClientError::Answer {
            status,
            detail: format!("an event is not as expected: {error}"),
        })
    }
}

/// Reads server-sent events as they arrive.
pub(crate) struct EventReader {
    response: Response,
    pub(crate) status: u16,
    /// The longest silence.
    timeout: Option<Duration>,
    /// What arrived and is not read yet.
    buffer: Vec<u8>,
    /// How much of it has no end of a line.
    scanned: usize,
    /// Whether the last line ended with CR: an LF behind it belongs to the same end.
    after_cr: bool,
}

impl EventReader {
    pub(crate) fn new(response: Response, timeout: Option<Duration>) -> Self {
        Self {
            status: response.status().as_u16(),
            response,
            timeout,
            buffer: Vec::new(),
            scanned: 0,
            after_cr: false,
        }
    }

    /// The next event; `None` when the stream is over. An event without its blank line is none.
    pub(crate) async fn next<E>(&mut self) -> Result<Option<Message>, ClientError<E>> {
        let content_type = self.response.headers().get(CONTENT_TYPE);
        let content_type = content_type.map_or(&[][..], |value| value.as_bytes());
        if !content_type.starts_with(b"text/event-stream") {
            let found = String::from_utf8_lossy(content_type).into_owned();
            return Err(self.unlike(format!("it is no stream of events, but `{found}`")));
        }
        let mut id = None;
        let mut data: Option<String> = None;
        loop {
            let Some(line) = self.line().await? else {
                return Ok(None);
            };
            if line.is_empty() {
                match data {
                    Some(data) => return Ok(Some(Message { id, data })),
                    None => continue,
                }
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => id = Some(value.to_owned()),
                "data" => match &mut data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => data = Some(value.to_owned()),
                },
                _ => {}
            }
        }
    }

    async fn line<E>(&mut self) -> Result<Option<String>, ClientError<E>> {
        loop {
            if let Some(line) = self.buffered_line() {
                let line = String::from_utf8(line);
                return line.map(Some).map_err(|_| self.unlike("it is not UTF-8"));
            }
            match in_time(self.timeout, self.response.chunk()).await?? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// The next line without its end, which is CR, LF or both.
    fn buffered_line(&mut self) -> Option<Vec<u8>> {
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            if self.buffer[0] == b'\n' {
                self.buffer.remove(0);
            }
        }
        let rest = &self.buffer[self.scanned..];
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + end;
        self.scanned = 0;
        self.after_cr = self.buffer[end] == b'\r';
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    fn unlike<E>(&self, detail: impl Into<String>) -> ClientError<E> {
        ClientError::Answer {
            status: self.status,
            detail: detail.into(),
        }
    }
}
