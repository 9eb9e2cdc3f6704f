//! `agentgen build`

use std::env;
use std::path::PathBuf;

use agentgen_build::inspect::{has_errors, path_inside};
use agentgen_build::{
    Agent, Build, Built, ChangeKind, Diagnostic, Generation, Options, OutputLock, Plan, Project,
    UserTemplate, generate, plan, state_folder,
};
use clap::Args;

use crate::configuration::build_scope::{left_alone, scope, targets_scope};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::configuration::project_watch::ProjectWatch;
use crate::scaffold::stub_writer::write_missing;
use crate::terminal::diagnostic_report::{self, ReportFormat, red};
use crate::terminal::json_output::Document;
use crate::terminal::plural::{Counts, plural};
use crate::terminal::progress::Progress;
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
    /// Build again whenever an agent, a template or a setting changes, until it is interrupted
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    watch: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: ReportFormat,
}

/// Brings the output folder up to date, once or again after each change.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(
        &arguments.inputs,
        arguments.out.as_deref(),
        arguments.format,
    )?;
    if !arguments.watch {
        return build(&settings, arguments);
    }
    let mut settings = settings;
    let mut watch = None;
    loop {
        // What changes during the build is noticed after it.
        let watching =
            ProjectWatch::of(&settings, &settings.find(), &[], watch).map_err(|error| {
                eprint_line(&format!(
                    "{}: files can't be watched: {error}",
                    red("error")
                ));
                Status::Io
            })?;
        // An error is reported, and may be gone after the next change.
        let _ = build(&settings, arguments);
        watching.wait();
        watch = Some(watching);
        let read = Settings::read(
            &arguments.inputs,
            arguments.out.as_deref(),
            arguments.format,
        );
        if let Ok(read) = read {
            settings = read;
        }
    }
}

/// Compares what is generated with the output folder and, if there are no errors, writes.
fn build(settings: &Settings, arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.format;
    let _lock = lock(settings, arguments)
        .map_err(|problem| diagnostic_report::refuse(vec![problem], format, Status::Io))?;
    let options = Options {
        force: arguments.force,
        scope: targets_scope(&arguments.inputs.target, &settings.configured),
    };
    let only_reads = arguments.check || arguments.dry_run;
    let memory = state_folder(
        &settings.root,
        env::var_os("CARGO_TARGET_DIR").map(PathBuf::from),
    );
    let is_partial = !arguments.only.is_empty();
    let memory = (!is_partial).then_some(memory.as_path());
    let build = Build::new(&settings.root, settings.find(), &options, memory);
    let mut built = match build.up_to_date() {
        Ok(built) => built,
        Err(build) if only_reads || is_partial => {
            return in_memory(settings, arguments, &build.read());
        }
        Err(build) => {
            let progress = Progress::new();
            build.run(&|done, all| progress.show(done, all))
        }
    };
    let reading = ReadSummary::from(std::mem::take(&mut built.reading));
    let mut diagnostics = std::mem::take(&mut built.diagnostics);
    diagnostic_report::deduplicate(&mut diagnostics);
    let Some(plan) = &built.plan else {
        return Err(reading.refuse(diagnostics, format));
    };
    if only_reads {
        return show_plan(plan, diagnostics, &reading, arguments);
    }
    tell_left_alone(plan, arguments);
    let outcome = Outcome {
        settings,
        arguments,
        reading,
        diagnostics: &mut diagnostics,
    };
    let agents = std::mem::take(&mut built.agents);
    let own = std::mem::take(&mut built.project.templates);
    write(outcome, &agents, &own, built)
}

/// What a build is told about, besides its plan.
struct Outcome<'a> {
    settings: &'a Settings,
    arguments: &'a Arguments,
    reading: ReadSummary,
    diagnostics: &'a mut Vec<Diagnostic>,
}

