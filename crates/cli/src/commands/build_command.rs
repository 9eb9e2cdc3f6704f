//! `agentgen build`

use std::path::PathBuf;

use agentgen_build::inspect::{has_errors, path_inside};
use agentgen_build::{
    ChangeKind, Diagnostic, Generation, Options, OutputLock, Plan, apply, generate, plan,
};
use clap::Args;

use crate::configuration::build_scope::{left_alone, scope};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::scaffold::stub_writer::write_missing;
use crate::terminal::diagnostic_report::{self, ReportFormat, red};
use crate::terminal::json_output::Document;
use crate::terminal::plural::{Counts, plural};
use crate::terminal::read_summary::ReadSummary;
use crate::terminal::terminal_diff;
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// Folder of the generated files [default: generated]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing; print a diff of the output folder and exit with 1 if it is out of date
    #[arg(long, conflicts_with_all = ["dry_run", "force"])]
    check: bool,
    /// Write nothing; list what would be written and deleted
    #[arg(long)]
    dry_run: bool,
    /// Overwrite files that were edited by hand or that agentgen didn't write
    #[arg(long)]
    force: bool,
    /// Write only the files of this agent and the shared ones, which name all agents; delete nothing; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: ReportFormat,
}

/// Generates in memory, compares with the output folder and, if there are no errors, writes.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.format;
    let settings = Settings::read(&arguments.inputs, arguments.out.as_deref(), format)?;
    let _lock = lock(&settings, arguments)
        .map_err(|problem| diagnostic_report::refuse(vec![problem], format, Status::Io))?;
    let project = settings.load();
    let Generation {
        artifacts,
        agents,
        mut diagnostics,
    } = generate(&project);
    let reading = ReadSummary::new(&project.sources, &agents, &diagnostics);
    diagnostic_report::deduplicate(&mut diagnostics);
    let refuse = |diagnostics: Vec<Diagnostic>| reading.refuse(diagnostics, format);
    if has_errors(&diagnostics) {
        return Err(refuse(diagnostics));
    }
    let chosen = &arguments.inputs.target;
    let configured = &settings.configured;
    let scope = match scope(&arguments.only, chosen, configured, &artifacts, &agents) {
        Ok(scope) => scope,
        Err(unknown) => {
            diagnostics.extend(unknown);
            return Err(refuse(diagnostics));
        }
    };
    let options = Options {
        force: arguments.force,
        scope,
    };
    let plan = match plan(&settings.root, &settings.config.out, &artifacts, &options) {
        Ok(plan) => plan,
        Err(problems) => {
            diagnostics.extend(problems);
            return Err(refuse(diagnostics));
        }
    };
    if matches!(format, ReportFormat::Text | ReportFormat::Github)
        && let Some(words) = left_alone(&plan, &arguments.only)
    {
        eprint_line(&words);
    }
    if arguments.check {
        return check(&plan, &diagnostics, &reading, format);
    }
    diagnostics.extend(plan.diagnostics());
    let status = Status::of(&diagnostics);
    if arguments.dry_run {
        return dry_run(&plan, &diagnostics, &reading, format).map(|()| status);
    }
    if status == Status::Fine
        && let Err(problems) = apply(&plan)
    {
        diagnostics.extend(problems);
        report_failure(&diagnostics, format)?;
        return Ok(Status::Io);
    }
    let mut stubs = Vec::new();
    if status == Status::Fine
        && let Some(folder) = &settings.config.stubs
    {
        let own = &project.templates;
        stubs = write_missing(&settings.root, folder, &agents, own, &mut diagnostics);
    }
    let status = Status::of(&diagnostics).max(status);
    let told = Told {
        diagnostics: &diagnostics,
        reading: &reading,
        stubs: &stubs,
        servers: &settings.config.openapi.servers,
    };
    finish(&plan, &told, format, status).map(|()| status)
}

/// Keeps other runs out of the output folder. It is taken before the agents are read, so that of two runs the last one writes
/// what is there now.
fn lock(settings: &Settings, arguments: &Arguments) -> Result<Option<OutputLock>, Diagnostic> {
    let (root, out) = (&settings.root, &settings.config.out);
    let folder = root.join(out);
    let only_reads = arguments.check || arguments.dry_run;
    // What leads out of the project is refused when the project is read.
    let leads_out = !settings.config.allow_outside && path_inside(root, &folder).is_err();
    if leads_out || (only_reads && !folder.exists()) {
        return Ok(None);
    }
    let waiting = || {
        eprint_line(&format!(
            "waiting for another run of agentgen that writes to {out}"
        ));
    };
    OutputLock::acquire(root, out, waiting).map(Some)
}

/// Shows the difference between the folder and what would be generated.
fn check(
    plan: &Plan<'_>,
    diagnostics: &[Diagnostic],
    reading: &ReadSummary,
    format: ReportFormat,
) -> Result<Status, Status> {
    let status = if plan.is_noop() {
        Status::Fine
    } else {
        Status::Refused
    };
    let document = Document::new(diagnostics, "planned").with_reading(reading);
    if let Some(text) = format.document(diagnostics, &document.with_plan(plan)) {
        return print(&text).map(|()| status);
    }
    diagnostic_report::report(diagnostics, format)?;
    if plan.is_noop() {
        eprint_line(&format!("{} is up to date", plan.name));
        reading.print(diagnostics);
        return Ok(status);
    }
    print(&terminal_diff::coloured(&terminal_diff::unified(plan)))?;
    let differing = plan.count(|kind| kind != ChangeKind::Unchanged).max(1);
    let what = plural(differing, "file");
    let verb = if differing == 1 { "is" } else { "are" };
    eprint_line(&format!(
        "{}: {what} in {} {verb} out of date; run `{}`",
        red("error"),
        plan.name,
        without_check(std::env::args())
    ));
    Ok(status)
}

