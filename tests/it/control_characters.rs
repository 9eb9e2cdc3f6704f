//! Characters that a reader can't see, in every text of an agent: each output is valid in its language, shows them escaped and
//! loads back what was written.

use agentgen_build::{Artifact, OpenapiFormat, Project, Source, generate};
use serde_json::Value;

/// Controls, C1 controls, line and paragraph separators, bidirectional controls, zero-width characters, noncharacters, and
/// an emoji for comparison.
const CHARACTERS: [char; 16] = [
    '\u{1}',
    '\u{1b}',
    '\u{7f}',
    '\u{80}',
    '\u{85}',
    '\u{9b}',
    '\u{9f}',
    '\u{200b}',
    '\u{2028}',
    '\u{2029}',
    '\u{202e}',
    '\u{2066}',
    '\u{feff}',
    '\u{fffe}',
    '\u{ffff}',
    '\u{1f600}',
];

/// The one of them that needs no escape.
const VISIBLE: char = '\u{1f600}';

/// The agent's file with `text`, quoted for YAML, in one field.
type Field = (&'static str, fn(&str) -> String);

fn file(top: &str, endpoint: &str, input: &str, rest: &str) -> String {
    format!(
        "---\nname: inj\n{top}service:\n  endpoints:\n    go:\n      path: /go\n{endpoint}      input: {input}\n{rest}---\nPrompt.\n"
    )
}

const TOP: &str = "description: Does it.\n";
const INPUT: &str = "{type: object, properties: {id: {type: string}}}";

fn property(schema: &str) -> String {
    let input = format!("{{type: object, properties: {{id: {{{schema}}}}}}}");
    file(TOP, "", &input, "")
}

const FIELDS: [Field; 17] = [
    ("description", |q| {
        file(&format!("description: {q}\n"), "", INPUT, "")
    }),
    ("model", |q| {
        file(&format!("{TOP}model: {q}\n"), "", INPUT, "")
    }),
    ("tools", |q| {
        file(&format!("{TOP}tools: [{q}]\n"), "", INPUT, "")
    }),
    ("another key", |q| {
        file(&format!("{TOP}{q}: {q}\n"), "", INPUT, "")
    }),
    ("endpoint description", |q| {
        file(TOP, &format!("      description: {q}\n"), INPUT, "")
    }),
    ("roles", |q| {
        file(TOP, &format!("      roles: [{q}]\n"), INPUT, "")
    }),
    ("schema description", |q| {
        let input =
            format!("{{type: object, description: {q}, properties: {{id: {{type: string}}}}}}");
        file(TOP, "", &input, "")
    }),
    ("property", |q| {
        let input = format!("{{type: object, properties: {{{q}: {{type: string}}}}}}");
        file(TOP, "", &input, "")
    }),
    ("property description", |q| {
        property(&format!("type: string, description: {q}"))
    }),
    ("title", |q| property(&format!("type: string, title: {q}"))),
    ("enum", |q| {
        property(&format!("type: string, enum: [{q}, b]"))
    }),
    ("const", |q| property(&format!("const: {q}"))),
    ("default", |q| {
        property(&format!("type: string, default: {q}"))
    }),
    ("examples", |q| {
        property(&format!("type: string, examples: [{q}]"))
    }),
    ("property of an output", |q| {
        let output = format!(
            "      output: {{type: object, properties: {{{q}: {{type: object, properties: {{{q}: {{type: integer}}}}}}}}}}\n"
        );
        file(TOP, "", INPUT, &output)
    }),
    ("input of a step", |q| {
        let workflow =
            format!("  workflows:\n    wf:\n      - a: {{agent: inj, with: {{input: {q}}}}}\n");
        file(TOP, "", INPUT, &workflow)
    }),
    ("condition of a step", |q| {
        let when = format!("\"input.text == '{}'\"", q.trim_matches('"'));
        let workflow = format!(
            "  workflows:\n    wf:\n        input: {{type: object, properties: {{text: {{type: string}}}}}}\n        steps: [a: {{agent: inj, when: {}}}]\n",
            when
        );
        file(TOP, "", INPUT, &workflow)
    }),
];

/// A JSON text with an escape for each character that is not ASCII, as YAML reads it.
fn ascii(json: &str) -> String {
    let escape = |c: char| match u32::from(c) {
        0x20..=0x7e => c.to_string(),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    json.chars().map(escape).collect()
}

/// All outputs of `text`, or what is wrong with it.
fn outputs(text: &str, format: OpenapiFormat) -> Result<Vec<Artifact>, Vec<String>> {
    let source = Source::from_bytes("agents/inj.md", text.as_bytes().to_vec()).unwrap();
    let mut project = Project {
        sources: vec![source],
        ..Project::default()
    };
    project.config.openapi.format = format;
    let generation = generate(&project);
    let errors = generation.diagnostics.iter().map(ToString::to_string);
    let errors: Vec<String> = errors.filter(|line| line.contains("error[")).collect();
    match errors.is_empty() {
        true => Ok(generation.artifacts),
        false => Err(errors),
    }
}

/// The text of `artifact` as its own parser reads it.
fn parsed(artifact: &Artifact) -> Value {
    let text = std::str::from_utf8(&artifact.bytes).unwrap();
    let name = &artifact.path;
    let (_, extension) = name.rsplit_once('.').unwrap();
    match extension {
        "json" => serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}")),
        "yaml" => serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}")),
        "rs" => {
            syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            Value::Null
        }
        _ => Value::Null,
    }
}

