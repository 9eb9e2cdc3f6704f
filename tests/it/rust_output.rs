//! Generated Rust: a crate made of awkward agents is linted, documented, compiled and run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use agentgen_build::diagnostics::Report;
use agentgen_build::diagnostics::source::Source;
use agentgen_build::generate::check;
use agentgen_build::output::artifact::Artifact;
use agentgen_build::project::Project;
use agentgen_build::schema::{Role, Schema, read};
use agentgen_build::targets::rust::workflow_function::{RustWorkflow, workflows};
use agentgen_build::targets::rust::{
    Handler, RenderError, RustAgent, RustDocuments, RustEndpoint, RustParameter, RustPolicy,
    RustRate, RustRetrieve, module, registry,
};
use agentgen_build::text::ident::Ident;
use agentgen_build::text::rust_literal::{doc, literal};
use tera::{Context, Kwargs, State, Tera};

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

struct Fixture {
    name: &'static str,
    endpoints: Vec<FixtureEndpoint>,
    workflows: Vec<RustWorkflow>,
}

struct FixtureEndpoint {
    name: &'static str,
    handler: Handler,
    input: Option<Schema>,
    output: Option<Schema>,
}

fn schema(text: &str, role: Role) -> Schema {
    let (source, node) = crate::yaml::parse(text);
    let mut report = Report::new(&source);
    let schema = read(&node, &mut report, role);
    schema.unwrap_or_else(|| panic!("{:#?}", report.into_diagnostics()))
}

fn fixtures() -> Vec<Fixture> {
    let mut fixtures: Vec<Fixture> = AWKWARD_NAMES
        .iter()
        .map(|name| Fixture {
            name,
            endpoints: Vec::new(),
            workflows: Vec::new(),
        })
        .collect();
    let endpoint = |name, handler, input: Option<&str>, output: Option<&str>| FixtureEndpoint {
        name,
        handler,
        input: input.map(|text| schema(text, Role::Input)),
        output: output.map(|text| schema(text, Role::Output)),
    };
    let endpoints = AWKWARD_ENDPOINTS.iter().enumerate().map(|(index, name)| {
        endpoint(
            name,
            match index % 2 {
                1 => Handler::Code,
                _ => Handler::Model,
            },
            Some(AWKWARD_SCHEMA),
            Some(AWKWARD_SCHEMA),
        )
    });
    fixtures.push(Fixture {
        name: "chat-request",
        endpoints: endpoints.collect(),
        workflows: Vec::new(),
    });
    let order = vec![
        endpoint(
            "order",
            Handler::Code,
            Some(ORDER_INPUT),
            Some(ORDER_OUTPUT),
        ),
        endpoint(
            "prompt",
            Handler::Model,
            Some("text: string\nmore?: any"),
            Some(ORDER_INPUT),
        ),
        endpoint("empty", Handler::Code, None, None),
        endpoint(
            "word",
            Handler::Model,
            Some("(*): string"),
            Some("string, one word"),
        ),
        endpoint(
            "maybe",
            Handler::Model,
            Some("a: {}"),
            Some("type: [integer, \"null\"]\nmaximum: 5"),
        ),
        endpoint(
            "pick",
            Handler::Model,
            Some("type: object"),
            Some("enum: [yes, no, null]"),
        ),
        endpoint(
            "search",
            Handler::Search,
            Some("query: string"),
            Some("hits(array):\n  text: string"),
        ),
        endpoint(
            "embed",
            Handler::Embed,
            Some("text: string"),
            Some("vector(array): number"),
        ),
    ];
    fixtures.push(Fixture {
        name: "shop",
        endpoints: order,
        workflows: awkward_workflows(),
    });
    fixtures
}

/// The workflows of an agent like the `shop` of the fixtures, with names and texts that need care in Rust.
fn awkward_workflows() -> Vec<RustWorkflow> {
    let text = r###"---
name: shop
description: Sells.
service:
  endpoints:
    prompt:
      input: { text: string, more?: any }
      output: { type: object, properties: { a b: { type: number } } }
  workflows:
    match: [self: shop, next: { agent: shop, join: any }]
    1st Try:
      input: { kind: string, n?: number }
      roles: ["a\"b"]
      concurrency: 2
      timeout: 1m
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
---
Sell.
"###;
    let project = Project {
        sources: vec![Source::from_bytes("agents/shop.md", text.into()).unwrap()],
        ..Project::default()
    };
    let generation = check(&project);
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
    workflows(&generation.agents[0], &generation.agents)
}

