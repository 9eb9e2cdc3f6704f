//! Diagnostics that say the same about many files, as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};

/// So many notes of one kind become a group.
const NOTES: usize = 2;

/// So many warnings of one kind become a group.
const WARNINGS: usize = 4;

/// What is shown of a list of diagnostics: one of them, or several as a group.
#[derive(Debug, Clone)]
pub enum Grouped<'a> {
    /// One diagnostic, to be shown in full.
    One(&'a Diagnostic),
    /// Diagnostics of one kind, to be shown as one.
    Group(Group<'a>),
}

/// Diagnostics of one code and severity that are told in one sentence.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// How much each of them weighs.
    pub severity: Severity,
    /// What each of them is about.
    pub code: Code,
    /// All of them, in their order; at least two.
    pub members: Vec<&'a Diagnostic>,
}

impl<'a> Group<'a> {
    /// What they say together: `31 agents list tools that a service can't run`.
    pub fn message(&self) -> String {
        let files: BTreeSet<&str> = self.members.iter().map(|one| one.path.as_str()).collect();
        let count = files.len();
        match sentence(self.code, self.severity) {
            Some((one, _)) if count == 1 => format!("1 {one}"),
            Some((_, many)) => format!("{count} {many}"),
            None => format!("{} ({} times)", self.members[0].message, self.members.len()),
        }
    }

    /// What they are about, the most frequent first: names of tools, keys and so on; none where they name nothing.
    pub fn subjects(&self) -> Vec<&'a str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for subject in self.members.iter().flat_map(|one| &one.subjects) {
            *counts.entry(subject).or_default() += 1;
        }
        let mut subjects: Vec<(&str, usize)> = counts.into_iter().collect();
        subjects.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        subjects.into_iter().map(|(subject, _)| subject).collect()
    }

    /// Where they are: `agents/a.md:4`, each place once.
    pub fn places(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let places = self.members.iter().map(|one| match one.location() {
            Some(location) => format!("{}:{}", one.path, location.line),
            None => one.path.clone(),
        });
        places.filter(|place| seen.insert(place.clone())).collect()
    }

    /// The advice, where it is the same for all of them.
    pub fn help(&self) -> Option<&'a str> {
        let help = self.members[0].help.as_deref();
        let same = self.members.iter().all(|one| one.help.as_deref() == help);
        help.filter(|_| same)
    }
}

/// Puts notes and warnings of one kind together where there are many. A group stands where the first of its members stood.
/// Errors are never grouped.
pub fn grouped(diagnostics: &[Diagnostic]) -> Vec<Grouped<'_>> {
    let mut kinds: BTreeMap<_, Vec<&Diagnostic>> = BTreeMap::new();
    for diagnostic in diagnostics {
        if let Some(kind) = kind(diagnostic) {
            kinds.entry(kind).or_default().push(diagnostic);
        }
    }
    kinds.retain(|(severity, ..), members| {
        members.len()
            >= if *severity == Severity::Note {
                NOTES
            } else {
                WARNINGS
            }
    });
    let mut shown = Vec::new();
    for diagnostic in diagnostics {
        let Some(members) = kind(diagnostic).and_then(|kind| kinds.get_mut(&kind)) else {
            shown.push(Grouped::One(diagnostic));
            continue;
        };
        // Taken by the first member; the list of a kind that was shown is empty.
        let members = std::mem::take(members);
        if !members.is_empty() {
            shown.push(Grouped::Group(Group {
                severity: diagnostic.severity,
                code: diagnostic.code,
                members,
            }));
        }
    }
    shown
}

/// What has to be equal for two diagnostics to be told together: the code where there is a sentence for it, else the message and
/// the help too.
type Kind<'a> = (Severity, Code, Option<(&'a str, Option<&'a str>)>);

/// The kind of `diagnostic`; none for an error.
fn kind(diagnostic: &Diagnostic) -> Option<Kind<'_>> {
    let (severity, code) = (diagnostic.severity, diagnostic.code);
    if severity == Severity::Error {
        return None;
    }
    let words = (diagnostic.message.as_str(), diagnostic.help.as_deref());
    let words = sentence(code, severity).is_none().then_some(words);
    Some((severity, code, words))
}

/// The sentence for a group, behind the number of files: for one and for several. What members of a group say
/// differently is among their subjects or can be left out; other codes are told together only in equal words.
fn sentence(code: Code, severity: Severity) -> Option<(&'static str, &'static str)> {
    Some(match (code, severity) {
        (Code::NoFrontmatter, Severity::Note) => (
            "file has no frontmatter and is left out",
            "files have no frontmatter and are left out",
        ),
        (Code::Repaired, _) => (
            "file has frontmatter that is not valid YAML; it was repaired in memory",
            "files have frontmatter that is not valid YAML; it was repaired in memory",
        ),
        (Code::CutByComment, _) => (
            "file has values that YAML ends at ` #`",
            "files have values that YAML ends at ` #`",
        ),
        (Code::LineEnds, _) => (
            "file has unusual line ends, which its prompt keeps",
            "files have unusual line ends, which their prompts keep",
        ),
        (Code::OddClosing, _) => (
            "file ends its frontmatter with an unusual line",
            "files end their frontmatter with an unusual line",
        ),
        (Code::LiteralLineBreaks, _) => (
            "description contains `\\n` as two characters; it is read as a line break",
            "descriptions contain `\\n` as two characters; it is read as a line break",
        ),
        (Code::NameMissing, _) => (
            "agent has no name and is called as its file is",
            "agents have no name and are called as their files are",
        ),
        (Code::NameUnusable, _) => (
            "agent has a name that no file or route can have; its file's name is used there",
            "agents have names that no file or route can have; their files' names are used there",
        ),
        (Code::DescriptionMissing, _) => ("agent has no description", "agents have no description"),
        (Code::BodyEmpty, _) => ("agent has an empty prompt", "agents have an empty prompt"),
        (Code::UnknownKey, Severity::Note) => (
            "agent has keys that agentgen does not know; no output is made from them",
            "agents have keys that agentgen does not know; no output is made from them",
        ),
        (Code::ToolNotExecutable, _) => (
            "agent lists tools that a service can't run",
            "agents list tools that a service can't run",
        ),
        (Code::McpServerMissing, _) => (
            "agent lists tools of MCP servers that service.toml does not configure",
            "agents list tools of MCP servers that service.toml does not configure",
        ),
        (Code::InlineMcpServer, _) => (
            "agent defines MCP servers that the service does not run",
            "agents define MCP servers that the service does not run",
        ),
        (Code::KeyWithoutEffect, _) => (
            "agent has keys that have no effect in a service",
            "agents have keys that have no effect in a service",
        ),
        (Code::ToolReach, Severity::Note) => (
            "agent has rules on tools that a service applies differently",
            "agents have rules on tools that a service applies differently",
        ),
        (Code::HiddenCharacters, _) => (
            "file contains invisible characters",
            "files contain invisible characters",
        ),
        (Code::UnsupportedSchema, Severity::Note) => (
            "file names formats that nothing checks",
            "files name formats that nothing checks",
        ),
        (Code::OpenSchema, _) => (
            "file has schemas that leave open what a value is",
            "files have schemas that leave open what a value is",
        ),
        _ => return None,
    })
}
