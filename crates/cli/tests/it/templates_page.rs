//! The page `docs/src/templates.md`: every template, its blocks, and the variables that it is really given.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p cargo-agentgen templates_page` writes it.

use std::collections::{BTreeMap, BTreeSet};

use crate::command_folder::{FIRST, Folder, assert_generated_section};
use serde_json::Value;

/// An agent that uses what agents can have, so that few variables are empty.
const EDITOR: &str = r#"---
name: editor
description: |
  Edits texts.
  <example>
  Context: A draft is ready.
  user: "Edit it"
  assistant: "I edit it."
  </example>
tools: [lookup]
model: sonnet
service:
  rate: 10/m
  timeout: 30s
  agents: [first]
  documents: { roles: [staff] }
  invoke: { roles: [staff] }
  endpoints:
    polish:
      description: Polishes a text.
      path: /editors/{text_id}/polish
      roles: [staff]
      rate: 5/m
      timeout: 10s
      retrieve: text
      input:
        text_id: string
        text: string, the text
        tone?(enum): [plain, warm]
      output:
        text: string
        notes(array):
          line: integer
        citations(array):
          id: string
          quote?: string
    find:
      input: { query: string, limit?: integer }
      output:
        hits(array):
          id: string
          score: number
          text: string
        total: integer
      handler: search
    by_hand:
      summary: Keeps a text
      deprecated: true
      tags: [texts]
      operation_id: keepText
      headers: { X-Shelf: string }
      input: { text: string }
      status: 201
      errors:
        full: { status: 409, description: There is no room., members: { room: integer } }
        closed: { status: 403 }
      handler: code
  workflows:
    publish:
      roles: [staff]
      concurrency: 2
      timeout: 5m
      input: { topic: string }
      steps:
      - draft: { agent: editor, with: { input: "Write about {{ input.topic }}" } }
      - check: { agent: editor, needs: [draft], join: any, when: "input.topic == 'x'", timeout: 30s }
      - tell: { agent: editor, when: "check.status == 'succeeded'" }
---
You edit.
"#;

/// What the members of these objects are called depends on the agents, so they are shown as one value.
const OPAQUE: [&str; 9] = [
    "bundle",
    "example",
    "examples",
    "inline",
    "input_schema",
    "outputs",
    "payload",
    "schema",
    "servers",
];

#[test]
fn the_page_of_the_book_lists_every_template_block_and_variable() {
    let folder = Folder::new(&[
        ("agents/editor.md", EDITOR),
        ("agents/first.md", FIRST),
        (
            "agentgen.toml",
            "stubs = \"src/agents\"\ntargets = [\"prompts\", \"rust\", \"openapi\", \"client\"]\n[openapi]\nlicense = \"MIT\"\n",
        ),
    ]);
    folder.run(&["templates", "export", "builtin"]).expect(0);
    let templates: Vec<(String, String)> = folder
        .files("builtin")
        .into_iter()
        .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
        .collect();
    let contexts = contexts(&folder, &templates);
    let mut page = String::new();
    for (name, text) in &templates {
        page.push_str(&format!("\n## `{name}`\n"));
        if let Some(comment) = comment(text) {
            page.push_str(&format!("\n{comment}\n"));
        }
        let blocks = tags(text, "block ");
        if !blocks.is_empty() {
            page.push_str(&format!("\nBlocks: `{}`.\n", blocks.join("`, `")));
        }
        let includes = tags(text, "include ");
        if !includes.is_empty() {
            page.push_str(&format!("\nIncludes `{}`.\n", includes.join("`, `")));
        }
        match contexts.get(name) {
            Some(rows) if rows.is_empty() => page.push_str("\nIt has no variables.\n"),
            Some(rows) => {
                page.push_str("\n| variable | type |\n|---|---|\n");
                for (path, types) in rows {
                    let types: Vec<&str> = types.iter().copied().collect();
                    page.push_str(&format!("| `{path}` | {} |\n", types.join(" or ")));
                }
            }
            None => {
                let includers = templates
                    .iter()
                    .filter(|(_, text)| tags(text, "include ").contains(name));
                let includers: Vec<&str> = includers.map(|(name, _)| name.as_str()).collect();
                page.push_str(&format!(
                    "\nIncluded by `{}`, with its variables.\n",
                    includers.join("`, `")
                ));
            }
        }
    }
    assert_generated_section("docs/src/templates.md", "templates", &page);
}

