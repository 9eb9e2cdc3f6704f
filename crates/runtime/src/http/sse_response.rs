//! A run as server-sent events.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};

use crate::event::agent_event::AgentEvent;
use crate::http::responses::problem;
use crate::run::supervision::Running;

/// How long a stream may be silent before a comment keeps it open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The events of `run`, numbered from 1. A run that fails before its first event is answered like any other error.
pub(crate) async fn respond(mut run: Running) -> Response {
    let first = match run.next().await {
        Some(AgentEvent::Failed {
            problem: document, ..
        }) => return problem(document),
        first => first,
    };
    let events = stream::unfold((run, first, 1_u64), |(mut run, ready, id)| async move {
        let event = match ready {
            Some(event) => event,
            None => run.next().await?,
        };
        Some((sse_event(&event, id), (run, None, id + 1)))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("keep-alive");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A server-sent event: the `type` of the event's JSON is its name.
pub(crate) fn sse_event(event: &impl Serialize, id: u64) -> Result<sse::Event, serde_json::Error> {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(borrow, rename = "type")]
        name: Cow<'a, str>,
    }
    let data = serde_json::to_string(event)?;
    let tag: Tag<'_> = serde_json::from_str(&data)?;
    Ok(sse::Event::default()
        .id(id.to_string())
        .event(tag.name)
        .data(&data))
}
