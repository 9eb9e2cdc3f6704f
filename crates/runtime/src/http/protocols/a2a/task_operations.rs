//! What is done with tasks: begun, answered, read, listed, cancelled.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a2a::{
    A2AError, CancelTaskRequest, GetTaskRequest, ListTasksRequest, ListTasksResponse, Message,
    Role, SendMessageRequest, Task, TaskState,
};
use serde_json::json;
use tokio::time::Instant;

use crate::event::pending_action::PendingAction;
use crate::http::calls::MountedEndpoint;
use crate::http::calls::agent_call::{AgentCall, Waits};
use crate::http::calls::durable_call::AgentRun;
use crate::http::protocols::a2a::Exchange;
use crate::http::protocols::a2a::a2a_error::{Refusal, invalid, unsupported};
use crate::http::protocols::a2a::message_input::{answer, input};
use crate::http::protocols::a2a::task_view::{context, state, task};
use crate::run::run_input::Input;
use crate::schema::{Uuid, new_uuid_v7};
use crate::workflow::agent_run::{AGENT_RUN, wait_for_actions};
use crate::workflow::journal::{JournaledRun, RunQuery};
use crate::workflow::leases;
use crate::workflow::waiting::answers;

/// The default and the maximum number of tasks of a page.
const DEFAULT_PAGE: i32 = 50;
const MAX_PAGE: i32 = 100;
/// How many runs one request looks through: it reads each of them.
const MAX_RUNS: u32 = 500;
/// How long a request to cancel waits for the end of its run.
const CANCELLATION: Duration = Duration::from_secs(5);

/// A run that a message began, or one of whose questions it answered.
pub(super) struct Sent {
    pub(super) run: AgentRun,
    pub(super) answered: Option<Uuid>,
}

/// Does what a message asks: begins a run of `endpoint`, or answers the task that it names.
pub(super) async fn begin(
    exchange: &Exchange,
    endpoint: Option<&Arc<MountedEndpoint>>,
    request: SendMessageRequest,
) -> Result<Sent, Refusal> {
    let message = &request.message;
    if message.role != Role::User {
        return Err(invalid("the role of a message to an agent is user"));
    }
    if message.parts.is_empty() {
        return Err(invalid("the message has no parts"));
    }
    let Some(endpoint) = endpoint else {
        return answer_task(exchange, &request).await;
    };
    let context = match message.context_id.clone() {
        Some(context) if !context.is_empty() => context,
        _ => new_uuid_v7().to_string(),
    };
    let input = input(endpoint, message, &context)?;
    let context = input["session_id"].as_str().map_or(context, str::to_owned);
    let kept = Message {
        context_id: Some(context),
        ..request.message
    };
    let call = AgentCall {
        state: &exchange.served.state,
        endpoint,
        caller: exchange.caller.clone(),
        parts: &exchange.parts,
        input: Input::text(input.to_string()),
        conversation: None,
        waits: Waits::Following,
    };
    Ok(Sent {
        run: call.begin_with(Some(json!(kept))).await?,
        answered: None,
    })
}

async fn answer_task(exchange: &Exchange, request: &SendMessageRequest) -> Result<Sent, Refusal> {
    let id = request.message.task_id.clone().unwrap_or_default();
    let run = find(exchange, &id).await?;
    let given = request.message.context_id.as_deref();
    if given.is_some_and(|given| !given.is_empty() && given != context(&run)) {
        return Err(invalid("the task belongs to another context"));
    }
    match state(&run) {
        TaskState::InputRequired => {}
        state if state.is_terminal() => {
            return Err(unsupported(
                "the task has ended, and takes no further message",
            ));
        }
        _ => return Err(unsupported("the task does not wait for a message")),
    }
    let endpoint = exchange.endpoints().find(|endpoint| {
        let of_run = &run.input;
        of_run["agent"] == endpoint.agent.slug && of_run["endpoint"] == endpoint.handler.spec.name
    });
    let gone = || unsupported("the agent of the task is no longer served");
    let endpoint = endpoint.ok_or_else(gone)?;
    let (action, value) = answer(&run.actions, request)?;
    let runs = &exchange.served.runs;
    let subject = exchange.caller.subject.clone();
    // Before the run goes on, so that nothing is missed.
    let following = AgentRun::of(
        runs,
        endpoint,
        subject,
        &exchange.parts,
        (run.id, vec![action]),
        true,
    );
    answers::answer(runs, run.id, action, value, &exchange.caller).await?;
    Ok(Sent {
        run: following,
        answered: Some(action),
    })
}

/// Whether a run waits that was begun, or whose question `answered` was answered: that one shows until the run goes on.
pub(super) fn are_open(actions: &[PendingAction], answered: Option<Uuid>) -> bool {
    !actions.is_empty() && actions.iter().all(|action| Some(action.id) != answered)
}

