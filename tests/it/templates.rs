//! The user's templates: in front of the built-in ones, file by file, with their own errors.

use agentgen_build::inspect::BUILTIN;
use agentgen_build::{Generation, Project, Source, UserTemplate, generate};

const AGENT: &str =
    "---\nname: librarian\ndescription: Knows every book.\n---\nYou are the librarian.\n";

fn build(templates: &[(&str, &str)]) -> Generation {
    let templates = templates.iter().map(|(name, text)| UserTemplate {
        name: (*name).to_owned(),
        source: Source::from_bytes(&format!("templates/{name}"), (*text).into()).unwrap(),
    });
    let second = AGENT.replace("librarian", "gardener");
    generate(&Project {
        sources: vec![
            Source::from_bytes("agents/gardener.md", second.into()).unwrap(),
            Source::from_bytes("agents/librarian.md", AGENT.into()).unwrap(),
        ],
        templates: templates.collect(),
        ..Project::default()
    })
}

fn text(generation: &Generation, path: &str) -> String {
    let found = generation.artifacts.iter().find(|file| file.path == path);
    let diagnostics = &generation.diagnostics;
    let bytes = &found
        .unwrap_or_else(|| panic!("no {path}: {diagnostics:?}"))
        .bytes;
    String::from_utf8(bytes.clone()).unwrap()
}

/// The one diagnostic of a template.
fn only_diagnostic(templates: &[(&str, &str)]) -> String {
    let generation = build(templates);
    assert!(generation.artifacts.is_empty());
    let messages: Vec<String> = generation
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages[0].clone()
}

#[test]
fn one_file_is_replaced_and_the_rest_stays() {
    let plain = build(&[]);
    let own = build(&[("prompts/prompt.md.tera", "<{{ prompt }}>")]);
    assert_eq!(
        text(&own, "prompts/librarian/prompt.md"),
        "<You are the librarian.\n>"
    );
    for artifact in &plain.artifacts {
        if !artifact.path.ends_with("prompt.md") {
            assert!(
                text(&own, &artifact.path).as_bytes() == artifact.bytes,
                "{}",
                artifact.path
            );
        }
    }
}

#[test]
fn templates_of_every_kind_can_be_extended() {
    let own = build(&[
        (
            "prompts/prompt.md.tera",
            "{% extends \"builtin/prompts/prompt.md.tera\" %}{% block prompt %}# Rules\n{{ super() }}{% endblock prompt %}",
        ),
        (
            "rust/agent.rs.tera",
            "{% extends \"builtin/rust/agent.rs.tera\" %}{% block prompted %}{{ super() }}\
             /// The house style.\npub const STYLE: &str = {{ name | rust_str }};{% endblock prompted %}",
        ),
        (
            "openapi/fragment.yaml.tera",
            "{% extends \"builtin/openapi/fragment.yaml.tera\" %}{% block info %}info: {title: Ours, version: \"1\"}\n{% endblock info %}",
        ),
    ]);
    let prompt = text(&own, "prompts/librarian/prompt.md");
    assert_eq!(prompt, "# Rules\nYou are the librarian.\n");
    let rust = text(&own, "rust/librarian.rs");
    assert!(
        rust.contains("pub const STYLE: &str = \"librarian\";"),
        "{rust}"
    );
    assert!(rust.contains("pub trait Librarian"), "{rust}");
    let openapi = text(&own, "openapi/librarian.yaml");
    assert!(openapi.contains("title: Ours"), "{openapi}");
    assert!(openapi.contains("/v1/agents/librarian/invoke"), "{openapi}");
}

#[test]
fn exported_templates_change_nothing() {
    let files: Vec<(&str, &str)> = BUILTIN
        .iter()
        .filter(|(name, _)| !name.starts_with("project/"))
        .copied()
        .collect();
    assert!(files.len() >= 8, "{} templates", files.len());
    assert_eq!(build(&files).artifacts, build(&[]).artifacts);
}

#[test]
fn a_broken_template_is_one_diagnostic_with_its_place() {
    let syntax = only_diagnostic(&[("rust/agent.rs.tera", "pub mod x;\n  {% if %}")]);
    assert!(
        syntax.starts_with("templates/rust/agent.rs.tera:2:"),
        "{syntax}"
    );
    assert!(syntax.contains("error[AG070]"), "{syntax}");

    let filter = only_diagnostic(&[("rust/mod.rs.tera", "{{ agents | shout }}")]);
    assert!(
        filter.starts_with("templates/rust/mod.rs.tera:1:"),
        "{filter}"
    );

    let include = only_diagnostic(&[("rust/mod.rs.tera", "{% include \"rust/nothing.tera\" %}")]);
    assert!(include.contains("rust/nothing.tera"), "{include}");
}

#[test]
fn a_template_that_never_ends_is_one_diagnostic() {
    let forever =
        "{% for a in range(end=99999) %}{% for b in range(end=99999) %}{% endfor %}{% endfor %}";
    assert_eq!(
        only_diagnostic(&[("rust/agent.rs.tera", forever)]),
        "templates/rust/agent.rs.tera:1:1: error[AG070]: the template takes longer than 3 s (`agentgen templates export` writes the built-in templates to compare with)"
    );
    let long = format!(
        "{{% for a in range(end=99999) %}}{}{{% endfor %}}",
        "x".repeat(1000)
    );
    assert_eq!(
        only_diagnostic(&[("prompts/bundle.json.tera", &long)]),
        "templates/prompts/bundle.json.tera:1:1: error[AG070]: the template writes more than 32 MiB (`agentgen templates export` writes the built-in templates to compare with)"
    );
}