/// The built-in templates, and `own` instead of those of the same names.
fn templates(own: &[(&str, &str)]) -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    tera.register_filter("rust_str", |text: &str, _: Kwargs, _: &State| literal(text));
    tera.register_filter("rust_doc", |text: &str, _: Kwargs, _: &State| doc(text));
    tera.set_fallback_prefixes(["builtin/"]).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let names = [
        "rust/agent.rs.tera",
        "rust/mod.rs.tera",
        "rust/types.rs.tera",
    ];
    let mut texts = Vec::new();
    for name in names {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        texts.push((format!("builtin/{name}"), text));
    }
    texts.extend(
        own.iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
    );
    tera.add_raw_templates(texts).unwrap();
    tera
}

type Rendered = Result<Vec<Artifact>, Vec<RenderError<tera::Error>>>;

fn generate(fixtures: &[Fixture], tera: &Tera) -> Rendered {
    let tools = ["Read".to_owned(), "Bash(git \"diff\":*)".to_owned()];
    let models = ["haiku".to_owned()];
    let agents: Vec<RustAgent<'_>> = fixtures
        .iter()
        .map(|fixture| agent(fixture, &tools, &models))
        .collect();
    let template = |name: &str, context: &serde_json::Value| {
        tera.render(name, &Context::from_serialize(context)?)
    };
    let modules = agents.iter().map(|agent| module(agent, template));
    let mut artifacts = Vec::new();
    let mut errors = Vec::new();
    for file in modules.chain([registry(&agents, template)]) {
        match file {
            Ok(artifact) => artifacts.push(artifact),
            Err(error) => errors.push(error),
        }
    }
    artifacts.sort_by(|left, right| left.path.cmp(&right.path));
    if errors.is_empty() {
        Ok(artifacts)
    } else {
        Err(errors)
    }
}

fn agent<'a>(fixture: &'a Fixture, tools: &'a [String], models: &'a [String]) -> RustAgent<'a> {
    let rate = RustRate {
        requests: 60,
        seconds: 60,
    };
    let mut policy = RustPolicy::default();
    let special = fixture.name == "shop";
    if special {
        policy = RustPolicy {
            fallbacks: Some(models),
            retry_attempts: Some(2),
            retry_backoff_ms: Some(1),
            breaker_failures: Some(3),
            breaker_cooldown_ms: Some(4),
            timeout_ms: Some(5),
            budget_tokens: Some(6),
            budget_turns: Some(7),
            rate: Some(rate),
            history_tokens: Some(8),
            session_ttl_seconds: Some(9),
        };
    } else if fixture.name == "option" {
        policy.fallbacks = Some(models);
    }
    let declared = fixture.endpoints.iter().map(|endpoint| RustEndpoint {
        name: endpoint.name,
        method_ident: Ident::snake(endpoint.name).unwrap(),
        const_ident: Ident::constant(endpoint.name).unwrap(),
        operation_id: endpoint.name,
        http_method: "POST",
        path: "/v1/{id}",
        stream: true,
        handler: endpoint.handler,
        retrieve: (special && endpoint.handler == Handler::Model).then_some(RustRetrieve {
            query: "a \"text\"",
            limit: 3,
        }),
        roles: tools,
        description: special.then_some("Does `this`.\u{202e} And that."),
        input: endpoint.input.as_ref(),
        output: endpoint.output.as_ref(),
        parameters: vec![RustParameter {
            name: "id",
            location: "Path",
            kind: "String",
        }],
        rate: Some(rate),
        timeout_ms: Some(100),
        builtin_invoke: false,
    });
    let invoke = RustEndpoint {
        name: "invoke",
        method_ident: Ident::snake("invoke").unwrap(),
        const_ident: Ident::constant("invoke").unwrap(),
        operation_id: "invoke",
        http_method: "POST",
        path: "/invoke",
        stream: true,
        handler: Handler::Model,
        retrieve: None,
        roles: &[],
        description: None,
        input: None,
        output: None,
        parameters: Vec::new(),
        rate: None,
        timeout_ms: None,
        builtin_invoke: true,
    };
    RustAgent {
        name: fixture.name,
        slug: fixture.name,
        module: Ident::snake(fixture.name).unwrap(),
        type_name: Ident::camel(fixture.name).unwrap(),
        summary: "Knows [things] \"well\" \\ */ {{ x }}.\r\nMore.\u{202e}",
        examples: models,
        spec_path: "agents/a\nb.md",
        prompt_path: "../prompt.md",
        prompt_sha256: "0",
        model: special.then_some("sonnet"),
        tools: special.then_some(tools),
        agents: models,
        documents: special.then_some(RustDocuments {
            collection: "hand-book",
            roles: tools,
        }),
        policy,
        endpoints: std::iter::once(invoke).chain(declared).collect(),
        workflows: &fixture.workflows,
    }
}

