//! The events of a task, from its state now to its end or its next question.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use a2a::{
    Artifact, Part, StreamResponse, Task, TaskArtifactUpdateEvent, TaskState, TaskStatusUpdateEvent,
};
use futures_util::{Stream, stream};

use crate::error::store_error::StoreError;
use crate::event::agent_event::AgentEvent;
use crate::event::pending_action::PendingAction;
use crate::http::calls::agent_call::Waits;
use crate::http::calls::durable_call::AgentRun;
use crate::http::layers::admission_slot::Admission;
use crate::http::layers::places::Place;
use crate::http::protocols::a2a::Exchange;
use crate::http::protocols::a2a::a2a_error::{Refusal, unsupported};
use crate::http::protocols::a2a::task_operations::{Sent, are_open, find};
use crate::http::protocols::a2a::task_view::{
    artifact, context, output_artifact, state, status, task, text,
};
use crate::run::supervision::Running;
use crate::schema::Uuid;
use crate::spec::workflow_spec::INVOKE;
use crate::workflow::agent_run::wait_for_actions;
use crate::workflow::journal::JournaledRun;
use crate::workflow::workflow_service::WorkflowService;

/// A reader of the events of a task.
struct Reader {
    runs: Arc<WorkflowService>,
    subject: String,
    run: Uuid,
    context: String,
    running: Running,
    /// What is to be told before the next event is read.
    next: VecDeque<StreamResponse>,
    /// The state that was told last.
    told: TaskState,
    /// The questions that were told before, and the one that was answered.
    known: BTreeSet<Uuid>,
    /// Whether the text of the output is told as it comes.
    tells_text: bool,
    /// The text that was told.
    text: String,
    is_over: bool,
    /// Its place among those that only follow runs.
    _place: Option<Place>,
}

/// The events of a task that a message began or answered. They end where it has ended or needs an answer; the task goes on where the
/// caller leaves.
pub(super) async fn of_message(
    exchange: &Exchange,
    sent: Sent,
) -> Result<impl Stream<Item = StreamResponse> + Send + use<>, Refusal> {
    let run = find(exchange, &sent.run.id.to_string()).await?;
    let is_new = sent.answered.is_none();
    Ok(events(exchange, run, sent, BTreeSet::new(), is_new, None))
}

/// The events of the task `id` from now on.
pub(super) async fn of_task(
    exchange: &Exchange,
    id: &str,
) -> Result<impl Stream<Item = StreamResponse> + Send + use<>, Refusal> {
    let run = find(exchange, id).await?;
    if run.status.is_over() {
        return Err(unsupported("the task has ended"));
    }
    let endpoint = exchange.endpoints().find(|endpoint| {
        run.input["agent"] == endpoint.agent.slug
            && run.input["endpoint"] == endpoint.handler.spec.name
    });
    let gone = || unsupported("the agent of the task is no longer served");
    let endpoint = endpoint.ok_or_else(gone)?;
    let place = Admission::of(&exchange.parts).map(|admission| admission.follow());
    let place = place.transpose()?;
    let (runs, subject) = (&exchange.served.runs, exchange.caller.subject.clone());
    let following = AgentRun::of(
        runs,
        endpoint,
        subject,
        &exchange.parts,
        (run.id, Vec::new()),
        false,
    );
    let sent = Sent {
        run: following,
        answered: None,
    };
    // They are told with the task, and their answers are waited for.
    let known = run.actions.iter().map(|action| action.id).collect();
    Ok(events(exchange, run, sent, known, false, place))
}

fn events(
    exchange: &Exchange,
    run: JournaledRun,
    Sent {
        run: following,
        answered,
    }: Sent,
    mut known: BTreeSet<Uuid>,
    is_new: bool,
    place: Option<Place>,
) -> impl Stream<Item = StreamResponse> + Send + use<> {
    known.extend(answered);
    let now = task_now(task(&run, None), is_new, answered);
    let reader = Reader {
        runs: Arc::clone(&exchange.served.runs),
        subject: exchange.caller.subject.clone(),
        run: run.id,
        context: context(&run),
        told: now.status.state.clone(),
        next: VecDeque::from([StreamResponse::Task(now)]),
        known,
        tells_text: run.input["endpoint"] == INVOKE,
        text: String::new(),
        is_over: false,
        running: following.follow(Waits::Following),
        _place: place,
    };
    stream::unfold(reader, |mut reader| async move {
        loop {
            if let Some(event) = reader.next.pop_front() {
                return Some((event, reader));
            }
            if reader.is_over {
                return None;
            }
            if let Err(error) = reader.read().await {
                tracing::warn!(%error, "the events of a task can't be read");
                return None;
            }
        }
    })
}

