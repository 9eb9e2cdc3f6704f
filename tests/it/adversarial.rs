//! Names and texts that break generators: each becomes files inside the output folder, or one clear error.

use agentgen_build::{Generation, Project, Source, generate};

fn build(files: &[(&str, String)]) -> Generation {
    let sources = files
        .iter()
        .map(|(path, text)| Source::from_bytes(path, text.clone().into_bytes()).unwrap());
    let generation = generate(&Project {
        sources: sources.collect(),
        ..Project::default()
    });
    for artifact in &generation.artifacts {
        let parts: Vec<&str> = artifact.path.split('/').collect();
        for part in &parts {
            let plain = part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)
            });
            assert!(
                plain && !part.is_empty() && !part.starts_with('.'),
                "{}",
                artifact.path
            );
            let stem = part.split('.').next().unwrap();
            assert!(
                !["con", "prn", "aux", "nul", "com1", "lpt1"].contains(&stem),
                "{part}"
            );
        }
    }
    generation
}

fn agent(name: &str) -> String {
    let name = serde_json::Value::String(name.to_owned());
    format!("---\nname: {name}\ndescription: Does one thing.\n---\nDo it.\n")
}

fn slugs(generation: &Generation) -> Vec<String> {
    let slugs = generation
        .agents
        .iter()
        .map(|agent| agent.spec.slug.to_string());
    slugs.collect()
}

fn errors(generation: &Generation) -> Vec<String> {
    let errors = generation.diagnostics.iter().map(ToString::to_string);
    errors.filter(|line| line.contains(": error[")).collect()
}

#[test]
fn names_become_slugs_and_identifiers() {
    let cases = [
        ("gen", "gen", "gen_", "Gen"),
        ("self", "self", "self_", "Self_"),
        ("option", "option", "option", "Option"),
        ("result", "result", "result", "Result"),
        ("string", "string", "string", "String"),
        (
            "C++ expert",
            "c-plus-plus-expert",
            "c_plus_plus_expert",
            "CPlusPlusExpert",
        ),
        ("1st-agent", "1st-agent", "_1st_agent", "_1stAgent"),
        ("../evil", "evil", "evil", "Evil"),
        ("CON", "con-agent", "con_agent", "ConAgent"),
        ("a/b", "a-b", "a_b", "AB"),
        ("don't panic", "dont-panic", "dont_panic", "DontPanic"),
        ("*/ \"## {{ x }} {% raw %}", "x-raw", "x_raw", "XRaw"),
    ];
    for (name, slug, module, type_name) in cases {
        let generation = build(&[("agents/file.md", agent(name))]);
        assert_eq!(errors(&generation), [""; 0], "{name}");
        let agent = &generation.agents[0];
        assert_eq!(agent.spec.name, name);
        assert_eq!(agent.spec.slug.as_str(), slug);
        assert_eq!(agent.module.as_str(), module);
        assert_eq!(agent.type_name.as_str(), type_name);
        let path = format!("rust/{module}.rs");
        assert!(
            generation.artifacts.iter().any(|file| file.path == path),
            "{path}"
        );
    }
}

#[test]
fn a_name_without_letters_leaves_the_files_name() {
    for name in ["🚀", "--", "", "   ", "日本"] {
        let generation = build(&[("agents/rocket.md", agent(name))]);
        assert_eq!(slugs(&generation), ["rocket"], "{name}");
        assert!(errors(&generation).is_empty());
        assert!(!generation.diagnostics.is_empty(), "there is a diagnostic");
    }
}

#[test]
fn names_that_can_not_be_used_are_one_error_with_a_place() {
    let help =
        "(use the letters a to z, digits and hyphens in `name` or in the file's name, 64 at most)";
    let long = "x".repeat(300);
    for (path, name, why) in [
        ("agents/🚀.md", "🚀", "the name has no letter and no digit"),
        (
            "agents/編集者.md",
            "編集者",
            "the name has letters that no file or route can have",
        ),
        (
            "agents/編集者2.md",
            "2号",
            "the name has letters that no file or route can have",
        ),
        (
            "agents/🚀.md",
            long.as_str(),
            "the name has 300 characters, and files and routes have 64 at most",
        ),
    ] {
        let generation = build(&[(path, agent(name))]);
        assert_eq!(
            errors(&generation),
            [format!("{path}:2:7: error[AG021]: {why} {help}")]
        );
        assert!(generation.artifacts.is_empty());
    }
}