/// Writes `files` below `folder`, leaves what is the same as it is, and removes what is no more.
fn write(folder: &Path, files: &BTreeMap<String, String>) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::write(&path, text).unwrap();
        }
    }
    for entry in fs::read_dir(folder.join("generated/rust")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!(
            "generated/rust/{}",
            path.file_name().unwrap().to_str().unwrap()
        );
        if !files.contains_key(&name) {
            fs::remove_file(path).unwrap();
        }
    }
}

fn cargo(folder: &Path, arguments: &[&str]) {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../generated-crate");
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true")
        .env("RUSTDOCFLAGS", "-Dwarnings")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "cargo {arguments:?}\n{text}");
}

#[test]
fn the_generated_crate_is_clean_and_does_what_the_schemas_say() {
    let fixtures = fixtures();
    let artifacts = generate(&fixtures, &templates(&[])).unwrap();
    assert_eq!(artifacts.len(), fixtures.len() + 1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated-crate");
    let mut files = BTreeMap::new();
    for artifact in artifacts {
        let text = String::from_utf8(artifact.bytes).unwrap();
        assert!(
            text.starts_with("// @generated by agentgen"),
            "{}",
            artifact.path
        );
        files.insert(format!("generated/{}", artifact.path), text);
    }
    let runtime = root.join("crates/runtime");
    let manifest = include_str!("rust_output/Cargo.toml.txt")
        .replace("RUNTIME", &literal(runtime.to_str().unwrap()));
    files.insert("Cargo.toml".to_owned(), manifest);
    files.insert(
        "Cargo.lock".to_owned(),
        fs::read_to_string(root.join("Cargo.lock")).unwrap(),
    );
    files.insert("generated/rust/openapi.json".to_owned(), "{}".to_owned());
    files.insert(
        "generated/prompt.md".to_owned(),
        "Be good.\r\n\"##".to_owned(),
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
        ("workflows", include_str!("rust_output/workflows.rs")),
    ] {
        files.insert(format!("tests/{name}.rs"), text.to_owned());
    }
    for artifact in flows() {
        let text = String::from_utf8(artifact.bytes).unwrap();
        files.insert(format!("flows/{}", artifact.path), text);
    }
    fs::create_dir_all(folder.join("generated/rust")).unwrap();
    write(&folder, &files);
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
    assert!(
        generation.diagnostics.is_empty(),
        "{:#?}",
        generation.diagnostics
    );
    generation.artifacts
}

fn small() -> Vec<Fixture> {
    ["one", "two"]
        .map(|name| Fixture {
            name,
            endpoints: Vec::new(),
            workflows: Vec::new(),
        })
        .into()
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
    let artifacts = generate(&small(), &templates(&own)).unwrap();
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
fn everything_that_is_wrong_with_templates_is_said_at_once() {
    let own = [
        (
            "rust/agent.rs.tera",
            "{% if name == \"one\" %}pub fn {% else %}{{ nothing }}{% endif %}",
        ),
        ("rust/mod.rs.tera", "}"),
    ];
    let errors = generate(&small(), &templates(&own)).unwrap_err();
    let said: Vec<String> = errors
        .iter()
        .map(|error| match error {
            RenderError::Template { template, path, .. } => format!("{template} {path} template"),
            RenderError::Syntax { template, path, .. } => format!("{template} {path} syntax"),
        })
        .collect();
    assert_eq!(
        said,
        [
            "rust/agent.rs.tera rust/one.rs syntax",
            "rust/agent.rs.tera rust/two.rs template",
            "rust/mod.rs.tera rust/mod.rs syntax",
        ]
    );
}

#[test]
fn the_order_of_agents_makes_no_difference() {
    let mut fixtures = small();
    let tera = templates(&[]);
    let forwards = generate(&fixtures, &tera).unwrap();
    fixtures.reverse();
    assert_eq!(generate(&fixtures, &tera).unwrap(), forwards);
}
