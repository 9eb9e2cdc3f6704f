//! `agentgen rename`

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use agentgen_build::inspect::{Slug, find_agent, printable};
use agentgen_build::{Agent, Code, Diagnostic, Project, Severity, Source, Span, check};
use clap::Args;

use crate::commands::project_files::project_change::{
    ChangeArguments, change_project, rebuild, slug_of,
};
use crate::commands::project_files::remove_command::{mention_note, own_files, unknown_agent};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::scaffold::agent_references::{mentions, mentions_in_code, references};
use crate::scaffold::file_change::FileChange;
use crate::scaffold::handler_edit::{handler_folder, rename_handler};
use crate::terminal::Status;
use crate::terminal::diagnostic_report;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the agent
    old: String,
    /// Its new name
    new: String,
    #[command(flatten)]
    change: ChangeArguments,
}

/// Renames the agent in its file, in the agents that name it, and in the handlers. Values are edited where they stand;
/// everything else keeps its bytes.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.change.format;
    let settings = Settings::read(&Inputs::default(), None, format)?;
    let mut project = settings.load();
    project.handlers = None;
    let before = check(&project);
    let refuse = |diagnostics| diagnostic_report::refuse(diagnostics, format, Status::Refused);
    let one = |diagnostic| refuse(vec![diagnostic]);
    let old = arguments.old.trim();
    let agent =
        find_agent(&before.agents, old).ok_or_else(|| one(unknown_agent(old, &before.agents)))?;
    let new = arguments.new.trim();
    let slug = new_slug(new, agent, &before.agents).map_err(one)?;
    let edits = edits(agent, &before.agents, new, &slug).map_err(refuse)?;
    let moves: BTreeMap<&str, String> = own_files(agent)
        .into_iter()
        .filter_map(|path| Some((path, moved(path, agent, &slug)?)))
        .collect();
    let (renamed, changes) = apply_edits(&settings, &project, &edits, &moves).map_err(one)?;
    let after = check(&renamed);
    let new_errors = new_errors(&before.diagnostics, after.diagnostics);
    if !new_errors.is_empty() {
        return Err(refuse(new_errors));
    }
    let Some(to) = find_agent(&after.agents, slug.as_str()) else {
        let message = format!("the agent would not be called `{slug}`");
        return Err(one(Diagnostic::error(
            Code::NameUnusable,
            agent.spec.source.path(),
            message,
        )
        .help("change the name in the file by hand")));
    };
    let mut changes = changes;
    let edit = rename_handler(&settings.root, &project, agent, to);
    changes.extend(edit.changes);
    let folder = handler_folder(&project);
    let module = agent.module.as_str();
    let own = [format!("{folder}/{module}.rs"), format!("{folder}/mod.rs")];
    let mut diagnostics = match to.module == agent.module {
        true => Vec::new(),
        false => mentions_in_code(&settings.root, module, &own),
    };
    for path in moves.keys() {
        if settings.config.agents.iter().any(|entry| entry == path) {
            let message = format!("`agents` names {path}");
            diagnostics.push(
                Diagnostic::error(Code::BadConfig, "agentgen.toml", message)
                    .with_severity(Severity::Warning)
                    .help("change the name there, too"),
            );
        }
    }
    let mut notes: Vec<String> = mention_note(mentions(
        &renamed.sources,
        agent,
        &references(&before.agents, agent),
    ))
    .into_iter()
    .collect();
    if slug.as_str() != agent.spec.slug.as_str() {
        notes.push(format!(
            "its routes are below /v1/agents/{slug} from now on; stored conversations and documents stay under `{}`",
            agent.spec.slug
        ));
    }
    if !change_project(&settings, &changes, &diagnostics, &notes, &arguments.change)? {
        return Ok(Status::Fine);
    }
    rebuild(&settings, format)
}

/// The new name in paths, if it is free.
fn new_slug(new: &str, agent: &Agent, agents: &[Agent]) -> Result<Slug, Diagnostic> {
    let shown = printable(new);
    let slug = slug_of(new)?;
    let taken = agents.iter().find(|other| {
        let same = other.spec.slug.as_str() == slug.as_str() || other.spec.name == new;
        same && other.spec.source.path() != agent.spec.source.path()
    });
    match taken {
        Some(other) => {
            let message = format!("this agent is called `{}` already", other.spec.name);
            Err(Diagnostic::error(Code::NameCollision, "", message)
                .at(&other.spec.source, other.spec.name_span)
                .help("choose another name"))
        }
        None if agent.spec.name == new => {
            let message = format!("the agent is called `{shown}` already");
            Err(
                Diagnostic::error(Code::Taken, agent.spec.source.path(), message)
                    .help("choose another name"),
            )
        }
        None => Ok(slug),
    }
}

/// A new text for a place in a file.
struct Edit {
    source: Arc<Source>,
    span: Span,
    text: String,
}

