//! The input of fallbacks, and of steps without `with`.

#![allow(clippy::unwrap_used)]

use crate::check::workflow_check_tests::diagnostics;
use crate::diagnostics::Severity;
use crate::diagnostics::source::Source;
use crate::generate::check;
use crate::project::Project;

/// The errors of a step of the agent `a` that is `step`, where the `invoke` of `b` takes `input`; the columns are counted
/// from the step.
fn fallback_errors(input: &str, step: &str) -> Vec<String> {
    let a = format!(
        "---\nname: a\ndescription: A.\nservice:\n  endpoints: {{ plan: {{ input: {{ goal: string }}, output: {{ n: integer }} }} }}\n  workflows:\n    w:\n      input: {{ goal: string }}\n      steps:\n      - s: {step}\n---\nA.\n"
    );
    let b = format!(
        "---\nname: b\ndescription: B.\nservice:\n  endpoints:\n    invoke:\n      path: /b\n      input: {input}\n---\nB.\n"
    );
    let source = |(path, text): (&str, String)| Source::from_bytes(path, text.into()).unwrap();
    let generation = check(&Project {
        sources: [("agents/a.md", a), ("agents/b.md", b)].map(source).into(),
        ..Project::default()
    });
    // What is open in the schema of `b` is noted there.
    let errors = generation
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error);
    let found = errors.map(|diagnostic| {
        let place = diagnostic.location().unwrap();
        let place_of = (diagnostic.path.as_str(), place.line);
        assert_eq!(place_of, ("agents/a.md", 10), "{diagnostic:?}");
        format!("{} {}", place.column as isize - 12, diagnostic.message)
    });
    found.collect()
}

#[test]
fn a_fallback_whose_input_never_matches_is_an_error() {
    let plan = "{ agent: a, endpoint: plan, on_failure: { fallback: b } }";
    let tone = r#"{ agent: a, with: { input: "{{ input.goal }}" }, on_failure: { fallback: b } }"#;
    let fixed = r#"{ agent: a, with: { input: loud }, on_failure: { fallback: b } }"#;
    // Inputs that match: one text is enough.
    for input in [
        "{ input: string, tone?: string }",
        "{ type: object }",
        "{ input: any }",
        r#"{ type: object, required: [input], properties: { input: { enum: [loud, low] } } }"#,
    ] {
        for step in [plan, tone, fixed] {
            assert_eq!(fallback_errors(input, step), [""; 0], "{input} {step}");
        }
    }
    let message = "where the step `s` fails, `b` is called with";
    for (input, step, column, what) in [
        (
            "{ input: integer }",
            plan,
            52,
            "text as its `input`, and its `invoke` takes a whole number",
        ),
        (
            "{ input: string, tone: string }",
            tone,
            73,
            "one text as its `input`, and its `invoke` takes `tone` too: text",
        ),
        (
            "{ goal: string }",
            plan,
            52,
            "text as its `input`, and its `invoke` takes none",
        ),
        (
            r#"{ type: object, required: [input], properties: { input: { enum: [high, low] } } }"#,
            fixed,
            59,
            r#"the text "loud" as its `input`, and its `invoke` takes one of "high", "low""#,
        ),
    ] {
        assert_eq!(
            fallback_errors(input, step),
            [format!("{column} {message} {what}")]
        );
    }
}

#[test]
fn a_step_without_with_is_given_what_the_run_is_given() {
    // `plan` takes what a run is given, as it is.
    assert_eq!(
        fallback_errors("{ input: string }", "{ agent: a, endpoint: plan }"),
        [""; 0]
    );
    let workflow =
        "w:\n  input: { topic: string }\n  steps:\n  - p: { agent: keys, endpoint: plan }";
    assert_eq!(
        diagnostics(workflow),
        [
            "4:5 the step `p` has no `with`, and `plan` of `keys` doesn't take what the run is given; say under `with` what it is given"
        ]
    );
}