#[test]
fn texts_are_data_wherever_they_land() {
    let texts = [
        "ends a comment */ and a string \"## and '\"",
        "{{ name }} {% raw %} {# comment #} ${x} #{y}",
        "\u{202e}turned\u{202c} and \u{200b}hidden\u{feff}",
        "carriage\rreturn and\ttab",
        "```rust\nfn main() { panic!() }\n```\n    indented\n[link] <b> `tick` \\",
        "<example>user: only examples</example>",
        "日本語 🚀 é",
    ];
    for text in texts {
        let quoted = serde_json::Value::String(text.to_owned());
        let file = format!(
            "---\nname: text\ndescription: {quoted}\nmodel: {quoted}\ntools: [{quoted}]\n---\n{text}"
        );
        let generation = build(&[("agents/text.md", file)]);
        assert_eq!(errors(&generation), [""; 0], "{text}");
        let prompt = generation
            .artifacts
            .iter()
            .find(|file| file.path.ends_with("prompt.md"));
        assert_eq!(prompt.unwrap().bytes, text.as_bytes());
        for artifact in &generation.artifacts {
            let written = std::str::from_utf8(&artifact.bytes).unwrap();
            if artifact.path.ends_with(".rs") {
                assert!(
                    syn::parse_file(written).is_ok(),
                    "{text}: {}",
                    artifact.path
                );
                assert!(!written.contains(['\r', '\u{202e}', '\u{200b}']), "{text}");
            } else if artifact.path.ends_with(".json") {
                serde_json::from_str::<serde_json::Value>(written).unwrap();
            }
        }
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let nul = Source::from_bytes("agents/nul.md", b"---\nname: a\n---\n\0".to_vec());
    assert!(nul.is_err());
    let large = Source::from_bytes("agents/large.md", vec![b'x'; 1024 * 1024 + 1]);
    assert!(large.is_err());
    let whole = Source::from_bytes("agents/large.md", vec![b'x'; 1024 * 1024]);
    assert!(whole.is_ok());
}

/// The messages about an agent with this service block.
fn messages_of_service(service: String) -> Vec<String> {
    let files = [
        ("agents/a.md", agent("a")),
        ("agents/a.service.yaml", service),
    ];
    let generation = build(&files);
    let messages = generation.diagnostics.iter().map(ToString::to_string);
    messages.collect()
}

#[test]
fn a_service_block_of_too_many_parts_is_one_error_that_says_which() {
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| -> String { (0..count).map(line).collect() };
    let values = lines(20_001, &|index| format!("{index}, "));
    let properties = lines(8_001, &|index| format!("p{index}: string, "));
    let objects = lines(1_501, &|index| {
        format!("p{index}: {{ type: object, properties: {{ a: {{ type: string }} }} }}, ")
    });
    let patterns = lines(201, &|index| {
        format!("\"^p{index}_\": {{ type: string }}, ")
    });
    let input = |schema: &str| format!("endpoints: {{ go: {{ input: {schema} }} }}\n");
    for (service, expected) in [
        (
            format!(
                "endpoints:\n{}",
                lines(501, &|index| format!("  e{index}: {{}}\n"))
            ),
            "501 endpoints, and 500 are the most",
        ),
        (
            format!(
                "workflows:\n  w:\n{}",
                lines(1_001, &|index| format!("    - s{index}: {{ agent: a }}\n"))
            ),
            "1001 steps in its workflows, and 1000 are the most",
        ),
        (
            input(&format!(
                "{{ type: object, properties: {{ p: {{ enum: [{values}] }} }} }}"
            )),
            "20001 listed values, and 20000 are the most",
        ),
        (
            input(&format!("{{ {properties} }}")),
            "8001 properties and alternatives, and 8000 are the most",
        ),
        (
            input(&format!("{{ type: object, properties: {{ {objects} }} }}")),
            "1502 objects and choices that become Rust types, and 1500 are the most",
        ),
        (
            input(&format!(
                "{{ type: object, patternProperties: {{ {patterns} }} }}"
            )),
            "201 patterns of property names, and 200 are the most",
        ),
    ] {
        let messages = messages_of_service(service);
        assert_eq!(messages.len(), 1, "{messages:?}");
        let expected = format!("error[AG045]: the service block has {expected} (");
        assert!(messages[0].contains(&expected), "{}", messages[0]);
    }
}

#[test]
fn a_service_block_within_the_limits_is_read() {
    let endpoints: String = (0..500)
        .map(|index| format!("  e{index}: {{}}\n"))
        .collect();
    let messages = messages_of_service(format!("endpoints:\n{endpoints}"));
    assert!(messages.is_empty(), "{messages:?}");
}
