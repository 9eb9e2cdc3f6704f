//! A run as a task.

use a2a::{Artifact, Message, Part, Role, Task, TaskState, TaskStatus};
use serde_json::{Value, json};

use crate::schema::DateTime;
use crate::spec::workflow_spec::INVOKE;
use crate::workflow::agent_run::MESSAGE;
use crate::workflow::journal::JournaledRun;
use crate::workflow::run_report::{RunStatus, StepReport};

/// The id of the artifact that the output of a run is.
pub(super) const OUTPUT: &str = "output";

/// How a run stands. One that was refused for what was asked, with a 4xx, is rejected.
pub(super) fn state(run: &JournaledRun) -> TaskState {
    match run.status {
        RunStatus::Queued => TaskState::Submitted,
        RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => {
            let mut actions = run.actions.iter();
            match actions.any(|action| action.kind.is_answered()) {
                true => TaskState::InputRequired,
                false => TaskState::Working,
            }
        }
        RunStatus::Completed | RunStatus::CompletedWithFailures => TaskState::Completed,
        RunStatus::Failed | RunStatus::Escalated => {
            let error = step(run).and_then(|step| step.error.as_ref());
            match error {
                Some(error) if (400..500).contains(&error.status) => TaskState::Rejected,
                _ => TaskState::Failed,
            }
        }
        RunStatus::Cancelled => TaskState::Canceled,
    }
}

fn step(run: &JournaledRun) -> Option<&StepReport> {
    run.steps.last()
}

/// The conversation that a run belongs to; one without stands alone, under its own id.
pub(super) fn context(run: &JournaledRun) -> String {
    let of_message = run.input[MESSAGE]["contextId"].as_str();
    let context = of_message.or(run.input["request"]["session_id"].as_str());
    context.map_or_else(|| run.id.to_string(), str::to_owned)
}

/// The status of a run, with its questions or why it has no output.
pub(super) fn status(run: &JournaledRun) -> TaskStatus {
    let state = state(run);
    let (id, parts) = match state {
        TaskState::InputRequired => {
            let open = || run.actions.iter().filter(|of| of.kind.is_answered());
            let prompts: Vec<_> = open().filter_map(|of| of.prompt.as_deref()).collect();
            let mut parts = vec![Part::text(prompts.join("\n"))];
            parts.extend(open().map(|action| Part::data(json!(action))));
            let id = open().next().map(|action| action.id.to_string());
            (id.unwrap_or_default(), parts)
        }
        TaskState::Failed | TaskState::Rejected | TaskState::Canceled => {
            let of_step = step(run).and_then(|step| step.error.as_ref());
            let detail = of_step.map(|error| &error.detail).or(run.error.as_ref());
            let parts = detail.map(|detail| vec![Part::text(detail)]);
            (format!("{}-end", run.id), parts.unwrap_or_default())
        }
        _ => (String::new(), Vec::new()),
    };
    let message = (!parts.is_empty()).then(|| Message {
        message_id: id,
        context_id: Some(context(run)),
        task_id: Some(run.id.to_string()),
        ..Message::new(Role::Agent, parts)
    });
    let ended = run.ended_at.map(DateTime::from);
    let began = step(run).and_then(|step| step.ended_at.or(step.began_at));
    let changed = ended.or(began).unwrap_or(DateTime::from(run.created_at));
    TaskStatus {
        state,
        message,
        timestamp: Some(std::time::SystemTime::from(changed).into()),
    }
}

/// The output of a run as an artifact: of `invoke` a text, of any other endpoint data.
pub(super) fn artifact(run: &JournaledRun) -> Option<Artifact> {
    let is_complete = state(run) == TaskState::Completed;
    let output = &step(run).filter(|_| is_complete)?.output;
    let part = match run.input["endpoint"].as_str() {
        Some(INVOKE) => Part::text(text(output)).with_media_type("text/plain"),
        // An endpoint without an answer has none to show.
        _ if output.is_null() => return None,
        _ => Part::data(output.clone()).with_media_type("application/json"),
    };
    Some(output_artifact(part))
}

/// The artifact of an output, or of a piece of it.
pub(super) fn output_artifact(part: Part) -> Artifact {
    Artifact {
        artifact_id: OUTPUT.to_owned(),
        name: Some(OUTPUT.to_owned()),
        description: None,
        parts: vec![part],
        metadata: None,
        extensions: None,
    }
}

/// The text of an output of `invoke`.
pub(super) fn text(output: &Value) -> &str {
    output["output"].as_str().unwrap_or_default()
}

/// A run as a task, with up to `history_length` messages.
pub(super) fn task(run: &JournaledRun, history_length: Option<i32>) -> Task {
    let (id, context) = (run.id.to_string(), context(run));
    let message = serde_json::from_value::<Message>(run.input[MESSAGE].clone()).ok();
    let history = message
        .filter(|_| history_length != Some(0))
        .map(|message| {
            vec![Message {
                context_id: Some(context.clone()),
                task_id: Some(id.clone()),
                ..message
            }]
        });
    Task {
        id,
        context_id: context,
        status: status(run),
        artifacts: artifact(run).map(|artifact| vec![artifact]),
        history,
        metadata: None,
    }
}
