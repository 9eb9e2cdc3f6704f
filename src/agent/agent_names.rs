//! Agents whose names meet in files and code.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::project::agent_folders::folder_of;
use crate::spec::agent_file::{Spec, stem};
use crate::text::slug::Slug;

/// Settles names that meet, as far as it is clear how; the others are errors of [`check`](crate::check).
///
/// * Names that differ as they are written, such as `Tester` and `tester`: the agents are named as their files are. One
///   whose name is its slug already keeps it.
/// * In `folders`, which were found and not named by anybody, sorted by precedence: an agent is left out if an earlier folder
///   has one of its name.
pub fn settle(specs: &mut Vec<Spec>, folders: &[String], diagnostics: &mut Vec<Diagnostic>) {
    name_after_files(specs, diagnostics);
    leave_out(specs, folders, diagnostics);
}

/// What is the same for two slugs that meet in the name of a file, a module or a type.
pub fn key(slug: &Slug) -> String {
    slug.as_str().replace('-', "")
}

fn name_after_files(specs: &mut [Spec], diagnostics: &mut Vec<Diagnostic>) {
    for group in groups(specs) {
        let written: Vec<&str> = group.iter().map(|at| specs[*at].name.as_str()).collect();
        let is_alone = |at: usize| {
            let name = specs[at].name.as_str();
            let same = written.iter().filter(|other| **other == name).count();
            same == 1 && name != specs[at].slug.as_str()
        };
        let moving: BTreeMap<usize, Slug> = group
            .iter()
            .filter(|at| is_alone(**at))
            .filter_map(|at| Some((*at, Slug::new(stem(specs[*at].source.path())).ok()?)))
            .collect();
        let staying = (0..specs.len()).filter(|at| !moving.contains_key(at));
        let taken: BTreeSet<String> = staying.map(|at| key(&specs[at].slug)).collect();
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for slug in moving.values() {
            *wanted.entry(key(slug)).or_default() += 1;
        }
        for (at, slug) in &moving {
            let key = key(slug);
            if *slug == specs[*at].slug || taken.contains(&key) || wanted[&key] > 1 {
                continue;
            }
            let others = group.iter().filter(|other| *other != at);
            let others: Vec<String> = others
                .map(|other| format!("`{}`", specs[*other].name))
                .collect();
            let spec = &mut specs[*at];
            let message = match others.as_slice() {
                [before @ .., last] if !before.is_empty() => format!(
                    "`{}`, {} and {last} would all be `{}` in files and routes",
                    spec.name,
                    before.join(", "),
                    spec.slug
                ),
                others => format!(
                    "`{}` and {} would both be `{}` in files and routes",
                    spec.name,
                    others.concat(),
                    spec.slug
                ),
            };
            let help = format!("files and routes of this agent are named `{slug}`, as its file is");
            diagnostics.push(
                Diagnostic::error(Code::NameCollision, "", message)
                    .with_severity(Severity::Note)
                    .at(&spec.source, spec.name_span)
                    .help(help),
            );
            spec.slug = slug.clone();
        }
    }
}

fn leave_out(specs: &mut Vec<Spec>, folders: &[String], diagnostics: &mut Vec<Diagnostic>) {
    let mut left_out: BTreeSet<usize> = BTreeSet::new();
    // By the folder that loses agents and the one that keeps them.
    let mut losses: BTreeMap<(usize, usize), Vec<(usize, usize)>> = BTreeMap::new();
    for group in groups(specs) {
        let place = |at: usize| folder_of(folders, specs[at].source.path());
        let Some((Some(first), kept)) = group.iter().map(|at| (place(*at), *at)).min() else {
            continue;
        };
        for at in group {
            if let Some(folder) = place(at).filter(|folder| *folder != first) {
                left_out.insert(at);
                losses.entry((folder, first)).or_default().push((at, kept));
            }
        }
    }
    for ((folder, first), pairs) in losses {
        let is_copy = |(lost, kept): &(usize, usize)| {
            specs[*lost].source.text() == specs[*kept].source.text()
        };
        let severity = match pairs.iter().all(is_copy) {
            true => Severity::Note,
            false => Severity::Warning,
        };
        let slugs = pairs.iter().map(|(at, _)| format!("`{}`", specs[*at].slug));
        let message = format!(
            "left out, because `{}` has agents of these names: {}",
            folders[first],
            slugs.collect::<Vec<_>>().join(", ")
        );
        diagnostics.push(
            Diagnostic::error(Code::NameCollision, &folders[folder], message)
                .with_severity(severity)
                .help("to choose the folders yourself, name them with `--agents` or under `agents` in agentgen.toml"),
        );
    }
    let mut at = 0..specs.len();
    specs.retain(|_| at.next().is_none_or(|at| !left_out.contains(&at)));
}

/// The agents that share a key, by the key; those that share none are left out.
fn groups(specs: &[Spec]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, spec) in specs.iter().enumerate() {
        groups.entry(key(&spec.slug)).or_default().push(at);
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}
