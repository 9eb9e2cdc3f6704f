//! Generated Rust: a crate made of awkward agents is linted, documented, compiled and run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentgen_build::{
    Artifact, Config, Diagnostic, Project, Severity, Source, Target, UserTemplate, generate,
};

use crate::generated_crate::{cargo, write};

/// An agent with nothing but its default endpoint, for each of these names.
const AWKWARD_NAMES: [&str; 45] = [
    "1st-agent",
    "agents",
    "agentgen-runtime",
    "arc",
    "async",
    "auto",
    "bool",
    "box",
    "c-expert",
    "clone",
    "core",
    "debug",
    "default",
    "drop",
    "future",
    "gen",
    "H",
    "handlers",
    "i64",
    "into",
    "main",
    "macro_rules",
    "mod",
    "option",
    "prompted",
    "raw",
    "registry",
    "result",
    "router",
    "safe",
    "self",
    "send",
    "serde",
    "service",
    "some",
    "spec",
    "std",
    "str",
    "string",
    "sync",
    "to-owned",
    "union",
    "validate",
    "vec",
    "u8",
];

/// Endpoints whose names would be in the way of something, were it not for absolute paths.
const AWKWARD_ENDPOINTS: [&str; 16] = [
    "1st", "async", "borrow", "clone", "drop", "eq", "fmt", "handler", "into", "request", "router",
    "run", "self", "service", "spec", "type id",
];

const AWKWARD_SCHEMA: &str = r##"
type: object
description: "Read [this](x) `code` <b> *and* that.\n\n    let x = 1;"
properties:
  type: { type: string, description: "- a list\n- of */ things" }
  self: { type: string, enum: ["", "+", "-", "c", "c++", "c#", "Self", "1", "\u202e", "A_B_C"] }
  crate: { type: integer, minimum: -9223372036854775808, maximum: 10 }
  async: { type: number, maximum: 3.14, exclusiveMinimum: -0.5 }
  "@id": { type: string, maxLength: 3, description: "see https://example.com/x#y" }
  "a b": { type: array, items: { type: string, minLength: 1 }, minItems: 1 }
  "1st": { type: [string, "null"], description: "1. first\u202e" }
  v: { type: integer, minimum: 1 }
  value: { type: string, pattern: '^"\w+"#$' }
  item: { type: object, additionalProperties: { type: integer, minimum: 0 } }
  index: { type: object, properties: { key: { type: string, minLength: 1 } } }
  additionalProperties: { type: boolean }
  only: { const: only }
required: [type, crate, "1st"]
additionalProperties: { type: number, minimum: 0 }
"##;

const ORDER_INPUT: &str = r##"
$defs:
  Node:
    type: object
    properties:
      name: { type: string, minLength: 1 }
      left: { $ref: "#/$defs/Node" }
      children: { type: array, items: { $ref: "#/$defs/Node" }, maxItems: 2 }
    required: [name]
  Circle:
    type: object
    properties:
      shape: { const: circle }
      radius: { type: number, exclusiveMinimum: 0 }
      inside: { $ref: "#/$defs/Shape" }
    required: [shape, radius]
  Square:
    type: object
    properties: { shape: { const: square }, side: { type: number, exclusiveMinimum: 0 } }
    required: [shape, side]
  Shape:
    oneOf: [{ $ref: "#/$defs/Circle" }, { $ref: "#/$defs/Square" }]
    discriminator: { propertyName: shape }
  Sku: { type: string, pattern: "^[A-Z]{2}-[0-9]+$", examples: [AB-1] }
type: object
description: What is ordered.
properties:
  sku: { $ref: "#/$defs/Sku" }
  amount: { type: integer, format: int32, minimum: 1, maximum: 99, multipleOf: 3 }
  price: { type: number, minimum: 0, maximum: 1000, multipleOf: 0.5 }
  email: { type: string, format: email }
  tags: { type: array, items: { type: string, maxLength: 5 }, minItems: 1, maxItems: 3, uniqueItems: true }
  colour: { type: string, enum: [red, dark-green] }
  at: { type: string, format: date-time }
  on: { type: string, format: date }
  id: { type: string, format: uuid }
  note: { type: [string, "null"], maxLength: 4 }
  gift: { anyOf: [{ type: object, properties: { to: { type: string, minLength: 1 } }, required: [to] }, { type: "null" }] }
  payment:
    oneOf:
      - { type: object, properties: { kind: { const: card }, number: { type: string, minLength: 4 } }, required: [kind, number] }
      - { type: object, properties: { kind: { const: cash } }, required: [kind] }
  attributes: { type: object, additionalProperties: { type: integer, maximum: 9 }, maxProperties: 2 }
  tree: { $ref: "#/$defs/Node" }
  shape: { $ref: "#/$defs/Shape" }
  circle: { $ref: "#/$defs/Circle" }
  anything: true
