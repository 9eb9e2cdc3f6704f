//! Responses of server-sent events (`text/event-stream`, as in the HTML standard).

use std::borrow::Cow;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::event::agent_event::AgentEvent;
use crate::run::supervision::Running;

/// How long a stream may be silent before a comment keeps it open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The events of `run`, numbered from 1. A run that fails before its first event becomes an error response.
pub(crate) async fn respond(mut run: Running) -> Response {
    let first = match run.next().await {
        Some(AgentEvent::Failed { problem, .. }) => return problem.into_response(),
        first => first,
    };
    let rest = stream::unfold(run, |mut run| async move {
        let event = run.next().await?;
        Some((event, run))
    });
    let events = stream::iter(first).chain(rest).zip(stream::iter(1_u64..));
    stream_response(events.map(|(event, id)| sse_event(&event, id)))
}

/// A response of `events`, kept open by comments while there is none.
pub(crate) fn stream_response(
    events: impl Stream<Item = Result<sse::Event, serde_json::Error>> + Send + 'static,
) -> Response {
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("keep-alive");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    // Without it, nginx buffers the stream.
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