/// A task as its events begin: however far its run is by now, what came of it is told after that.
fn task_now(mut task: Task, is_new: bool, answered: Option<Uuid>) -> Task {
    if is_new || answered.is_some() {
        task.status.state = match is_new {
            true => TaskState::Submitted,
            false => TaskState::Working,
        };
        task.status.message = None;
        task.artifacts = None;
    }
    task
}

impl Reader {
    /// Reads the next event of the run.
    async fn read(&mut self) -> Result<(), StoreError> {
        match self.running.next().await {
            Some(AgentEvent::Started { .. }) if self.told == TaskState::Submitted => {
                self.tell_status(&self.load().await?);
            }
            Some(AgentEvent::Delta { text }) if self.tells_text => {
                let append = !self.text.is_empty();
                self.text.push_str(&text);
                self.tell_output(output_artifact(Part::text(text)), append, false);
            }
            Some(AgentEvent::ActionRequired { action, .. }) if self.known.insert(action.id) => {
                let run = self.load().await?;
                if !run.actions.iter().any(|open| open.id == action.id) {
                    return Ok(());
                }
                self.pause(None).await?;
            }
            Some(AgentEvent::ActionResolved { action, .. }) => {
                let run = self.load().await?;
                let is_known = |open: &PendingAction| self.known.contains(&open.id);
                if !run.actions.iter().all(is_known) {
                    self.pause(Some(action)).await?;
                } else if state(&run) == TaskState::Working && self.told != TaskState::Working {
                    self.tell_status(&run);
                }
            }
            Some(AgentEvent::Completed { .. } | AgentEvent::Failed { .. }) | None => {
                let run = self.load().await?;
                // The service stops, and another process goes on with the run.
                self.is_over = true;
                if run.status.is_over() {
                    self.end_or_go_on(&run);
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Tells of the questions of a run, once all of them are there and their answers count.
    async fn pause(&mut self, answered: Option<Uuid>) -> Result<(), StoreError> {
        let are_open = |actions: &[PendingAction]| are_open(actions, answered);
        let paused = wait_for_actions(&self.runs, self.run, &self.subject, are_open).await;
        let run = self.load().await?;
        // The service stops, and another process goes on with the run.
        self.is_over = true;
        if paused.is_ok() {
            self.end_or_go_on(&run);
        }
        Ok(())
    }

    /// Tells how the run stands. The stream ends where it has ended, or waits for an answer.
    fn end_or_go_on(&mut self, run: &JournaledRun) {
        if let Some(whole) = artifact(run) {
            let step = run.steps.last().map(|step| text(&step.output));
            // What was told is all of it, unless a model began again.
            let is_told = self.tells_text && !self.text.is_empty() && step == Some(&*self.text);
            if !is_told {
                self.tell_output(whole, false, true);
            }
        }
        self.tell_status(run);
        self.is_over = run.status.is_over() || self.told == TaskState::InputRequired;
    }

    fn tell_output(&mut self, artifact: Artifact, append: bool, is_last: bool) {
        self.next
            .push_back(StreamResponse::ArtifactUpdate(TaskArtifactUpdateEvent {
                task_id: self.run.to_string(),
                context_id: self.context.clone(),
                artifact,
                append: Some(append),
                last_chunk: Some(is_last),
                metadata: None,
            }));
    }

    fn tell_status(&mut self, run: &JournaledRun) {
        self.told = state(run);
        self.next
            .push_back(StreamResponse::StatusUpdate(TaskStatusUpdateEvent {
                task_id: self.run.to_string(),
                context_id: self.context.clone(),
                status: status(run),
                metadata: None,
            }));
    }

    async fn load(&self) -> Result<JournaledRun, StoreError> {
        let run = self.runs.journal.run(self.run, &self.subject).await?;
        run.ok_or_else(|| StoreError::internal("a run is gone from the journal"))
    }
}