#[test]
fn an_unknown_field_is_told_with_those_there_are() {
    let message = only_diagnostic(&[(
        "prompts/bundle.json.tera",
        "{\n  \"name\": {{ bundle.nmae | json }}\n}",
    )]);
    assert!(
        message.starts_with("templates/prompts/bundle.json.tera:2:"),
        "{message}"
    );
    assert!(message.contains("nmae"), "{message}");
    assert!(
        message.contains("slug") && message.contains("summary"),
        "{message}"
    );
}

#[test]
fn what_a_template_makes_is_parsed_before_anything_is_written() {
    for (name, template) in [
        ("rust/agent.rs.tera", "pub fn {{ name | rust_str }}() {}"),
        ("rust/mod.rs.tera", "this is not Rust"),
        ("prompts/bundle.json.tera", "{\"name\": }"),
        ("openapi/fragment.yaml.tera", "openapi: [1"),
        ("openapi/fragment.yaml.tera", "openapi: 3.1.2"),
        ("openapi/service.yaml.tera", "- a list"),
    ] {
        let message = only_diagnostic(&[(name, template)]);
        assert!(
            message.starts_with(&format!("templates/{name}:1:1: error[AG071]")),
            "{message}"
        );
    }
}

#[test]
fn a_template_describes_an_operation_of_the_runtime_in_its_own_words() {
    let service = "\
{% extends \"builtin/openapi/service.yaml.tera\" %}
{% block paths %}paths:
  /livez: {get: {operationId: alive, responses: {\"200\": {description: It runs.}}}}
{% endblock paths %}";
    let generation = build(&[("openapi/service.yaml.tera", service)]);
    let document: serde_json::Value =
        serde_json::from_str(&text(&generation, "rust/openapi.json")).unwrap();
    assert_eq!(document["paths"]["/livez"]["get"]["operationId"], "alive");
    assert_eq!(
        document["paths"]["/healthz"]["get"]["operationId"],
        "getHealth"
    );
}

#[test]
fn what_the_runtime_describes_is_no_template() {
    let diagnostic = only_diagnostic(&[("openapi/schemas.yaml.tera", "  Problem: {}")]);
    assert!(
        diagnostic.starts_with("templates/openapi/schemas.yaml.tera:1:1: error[AG070]"),
        "{diagnostic}"
    );
    assert!(diagnostic.contains("agentgen-runtime"), "{diagnostic}");
}

#[test]
fn a_file_that_replaces_nothing_is_an_error() {
    for (name, expected) in [
        (
            "rust/agentt.rs.tera",
            "`rust/agentt.rs.tera` has no effect: there is no built-in template of that name (did you mean `rust/agent.rs.tera`?)",
        ),
        ("agent.rs.tera", "(did you mean `rust/agent.rs.tera`?)"),
        (
            "prompt/prompt.md.tera",
            "(did you mean `prompts/prompt.md.tera`?)",
        ),
        ("rust/Agent.rs.tera", "(did you mean `rust/agent.rs.tera`?)"),
        (
            "header.tera",
            "(name it like a built-in one, which `agentgen templates export` writes",
        ),
        (
            "project/Cargo.toml.tera",
            "a project can't replace the templates of `agentgen new`",
        ),
    ] {
        let diagnostic = only_diagnostic(&[(name, "{{ prompt }}")]);
        let start = format!("templates/{name}:1:1: error[AG070]: `{name}` ");
        assert!(diagnostic.starts_with(&start), "{diagnostic}");
        assert!(diagnostic.contains(expected), "{diagnostic}");
    }
}

#[test]
fn a_template_that_another_one_includes_has_an_effect() {
    let include = (
        "prompts/prompt.md.tera",
        "{% include \"parts/head.tera\" %}",
    );
    let nested = ("parts/head.tera", "# {% include 'parts/deep.tera' %}");
    let deep = ("parts/deep.tera", "Rules\n");
    let own = build(&[include, nested, deep]);
    assert_eq!(text(&own, "prompts/librarian/prompt.md"), "# Rules\n");

    let call = ("prompts/prompt.md.tera", "{{ <Rules who=\"you\" /> }}");
    let component = (
        "parts/rules.tera",
        "{% component Rules(who) %}Rules for {{ who }}{% endcomponent Rules %}",
    );
    let own = build(&[call, component]);
    assert_eq!(text(&own, "prompts/librarian/prompt.md"), "Rules for you");

    // Two that only name each other have none.
    let generation = build(&[
        ("parts/a.tera", "{% include \"parts/b.tera\" %}"),
        ("parts/b.tera", "text"),
    ]);
    assert_eq!(generation.diagnostics.len(), 2);
}

#[test]
fn rust_that_is_nested_too_deep_is_an_error_and_texts_with_brackets_are_none() {
    let deep = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(5_000), close.repeat(5_000))
    };
    for code in [
        format!("const X: u8 = {};", deep("(", "1", ")")),
        format!("type X = {};", deep("Vec<", "u8", ">")),
        format!("const X: u8 = {};", deep("!", "1", "")),
        format!("const X: u8 = {};", deep("-", "1", "")),
    ] {
        let told = only_diagnostic(&[("rust/mod.rs.tera", &code)]);
        let expected = "brackets or signs are nested more than 256 deep";
        assert!(told.contains(expected), "{told}");
    }
    let text = format!("const X: &str = \"{}\";", "(<[".repeat(5_000));
    let generation = build(&[("rust/mod.rs.tera", &text)]);
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
}
