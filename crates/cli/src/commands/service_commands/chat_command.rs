//! `agentgen chat`

use std::io::{IsTerminal, stdin};

use agentgen_build::inspect::{did_you_mean, printable};
use clap::Args;
use serde_json::{Value, json};

use crate::commands::service_commands::run_questions::{Questions, input_of_call};
use crate::commands::service_commands::{Interrupts, Target};
use crate::serve::call_failure::Failure;
use crate::serve::service_connection::ServiceConnection;
use crate::terminal::{Status, eprint_line, eprint_text, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The agent
    name: String,
    #[command(flatten)]
    target: Target,
}

/// How an answer ended.
enum Answer {
    /// With the id of the conversation.
    Whole(Option<String>),
    Failed,
}

/// Sends each line of stdin to the agent and prints its answers, in one conversation.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    super::block_on(async {
        let service = arguments.target.connect().await?;
        let agent = find(&service, &arguments.name).await?;
        talk(&service, &agent).await
    })
}

/// The agent's name in paths.
async fn find(service: &ServiceConnection, name: &str) -> Result<String, Status> {
    let list = service.get("/v1/agents").await.map_err(Failure::report)?;
    let agents = list["agents"].as_array();
    let names = agents
        .into_iter()
        .flatten()
        .filter_map(|agent| agent["name"].as_str());
    let names: Vec<&str> = names.collect();
    match names.iter().find(|own| own.eq_ignore_ascii_case(name)) {
        Some(own) => Ok((*own).to_owned()),
        None => {
            let help = did_you_mean(name, names, "`agentgen list` shows the agents");
            eprint_line(&printable(&format!(
                "error: there is no agent `{name}`; {help}"
            )));
            Err(Status::Usage)
        }
    }
}

async fn talk(service: &ServiceConnection, agent: &str) -> Result<Status, Status> {
    let is_terminal = stdin().is_terminal();
    if is_terminal {
        let model = service.model.as_ref();
        let model = model.map_or(String::new(), |model| format!(" (model: {model})"));
        eprint_line(&format!(
            "{agent} answers{model}. Ctrl-C stops an answer, Ctrl-D ends."
        ));
    }
    let mut interrupts = Interrupts::new();
    let mut session = None;
    let mut status = Status::Fine;
    let mut questions = Questions::default();
    loop {
        if is_terminal {
            eprint_text("> ");
        }
        let line = tokio::select! {
            line = questions.line() => line,
            () = interrupts.next() => return Ok(Status::Interrupted),
        };
        let Some(line) = line else {
            return Ok(status);
        };
        if line.trim().is_empty() {
            continue;
        }
        // The run, if it has asked something: it goes on until it is cancelled.
        let mut run = None;
        let asked = ask(
            service,
            agent,
            line.trim(),
            session.as_deref(),
            &mut questions,
            &mut run,
        );
        // An answer that is dropped closes its connection, with which the service ends every other run.
        let answer = tokio::select! {
            answer = asked => answer?,
            () = interrupts.next() => {
                eprint_line("\nstopped");
                questions.forget();
                if let Some(run) = run
                    && let Err(failure) = service.post(&format!("{run}/cancel"), &json!({})).await
                {
                    failure.report();
                }
                match is_terminal {
                    true => continue,
                    false => return Ok(Status::Interrupted),
                }
            }
        };
        match answer {
            Answer::Whole(id) => session = id.or(session),
            Answer::Failed => status = Status::Refused,
        }
    }
}

/// The next line of stdin; none at its end.
pub(super) async fn next_line() -> Option<String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        match stdin().read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line),
        }
    });
    read.await.ok().flatten()
}

async fn ask(
    service: &ServiceConnection,
    agent: &str,
    text: &str,
    session: Option<&str>,
    questions: &mut Questions,
    run: &mut Option<String>,
) -> Result<Answer, Status> {
    let mut body = json!({ "input": text });
    if let Some(session) = session {
        body["session_id"] = session.into();
    }
    let path = format!("/v1/agents/{agent}/invoke");
    let answer = async {
        let mut events = service.events(&path, Some(&body)).await?;
        loop {
            let event = tokio::select! {
                event = events.next() => event?,
                line = questions.next_line() => {
                    let run = run.as_deref().unwrap_or_default();
                    questions.answer(service, run, line).await?;
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(Failure::broken("the answer has no end"));
            };
            if event["type"] == "action.required" {
                *run = event["run_id"].as_str().map(|id| format!("/v1/runs/{id}"));
            }
            let answer = show(&event)?;
            questions.note(&event);
            if let Some(answer) = answer {
                questions.forget();
                return Ok(answer);
            }
        }
    };
    match answer.await {
        Ok(answer) => Ok(answer),
        Err(failure) if failure.status == Status::Io => Err(failure.report()),
        Err(failure) => {
            failure.report();
            Ok(Answer::Failed)
        }
    }
}

/// Prints an event: the answer on stdout, everything else on stderr. The last one ends the answer.
fn show(event: &Value) -> Result<Option<Answer>, Failure> {
    let text = |key: &str| printable(event[key].as_str().unwrap_or_default());
    let stdout = |text: &str| {
        print(text).map_err(|status| Failure {
            words: "the answer can't be printed".to_owned(),
            status,
        })
    };
    match event["type"].as_str().unwrap_or_default() {
        "output.delta" => stdout(&shown(event["text"].as_str().unwrap_or_default()))?,
        "tool.started" => eprint_line(&format!("\n  tool {} {}", text("tool"), event["arguments"])),
        "tool.completed" if event["is_error"] == true => {
            eprint_line(&format!("  tool {} failed", text("tool")));
        }
        "handoff.started" => eprint_line(&format!("\n  {} asks {}", text("from"), text("to"))),
        "handoff.completed" if event["is_error"] == true => {
            eprint_line(&format!("  {} failed", text("to")));
        }
        "policy.applied" => eprint_line(&format!("\n  {}: {}", text("policy"), text("detail"))),
        "action.required" => {
            let action = &event["action"];
            let prompt = printable(action["prompt"].as_str().unwrap_or_default());
            eprint_line(&format!("\n  {prompt}{}", input_of_call(action)));
        }
        "run.completed" => {
            stdout("\n")?;
            let output = &event["output"];
            let usage = |key: &str| event["usage"][key].as_u64().unwrap_or_default();
            eprint_line(&format!(
                "  {}: {} tokens in, {} out",
                printable(output["model"].as_str().unwrap_or_default()),
                usage("input_tokens"),
                usage("output_tokens")
            ));
            let id = output["session_id"].as_str().map(str::to_owned);
            return Ok(Some(Answer::Whole(id)));
        }
        "run.failed" => {
            let detail = event["problem"]["detail"].as_str().unwrap_or_default();
            eprint_line(&printable(&format!("\nerror: {detail}")));
            return Ok(Some(Answer::Failed));
        }
        _ => {}
    }
    Ok(None)
}

/// The text without control characters other than line ends and tabs: a model must not steer the terminal.
pub fn shown(text: &str) -> String {
    let keeps = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(keeps).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_model_does_not_steer_the_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\tc\r\n"), "a[2Jb\tc\n");
    }
}