required: [sku, amount, tags, note, payment]
"##;

const ORDER_OUTPUT: &str = r##"
type: array
items: { type: object, properties: { line: { type: string, minLength: 1 } }, required: [line] }
minItems: 1
"##;

/// Endpoints with headers, declared errors and an answer without a body.
const BUY: &str = r##"
    buy:
      path: "/buy/{item-id}"
      deprecated: true
      status: 201
      headers: { X-Tenant: string, Kind: integer, "X-Tag?(array)": string }
      input: { item-id: integer, item_id2?: string }
      output: { self: string }
      errors:
        self: { status: 409, description: "Is it \"there\"? */ No." }
        buy-request: { status: 404, members: { self: string, "crate?": integer } }
        "Error": { status: 422, title: 'a "title"', type: "/p#x" }
      handler: code
    drop_it:
      description: "Drops it."
      path: "/buy/{item-id}"
      method: delete
      input: { item-id: integer }
      status: 204
      handler: code
"##;

/// What JSON Schema says and types don't.
const ODD_SCHEMA: &str = r##"
type: object
required: [level]
properties:
  level: { type: integer, enum: [1, 2, 3] }
  sure: { const: true }
  mixed: { enum: [1, one, false, null, 1.5] }
  sort: { oneOf: [{ const: asc, description: Upwards. }, { const: desc, description: Downwards. }] }
  case: { type: string, enum: [asc, ASC] }
  either: { type: [string, integer, array], items: { type: boolean }, minimum: 0, maxLength: 3 }
  shape:
    anyOf:
      - { type: object, properties: { circle: { type: number } }, required: [circle], additionalProperties: false }
      - { type: object, properties: { square: { type: number, minimum: 0 } }, required: [square], additionalProperties: false }
      - { const: point }
  pair: { type: array, prefixItems: [{ type: integer, minimum: 0 }, { $ref: "#/definitions/Loop" }], minItems: 2, maxItems: 2 }
  loose: { type: array, prefixItems: [{ type: integer }], items: { type: string } }
  keyed: { type: object, patternProperties: { "^x-": { type: integer } }, additionalProperties: false }
  named: { type: object, propertyNames: { maxLength: 3 }, additionalProperties: { type: integer } }
  unlike: { type: string, not: { enum: [no] } }
  depends: { type: object, properties: { a: { type: integer }, b: { type: integer } }, dependentRequired: { a: [b] } }
  cases:
    type: object
    properties: { kind: { type: string }, more: { type: string } }
    if: { properties: { kind: { const: long } } }
    then: { required: [more] }
  loop: { $ref: "#/definitions/Loop", description: A loop. }
  wrapped: { allOf: [{ $ref: "#/definitions/Loop" }], description: Another loop., nullable: true }
  merged:
    allOf:
      - { type: object, properties: { a: { type: string, minLength: 1 } }, required: [a] }
      - { properties: { a: { type: string, maxLength: 2 }, b: { type: integer } } }
  letters: { type: string, pattern: '^\p{L}+$' }
  big: { type: integer, format: uint64, minimum: 1 }
  small: { type: integer, format: uint8 }
  open: { type: object, properties: { a: { type: integer } }, minProperties: 2, additionalProperties: true }
  untyped: { minimum: 3 }
  wide: { exclusiveMinimum: true, minimum: 0, type: number }
  "名前": { type: string, minLength: 1 }
  Привет: { type: string }
  "+1": { type: integer }
  "-1": { type: integer }
  id: { type: string }
  ID: { type: string }
  type: { type: string }
  "@type": { type: string }
  renamed: { type: string, x-rust-name: other_name }
definitions:
  Loop: { type: object, properties: { next: { $ref: "#/definitions/Loop" }, n: { type: integer, minimum: 0 } } }
"##;

