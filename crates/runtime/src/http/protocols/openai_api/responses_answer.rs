//! Responses: the answer of an agent, what it waits for, or its events.

use axum::response::Response;
use axum::response::sse;
use serde_json::{Map, Value, json};

use crate::error::AgentError;
use crate::event::agent_event::AgentEvent;
use crate::event::pending_action::PendingAction;
use crate::http::api_error::ApiError;
use crate::http::calls::agent_call::{AgentCall, Answer, Waits};
use crate::http::calls::durable_call::AgentRun;
use crate::http::protocols::openai_api::Call;
use crate::http::protocols::openai_api::responses_input::{self, Asks};
use crate::http::protocols::openai_api::responses_output::{
    Outcome, end, fail, items, message, message_id, pending, response, text_part, wait,
};
use crate::http::responses::json_response;
use crate::http::sse_response;
use crate::run::run_input::Input;
use crate::schema::Uuid;
use crate::workflow;
use crate::workflow::waiting::answers;

/// Answers a request.
pub(super) async fn respond(
    call: Call<'_>,
    members: Map<String, Value>,
) -> Result<Response, ApiError> {
    let state = &*call.served.state;
    let request = responses_input::read(members, |name| {
        state
            .resources
            .tools
            .is_taken(call.endpoint.agent.slug, name)
    })?;
    let (model, said) = (call.endpoint.agent.slug, request.said);
    let (events, answer) = match request.asks {
        Asks::New(asked) => {
            let agent_call = AgentCall {
                state,
                endpoint: call.endpoint,
                caller: call.caller,
                parts: call.parts,
                input: Input::text(json!({ "input": asked.input }).to_string()),
                conversation: Some(asked.conversation),
                waits: Waits::Ending,
            };
            match request.stream {
                true => (Some(agent_call.events().await?), None),
                false => (None, Some(agent_call.answer().await?)),
            }
        }
        Asks::Resume(run, answers) => {
            let run = resume(&call, run, answers).await?;
            match request.stream {
                true => (Some(run.follow(Waits::Ending)), None),
                false => (None, Some(run.answer().await?)),
            }
        }
    };
    match (events, answer) {
        (Some(run), _) => {
            let mut writer = Writer::new(model, said);
            let write = move |event| writer.write(event);
            Ok(sse_response::respond_as(run, write).await)
        }
        (None, Some(Answer::Output(reply))) => {
            let output = serde_json::from_str(&reply.value).map_err(AgentError::internal)?;
            let outcome = Outcome::of(&output);
            let response = response(&outcome.run_id, model, &said);
            let items = items(&outcome, &outcome.text);
            Ok(json_response(&end(response, &outcome, items)))
        }
        (None, Some(Answer::Waiting(run, report))) => {
            let run = run.to_string();
            let items = report.actions.iter();
            let items = items.filter_map(|action| pending(&run, action)).collect();
            let response = response(&run, model, &said);
            Ok(json_response(&wait(response, items, report.usage)))
        }
        (None, None) => Err(AgentError::internal("there is neither an answer nor a run").into()),
    }
}

