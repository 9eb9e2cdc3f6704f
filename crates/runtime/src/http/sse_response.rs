//! A run as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

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
        Some((
            Ok::<_, Infallible>(written(&event, id)),
            (run, None, id + 1),
        ))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("keep-alive");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn written(event: &AgentEvent, id: u64) -> sse::Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    sse::Event::default()
        .id(id.to_string())
        .event(event.name())
        .data(data)
}