/// A change of some properties: null removes one, and what is not there stays.
const PATCH_SCHEMA: &str = r##"
type: object
required: [id]
properties:
  id: { type: string }
  nick: { type: [string, "null"], minLength: 2 }
  home: { anyOf: [{ type: object, properties: { city: { type: string, minLength: 1 } } }, { type: "null" }] }
"##;

/// The settings of the agent `shop` besides its endpoints.
const SHOP_SETTINGS: &str = r###"
  model: sonnet
  fallbacks: [haiku]
  retry: { attempts: 2, backoff: 1ms }
  breaker: { failures: 3, cooldown: 4ms }
  timeout: 5ms
  budget: { tokens: 6, turns: 7 }
  rate: 60/minute
  session: { history_tokens: 8, ttl: 9s }
  agents: [arc]
  documents: { collection: hand-book, roles: [Read, "Bash(git \"diff\":*)"] }
  workflows:
    match: [self: shop, next: { agent: shop, join: any }]
    hold:
    - asks: { ask: 'Go "{{ input.input }}"?', answer: { go: boolean, note?: string }, roles: ['b"oss'], timeout: 2d }
    - paid: { wait_for: a.b-c_1, output: { amount: number }, timeout: 1h, on_timeout: skip }
    - rest: { wait: 90s }
    - why: { ask: Why? }
    - anything: { wait_for: x }
    many:
      input: { names(array): { first: string }, plan(array): { id: string, agent: string, input: string } }
      steps:
      - each: { agent: shop, for_each: input.names, concurrency: 2, when: item.first != '', with: { input: "{{ index }}: {{ item.first }}" } }
      - typed: { agent: shop, endpoint: prompt, for_each: input.names, with: { text: "{{ item.first }}", more: [] } }
      - helped: { agent: shop, endpoint: prompt, for_each: input.names, with: { text: x, more: [] }, on_failure: { fallback: arc } }
      - planned: { plan: { from: input.plan, agents: [arc, shop], max: 7 }, on_failure: skip }
      - inner: { workflow: 1st Try, with: { kind: x }, timeout: 2h }
    1st Try:
      input: { kind: string, n?: number }
      roles: ["a\"b"]
      concurrency: 2
      timeout: 1m
      schedule: { cron: "*/5 0 * * 7", zone: Etc/GMT+1, missed: skip, input: { kind: '"#' } }
      steps:
      - "in \"##\n": { agent: shop, timeout: 1s }
      - x: { agent: shop, when: input.n > 3.14 and input.n != -1e300 or not ('"\' in input.kind), on_failure: skip }
      - y:
          agent: shop
          endpoint: prompt
          join: quorum 1
          retry: { attempts: 2, backoff: 1s }
          on_failure: { fallback: shop }
          with: { text: 'a "{{ x.output }}" {% raw %}', more: [1, { b: "{{ input.n }}" }, "{{ input.kind == null }}!"] }
"###;

/// A file of the agent `name` with more lines of frontmatter.
fn agent(name: &str, lines: &str) -> Arc<Source> {
    let description = r#""Knows [things] \"well\" \\ */ {{ x }}.\r\nMore.\u202e""#;
    let text = format!(
        "---\nname: {name:?}\ndescription: {description}\n{}\n---\nBe good.\r\n\"##",
        lines.trim_end()
    );
    Source::from_bytes(&format!("agents/{name}.md"), text.into_bytes()).unwrap()
}

/// An endpoint in a service block.
fn endpoint(name: &str, settings: &str, input: &str, output: &str) -> String {
    let indented = |text: &str| -> String {
        let lines = text.trim_matches('\n').lines();
        lines.map(|line| format!("\n        {line}")).collect()
    };
    format!(
        "    {name:?}:\n      stream: true\n      rate: 60/minute\n      timeout: 100ms\n      {settings}\n      input:{}\n      output:{}\n",
        indented(input),
        indented(output)
    )
}

/// The awkward agents.
pub(crate) fn sources() -> Vec<Arc<Source>> {
    let mut sources: Vec<Arc<Source>> = AWKWARD_NAMES
        .iter()
        .map(|name| match *name {
            "option" => agent(name, "service: { fallbacks: [haiku] }"),
            name => agent(name, ""),
        })
        .collect();
    let endpoints: String = AWKWARD_ENDPOINTS
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let handler = ["handler: model", "handler: code"][index % 2];
            endpoint(name, handler, AWKWARD_SCHEMA, AWKWARD_SCHEMA)
        })
        .collect();
    let service = format!("service:\n  endpoints:\n{endpoints}");
    sources.push(agent("chat-request", &service));
    let description = "description: \"Does `this`.\\u202e And that.\"";
    let order = [
        endpoint("order", "handler: code", ORDER_INPUT, ORDER_OUTPUT),
        endpoint(
            "prompt",
            "retrieve: { query: text, limit: 3 }",
            "text: string\nmore?: any",
            ORDER_INPUT,
        ),
        endpoint("empty", "handler: code", "{}", "type: \"null\""),
        endpoint("word", description, "(*): string", "string, one word"),
        endpoint(
            "maybe",
            "method: put\n      path: /v1/{a}/maybe",
            "a: string",
            "type: [integer, \"null\"]\nmaximum: 5",
        ),
        endpoint("pick", description, "type: object", "enum: [yes, no, null]"),
        endpoint(
            "search",
            "handler: search",
            "query: string",
            "hits(array):\n  text: string",
        ),
        endpoint(
            "embed",
            "handler: embed",
            "text: string",
            "vector(array): number",
        ),
        BUY.to_owned(),
    ];
    let service = format!(
        "tools: [Read, \"Bash(git \\\"diff\\\":*)\"]\nservice:{SHOP_SETTINGS}  endpoints:\n{}",
        order.concat()
    );
    sources.push(agent("shop", &service));
    sources.push(pasted());
    sources
}

