//! `agentgen run`

use agentgen_build::inspect::{did_you_mean, json_text, printable};
use clap::Args;
use serde_json::{Value, json};

use crate::commands::service_commands::run_questions::{Questions, input_of_call};
use crate::commands::service_commands::{Interrupts, Target};
use crate::serve::call_failure::Failure;
use crate::serve::service_connection::ServiceConnection;
use crate::terminal::diagnostic_report::{Format, bold};
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The workflow
    workflow: String,
    /// What the run takes: JSON, or the text of `input` [default: {}]
    #[arg(long, short, value_name = "INPUT")]
    input: Option<String>,
    #[command(flatten)]
    target: Target,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Runs the workflow, tells of each step as it happens, and prints what came of the last ones.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    super::block_on(async {
        let service = arguments.target.connect().await?;
        let ended = run_workflow(&service, arguments).await;
        ended.map_err(Failure::report)
    })
}

/// What is said once Ctrl-C was pressed.
const CANCELLING: &str = "cancelling; a second Ctrl-C does not wait for that";

async fn run_workflow(
    service: &ServiceConnection,
    arguments: &Arguments,
) -> Result<Status, Failure> {
    let input = input(arguments.input.as_deref());
    let path = format!("/v1/workflows/{}/runs", arguments.workflow);
    let mut interrupts = Interrupts::new();
    // A run that begins although nobody waits for the answer any more would go on.
    let starting = service.post(&path, &input);
    tokio::pin!(starting);
    let (started, is_interrupted) = tokio::select! {
        started = &mut starting => (started, false),
        () = interrupts.next() => {
            eprint_line(CANCELLING);
            tokio::select! {
                started = &mut starting => (started, true),
                () = interrupts.next() => return Ok(Status::Interrupted),
            }
        }
    };
    let started = match started {
        Ok(started) => started,
        Err(failure) => {
            return Err(unknown(service, &arguments.workflow)
                .await
                .unwrap_or(failure));
        }
    };
    let Some(id) = started["run_id"].as_str() else {
        return Err(Failure::broken("the run has no id"));
    };
    eprint_line(&format!("run {}", printable(id)));
    let run = format!("/v1/runs/{id}");
    let followed = follow(service, &run);
    tokio::pin!(followed);
    let is_interrupted = is_interrupted
        || tokio::select! {
            ended = &mut followed => ended.map(|()| false)?,
            () = interrupts.next() => {
                eprint_line(CANCELLING);
                true
            }
        };
    if is_interrupted {
        let cancelled = async {
            service.post(&format!("{run}/cancel"), &json!({})).await?;
            followed.await
        };
        tokio::select! {
            ended = cancelled => ended?,
            () = interrupts.next() => return Ok(Status::Interrupted),
        }
    }
    let report = service.get(&run).await?;
    let status = report["status"].as_str().unwrap_or_default();
    let printed = match arguments.format {
        Format::Json => format!("{}\n", json_text(&report)),
        Format::Text => outputs(&report),
    };
    print(&printed).map_err(|status| Failure {
        words: "the result can't be printed".to_owned(),
        status,
    })?;
    let error = report["error"]["detail"].as_str();
    let error = error.map_or(String::new(), |error| format!(": {error}"));
    eprint_line(&printable(&format!("{status}{error}")));
    Ok(match status {
        "completed" => Status::Fine,
        _ if is_interrupted => Status::Interrupted,
        _ => Status::Refused,
    })
}

/// The failure of a workflow that the service does not have, if its OpenAPI document says so.
async fn unknown(service: &ServiceConnection, workflow: &str) -> Option<Failure> {
    let document = service.get("/openapi.json").await.ok()?;
    let paths = document["paths"].as_object()?.keys();
    let names = paths.filter_map(|path| {
        let name = path.strip_prefix("/v1/workflows/")?;
        name.strip_suffix("/runs")
    });
    let names: Vec<&str> = names.collect();
    if names.contains(&workflow) {
        return None;
    }
    let help = did_you_mean(workflow, names, "`agentgen list` shows the workflows");
    Some(Failure {
        words: format!("there is no workflow `{workflow}`; {help}"),
        status: Status::Usage,
    })
}