fn dry_run(
    plan: &Plan<'_>,
    diagnostics: &[Diagnostic],
    reading: &ReadSummary,
    format: ReportFormat,
) -> Result<(), Status> {
    let document = Document::new(diagnostics, "planned").with_reading(reading);
    if let Some(text) = format.document(diagnostics, &document.with_plan(plan)) {
        return print(&text);
    }
    diagnostic_report::report(diagnostics, format)?;
    let mut list = String::new();
    for change in &plan.changes {
        if change.kind != ChangeKind::Unchanged {
            let kind = change.kind.as_str();
            list.push_str(&format!("{kind:8} {}/{}\n", plan.name, change.path));
        }
    }
    print(&list)?;
    let words = words(plan).unwrap_or_else(|| "nothing to do".to_owned());
    eprint_line(&format!(
        "{}: {words} (dry run: nothing was written)",
        plan.name
    ));
    reading.print(diagnostics);
    Ok(())
}

fn report_failure(diagnostics: &[Diagnostic], format: ReportFormat) -> Result<(), Status> {
    let document = Document::new(diagnostics, "failed");
    if let Some(text) = format.document(diagnostics, &document) {
        return print(&text);
    }
    diagnostic_report::report(diagnostics, format)?;
    let counts = Counts::of(diagnostics).words().unwrap_or_default();
    eprint_line(&format!(
        "{}: {counts}; not everything was written",
        red("error")
    ));
    Ok(())
}

/// What there is to tell besides the plan.
struct Told<'a> {
    diagnostics: &'a [Diagnostic],
    reading: &'a ReadSummary,
    stubs: &'a [String],
    /// The servers that the OpenAPI documents name.
    servers: &'a [String],
}

fn finish(
    plan: &Plan<'_>,
    told: &Told<'_>,
    format: ReportFormat,
    status: Status,
) -> Result<(), Status> {
    let Told {
        diagnostics,
        reading,
        stubs,
        servers,
    } = told;
    let word = match status {
        Status::Fine if plan.is_noop() && stubs.is_empty() => "unchanged",
        Status::Fine => "written",
        _ => "refused",
    };
    let document = Document::new(diagnostics, word).with_reading(reading);
    let document = document.with_plan(plan);
    let document = document.with_created(stubs.iter().map(String::as_str));
    if let Some(text) = format.document(diagnostics, &document) {
        return print(&text);
    }
    diagnostic_report::report(diagnostics, format)?;
    for path in *stubs {
        eprint_line(&format!("wrote {path}"));
    }
    if status != Status::Fine {
        reading.print_refused(diagnostics);
        return Ok(());
    }
    let files = plural(plan.count(|kind| kind == ChangeKind::Unchanged), "file");
    match words(plan) {
        None => eprint_line(&format!("{} is up to date ({files})", plan.name)),
        Some(words) => eprint_line(&format!("{}: {words}", plan.name)),
    }
    if let Some(note) = server_note(plan, servers) {
        eprint_line(&note);
    }
    reading.print(diagnostics);
    Ok(())
}

/// Tools that read the document as a file don't know where the service is. Said once, when the file is new.
fn server_note(plan: &Plan<'_>, servers: &[String]) -> Option<String> {
    let is_known = servers.iter().any(|server| server.contains("://"));
    let is_document = |path: &str| matches!(path, "openapi.yaml" | "openapi.json");
    let mut created = plan
        .changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Create && is_document(&change.path));
    let document = created.next().filter(|_| !is_known)?;
    Some(format!(
        "note: {} names no server but `/`; where tools read the file, set `servers = [\"https://api.example.com\"]` under [openapi] in agentgen.toml",
        document.path
    ))
}

/// `3 created, 1 deleted`; nothing where nothing changes.
fn words(plan: &Plan<'_>) -> Option<String> {
    let words: Vec<String> = [
        ("create", "created"),
        ("update", "updated"),
        ("delete", "deleted"),
        ("keep", "kept"),
        ("conflict", "in conflict"),
        ("unchanged", "unchanged"),
    ]
    .into_iter()
    .map(|kind| (plan.count(|found| found.as_str() == kind.0), kind))
    .filter(|(count, _)| *count > 0)
    .map(|(count, (_, word))| format!("{count} {word}"))
    .collect();
    (!plan.is_noop()).then(|| words.join(", "))
}

/// The command that was run, without `--check`.
fn without_check(arguments: impl Iterator<Item = String>) -> String {
    let words = arguments
        .skip(1)
        .filter(|argument| argument != "--check")
        .map(|argument| {
            let plain =
                |character: char| character.is_alphanumeric() || "-_./=:,@%+".contains(character);
            if !argument.is_empty() && argument.chars().all(plain) {
                argument
            } else {
                format!("'{}'", argument.replace('\'', r"'\''"))
            }
        });
    let words: Vec<String> = std::iter::once("agentgen".to_owned())
        .chain(words)
        .collect();
    words.join(" ")
}