/// The new names in the agent's own file and in the contracts that name it; the places that are not plainly the name are
/// errors.
fn edits(
    agent: &Agent,
    agents: &[Agent],
    new: &str,
    slug: &Slug,
) -> Result<Vec<Edit>, Vec<Diagnostic>> {
    let mut edits = Vec::new();
    let mut unclear = Vec::new();
    let mut replace = |source: &Arc<Source>, span: Span, old: &str, new: &str| match source
        .text()
        .get(span.start..span.end)
        .and_then(|raw| requoted(raw, old, new))
    {
        Some(text) => edits.push(Edit {
            source: Arc::clone(source),
            span,
            text,
        }),
        None => unclear.push(
            Diagnostic::error(
                Code::UnknownAgent,
                "",
                format!("`{old}` can't be renamed here"),
            )
            .at(source, span)
            .help("write the name on one line, plainly or in quotes, and run the command again"),
        ),
    };
    let spec = &agent.spec;
    let has_name = spec.name_span != Span::default();
    if has_name {
        replace(&spec.source, spec.name_span, &spec.name, new);
    }
    for reference in references(agents, agent) {
        // Contracts may name an agent either way; the way they do stays.
        let to = match reference.text == spec.slug.as_str() {
            true => slug.as_str(),
            false => new,
        };
        replace(&reference.source, reference.span, &reference.text, to);
    }
    if unclear.is_empty() {
        Ok(edits)
    } else {
        Err(unclear)
    }
}

/// `raw`, which is YAML for `old`, as YAML for `new` in the same quotes; none where it is anything but the plain name.
fn requoted(raw: &str, old: &str, new: &str) -> Option<String> {
    let (body, end) = (raw.trim_end(), &raw[raw.trim_end().len()..]);
    let plain = |text: &str| {
        let inner = |c: char| c.is_alphanumeric() || " -_.".contains(c);
        let word = text.parse::<f64>().is_err()
            && !["true", "false", "null", "yes", "no", "on", "off", "~"]
                .contains(&text.to_lowercase().as_str());
        word && text.starts_with(char::is_alphanumeric) && text.chars().all(inner)
    };
    let double = || serde_json::to_string(new).ok();
    let text = if body == old {
        if plain(new) {
            Some(new.to_owned())
        } else {
            double()
        }
    } else if body == format!("'{}'", old.replace('\'', "''")) {
        Some(format!("'{}'", new.replace('\'', "''")))
    } else if body == format!("\"{old}\"") {
        double()
    } else {
        None
    };
    text.map(|text| text + end)
}

/// The path of the agent's file `path` under the new name; none where the file is not named after the agent.
fn moved(path: &str, agent: &Agent, slug: &Slug) -> Option<String> {
    let (folder, file) = match path.rsplit_once('/') {
        Some((folder, file)) => (format!("{folder}/"), file),
        None => (String::new(), path),
    };
    let (stem, ending) = file.split_once('.')?;
    let is_own = Slug::new(stem).is_ok_and(|found| found.as_str() == agent.spec.slug.as_str());
    let moved = format!("{folder}{slug}.{ending}");
    (is_own && moved != path).then_some(moved)
}

/// The project after the edits and moves, and the changes on disk that make it so.
fn apply_edits(
    settings: &Settings,
    project: &Project,
    edits: &[Edit],
    moves: &BTreeMap<&str, String>,
) -> Result<(Project, Vec<FileChange>), Diagnostic> {
    let mut renamed = project.clone();
    let mut changes = Vec::new();
    for source in &mut renamed.sources {
        let path = source.path().to_owned();
        let to = moves
            .get(path.as_str())
            .cloned()
            .unwrap_or_else(|| path.clone());
        let mut own: Vec<&Edit> = edits
            .iter()
            .filter(|edit| edit.source.path() == path)
            .collect();
        if own.is_empty() && to == path {
            continue;
        }
        own.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        let mut text = source.text().to_owned();
        for edit in own {
            text.replace_range(edit.span.start..edit.span.end, &edit.text);
        }
        let bytes = fs::read(settings.root.join(&path)).map_err(|error| {
            let message = format!("the file can't be read: {error}");
            Diagnostic::error(Code::Io, &path, message)
        })?;
        // A byte order mark is not part of the text.
        let mark = if bytes.starts_with(b"\xef\xbb\xbf") {
            "\u{feff}"
        } else {
            ""
        };
        changes.push(FileChange {
            before: Some((path, bytes)),
            after: Some((to.clone(), format!("{mark}{text}").into_bytes())),
        });
        *source = Arc::new(Source::new(&to, text));
    }
    renamed.sources.sort_by(|a, b| a.path().cmp(b.path()));
    Ok((renamed, changes))
}

/// The errors in `after` that were not there `before`; places may have moved, so they do not count.
fn new_errors(before: &[Diagnostic], after: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut known: Vec<(Code, &str)> = before
        .iter()
        .map(|diagnostic| (diagnostic.code, diagnostic.message.as_str()))
        .collect();
    after
        .into_iter()
        .filter(|found| {
            let place = known
                .iter()
                .position(|(code, message)| *code == found.code && *message == found.message);
            match place {
                Some(index) => {
                    known.remove(index);
                    false
                }
                None => found.severity == Severity::Error,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::requoted;

    #[test]
    fn a_name_keeps_its_quotes() {
        for (raw, new, expected) in [
            ("poet", "bard", Some("bard")),
            ("poet ", "bard", Some("bard ")),
            ("'poet'", "bard", Some("'bard'")),
            ("\"poet\"", "bard", Some("\"bard\"")),
            ("poet", "the bard", Some("the bard")),
            ("poet", "a: b", Some("\"a: b\"")),
            ("poet", "1e3", Some("\"1e3\"")),
            ("poet", "no", Some("\"no\"")),
            ("'poet'", "it's", Some("'it''s'")),
            ("po\\u0065t", "bard", None),
            (">-\n  poet", "bard", None),
        ] {
            assert_eq!(
                requoted(raw, "poet", new).as_deref(),
                expected,
                "{raw} {new}"
            );
        }
    }
}