/// Waits until a run that was begun or answered has ended or waits again, unless its caller does not want to; gives its task.
pub(super) async fn settled(
    exchange: &Exchange,
    Sent { run, answered }: Sent,
    (is_awaited, history_length): (bool, Option<i32>),
) -> Result<Task, Refusal> {
    if is_awaited {
        let subject = &exchange.caller.subject;
        let runs = &exchange.served.runs;
        wait_for_actions(runs, run.id, subject, |actions| are_open(actions, answered)).await?;
    }
    let run = find(exchange, &run.id.to_string()).await?;
    Ok(task(&run, history_length))
}

/// The run that is the task `id` of the caller, of an agent that the path is about.
pub(super) async fn find(exchange: &Exchange, id: &str) -> Result<JournaledRun, Refusal> {
    let not_found = || A2AError::task_not_found(id).into();
    let Ok(run) = id.parse::<Uuid>() else {
        return Err(not_found());
    };
    let journal = &exchange.served.runs.journal;
    let run = journal.run(run, &exchange.caller.subject).await?;
    run.filter(|run| is_task(exchange, run))
        .ok_or_else(not_found)
}

fn is_task(exchange: &Exchange, run: &JournaledRun) -> bool {
    let is_meant = |slug| run.input["agent"] == slug;
    run.workflow == AGENT_RUN.name && exchange.agent.is_none_or(is_meant)
}

pub(super) async fn get(exchange: &Exchange, request: &GetTaskRequest) -> Result<Task, Refusal> {
    let run = find(exchange, &request.id).await?;
    Ok(task(&run, request.history_length))
}

/// A page of the caller's tasks, the newest first. A page token is the id of a task.
pub(super) async fn list(
    exchange: &Exchange,
    request: &ListTasksRequest,
) -> Result<ListTasksResponse, Refusal> {
    let page_size = match request.page_size {
        None | Some(0) => DEFAULT_PAGE,
        Some(size @ 1..=MAX_PAGE) => size,
        Some(_) => return Err(invalid(format!("pageSize is 1 to {MAX_PAGE}"))),
    };
    let last = request
        .page_token
        .as_deref()
        .filter(|token| !token.is_empty());
    let last = match last {
        None => None,
        Some(token) => {
            let last = find(exchange, token).await;
            Some(
                last.map_err(|_| invalid("the pageToken is not of this list"))?
                    .id,
            )
        }
    };
    let changed_after = request.status_timestamp_after.map(SystemTime::from);
    let is_listed = |run: &JournaledRun, task: &Task| {
        is_task(exchange, run)
            && request
                .context_id
                .as_ref()
                .is_none_or(|id| id.is_empty() || *id == task.context_id)
            && request
                .status
                .as_ref()
                .is_none_or(|state| *state == TaskState::Unspecified || *state == task.status.state)
            && changed_after.is_none_or(|after| {
                task.status
                    .timestamp
                    .is_some_and(|moment| SystemTime::from(moment) >= after)
            })
    };
    let journal = &exchange.served.runs.journal;
    let query = RunQuery {
        subject: &exchange.caller.subject,
        workflow: Some(AGENT_RUN.name),
        ..RunQuery::default()
    };
    let (mut tasks, mut total) = (Vec::new(), 0);
    let mut is_on_page = last.is_none();
    let mut has_more = false;
    for facts in journal.list(&query, MAX_RUNS).await? {
        // One that was deleted meanwhile is not listed.
        if let Some(run) = journal.run(facts.id, query.subject).await? {
            let mut task = task(&run, request.history_length);
            if is_listed(&run, &task) {
                total += 1;
                if is_on_page && tasks.len() < page_size as usize {
                    if request.include_artifacts != Some(true) {
                        task.artifacts = None;
                    }
                    tasks.push(task);
                } else {
                    has_more |= is_on_page;
                }
            }
        }
        is_on_page |= Some(facts.id) == last;
    }
    let next = tasks.last().filter(|_| has_more);
    Ok(ListTasksResponse {
        next_page_token: next.map(|task| task.id.clone()).unwrap_or_default(),
        tasks,
        page_size,
        total_size: total,
    })
}

/// Cancels a task; gives it as it is once it has ended, or after a while.
pub(super) async fn cancel(
    exchange: &Exchange,
    request: &CancelTaskRequest,
) -> Result<Task, Refusal> {
    let mut run = find(exchange, &request.id).await?;
    let runs = &exchange.served.runs;
    if run.status.is_over() || !leases::cancel(runs, run.id).await? {
        return Err(A2AError::task_not_cancelable(&request.id).into());
    }
    let deadline = Instant::now() + CANCELLATION;
    while !run.status.is_over() && Instant::now() < deadline {
        // Before the journal is read, so that no change after that is missed.
        let changes = runs.subscribe(run.id);
        run = find(exchange, &request.id).await?;
        if !run.status.is_over() {
            changes.wait_for_end().await;
        }
    }
    Ok(task(&run, None))
}