/// Generates in memory. `--check` shows what would change in each file, and `--only` needs to know all files to leave some alone.
fn in_memory(
    settings: &Settings,
    arguments: &Arguments,
    project: &Project,
) -> Result<Status, Status> {
    let format = arguments.format;
    let Generation {
        artifacts,
        agents,
        mut diagnostics,
    } = generate(project);
    let reading = ReadSummary::new(&project.sources, &agents, &diagnostics);
    diagnostic_report::deduplicate(&mut diagnostics);
    if has_errors(&diagnostics) {
        return Err(reading.refuse(diagnostics, format));
    }
    let chosen = &arguments.inputs.target;
    let configured = &settings.configured;
    let scope = match scope(&arguments.only, chosen, configured, &artifacts, &agents) {
        Ok(scope) => scope,
        Err(unknown) => {
            diagnostics.extend(unknown);
            return Err(reading.refuse(diagnostics, format));
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
            return Err(reading.refuse(diagnostics, format));
        }
    };
    if arguments.check || arguments.dry_run {
        return show_plan(&plan, diagnostics, &reading, arguments);
    }
    tell_left_alone(&plan, arguments);
    let outcome = Outcome {
        settings,
        arguments,
        reading,
        diagnostics: &mut diagnostics,
    };
    write(outcome, &agents, &project.templates, Built::planned(plan))
}

/// Tells what `--only` and `--target` left as it was.
fn tell_left_alone(plan: &Plan<'_>, arguments: &Arguments) {
    if matches!(arguments.format, ReportFormat::Text | ReportFormat::Github)
        && let Some(words) = left_alone(plan, &arguments.only)
    {
        eprint_line(&words);
    }
}

/// Shows what would be written, for `--check` and `--dry-run`.
fn show_plan(
    plan: &Plan<'_>,
    mut diagnostics: Vec<Diagnostic>,
    reading: &ReadSummary,
    arguments: &Arguments,
) -> Result<Status, Status> {
    tell_left_alone(plan, arguments);
    if arguments.check {
        return check(plan, &diagnostics, reading, arguments.format);
    }
    diagnostics.extend(plan.diagnostics());
    let status = Status::of(&diagnostics);
    dry_run(plan, &diagnostics, reading, arguments.format).map(|()| status)
}

/// Writes the files of the plan and the stubs of handlers that are missing.
fn write(
    outcome: Outcome<'_>,
    agents: &[Agent],
    templates: &[UserTemplate],
    mut built: Built<'_>,
) -> Result<Status, Status> {
    let Outcome {
        settings,
        arguments,
        reading,
        diagnostics,
    } = outcome;
    let format = arguments.format;
    diagnostics.extend(built.plan.iter().flat_map(Plan::diagnostics));
    let status = Status::of(diagnostics);
    if status == Status::Fine
        && let Err(problems) = built.apply()
    {
        diagnostics.extend(problems);
        report_failure(diagnostics, format)?;
        return Ok(Status::Io);
    }
    let mut stubs = Vec::new();
    if status == Status::Fine
        && let Some(folder) = &settings.config.stubs
    {
        stubs = write_missing(&settings.root, folder, agents, templates, diagnostics);
    }
    let status = Status::of(diagnostics).max(status);
    let told = Told {
        diagnostics,
        reading: &reading,
        stubs: &stubs,
        servers: &settings.config.openapi.servers,
    };
    match &built.plan {
        Some(plan) => finish(plan, &told, format, status).map(|()| status),
        None => Ok(status),
    }
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
    let document = || {
        let document = Document::new(diagnostics, "planned").with_reading(reading);
        document.with_plan(plan)
    };
    if let Some(text) = format.document(diagnostics, document) {
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
    let document = || {
        let document = Document::new(diagnostics, "planned").with_reading(reading);
        document.with_plan(plan)
    };
    if let Some(text) = format.document(diagnostics, document) {
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
    let document = || Document::new(diagnostics, "failed");
    if let Some(text) = format.document(diagnostics, document) {
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
    let document = || {
        let document = Document::new(diagnostics, word).with_reading(reading);
        let document = document.with_plan(plan);
        document.with_created(stubs.iter().map(String::as_str))
    };
    if let Some(text) = format.document(diagnostics, document) {
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
