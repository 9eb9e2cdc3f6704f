//! Reads the events of a service.

use agentgen_runtime::sse::SseDecoder;
use serde_json::Value;

use crate::serve::call_failure::Failure;

/// The events of a response, one JSON document each.
pub struct EventStream {
    response: reqwest::Response,
    events: SseDecoder,
}

impl EventStream {
    pub fn new(response: reqwest::Response) -> Self {
        Self {
            response,
            events: SseDecoder::default(),
        }
    }

    /// The next event; none after the last one.
    ///
    /// # Errors
    ///
    /// A connection that breaks off, an event that is too large, and one that is not JSON.
    pub async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(event) = self.events.next_event() {
                let event = serde_json::from_str(&event.data);
                return event.map(Some).map_err(Failure::broken);
            }
            let Some(bytes) = self.response.chunk().await.map_err(Failure::broken)? else {
                return Ok(None);
            };
            let fed = self.events.feed(&bytes);
            fed.map_err(|_| Failure::broken("an event is larger than 8 MiB"))?;
        }
    }
}