/// Whether `text` is in a string or a key of `value`.
fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(items) => items.iter().any(|item| contains(item, text)),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains(text) || contains(value, text)),
        _ => false,
    }
}

#[test]
fn every_output_escapes_what_can_not_be_seen_and_loads_back_the_same() {
    let payload: String = CHARACTERS.iter().flat_map(|c| ['p', *c, 's']).collect();
    let quoted = ascii(&serde_json::to_string(&payload).unwrap());
    for format in [OpenapiFormat::Yaml, OpenapiFormat::Json] {
        for (field, file) in FIELDS {
            let artifacts = outputs(&file(&quoted), format)
                .unwrap_or_else(|errors| panic!("{field}: {errors:?}"));
            let mut found = false;
            for artifact in &artifacts {
                let text = String::from_utf8(artifact.bytes.clone()).unwrap();
                let raw = CHARACTERS
                    .iter()
                    .find(|c| **c != VISIBLE && text.contains(**c));
                assert_eq!(raw, None, "{field} in {}:\n{text}", artifact.path);
                found |= contains(&parsed(artifact), &payload);
            }
            assert!(found, "{field} was lost");
            let document = |name: &str| artifacts.iter().find(|one| one.path == name);
            let on_disk = document("openapi.yaml")
                .or(document("openapi.json"))
                .unwrap();
            let served = document("rust/openapi.json").unwrap();
            assert_eq!(parsed(on_disk), parsed(served), "{field}");
        }
    }
}

/// Names are not data: most of them can't contain such a character.
const NAMES: [Field; 6] = [
    ("name", |q| {
        format!("---\nname: {q}\ndescription: Does it.\n---\nPrompt.\n")
    }),
    ("endpoint", |q| {
        file(TOP, "", INPUT, &format!("    {q}: {{path: /other}}\n"))
    }),
    ("path", |q| {
        file(TOP, "", INPUT, &format!("    other: {{path: {q}}}\n"))
    }),
    ("workflow", |q| {
        file(TOP, "", INPUT, &format!("  workflows: {{{q}: [a: inj]}}\n"))
    }),
    ("step", |q| {
        file(TOP, "", INPUT, &format!("  workflows: {{w: [{q}: inj]}}\n"))
    }),
    ("definition", |q| {
        let input = format!("{{$defs: {{{q}: {{type: string}}}}, type: object, properties: {{}}}}");
        file(TOP, "", &input, "")
    }),
];

#[test]
fn what_is_refused_is_refused_at_its_place_in_the_agent_file() {
    for (field, file) in NAMES {
        for c in CHARACTERS {
            let quoted = ascii(&serde_json::to_string(&format!("p{c}s")).unwrap());
            let text = file(&quoted);
            let Err(errors) = outputs(&text, OpenapiFormat::Yaml) else {
                continue;
            };
            let index = text.lines().position(|line| line.contains(&quoted));
            let place = format!("agents/inj.md:{}:", index.unwrap() + 1);
            for error in errors {
                assert!(error.starts_with(&place), "{field} as {quoted:?}: {error}");
            }
        }
    }
}

#[test]
fn a_prompt_keeps_its_bytes() {
    let prompt: String = CHARACTERS.iter().flat_map(|c| ['p', *c, '\n']).collect();
    let text = format!("---\nname: inj\n{TOP}---\n# {prompt}");
    let artifacts = outputs(&text, OpenapiFormat::Yaml).unwrap();
    let bytes = |path: &str| &artifacts.iter().find(|one| one.path == path).unwrap().bytes;
    assert_eq!(
        *bytes("prompts/inj/prompt.md"),
        format!("# {prompt}").into_bytes()
    );
    for artifact in &artifacts {
        parsed(artifact);
    }
}