/// Gives a run of the caller the answers that it waits for. One that was given before counts.
///
/// # Errors
/// 404 for a run that is not the caller's or is no run of this agent, and what [`answers::answer`] says.
async fn resume(
    call: &Call<'_>,
    run: Uuid,
    given: Vec<(Uuid, Value)>,
) -> Result<AgentRun, ApiError> {
    let runs = &call.served.runs;
    let journaled = runs.journal.run(run, &call.caller.subject).await?;
    let spec = call.endpoint.handler.spec;
    let is_of_agent = journaled.is_some_and(|journaled| {
        journaled.workflow == workflow::agent_run::AGENT_RUN.name
            && workflow::agent_run::call(runs, &journaled.input)
                == Some((call.endpoint.agent.slug, spec.name))
    });
    if !is_of_agent {
        return Err(ApiError::not_found(
            "no run of this agent waits for this answer",
        ));
    }
    let actions = given.iter().map(|(action, _)| *action).collect();
    let subject = call.caller.subject.clone();
    let resumed = AgentRun::of(
        runs,
        call.endpoint,
        subject,
        call.parts,
        (run, actions),
        true,
    );
    let mut conflict = None;
    let mut is_answered = false;
    for (action, value) in given {
        match answers::answer(runs, run, action, value, &call.caller).await {
            Ok(_) => is_answered = true,
            Err(error @ AgentError::Conflict(_)) => conflict = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match conflict {
        Some(error) if !is_answered => Err(error.into()),
        _ => Ok(resumed),
    }
}

/// Makes events of the API from those of a run.
struct Writer {
    model: &'static str,
    said: Value,
    /// The run and its response, once it has begun.
    run: String,
    response: Value,
    sequence: u64,
    /// The text so far, if a message has begun.
    text: Option<String>,
    /// What the run waits for.
    actions: Vec<PendingAction>,
    has_ended: bool,
}

impl Writer {
    fn new(model: &'static str, said: Value) -> Self {
        Self {
            model,
            said,
            run: String::new(),
            response: Value::Null,
            sequence: 0,
            text: None,
            actions: Vec::new(),
            has_ended: false,
        }
    }

    fn write(&mut self, event: Option<AgentEvent>) -> Vec<sse::Event> {
        let mut out = Vec::new();
        match event {
            Some(AgentEvent::Started { run_id, .. }) => self.begin(run_id, &mut out),
            Some(AgentEvent::Delta { text }) => self.add_text(&text, &mut out),
            Some(AgentEvent::ActionRequired { action, .. }) => self.actions.push(*action),
            Some(AgentEvent::ActionResolved { action, .. }) => {
                self.actions.retain(|open| open.id != action);
            }
            Some(AgentEvent::Completed { run_id, output, .. }) => {
                self.begin(run_id, &mut out);
                let outcome = Outcome::of(&output);
                if self.text.is_none() && !outcome.text.is_empty() {
                    self.add_text(&outcome.text, &mut out);
                }
                let text = self.end_text(&mut out);
                let items = items(&outcome, &text);
                let from = usize::from(!text.is_empty());
                self.add_items(&items[from..], from, &mut out);
                let response = end(self.response.clone(), &outcome, items);
                let name = match response["status"] == "incomplete" {
                    true => "response.incomplete",
                    false => "response.completed",
                };
                self.end(name, response, &mut out);
            }
            Some(AgentEvent::Failed {
                run_id, problem, ..
            }) => {
                self.begin(run_id, &mut out);
                let text = self.end_text(&mut out);
                let items = (!text.is_empty()).then(|| message(&self.run, &text));
                let items = items.into_iter().collect();
                let response = fail(self.response.clone(), &problem, items);
                self.end("response.failed", response, &mut out);
            }
            None if !self.has_ended && !self.run.is_empty() => {
                let text = self.end_text(&mut out);
                let mut items = Vec::new();
                if !text.is_empty() {
                    items.push(message(&self.run, &text));
                }
                let from = items.len();
                let actions = self.actions.iter();
                items.extend(actions.filter_map(|action| pending(&self.run, action)));
                self.add_items(&items[from..], from, &mut out);
                let response = wait(self.response.clone(), items, Default::default());
                self.end("response.completed", response, &mut out);
            }
            _ => {}
        }
        out
    }

    fn begin(&mut self, run: Uuid, out: &mut Vec<sse::Event>) {
        if !self.run.is_empty() {
            return;
        }
        self.run = run.to_string();
        self.response = response(&self.run, self.model, &self.said);
        for name in ["response.created", "response.in_progress"] {
            let event = json!({ "response": self.response });
            self.push(name, event, out);
        }
    }

    fn add_text(&mut self, delta: &str, out: &mut Vec<sse::Event>) {
        let id = message_id(&self.run);
        if self.text.is_none() {
            self.text = Some(String::new());
            let mut item = message(&self.run, "");
            item["status"] = "in_progress".into();
            item["content"] = json!([]);
            let event = json!({ "output_index": 0, "item": item });
            self.push("response.output_item.added", event, out);
            let event = json!({
                "item_id": id, "output_index": 0, "content_index": 0, "part": text_part(""),
            });
            self.push("response.content_part.added", event, out);
        }
        if let Some(text) = &mut self.text {
            text.push_str(delta);
        }
        let event = json!({
            "item_id": id, "output_index": 0, "content_index": 0, "delta": delta, "logprobs": [],
        });
        self.push("response.output_text.delta", event, out);
    }

    /// Ends the message, if there is one; returns its text.
    fn end_text(&mut self, out: &mut Vec<sse::Event>) -> String {
        let Some(text) = self.text.take() else {
            return String::new();
        };
        let id = message_id(&self.run);
        let event = json!({
            "item_id": id, "output_index": 0, "content_index": 0, "text": text, "logprobs": [],
        });
        self.push("response.output_text.done", event, out);
        let event = json!({
            "item_id": id, "output_index": 0, "content_index": 0, "part": text_part(&text),
        });
        self.push("response.content_part.done", event, out);
        let event = json!({ "output_index": 0, "item": message(&self.run, &text) });
        self.push("response.output_item.done", event, out);
        text
    }

    /// Tells whole items, of which the first is at `from`.
    fn add_items(&mut self, items: &[Value], from: usize, out: &mut Vec<sse::Event>) {
        for (index, item) in (from..).zip(items) {
            let mut added = item.clone();
            let is_call = item["type"] == "function_call";
            if is_call {
                added["status"] = "in_progress".into();
                added["arguments"] = "".into();
            }
            let event = json!({ "output_index": index, "item": added });
            self.push("response.output_item.added", event, out);
            if is_call {
                let (id, arguments) = (&item["id"], &item["arguments"]);
                let event = json!({ "item_id": id, "output_index": index, "delta": arguments });
                self.push("response.function_call_arguments.delta", event, out);
                let event = json!({
                    "item_id": id, "output_index": index, "name": item["name"], "arguments": arguments,
                });
                self.push("response.function_call_arguments.done", event, out);
            }
            let event = json!({ "output_index": index, "item": item });
            self.push("response.output_item.done", event, out);
        }
    }

    fn end(&mut self, name: &str, response: Value, out: &mut Vec<sse::Event>) {
        self.has_ended = true;
        self.push(name, json!({ "response": response }), out);
    }

    fn push(&mut self, name: &str, mut event: Value, out: &mut Vec<sse::Event>) {
        event["type"] = name.into();
        event["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        out.push(sse::Event::default().event(name).data(event.to_string()));
    }
}
