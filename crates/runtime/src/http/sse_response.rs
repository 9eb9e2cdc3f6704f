//! Responses of server-sent events (`text/event-stream`, as in the HTML standard).

use std::borrow::Cow;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::error::problem::Problem;
use crate::event::agent_event::AgentEvent;
use crate::future::{json_bytes, off_worker};
use crate::run::supervision::Running;

/// How long a stream may be silent before a comment keeps it open. Load balancers close silent connections, some after 10 s.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the response waits for the run's first event: until then, a failure has a status of its own.
const FIRST_EVENT: Duration = Duration::from_secs(3);
const KEEP_ALIVE: &str = "keep-alive";

/// The events of `run`, numbered from 1. A run that fails before its first event, and within [`FIRST_EVENT`], becomes an
/// error response. After that time the response begins with a comment, and a failure is an event like others.
pub(crate) async fn respond(run: Running) -> Response {
    let (comment, events) = match begin(run).await {
        Ok(begun) => begun,
        Err(problem) => return problem.into_response(),
    };
    let events = events.zip(stream::iter(1_u64..));
    let events = events.then(|(event, id)| {
        let bytes = match &event {
            AgentEvent::Completed { output, .. } => json_bytes(output),
            _ => 0,
        };
        off_worker(bytes, move || sse_event(&event, id))
    });
    stream_response(stream::iter(comment.map(Ok)).chain(events))
}

/// As [`respond`], with what `write` makes of each event, and at last of their end.
#[cfg(feature = "openai")]
pub(crate) async fn respond_as(
    run: Running,
    mut write: impl FnMut(Option<AgentEvent>) -> Vec<sse::Event> + Send + 'static,
) -> Response {
    let (comment, events) = match begin(run).await {
        Ok(begun) => begun,
        Err(problem) => return problem.into_response(),
    };
    let events = events.map(Some).chain(stream::iter([None]));
    let events = events.flat_map(move |event| stream::iter(write(event)));
    stream_response(stream::iter(comment).chain(events).map(Ok))
}

/// Waits for the first event of a run. Returns the comment that a response has to begin with, if any, and all events.
///
/// # Errors
/// Why the run failed before it began.
async fn begin(
    mut run: Running,
) -> Result<(Option<sse::Event>, impl Stream<Item = AgentEvent> + Send), Box<Problem>> {
    let (comment, first) = match tokio::time::timeout(FIRST_EVENT, run.next()).await {
        Ok(Some(AgentEvent::Failed { problem, .. })) => return Err(problem),
        Ok(first) => (None, first),
        Err(_) => {
            run.response_began();
            (Some(sse::Event::default().comment(KEEP_ALIVE)), None)
        }
    };
    let rest = stream::unfold(run, |mut run| async move {
        let event = run.next().await?;
        Some((event, run))
    });
    Ok((comment, stream::iter(first).chain(rest)))
}

/// A response of `events`, kept open by comments while there is none.
pub(crate) fn stream_response(
    events: impl Stream<Item = Result<sse::Event, serde_json::Error>> + Send + 'static,
) -> Response {
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    // Without it, nginx buffers the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    // Proxies that compress or rewrite a response collect it first.
    let cache_control = HeaderValue::from_static("no-cache, no-store, no-transform");
    headers.insert(CACHE_CONTROL, cache_control);
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
