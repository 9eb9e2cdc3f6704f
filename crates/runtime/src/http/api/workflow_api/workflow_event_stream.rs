//! The events of a workflow run as server-sent events: those in the journal, then each new one. The end of an attempt that is followed
//! by another one is left out: for its readers, `run.finished` is the last event.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::http::api_error::ApiError;
use crate::http::layers::admission_slot::Admission;
use crate::http::layers::places::Place;
use crate::http::sse_response::{sse_event, stream_response};
use crate::schema::Uuid;
use crate::workflow::run_report::RunReport;
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

/// How many events are read from the journal at a time.
const BATCH: u32 = 100;
/// The media type of every answer, also of one without events: that is what the contract says of them.
const EVENT_STREAM: &str = "text/event-stream";
/// The most digits of an event's number.
const MAX_DIGITS: usize = 18;

/// A reader of the events of a run.
struct Reader {
    runs: Arc<WorkflowService>,
    run: Uuid,
    /// The number of the last event that was read.
    after: u64,
    read: VecDeque<(u64, WorkflowEvent)>,
    is_over: bool,
    /// Its place among those that follow runs.
    place: Option<Place>,
}

/// The events of a run after the one that `Last-Event-ID` names, until the run ends or the service stops. A caller that
/// reconnects gets the rest; 204 says that there are no more.
pub(crate) async fn respond(
    runs: &Arc<WorkflowService>,
    report: &RunReport,
    parts: &Parts,
) -> Result<Response, ApiError> {
    let unknown_id = || {
        let detail = "Last-Event-ID must be the id of an event of this run";
        ApiError::rejected(StatusCode::BAD_REQUEST, detail)
    };
    let after = match parts.headers.get("last-event-id") {
        None => 0,
        // A client that has received no event sends an empty id.
        Some(id) if id.is_empty() => 0,
        Some(id) => {
            let is_number =
                |id: &&str| id.len() <= MAX_DIGITS && id.bytes().all(|byte| byte.is_ascii_digit());
            let number = id.to_str().ok().filter(is_number);
            let number = number.and_then(|id| id.parse().ok());
            number.ok_or_else(unknown_id)?
        }
    };
    let mut reader = Reader {
        runs: Arc::clone(runs),
        run: report.run_id,
        after,
        read: VecDeque::new(),
        is_over: false,
        place: None,
    };
    let journal = &runs.journal;
    let events = journal.events(reader.run, after, BATCH).await?;
    if events.is_empty() && report.status.is_over() {
        let media_type = [(header::CONTENT_TYPE, EVENT_STREAM)];
        return Ok((StatusCode::NO_CONTENT, media_type).into_response());
    }
    // After an event that does not exist, no event would ever follow.
    if events.is_empty() && after > 0 {
        let last = journal.events(reader.run, after - 1, 1).await;
        if last?.is_empty() {
            return Err(unknown_id());
        }
    }
    reader.read = events.into();
    let place = Admission::of(parts).map(|admission| admission.follow());
    reader.place = place.transpose()?;
    Ok(stream_response(stream::unfold(
        reader,
        |mut reader| async move {
            let (number, event) = reader.next().await?;
            Some((sse_event(&event, number), reader))
        },
    )))
}

impl Reader {
    /// The next event; `None` after the last one, or if the service stops.
    async fn next(&mut self) -> Option<(u64, WorkflowEvent)> {
        loop {
            let (number, event) = self.next_stored().await?;
            if !matches!(event, WorkflowEvent::Finished { .. }) {
                return Some((number, event));
            }
            if self.read.is_empty() {
                let journal = &self.runs.journal;
                let more = journal.events(self.run, self.after, BATCH).await;
                self.read = more.unwrap_or_default().into();
            }
            if self.read.is_empty() {
                self.is_over = true;
                return Some((number, event));
            }
        }
    }

    /// The next event in the journal.
    async fn next_stored(&mut self) -> Option<(u64, WorkflowEvent)> {
        while self.read.is_empty() && !self.is_over {
            // Subscribed before the journal is read, so that no event between the two is missed.
            let changes = self.runs.subscribe(self.run);
            let journal = &self.runs.journal;
            match journal.events(self.run, self.after, BATCH).await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    self.read = events.into();
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "the events of a run can't be read");
                    return None;
                }
            }
            tokio::select! {
                () = changes.wait() => {}
                () = self.runs.resources.shutdown.draining() => return None,
            }
        }
        let (number, event) = self.read.pop_front()?;
        if self.read.is_empty() {
            // Its room too: a follower mostly waits.
            self.read = VecDeque::new();
        }
        self.after = number;
        Some((number, event))
    }
}
