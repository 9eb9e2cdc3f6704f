//! The questions of a run, answered in the terminal.

use std::collections::VecDeque;
use std::pin::Pin;

use agentgen_build::inspect::printable;
use serde_json::{Value, json};

use crate::commands::service_commands::chat_command::next_line;
use crate::serve::call_failure::Failure;
use crate::serve::service_connection::ServiceConnection;
use crate::terminal::{Status, eprint_text};

/// The questions that nobody has answered yet; the first one is asked.
#[derive(Default)]
pub(super) struct Questions {
    open: VecDeque<Value>,
    /// The line that is being read: once begun, it can't be taken back.
    reading: Option<Pin<Box<dyn Future<Output = Option<String>>>>>,
}

impl Questions {
    /// Adds the question that `event` asks, or takes out the one that it resolves.
    pub(super) fn note(&mut self, event: &Value) {
        let action = &event["action"];
        match event["type"].as_str() {
            Some("action.required")
                if action["kind"] == "question" || action["kind"] == "approval" =>
            {
                self.open.push_back(action.clone());
                if self.open.len() == 1 {
                    prompt(action);
                }
            }
            Some("action.resolved") => {
                let asked = self.open.front().map(|open| open["id"].clone());
                self.open.retain(|open| open["id"] != *action);
                if let (Some(asked), Some(next)) = (asked, self.open.front())
                    && asked == *action
                {
                    prompt(next);
                }
            }
            _ => {}
        }
    }

    /// The next line of stdin, once there is a question; none at its end.
    pub(super) async fn next_line(&mut self) -> Option<String> {
        match self.open.is_empty() {
            true => std::future::pending().await,
            false => self.line().await,
        }
    }

    /// The next line of stdin; none at its end.
    pub(super) async fn line(&mut self) -> Option<String> {
        let reading = self.reading.get_or_insert_with(|| Box::pin(next_line()));
        let line = reading.await;
        self.reading = None;
        line
    }

    /// Forgets the questions: nobody waits for an answer anymore.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// Answers the first question with `line`. What the service refuses is asked again.
    ///
    /// # Errors
    ///
    /// The end of stdin, and a service that can't be reached.
    pub(super) async fn answer(
        &mut self,
        service: &ServiceConnection,
        run: &str,
        line: Option<String>,
    ) -> Result<(), Failure> {
        let Some(question) = self.open.front() else {
            return Ok(());
        };
        let id = question["id"].as_str().unwrap_or_default();
        let path = format!("{run}/actions/{id}");
        let Some(line) = line else {
            return Err(Failure {
                words: format!(
                    "the run waits for an answer, and stdin has ended; answer with POST {path}"
                ),
                status: Status::Refused,
            });
        };
        let answer = answer_of(line.trim(), &question["schema"]);
        match service.post(&path, &answer).await {
            Ok(_) => {
                self.open.pop_front();
                if let Some(next) = self.open.front() {
                    prompt(next);
                }
                Ok(())
            }
            Err(failure) if failure.status == Status::Io => Err(failure),
            Err(failure) => {
                failure.report();
                prompt(question);
                Ok(())
            }
        }
    }
}

/// What is asked about the tool call of `action`, behind the question itself: its input.
pub(super) fn input_of_call(action: &Value) -> String {
    let call = &action["tool_call"];
    match action["kind"] == "approval" {
        true => printable(&format!(
            " {} {}",
            call["tool"].as_str().unwrap_or_default(),
            call["arguments"]
        )),
        false => String::new(),
    }
}

/// Shows what can be answered.
fn prompt(question: &Value) {
    let properties = question["schema"]["properties"].as_object();
    let choice = |schema: &Value| {
        let words = schema["enum"].as_array()?.iter().map(Value::as_str);
        words
            .collect::<Option<Vec<_>>>()
            .map(|words| words.join("/"))
    };
    let names = properties.into_iter().flatten().map(|(name, schema)| {
        let what = choice(schema);
        let what = what.or_else(|| schema["type"].as_str().map(str::to_owned));
        format!("{name}: {}", what.unwrap_or_else(|| "JSON".to_owned()))
    });
    let names = names.collect::<Vec<_>>().join(", ");
    eprint_text(&printable(&format!("  {{{names}}} > ")));
}

/// The answer that `line` means: JSON as it is, and anything else the value of the one property that has to be there, or that there is.
fn answer_of(line: &str, schema: &Value) -> Value {
    let json = serde_json::from_str::<Value>(line).ok();
    if let Some(object) = json.as_ref().filter(|json| json.is_object()) {
        return object.clone();
    }
    let properties = schema["properties"].as_object();
    let required = schema["required"].as_array();
    let name = match (required.map(Vec::as_slice), properties) {
        (Some([name]), _) => name.as_str(),
        (_, Some(properties)) if properties.len() == 1 => {
            properties.keys().next().map(String::as_str)
        }
        _ => None,
    };
    let Some(name) = name else {
        return json.unwrap_or_else(|| line.into());
    };
    let property = &schema["properties"][name];
    let value = match (
        property["type"].as_str(),
        line.to_ascii_lowercase().as_str(),
    ) {
        (Some("boolean"), "y" | "yes" | "true") => true.into(),
        (Some("boolean"), "n" | "no" | "false") => false.into(),
        (Some("string"), _) => line.into(),
        _ => json.unwrap_or_else(|| line.into()),
    };
    json!({ name: value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::answer_of;

    #[test]
    fn a_line_is_the_value_of_the_one_property_that_is_needed() {
        let approval = json!({
            "required": ["approved"],
            "properties": { "approved": { "type": "boolean" }, "note": { "type": "string" } },
        });
        assert_eq!(answer_of("yes", &approval), json!({ "approved": true }));
        assert_eq!(answer_of("N", &approval), json!({ "approved": false }));
        assert_eq!(
            answer_of("perhaps", &approval),
            json!({ "approved": "perhaps" })
        );
        let whole = r#"{"approved": true, "note": "now"}"#;
        assert_eq!(
            answer_of(whole, &approval),
            json!({ "approved": true, "note": "now" })
        );
        let name = json!({ "properties": { "name": { "type": "string" } } });
        assert_eq!(answer_of("7", &name), json!({ "name": "7" }));
        let decision = json!({
            "required": ["decision"],
            "properties": { "decision": { "enum": ["retry", "stop"] }, "output": {} },
        });
        assert_eq!(
            answer_of("retry", &decision),
            json!({ "decision": "retry" })
        );
        let two = json!({ "required": ["a", "b"] });
        assert_eq!(answer_of("1", &two), json!(1));
    }
}