/// The variables of every template that is rendered by itself: each path with the types of its values.
type Variables = BTreeMap<String, BTreeSet<&'static str>>;

/// Puts templates into the project that write what they are given (Tera's `__tera_context`) into their own output, and
/// reads it there.
fn contexts(folder: &Folder, templates: &[(String, String)]) -> BTreeMap<String, Variables> {
    for (name, text) in templates {
        let dump = match name.split('.').nth(1) {
            Some("yaml") => format!("{text}\nx-context: {{{{ __tera_context | json }}}}\n"),
            Some("rs") => {
                format!(
                    "{text}\nconst CONTEXT: &str = {{{{ __tera_context | json | rust_str }}}};\n"
                )
            }
            Some("json") => "{\"x-context\": {{ __tera_context | json }}}".to_owned(),
            _ => "{{ __tera_context | json }}".to_owned(),
        };
        let is_included = templates
            .iter()
            .any(|(_, text)| tags(text, "include ").contains(name));
        if !is_included {
            folder.write(&format!("templates/{name}"), &dump);
        }
    }
    folder.run(&["build"]).expect(0);
    // It is rendered without a context.
    let mut found = BTreeMap::from([("openapi/shared.yaml.tera".to_owned(), Variables::new())]);
    for (name, path) in [
        (
            "prompts/prompt.md.tera",
            "generated/prompts/{agent}/prompt.md",
        ),
        (
            "prompts/bundle.json.tera",
            "generated/prompts/{agent}/bundle.json",
        ),
        (
            "client/agent_client.rs.tera",
            "generated/client/agents/{agent}.rs",
        ),
        ("client/agents.rs.tera", "generated/client/agents/mod.rs"),
        ("rust/agent.rs.tera", "generated/rust/{agent}.rs"),
        ("rust/mod.rs.tera", "generated/rust/mod.rs"),
        ("rust/stub.rs.tera", "src/agents/{agent}.rs"),
        ("rust/stubs.rs.tera", "src/agents/mod.rs"),
        (
            "openapi/fragment.yaml.tera",
            "generated/openapi/{agent}.yaml",
        ),
        ("openapi/service.yaml.tera", "generated/openapi.yaml"),
        ("openapi/arazzo.yaml.tera", "generated/arazzo.yaml"),
    ] {
        let mut variables = Variables::new();
        for agent in ["editor", "first"] {
            let text =
                std::fs::read_to_string(folder.path(&path.replace("{agent}", agent))).unwrap();
            add_variables("", &context(&text), &mut variables);
        }
        found.insert(name.to_owned(), variables);
    }
    found
}

/// The context in the output of a template that wrote it there.
fn context(text: &str) -> Value {
    if let Some((_, literal)) = text.split_once("const CONTEXT: &str =") {
        let literal = literal.split_once(';').map(|_| literal.trim()).unwrap();
        let literal = literal.trim_end().trim_end_matches(';');
        let literal: syn::LitStr = syn::parse_str(literal).unwrap();
        return serde_json::from_str(&literal.value()).unwrap();
    }
    let document: Value = serde_yaml::from_str(text).unwrap();
    document.get("x-context").cloned().unwrap_or(document)
}

fn add_variables(path: &str, value: &Value, variables: &mut Variables) {
    let name = path
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches("[]");
    let kind = match value {
        _ if OPAQUE.contains(&name) => "JSON",
        Value::Null => "none",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) if items.is_empty() => "list",
        Value::Array(items) => {
            items
                .iter()
                .for_each(|item| add_variables(&format!("{path}[]"), item, variables));
            return;
        }
        Value::Object(members) => {
            for (key, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                add_variables(&format!("{path}{dot}{key}"), member, variables);
            }
            return;
        }
    };
    variables.entry(path.to_owned()).or_default().insert(kind);
}

/// The comment at the start of a template, on one line.
fn comment(text: &str) -> Option<String> {
    let (comment, _) = text.strip_prefix("{#")?.split_once("#}")?;
    let words: Vec<&str> = comment.trim_matches('-').split_whitespace().collect();
    Some(words.join(" "))
}

/// The names behind `word` in the tags of a template, each once, in their order.
fn tags(text: &str, word: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tag in text.split("{%").skip(1) {
        let tag = tag.trim_start_matches('-').trim_start();
        let Some(rest) = tag.strip_prefix(word) else {
            continue;
        };
        let name = rest
            .split(['%', ' '])
            .next()
            .unwrap_or_default()
            .trim_matches('"')
            .to_owned();
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