/// An agent whose endpoints take what other programs print, and what JSON Schema can say beyond types.
fn pasted() -> Arc<Source> {
    let printed = [
        (
            "pydantic",
            include_str!("../fixtures/pasted/pydantic-2.json"),
        ),
        (
            "pydantic one",
            include_str!("../fixtures/pasted/pydantic-1.json"),
        ),
        (
            "schemars",
            include_str!("../fixtures/pasted/schemars-1.json"),
        ),
        (
            "schemars eight",
            include_str!("../fixtures/pasted/schemars-0.8.json"),
        ),
        ("zod", include_str!("../fixtures/pasted/zod-4.json")),
        (
            "zod seven",
            include_str!("../fixtures/pasted/zod-4-draft-7.json"),
        ),
        (
            "zod three",
            include_str!("../fixtures/pasted/zod-to-json-schema-3.json"),
        ),
    ];
    let mut endpoints: String = printed
        .iter()
        .map(|(name, schema)| endpoint(name, "handler: model", schema, "text: string"))
        .collect();
    endpoints.push_str(&endpoint("odd", "handler: model", ODD_SCHEMA, ODD_SCHEMA));
    endpoints.push_str(&endpoint(
        "patch",
        "handler: model",
        PATCH_SCHEMA,
        PATCH_SCHEMA,
    ));
    agent("pasted", &format!("service:\n  endpoints:\n{endpoints}"))
}

/// What the Rust target makes of `sources`.
fn rust(
    sources: Vec<Arc<Source>>,
    templates: &[(&str, &str)],
) -> Result<Vec<Artifact>, Vec<Diagnostic>> {
    let templates = templates.iter().map(|(name, text)| UserTemplate {
        name: (*name).to_owned(),
        source: Source::from_bytes(&format!("templates/{name}"), text.as_bytes().to_vec()).unwrap(),
    });
    let generation = generate(&Project {
        config: Config {
            targets: vec![Target::Rust],
            ..Config::default()
        },
        sources,
        templates: templates.collect(),
        ..Project::default()
    });
    let mut errors = generation.diagnostics;
    errors.retain(|diagnostic| diagnostic.severity == Severity::Error);
    if errors.is_empty() {
        Ok(generation.artifacts)
    } else {
        Err(errors)
    }
}

