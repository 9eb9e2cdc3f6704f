//! The events of a run as server-sent events: those of the journal, and then each as it comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use crate::error::problem::Problem;
use crate::error::store_error::StoreError;
use crate::http::any_method;
use crate::http::sse_response::sse_event;
use crate::schema::formats::Uuid;
use crate::workflow::run_report::RunReport;
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

/// How long a stream may be silent before a comment keeps it open.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many events are read at once.
const AT_ONCE: u32 = 100;
/// How many digits the number of an event has at most.
const LONGEST_NUMBER: usize = 18;

/// A reader of the events of a run.
struct Reader {
    runs: Arc<WorkflowService>,
    run: Uuid,
    /// The number of the last event that was read.
    after: u64,
    read: VecDeque<(u64, WorkflowEvent)>,
    is_over: bool,
}

/// The events of a run behind the one that `Last-Event-ID` names, until the run is over or the service stops: a caller
/// who comes back then gets the rest. After the last event there is nothing to come back for, which 204 says.
pub(crate) async fn respond(
    runs: &Arc<WorkflowService>,
    report: &RunReport,
    headers: &HeaderMap,
) -> Result<Response, Box<Problem>> {
    let unknown = || {
        let detail = "Last-Event-ID must be the id of an event of this run";
        Box::new(Problem::new(400, detail))
    };
    let after = match headers.get("last-event-id") {
        None => 0,
        // Who has no last event may say so.
        Some(id) if id.is_empty() => 0,
        Some(id) => {
            let is_number = |id: &&str| {
                id.len() <= LONGEST_NUMBER && id.bytes().all(|byte| byte.is_ascii_digit())
            };
            let number = id.to_str().ok().filter(is_number);
            let number = number.and_then(|id| id.parse().ok());
            number.ok_or_else(unknown)?
        }
    };
    let mut reader = Reader {
        runs: Arc::clone(runs),
        run: report.run_id,
        after,
        read: VecDeque::new(),
        is_over: false,
    };
    let journal = &runs.journal;
    let told = |error: StoreError| any_method::told("runs", error);
    let events = journal
        .events(reader.run, after, AT_ONCE)
        .await
        .map_err(told)?;
    if events.is_empty() && report.status.is_over() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // Behind an event that never was, nothing would ever come.
    if events.is_empty() && after > 0 {
        let last = journal.events(reader.run, after - 1, 1).await;
        if last.map_err(told)?.is_empty() {
            return Err(unknown());
        }
    }
    reader.read = events.into();
    let events = stream::unfold(reader, |mut reader| async move {
        let (number, event) = reader.next().await?;
        Some((sse_event(&event, number), reader))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("keep-alive");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Reader {
    /// The next event; `None` after the last one, or if the service stops.
    async fn next(&mut self) -> Option<(u64, WorkflowEvent)> {
        while self.read.is_empty() && !self.is_over {
            // Asked for before the journal is read, so that nothing that comes in between is missed.
            let changes = self.runs.subscribe(self.run);
            let journal = &self.runs.journal;
            match journal.events(self.run, self.after, AT_ONCE).await {
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
        self.after = number;
        self.is_over = matches!(event, WorkflowEvent::Finished { .. });
        Some((number, event))
    }
}
