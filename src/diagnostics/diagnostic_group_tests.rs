use std::sync::Arc;

use crate::diagnostics::code::Code;
use crate::diagnostics::diagnostic_group::{Group, Grouped, grouped};
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Severity};

/// A diagnostic on line 2 of the file `name`.
fn diagnostic(severity: Severity, code: Code, name: &str, message: &str) -> Diagnostic {
    let source = Arc::new(Source::new(name, "---\nname: x\n".to_owned()));
    Diagnostic::error(code, "", message)
        .with_severity(severity)
        .at(&source, Span::new(4, 8))
}

fn tools(name: &str, tools: &[&str]) -> Diagnostic {
    let message = format!("a service can't run {tools:?}");
    let mut note = diagnostic(Severity::Note, Code::ToolNotExecutable, name, &message);
    note.about(tools.iter().copied());
    note
}

/// The only group among `diagnostics`.
fn only_group(diagnostics: &[Diagnostic]) -> Group<'_> {
    match grouped(diagnostics).as_slice() {
        [Grouped::Group(group)] => group.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn notes_of_one_code_are_told_once_with_the_names_they_are_about() {
    let notes = [
        tools("b.md", &["Read", "Bash"]),
        tools("a.md", &["Bash"]),
        tools("a.md", &["Edit"]),
    ];
    let group = only_group(&notes);
    assert_eq!(
        group.message(),
        "2 agents list tools that a service can't run"
    );
    assert_eq!(group.subjects(), ["Bash", "Edit", "Read"]);
    assert_eq!(group.places(), ["b.md:2", "a.md:2"]);
    // Both notes of one file.
    assert_eq!(
        only_group(&notes[1..]).message(),
        "1 agent lists tools that a service can't run"
    );
}

#[test]
fn one_note_three_warnings_and_any_number_of_errors_stay_as_they_are() {
    let note = tools("a.md", &["Read"]);
    let warning = |index: usize| {
        let name = format!("{index}.md");
        diagnostic(Severity::Warning, Code::DescriptionMissing, &name, "none")
    };
    let error = |index: usize| {
        let name = format!("{index}.md");
        diagnostic(Severity::Error, Code::DescriptionMissing, &name, "none")
    };
    let mut all = vec![note];
    all.extend((0..3).map(warning));
    all.extend((0..9).map(error));
    let shown = grouped(&all);
    assert_eq!(shown.len(), all.len());
    assert!(shown.iter().all(|one| matches!(one, Grouped::One(_))));
    all.push(warning(3));
    let shown = grouped(&all);
    let Grouped::Group(group) = &shown[1] else {
        panic!("{shown:?}");
    };
    assert_eq!(group.message(), "4 agents have no description");
    assert_eq!(shown.len(), all.len() - 3);
}

#[test]
fn codes_with_many_meanings_are_told_together_only_in_equal_words() {
    let said = |name: &str, message: &str| {
        diagnostic(Severity::Note, Code::BadEndpoint, name, message).help("do it")
    };
    let mut notes = vec![said("a.md", "one"), said("b.md", "other")];
    assert_eq!(grouped(&notes).len(), 2);
    notes.push(said("c.md", "one"));
    let shown = grouped(&notes);
    let [Grouped::Group(group), Grouped::One(other)] = shown.as_slice() else {
        panic!("{shown:?}");
    };
    assert_eq!(group.message(), "one (2 times)");
    assert_eq!(group.places(), ["a.md:2", "c.md:2"]);
    assert_eq!(group.help(), Some("do it"));
    assert_eq!(other.message, "other");
}

#[test]
fn the_advice_of_a_group_is_what_all_its_members_advise() {
    let missing = |name: &str, help: &str| {
        diagnostic(Severity::Warning, Code::NameMissing, name, "no name").help(help)
    };
    let names = ["a", "b", "c", "d"];
    let same: Vec<Diagnostic> = names.iter().map(|name| missing(name, "name it")).collect();
    assert_eq!(only_group(&same).help(), Some("name it"));
    let different: Vec<Diagnostic> = names.iter().map(|name| missing(name, name)).collect();
    assert_eq!(only_group(&different).help(), None);
}