#[test]
fn the_generated_crate_is_clean_and_does_what_the_schemas_say() {
    let artifacts = rust(sources(), &[]).unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{errors:#?}")
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated-crate");
    let mut files = BTreeMap::new();
    for artifact in artifacts {
        let text = String::from_utf8(artifact.bytes).unwrap();
        if artifact.path.ends_with(".rs") {
            assert!(
                text.starts_with("// @generated by agentgen"),
                "{}",
                artifact.path
            );
        }
        files.insert(format!("generated/{}", artifact.path), text);
    }
    let runtime = root.join("crates/runtime");
    let manifest =
        include_str!("rust_output/Cargo.toml.txt").replace("RUNTIME", &format!("{runtime:?}"));
    files.insert("Cargo.toml".to_owned(), manifest);
    files.insert(
        "Cargo.lock".to_owned(),
        fs::read_to_string(root.join("Cargo.lock")).unwrap(),
    );
    files.insert(
        "src/lib.rs".to_owned(),
        include_str!("rust_output/lib.rs").to_owned(),
    );
    files.insert(
        "src/main.rs".to_owned(),
        include_str!("rust_output/service.rs").to_owned(),
    );
    for (name, text) in [
        ("behaviour", include_str!("rust_output/behaviour.rs")),
        ("pasted", include_str!("rust_output/pasted.rs")),
        ("workflows", include_str!("rust_output/workflows.rs")),
    ] {
        files.insert(format!("tests/{name}.rs"), text.to_owned());
    }
    for artifact in flows() {
        let text = String::from_utf8(artifact.bytes).unwrap();
        files.insert(format!("flows/{}", artifact.path), text);
    }
    write(&folder, &files, &["generated/rust"]);
    cargo(
        &folder,
        &["clippy", "--all-targets", "--", "-D", "warnings"],
    );
    cargo(&folder, &["test"]);
    cargo(&folder, &["doc", "--no-deps"]);
}

/// Everything that is generated of two agents with workflows.
fn flows() -> Vec<Artifact> {
    let sources = [
        ("agents/critic.md", include_str!("rust_output/critic.md")),
        ("agents/writer.md", include_str!("rust_output/writer.md")),
    ];
    let source = |(path, text): (&str, &str)| Source::from_bytes(path, text.into()).unwrap();
    let generation = agentgen_build::generate(&Project {
        sources: sources.map(source).into(),
        ..Project::default()
    });
    // The condition that shouts is beyond Arazzo, and so is to hold.
    let codes = generation.diagnostics.iter().map(|it| it.code.as_str());
    let mut codes = codes.collect::<Vec<_>>();
    codes.sort_unstable();
    assert_eq!(codes, ["AG073", "AG074"]);
    generation.artifacts
}

fn small() -> Vec<Arc<Source>> {
    vec![agent("one", ""), agent("two", "")]
}

#[test]
fn a_template_of_the_user_extends_or_replaces_a_part() {
    let own = [
        (
            "rust/agent.rs.tera",
            "{% extends \"builtin/rust/agent.rs.tera\" %}{% block prompted %}{{ super() }}\n/// Mine.\npub const MINE: &str = {{ name | rust_str }};{% endblock prompted %}",
        ),
        (
            "rust/types.rs.tera",
            "/// {{ summary | rust_doc }}\npub type Own = ();",
        ),
    ];
    let artifacts = rust(small(), &own).unwrap();
    let one = artifacts
        .iter()
        .find(|artifact| artifact.path == "rust/one.rs")
        .unwrap();
    let text = std::str::from_utf8(&one.bytes).unwrap();
    assert!(
        text.contains("impl One for Prompted {}\n\n/// Mine.\npub const MINE: &str = \"one\";\n")
    );
    assert!(
        text.contains("/// Knows \\[things\\] \"well\" \\\\ \\*/ {{ x }}.\npub type Own = ();\n")
    );
}

#[test]
fn what_is_wrong_with_a_template_is_reported_once() {
    let own = [(
        "rust/agent.rs.tera",
        "{% if name == \"one\" %}pub fn {% else %}{{ nothing }}{% endif %}",
    )];
    let diagnostics = rust(small(), &own).unwrap_err();
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("rust/one.rs is not Rust")),
        "{lines:#?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("AG070")),
        "{lines:#?}"
    );
    let registry = rust(small(), &[("rust/mod.rs.tera", "}")]).unwrap_err();
    let line = registry[0].to_string();
    assert!(line.contains("rust/mod.rs is not Rust"), "{line}");
}

#[test]
fn the_order_of_agents_makes_no_difference() {
    let forwards = rust(small(), &[]).unwrap();
    let mut sources = small();
    sources.reverse();
    assert_eq!(rust(sources, &[]).unwrap(), forwards);
}
