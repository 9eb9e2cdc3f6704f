//! `agentgen runs`

use std::time::{Duration, SystemTime};

use agentgen_build::inspect::{json_text, printable};
use agentgen_runtime::schema::DateTime;
use clap::{Args, Subcommand};
use reqwest::Url;
use serde_json::{Value, json};

use crate::serve::call_failure::Failure;
use crate::serve::service_connection::ServiceConnection;
use crate::terminal::diagnostic_report::{Format, bold};
use crate::terminal::text_table::text_table;
use crate::terminal::{Status, print};

/// The most runs of a page.
const PAGE: u32 = 100;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List your runs, the newest first
    List(ListArguments),
    /// List what runs ask you: questions and approvals that you may answer, the newest first
    Actions(ActionsArguments),
    /// Show a run with its steps and what it waits for
    Show(RunArguments),
    /// Let a run that failed or was cancelled continue from the steps that did not succeed
    Retry(RunArguments),
    /// Start another run with the same input
    Restart(RunArguments),
    /// Let the steps of a run end and begin no other
    Pause(RunArguments),
    /// Let a paused run continue
    Resume(RunArguments),
    /// Cancel a run
    Cancel(RunArguments),
    /// Delete your runs that have ended
    Purge(PurgeArguments),
}

#[derive(Debug, Args)]
struct Service {
    /// The service; the token for it is in AGENTGEN_TOKEN
    #[arg(long, value_name = "URL")]
    service: String,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

#[derive(Debug, Args)]
struct Filter {
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only runs with this status, such as `failed`; may be repeated
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Only runs that were started then or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    filter: Filter,
    /// Only runs that were started earlier
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// The most runs
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub struct ActionsArguments {
    /// The most questions
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub struct PurgeArguments {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    oldest: Oldest,
    #[command(flatten)]
    service: Service,
}

/// Without one of these, everything would be deleted.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Oldest {
    /// Only runs that were started earlier
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Only runs that were started longer ago, such as 12h or 30d
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The run's id
    #[arg(value_parser = run_id)]
    run: String,
    #[command(flatten)]
    service: Service,
}

/// An id goes into a path as it is.
fn run_id(text: &str) -> Result<String, String> {
    let is_id = text
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match is_id && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("the id of a run has digits, letters up to `f` and dashes".to_owned()),
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let wrong = || "an age is a number and a unit, such as 90m, 12h or 30d".to_owned();
    let at = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(at.ok_or_else(wrong)?);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    let age = number.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Duration::from_secs(age))
}

/// Asks the service, and prints what it answers.
pub fn run(command: &Command) -> Result<Status, Status> {
    super::block_on(async {
        let service = match command {
            Command::List(arguments) => &arguments.service,
            Command::Actions(arguments) => &arguments.service,
            Command::Purge(arguments) => &arguments.service,
            Command::Show(arguments)
            | Command::Retry(arguments)
            | Command::Restart(arguments)
            | Command::Pause(arguments)
            | Command::Resume(arguments)
            | Command::Cancel(arguments) => &arguments.service,
        };
        let connection = ServiceConnection::to(&service.service).map_err(Failure::report)?;
        let answered = ask(&connection, command).await.map_err(Failure::report)?;
        let (answer, text) = answered;
        print(&match service.format {
            Format::Json => format!("{}\n", json_text(&answer)),
            Format::Text => text,
        })?;
        Ok(Status::Fine)
    })
}

/// The answer of the service, as JSON and as a text.
async fn ask(service: &ServiceConnection, command: &Command) -> Result<(Value, String), Failure> {
    let (arguments, what) = match command {
        Command::List(arguments) => return list(service, arguments).await,
        Command::Actions(arguments) => return actions(service, arguments).await,
        Command::Purge(arguments) => return purge(service, arguments).await,
        Command::Show(arguments) => {
            let report = service.get(&format!("/v1/runs/{}", arguments.run)).await?;
            let text = report_text(&report);
            return Ok((report, text));
        }
        Command::Retry(arguments) => (arguments, "retry"),
        Command::Restart(arguments) => (arguments, "restart"),
        Command::Pause(arguments) => (arguments, "pause"),
        Command::Resume(arguments) => (arguments, "resume"),
        Command::Cancel(arguments) => (arguments, "cancel"),
    };
    let path = format!("/v1/runs/{}/{what}", arguments.run);
    let run = service.post(&path, &json!({})).await?;
    let text = format!("{} {}\n", cell(&run["run_id"]), cell(&run["status"]));
    Ok((run, printable_lines(&text)))
}

async fn list(
    service: &ServiceConnection,
    arguments: &ListArguments,
) -> Result<(Value, String), Failure> {
    let query = filters(&arguments.filter, arguments.before.as_deref());
    let runs = pages(service, ("/v1/runs", "runs"), &query, arguments.limit).await?;
    let members = ["run_id", "workflow", "status", "created_at", "ended_at"];
    let rows = runs.iter().map(|run| {
        let row = members.iter().map(|member| cell(&run[*member]));
        row.collect::<Vec<_>>()
    });
    let header = ["RUN", "WORKFLOW", "STATUS", "STARTED", "ENDED"];
    let text = text_table(&header, &rows.collect::<Vec<_>>());
    Ok((Value::Array(runs), text))
}

async fn actions(
    service: &ServiceConnection,
    arguments: &ActionsArguments,
) -> Result<(Value, String), Failure> {
    let listed = pages(service, ("/v1/actions", "actions"), &[], arguments.limit).await?;
    let rows = listed.iter().map(|listed| {
        let action = &listed["action"];
        vec![
            cell(&listed["run_id"]),
            cell(&listed["workflow"]),
            cell(&action["kind"]),
            cell(&action["roles"]),
            cell(&action["expires_at"]),
            cell(&action["prompt"]),
        ]
    });
    let header = ["RUN", "WORKFLOW", "KIND", "ROLES", "EXPIRES", "PROMPT"];
    let text = text_table(&header, &rows.collect::<Vec<_>>());
    Ok((Value::Array(listed), text))
}

/// Up to `limit` entries of a list: of its path and the member that has them, with `query`.
async fn pages(
    service: &ServiceConnection,
    (path, member): (&str, &str),
    query: &[(&str, &str)],
    limit: u32,
) -> Result<Vec<Value>, Failure> {
    let mut entries = Vec::new();
    let mut cursor = None;
    while entries.len() < limit as usize {
        let left = limit - u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let left = left.min(PAGE).to_string();
        let mut query = query.to_vec();
        query.push(("limit", &left));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = service.get(&path_of(path, &query)).await?;
        entries.extend(page[member].as_array().into_iter().flatten().cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(entries)
}

async fn purge(
    service: &ServiceConnection,
    arguments: &PurgeArguments,
) -> Result<(Value, String), Failure> {
    let oldest = &arguments.oldest;
    let moment = oldest
        .older_than
        .and_then(|age| SystemTime::now().checked_sub(age));
    let moment = moment.map(|moment| DateTime::from(moment).to_string());
    let before = oldest.before.as_deref().or(moment.as_deref());
    let path = path_of("/v1/runs", &filters(&arguments.filter, before));
    let mut deleted = 0;
    loop {
        let answer = service.delete(&path).await?;
        deleted += answer["deleted"].as_u64().unwrap_or_default();
        if answer["has_more"] != true {
            break;
        }
    }
    let text = match deleted {
        1 => "1 run deleted\n".to_owned(),
        _ => format!("{deleted} runs deleted\n"),
    };
    Ok((json!({ "deleted": deleted }), text))
}

/// The query of a list.
fn filters<'a>(filter: &'a Filter, before: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let mut query = Vec::new();
    query.extend(filter.workflow.as_deref().map(|name| ("workflow", name)));
    query.extend(filter.status.iter().map(|status| ("status", &**status)));
    query.extend(filter.since.as_deref().map(|since| ("since", since)));
    query.extend(before.map(|before| ("before", before)));
    query
}

/// `path` with this query.
fn path_of(path: &str, query: &[(&str, &str)]) -> String {
    let parsed = Url::parse_with_params(&format!("http://localhost{path}"), query);
    match parsed {
        Ok(url) => format!("{}?{}", url.path(), url.query().unwrap_or_default()),
        Err(_) => path.to_owned(),
    }
}

/// What a cell of a table has for `value`.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(cells) => cells.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A report for people: the run, its steps, what it waits for.
fn report_text(report: &Value) -> String {
    let mut text = format!(
        "{} {}",
        bold(&cell(&report["workflow"])),
        cell(&report["status"])
    );
    if let Some(error) = report["error"].as_str() {
        text.push_str(&format!(": {error}"));
    }
    let mut facts = vec![("started", cell(&report["created_at"]))];
    facts.push(("ended", cell(&report["ended_at"])));
    if report["attempts"].as_u64() > Some(1) {
        facts.push(("attempt", cell(&report["attempts"])));
    }
    facts.push(("repeats", cell(&report["restarted_from"])));
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        text.push_str(&format!("\n{name} {fact}"));
    }
    for action in report["actions"].as_array().into_iter().flatten() {
        let what = ["prompt", "event", "expires_at"].map(|member| cell(&action[member]));
        let what = what.into_iter().find(|what| !what.is_empty());
        let (kind, step) = (cell(&action["kind"]), cell(&action["step"]));
        text.push_str(&format!(
            "\n{step} waits ({kind}): {}",
            what.unwrap_or_default()
        ));
    }
    let steps = report["steps"].as_array().into_iter().flatten();
    let rows = steps.map(|step| {
        vec![
            cell(&step["step"]),
            cell(&step["agent"]),
            cell(&step["status"]),
            cell(&step["attempts"]),
            cell(&step["usage"]["output_tokens"]),
            cell(&step["error"]["detail"]),
        ]
    });
    let header = ["STEP", "AGENT", "STATUS", "ATTEMPTS", "TOKENS", "ERROR"];
    let steps = text_table(&header, &rows.collect::<Vec<_>>());
    format!("{}\n\n{steps}", printable_lines(&text))
}

/// `text` without what a terminal would take for a command, line by line.
fn printable_lines(text: &str) -> String {
    let lines = text.split('\n').map(printable);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{age, path_of, report_text, run_id};

    #[test]
    fn ages_have_a_unit() {
        assert_eq!(age("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(age("30d"), Ok(Duration::from_secs(2_592_000)));
        for wrong in ["", "30", "d", "3w", "-1d", "99999999999999999999d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_person_types_stays_in_its_place() {
        assert!(run_id("01936f2e-7b1c-7000-8000-000000000004").is_ok());
        for wrong in ["", "../agents", "a?b", "x"] {
            assert!(run_id(wrong).is_err(), "{wrong}");
        }
        let query = [("workflow", "a&b"), ("status", "failed"), ("status", "c d")];
        let path = path_of("/v1/runs", &query);
        assert_eq!(path, "/v1/runs?workflow=a%26b&status=failed&status=c+d");
    }

    #[test]
    fn a_report_says_what_a_run_waits_for() {
        let report = json!({
            "workflow": "release", "status": "waiting", "created_at": "2026-01-01T12:00:00Z", "attempts": 2,
            "steps": [{ "step": "confirm", "status": "waiting", "attempts": 0 }],
            "actions": [{ "step": "confirm", "kind": "question", "prompt": "Release\u{1b}[2J?" }],
        });
        let text = report_text(&report);
        assert!(text.contains("attempt 2"), "{text}");
        assert!(text.contains("confirm waits (question): Release"), "{text}");
        assert!(!text.contains("\u{1b}[2J"), "{text}");
    }
}
