//! The open actions of a run, and what becomes of them.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::event::pending_action::{ActionKind, PendingAction};
use crate::schema::{DateTime, Uuid, new_uuid_v7};
use crate::spec::workflow_spec::{StepKind, StepSpec};
use crate::workflow::execution::evaluation::{Scope, fill, to_text};
use crate::workflow::journal::JournaledRun;
use crate::workflow::run_report::StepError;
use crate::workflow::waiting::inbox::Inbox;

/// The actions that a run waits for, as its executor knows them.
#[derive(Debug, Default)]
pub(crate) struct OpenActions {
    open: Vec<PendingAction>,
    /// The numbers of the events that steps have received.
    received: BTreeSet<u64>,
    /// How many answers and events were in the inbox when it was read last.
    inbox_count: u64,
    /// Whether what one of them waits for may be there already: an event is kept for a step that begins later.
    is_unread: bool,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolution {
    /// A person answered.
    Answered {
        /// The answer.
        value: Value,
        /// Who.
        by: String,
    },
    /// The event with this number came.
    Received {
        /// What was sent.
        payload: Value,
        /// Its number.
        number: u64,
        /// Who sent it.
        by: String,
    },
    /// The time is up.
    Elapsed,
    /// The run that the step has started ended: with an output, or for this reason without.
    Ended(Result<Value, StepError>),
    /// Nothing came in time.
    Expired,
}

impl OpenActions {
    /// Those of a run that the journal has.
    pub(crate) fn of(run: &JournaledRun) -> Self {
        Self {
            open: run.actions.clone(),
            received: run.received_events.iter().copied().collect(),
            inbox_count: 0,
            is_unread: true,
        }
    }

    /// Whether the inbox has to be read before the run can wait for news.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread && !self.open.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How much of the inbox is known.
    pub(crate) fn inbox_count(&self) -> u64 {
        self.inbox_count
    }

    /// When the first of them ends by itself.
    pub(crate) fn next_moment(&self) -> Option<SystemTime> {
        let moments = self.open.iter().filter_map(|action| action.expires_at);
        moments.map(SystemTime::from).min()
    }

    pub(crate) fn add(&mut self, action: PendingAction) {
        self.is_unread = true;
        self.open.push(action);
    }

    pub(crate) fn remove(&mut self, action: Uuid) {
        self.open.retain(|open| open.id != action);
    }

    /// Whether `step` waits for one of them.
    pub(crate) fn has_of(&self, step: &str) -> bool {
        self.open.iter().any(|open| open.step == step)
    }

    /// Whether the one with this id is among them.
    pub(crate) fn contains(&self, action: Uuid) -> bool {
        self.open.iter().any(|open| open.id == action)
    }