/// JSON, or a text as the one input that workflows take by default.
fn input(text: Option<&str>) -> Value {
    let Some(text) = text else {
        return json!({});
    };
    match serde_json::from_str::<Value>(text) {
        Ok(json) if json.is_object() => json,
        _ => json!({ "input": text }),
    }
}

/// Tells of what happens in a run until it ends, and answers its questions with lines of stdin.
async fn follow(service: &ServiceConnection, run: &str) -> Result<(), Failure> {
    let mut events = service.events(&format!("{run}/events"), None).await?;
    let mut questions = Questions::default();
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            line = questions.next_line() => {
                questions.answer(service, run, line).await?;
                continue;
            }
        };
        let Some(event) = event else {
            return Err(Failure::broken("the run has no end"));
        };
        if let Some(line) = line(&event) {
            eprint_line(&line);
        }
        questions.note(&event);
        if event["type"] == "run.finished" {
            return Ok(());
        }
    }
}

/// What is told of an event.
fn line(event: &Value) -> Option<String> {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    let step = |value: &Value| bold(&text(value));
    Some(match event["type"].as_str()? {
        "step.started" => format!("  {} {} ...", step(&event["step"]), text(&event["agent"])),
        "step.retried" => format!(
            "  {} tries again: {}",
            step(&event["step"]),
            text(&event["error"]["detail"])
        ),
        "step.fallback" => format!(
            "  {} asks {} instead: {}",
            step(&event["step"]),
            text(&event["agent"]),
            text(&event["error"]["detail"])
        ),
        "handoff.started" => format!("  {} asks {}", text(&event["from"]), text(&event["to"])),
        "policy.applied" => format!("  {}: {}", text(&event["policy"]), text(&event["detail"])),
        "action.required" => {
            let action = &event["action"];
            let what = match action["kind"].as_str()? {
                "event" => format!("waits for the event {}", text(&action["event"])),
                "timer" => format!("waits until {}", text(&action["expires_at"])),
                _ => text(&action["prompt"]) + &input_of_call(action),
            };
            format!("  {} {what}", step(&action["step"]))
        }
        "action.resolved" => format!("  {} {}", step(&event["step"]), text(&event["outcome"])),
        "step.finished" => {
            let report = &event["report"];
            let tokens = report["usage"]["output_tokens"].as_u64();
            let tokens = tokens.map_or(String::new(), |tokens| format!(", {tokens} tokens"));
            let error = report["error"]["detail"].as_str();
            let error = error.map_or(String::new(), |error| format!(": {}", printable(error)));
            format!(
                "  {} {}{tokens}{error}",
                step(&report["step"]),
                text(&report["status"])
            )
        }
        _ => return None,
    })
}

/// The outputs of the steps that no other step needs, or of all steps if the report does not say.
fn outputs(report: &Value) -> String {
    let steps = report["steps"].as_array();
    let last = steps
        .into_iter()
        .flatten()
        .rfind(|step| !step["output"].is_null());
    match last.map(|step| &step["output"]) {
        Some(Value::String(text)) => format!("{}\n", super::chat_command::shown(text)),
        Some(output) => format!("{}\n", json_text(output)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{input, line, outputs};

    #[test]
    fn a_text_is_the_input_and_an_object_is_all_of_it() {
        assert_eq!(input(None), json!({}));
        assert_eq!(input(Some("a list")), json!({ "input": "a list" }));
        assert_eq!(input(Some("[1]")), json!({ "input": "[1]" }));
        assert_eq!(input(Some("{\"goal\": 1}")), json!({ "goal": 1 }));
    }

    #[test]
    fn steps_are_told_in_a_line_each() {
        let finished = json!({
            "type": "step.finished",
            "report": { "step": "plan", "status": "failed", "error": { "detail": "no answer" } },
        });
        let told = line(&finished).expect("a line");
        assert!(
            told.contains("plan") && told.ends_with("failed: no answer"),
            "{told}"
        );
        assert_eq!(line(&json!({ "type": "something.new" })), None);
        let report = json!({ "steps": [{ "output": "one" }, { "output": { "two": 2 } }, { "output": null }] });
        assert_eq!(outputs(&report), "{\n  \"two\": 2\n}\n");
    }
}