    /// Those that wait for runs.
    pub(crate) fn runs(&self) -> Vec<PendingAction> {
        let runs = self.open.iter().filter(|action| action.run.is_some());
        runs.cloned().collect()
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> Vec<PendingAction> {
        std::mem::take(&mut self.open)
    }

    /// What has come of them, by `inbox`. Of an event that was sent more than once, each step receives one, in order. An answer and
    /// an event that came in time count even if they are read late.
    pub(crate) fn resolved(&mut self, inbox: &Inbox) -> Vec<(PendingAction, Resolution)> {
        self.inbox_count = inbox.count;
        self.is_unread = false;
        let mut resolved = Vec::new();
        for action in &self.open {
            let mut answers = inbox.answers.iter();
            let answer = answers.find(|answer| answer.action == action.id);
            if let Some(answer) = answer {
                let answered = Resolution::Answered {
                    value: answer.value.clone(),
                    by: answer.by.clone(),
                };
                resolved.push((action.clone(), answered));
                continue;
            }
            let is_next = |number: &u64, name: &str| {
                action.event.as_deref() == Some(name) && !self.received.contains(number)
            };
            let mut sent = inbox.events.iter();
            let sent = sent.find(|sent| is_next(&sent.number, &sent.event.name));
            if let Some(sent) = sent {
                self.received.insert(sent.number);
                let received = Resolution::Received {
                    payload: sent.event.payload.clone(),
                    number: sent.number,
                    by: sent.event.by.clone(),
                };
                resolved.push((action.clone(), received));
                continue;
            }
            let is_due = action
                .expires_at
                .is_some_and(|moment| SystemTime::from(moment) <= inbox.now);
            if is_due {
                let ended = match action.kind {
                    ActionKind::Timer => Resolution::Elapsed,
                    ActionKind::Approval
                    | ActionKind::Question
                    | ActionKind::Event
                    | ActionKind::Run => Resolution::Expired,
                };
                resolved.push((action.clone(), ended));
            }
        }
        resolved
    }
}

/// The action of a step that waits, from `now` on; `None` for one that calls an agent.
pub(crate) fn action_of(
    step: &StepSpec,
    scope: Scope<'_>,
    now: SystemTime,
) -> Option<PendingAction> {
    let timeout = step.timeout_ms.map(Duration::from_millis);
    let mut action = PendingAction {
        id: new_uuid_v7(),
        step: step.id.to_owned(),
        kind: ActionKind::Question,
        prompt: None,
        event: None,
        run: None,
        schema: None,
        roles: Vec::new(),
        tool_call: None,
        expires_at: timeout.map(|timeout| DateTime::from(now + timeout)),
    };
    match &step.kind {
        StepKind::Call { .. }
        | StepKind::AgentRun
        | StepKind::ForEach { .. }
        | StepKind::Plan { .. } => return None,
        StepKind::Workflow { .. } => {
            action.kind = ActionKind::Run;
            action.run = Some(new_uuid_v7());
        }
        StepKind::Ask {
            prompt,
            answer_schema,
            roles,
        } => {
            action.prompt = Some(to_text(&fill(prompt, scope)));
            action.schema = serde_json::from_str(answer_schema).ok();
            action.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        }
        StepKind::WaitFor {
            event,
            payload_schema,
        } => {
            action.kind = ActionKind::Event;
            action.event = Some((*event).to_owned());
            action.schema = serde_json::from_str(payload_schema).ok();
        }
        StepKind::Wait { duration_ms } => {
            action.kind = ActionKind::Timer;
            action.expires_at = Some(DateTime::from(now + Duration::from_millis(*duration_ms)));
        }
    }
    Some(action)
}

/// The words with which a person says how a run continues after a step that failed.
pub(crate) mod decision {
    /// The step begins again.
    pub(crate) const RETRY: &str = "retry";
    /// The run continues without its output.
    pub(crate) const SKIP: &str = "skip";
    /// The person gives the output.
    pub(crate) const ANSWER: &str = "answer";
    /// The run ends.
    pub(crate) const STOP: &str = "stop";
}

/// The question how a run continues after `step` failed with `error`. `output_schema` is that of the step's output.
pub(crate) fn escalation(step: &str, error: &StepError, output_schema: &Value) -> PendingAction {
    use decision::{ANSWER, RETRY, SKIP, STOP};
    let mut output = output_schema.clone();
    let mut schema = json!({
        "type": "object",
        "required": ["decision"],
        "additionalProperties": false,
        "properties": {
            "decision": {
                "description": "`retry` begins the step again, `skip` continues without its output, `answer` gives the output, `stop` ends the run.",
                "enum": [RETRY, SKIP, ANSWER, STOP],
            },
        },
        "if": { "properties": { "decision": { "const": ANSWER } } },
        "then": { "required": ["output"] },
    });
    // References in it begin at the root.
    for definitions in ["$defs", "definitions"] {
        if let Some(own) = output
            .as_object_mut()
            .and_then(|own| own.remove(definitions))
        {
            schema[definitions] = own;
        }
    }
    schema["properties"]["output"] = output;
    let detail = &error.detail;
    PendingAction {
        id: new_uuid_v7(),
        step: step.to_owned(),
        kind: ActionKind::Question,
        prompt: Some(format!(
            "The step `{step}` failed: {detail}. How does the run continue?"
        )),
        event: None,
        run: None,
        schema: Some(schema),
        roles: Vec::new(),
        tool_call: None,
        expires_at: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::{OpenActions, Resolution, action_of, escalation};
    use crate::event::pending_action::PendingAction;
    use crate::schema::Schema;
    use crate::spec::workflow_spec::tests::STEP;
    use crate::spec::workflow_spec::{Expression, StepKind, StepSpec, Template};
    use crate::workflow::execution::evaluation::Scope;
    use crate::workflow::run_report::StepError;
    use crate::workflow::waiting::inbox::{Answer, Inbox, NewEvent, SentEvent};

    const PAID: StepSpec = StepSpec {
        kind: StepKind::WaitFor {
            event: "paid",
            payload_schema: "true",
        },
        timeout_ms: Some(1000),
        ..STEP
    };
    const ASK: StepSpec = StepSpec {
        id: "b",
        kind: StepKind::Ask {
            prompt: Template::Text(&[
                Template::Json("\"Release \""),
                Template::Value(Expression::Path(&["input", "version"])),
            ]),
            answer_schema: "{}",
            roles: &["admin"],
        },
        ..STEP
    };
    const PAUSE: StepSpec = StepSpec {
        id: "c",
        kind: StepKind::Wait { duration_ms: 500 },
        ..STEP
    };

    fn begun(step: &StepSpec) -> PendingAction {
        let input = json!({"version": 2});
        action_of(step, Scope::of(&input, &[]), UNIX_EPOCH).unwrap()
    }

    fn inbox(millis: u64, answers: Vec<Answer>, names: &[&str]) -> Inbox {
        let events = (1..).zip(names).map(|(number, name)| SentEvent {
            number,
            event: NewEvent {
                name: (*name).to_owned(),
                payload: json!(number),
                by: "ann".to_owned(),
            },
        });
        Inbox {
            count: (answers.len() + names.len()) as u64,
            now: UNIX_EPOCH + Duration::from_millis(millis),
            answers,
            events: events.collect(),
        }
    }

    fn numbers(resolved: &[(PendingAction, Resolution)]) -> Vec<(&str, Option<u64>)> {
        let number = |resolution: &Resolution| match resolution {
            Resolution::Received { number, .. } => Some(*number),
            _ => None,
        };
        let resolved = resolved.iter();
        resolved
            .map(|(action, resolution)| (&*action.step, number(resolution)))
            .collect()
    }

    #[test]
    fn each_event_is_received_once_and_in_order() {
        let mut open = OpenActions::default();
        open.add(begun(&PAID));
        open.add(begun(&StepSpec { id: "d", ..PAID }));
        let one = inbox(0, Vec::new(), &["other", "paid"]);
        let resolved = open.resolved(&one);
        assert_eq!(numbers(&resolved), [("a", Some(2))]);
        open.remove(resolved[0].0.id);
        assert_eq!(open.resolved(&one), []);
        let two = inbox(0, Vec::new(), &["other", "paid", "paid"]);
        assert_eq!(numbers(&open.resolved(&two)), [("d", Some(3))]);
    }

    #[test]
    fn what_came_in_time_counts_before_the_time_is_up() {
        let mut open = OpenActions::default();
        let [event, question, timer] = [PAID, ASK, PAUSE].map(|step| begun(&step));
        assert_eq!(question.prompt.as_deref(), Some("Release 2"));
        assert_eq!(question.roles, ["admin"]);
        for action in [&event, &question, &timer] {
            open.add(action.clone());
        }
        let half = UNIX_EPOCH + Duration::from_millis(500);
        assert_eq!(open.next_moment(), Some(half));
        assert_eq!(open.resolved(&inbox(499, Vec::new(), &[])), []);
        let elapsed = [(timer.clone(), Resolution::Elapsed)];
        assert_eq!(open.resolved(&inbox(500, Vec::new(), &[])), elapsed);
        open.remove(timer.id);
        let expired = [(event, Resolution::Expired)];
        assert_eq!(open.resolved(&inbox(1000, Vec::new(), &[])), expired);
        let answer = Answer {
            action: question.id,
            value: Value::from(true),
            by: "eve".to_owned(),
        };
        let late = inbox(5000, vec![answer], &["paid"]);
        assert_eq!(open.resolved(&late).len(), 2);
        assert_eq!(open.inbox_count(), 2);
    }

    #[test]
    fn an_answer_to_an_escalation_needs_an_output_of_the_type_of_the_step() {
        let error = StepError::new(502, "no answer");
        let output = json!({
            "$ref": "#/$defs/plan",
            "$defs": { "plan": { "type": "object", "required": ["days"] } },
        });
        let question = escalation("plan", &error, &output);
        let schema = Schema::compile(&question.schema.unwrap()).unwrap();
        for (answer, is_valid) in [
            (json!({"decision": "retry"}), true),
            (json!({"decision": "later"}), false),
            (json!({"decision": "answer"}), false),
            (json!({"decision": "answer", "output": {}}), false),
            (json!({"decision": "answer", "output": {"days": 3}}), true),
            (json!({}), false),
        ] {
            assert_eq!(schema.is_valid(&answer), is_valid, "{answer}");
        }
    }
}
