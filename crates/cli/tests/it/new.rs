//! `agentgen new` and `agentgen add`: what they write, what they refuse, and that they never leave half of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command_folder::{FIRST, Folder, Run};
use crate::embedded_sources::root_of_workspace;
use serde_json::{Value, json};

const CODE: &str = "---\nname: clerk\ndescription: Files things.\nservice:\n  endpoints:\n    file:\n      path: /file\n      input: { thing: string }\n      output: { place: string }\n      handler: code\n---\nYou file.\n";

impl Run {
    #[track_caller]
    fn assert_stderr_contains(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words}:\n{}", self.stderr);
        self
    }
}

impl Folder {
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of everything below `name`, folders too.
    fn entries(&self, name: &str) -> Vec<String> {
        self.tree(name).into_iter().map(|(name, _)| name).collect()
    }

    /// What cargo says of the package in `name`, without a network and without a change of its lock file.
    fn metadata(&self, name: &str) -> Value {
        // Crates of other platforms need not be on this machine.
        let version = Command::new("rustc").arg("-vV").output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--offline", "--locked", "--format-version", "1"])
            .args(["--filter-platform", host.unwrap()])
            .current_dir(self.path(name))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "after a change of dependencies, run conformance/lock:\n{said}"
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn a_project_made_of_nothing_has_all_that_a_service_needs() {
    let folder = Folder::new(&[]);
    let run = folder.run(&["new", "support-desk"]).expect(0);
    assert_eq!(run.stdout, "cd support-desk\ncargo test\ncargo run\n");
    assert_eq!(
        folder.names("support-desk"),
        [
            ".agentgen/project.json",
            ".dockerignore",
            ".github/workflows/ci.yml",
            ".gitignore",
            ".vscode/config.schema.json",
            ".vscode/service.schema.json",
            ".vscode/settings.json",
            "Cargo.lock",
            "Cargo.toml",
            "Dockerfile",
            "README.md",
            "agentgen.toml",
            "agents/librarian.md",
            "agents/proofreader.md",
            "build.rs",
            "deploy/kubernetes-sqlite.yaml",
            "deploy/kubernetes.yaml",
            "service.toml",
            "src/agents/librarian.rs",
            "src/agents/mod.rs",
            "src/agents/proofreader.rs",
            "src/lib.rs",
            "src/main.rs",
            "src/tools.rs",
            "tests/librarian.rs",
            "tests/service.rs",
        ]
    );
    let handler = folder.read("support-desk/src/agents/librarian.rs");
    assert!(
        handler.contains("tools::titles(&request.shelf)"),
        "{handler}"
    );
    let main = folder.read("support-desk/src/main.rs");
    assert!(main.contains("support_desk::registry()"), "{main}");
    for name in ["service.toml", "agentgen.toml"] {
        toml::from_str::<toml::Table>(&folder.read(&format!("support-desk/{name}"))).unwrap();
    }
    // The templates are Jinja's, and nothing of it may be left.
    for (name, bytes) in folder.files("support-desk") {
        let text = String::from_utf8(bytes).unwrap();
        // The schema of the service block tells of the holes that inputs of steps may have.
        let is_schema = name.ends_with(".schema.json");
        // Expressions of GitHub's.
        let text = text.replace("${{ ", "");
        assert!(
            is_schema || !text.contains("{{ ") && !text.contains("{%"),
            "{name}"
        );
    }
    folder.run_in("support-desk", &["build"]).expect(0);
    folder
        .run_in("support-desk", &["build", "--check"])
        .expect(0);
}

#[test]
fn what_is_written_is_formatted_and_locked() {
    let folder = Folder::new(&[]);
    let hard = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let (agents, names) = (hard.join("agents"), hard.join("names"));
    let from = [
        "--from",
        agents.to_str().unwrap(),
        "--from",
        names.to_str().unwrap(),
    ];
    let arguments = ["new", "hard", "--vendor"].into_iter().chain(from);
    folder.run(&arguments.collect::<Vec<_>>()).expect(0);
    let formatted = Command::new(env!("CARGO"))
        .args(["fmt", "--check"])
        .current_dir(folder.path("hard"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&formatted.stdout);
    assert!(formatted.status.success(), "{said}");
    folder.metadata("hard");
}

#[test]
fn the_same_input_gives_the_same_project() {
    let folder = Folder::new(&[]);
    for place in ["one/desk", "two/desk"] {
        folder.run(&["new", place, "--vendor"]).expect(0);
    }
    assert_eq!(folder.files("one/desk"), folder.files("two/desk"));
}

#[test]
fn a_vendored_project_needs_nothing_outside_itself() {
    let folder = Folder::new(&[("Cargo.toml", "[workspace]\nmembers = []\n")]);
    folder.run(&["new", "desk", "--vendor"]).expect(0);
    let root = folder.path("desk").canonicalize().unwrap();
    let metadata = folder.metadata("desk");
    // A workspace around it is not asked.
    assert_eq!(metadata["workspace_root"], json!(root));
    let local = metadata["packages"].as_array().unwrap().iter();
    let local: Vec<&str> = local
        .filter(|package| package["source"].is_null())
        .map(|package| package["manifest_path"].as_str().unwrap())
        .collect();
    assert_eq!(local.len(), 5, "{local:?}");
    assert!(local.iter().all(|path| Path::new(path).starts_with(&root)));
    for name in [
        "agentgen-build",
        "agentgen-ranking",
        "agentgen-runtime",
        "agentgen-schema",
    ] {
        let manifest = folder.read(&format!("desk/vendor/{name}/Cargo.toml"));
        let inherits = manifest.contains("workspace = true") || manifest.contains("[workspace");
        assert!(!inherits, "{manifest}");
    }
    let here = root_of_workspace();
    for (copy, original) in [
        ("agentgen-runtime/src/lib.rs", "crates/runtime/src/lib.rs"),
        (
            "agentgen-ranking/src/words.rs",
            "crates/ranking/src/words.rs",
        ),
        ("agentgen-build/src/lib.rs", "src/lib.rs"),
    ] {
        let original = fs::read_to_string(here.join(original)).unwrap();
        assert_eq!(folder.read(&format!("desk/vendor/{copy}")), original);
    }
}

#[test]
fn a_project_from_a_checkout_takes_its_crates_from_there() {
    let folder = Folder::new(&[]);
    folder
        .run(&["new", "desk"])
        .expect(0)
        .assert_stderr_contains("it depends on the agentgen checkout at ");
    let metadata = folder.metadata("desk");
    let local = metadata["packages"].as_array().unwrap().iter();
    let runtime = local
        .filter(|package| package["name"] == "agentgen-runtime")
        .map(|package| package["manifest_path"].as_str().unwrap())
        .next();
    let here = root_of_workspace().join("crates/runtime/Cargo.toml");
    assert_eq!(runtime.map(Path::new), Some(here.as_path()));
    let manifest = folder.read("desk/Cargo.toml");
    for name in ["mimalloc", "tokio", "serde", "serde_json"] {
        let start = format!("{name} = ");
        let line = manifest.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap();
        // The lock file says which one it is; patch releases can be had.
        assert!(line.contains("\"1.") || line.contains("\"0."), "{line}");
    }
}

#[test]
fn agents_are_carried_over_byte_for_byte() {
    let odd = "---\r\nname: odd\r\ndescription: Says: this is not YAML.\r\n---\r\nYou are odd.\r\n";
    let folder = Folder::new(&[
        ("from/deep/odd.md", odd),
        ("from/README.md", "# No agent\n"),
        ("from/clerk.md", CODE),
        ("alone/lone.md", &FIRST.replace("first", "lone")),
        ("alone/lone.service.yaml", "rate: 7/minute\n"),
        ("alone/other.md", FIRST),
    ]);
    folder
        .run(&["new", "desk", "--from", "from", "--from", "alone/lone.md"])
        .expect(0)
        .assert_stderr_contains("README.md");
    let names = folder.names("desk/agents");
    let expected = ["clerk.md", "deep/odd.md", "lone.md", "lone.service.yaml"];
    assert_eq!(names, expected);
    assert_eq!(folder.read("desk/agents/deep/odd.md"), odd);
    assert!(
        folder
            .read("desk/src/agents/clerk.rs")
            .contains("async fn file(")
    );
    folder.run_in("desk", &["build"]).expect(0);
}

#[test]
fn what_a_build_would_refuse_is_refused_and_nothing_is_written() {
    let folder = Folder::new(&[
        ("one/first.md", FIRST),
        ("two/first.md", FIRST),
        (
            "three/first.md",
            &FIRST.replace("name: first", "name: third"),
        ),
        (
            "broken/a.md",
            "---\nname: a\nservice: { endpoints: { x: { path: nowhere } } }\n---\nA\n",
        ),
        ("empty/notes.md", "# Notes\n"),
    ]);
    let before = folder.tree("");
    let twice = ["new", "a/b/desk", "--from", "one", "--from", "two"];
    folder
        .run(&twice)
        .expect(1)
        .assert_stderr_contains("one/first.md")
        .assert_stderr_contains("two/first.md");
    let same_place = ["new", "a/b/desk", "--from", "one", "--from", "three"];
    folder
        .run(&same_place)
        .expect(1)
        .assert_stderr_contains("one/first.md and three/first.md would both be agents/first.md");
    for (from, words) in [
        ("broken", "broken/a.md"),
        ("empty", "there are no agents here"),
        ("nowhere", "there is no such folder"),
    ] {
        let run = folder.run(&["new", "a/b/desk", "--from", from]);
        run.expect(1).assert_stderr_contains(words);
        let json = folder.run(&["new", "a/b/desk", "--from", from, "--format", "json"]);
        let document: Value = serde_json::from_str(&json.expect(1).stdout).unwrap();
        assert_eq!(document["summary"]["status"], "refused");
    }
    for (url, command) in [
        (
            "https://example.org/a/b",
            "git clone https://example.org/a/b",
        ),
        (
            "git@example.org:a/b.git",
            "git clone git@example.org:a/b.git",
        ),
    ] {
        let run = folder.run(&["new", "a/b/desk", "--from", url]).expect(1);
        run.assert_stderr_contains(command);
    }
    assert_eq!(folder.tree(""), before);
}

#[test]
fn nothing_that_is_there_is_touched() {
    let folder = Folder::new(&[("full/notes.txt", "mine"), ("file", "mine")]);
    let before = folder.tree("");
    folder
        .run(&["new", "full"])
        .expect(1)
        .assert_stderr_contains("the folder is not empty: it has `notes.txt`");
    folder
        .run(&["new", "file"])
        .expect(1)
        .assert_stderr_contains("not a folder");
    folder.run(&["new", "file/below"]).expect(3);
    folder
        .run(&["new", "."])
        .expect(1)
        .assert_stderr_contains("not empty");
    assert_eq!(folder.tree(""), before);
    fs::create_dir(folder.path("empty")).unwrap();
    folder.run_in("empty", &["new", "."]).expect(0);
    assert!(folder.read("empty/Cargo.toml").contains("name = \"empty\""));
}

#[test]
fn the_package_has_a_name_that_cargo_takes() {
    let folder = Folder::new(&[]);
    for (path, name) in [
        ("Support Desk", "support-desk"),
        ("v1.2", "v1-2"),
        ("2fast", "service-2fast"),
        ("test", "test-service"),
        ("async", "async-service"),
        ("agentgen", "agentgen-service"),
        ("serde", "serde-service"),
        ("deep/er/desk", "desk"),
    ] {
        folder.run(&["new", path]).expect(0);
        let metadata = folder.metadata(path);
        let packages = metadata["packages"].as_array().unwrap();
        assert!(packages.iter().any(|package| package["name"] == name));
    }
    let before = folder.entries("");
    for arguments in [
        &["new", "\u{65e5}\u{672c}"][..],
        &["new", "x", "--name", "2fast"],
        &["new", "x", "--name", "a b"],
        &["new", "x", "--name", "tokio"],
        &["new", "x", "--name", ""],
    ] {
        let run = folder.run(arguments).expect(2);
        assert!(run.stderr.contains("name"), "{}", run.stderr);
    }
    assert_eq!(folder.entries(""), before);
    let spoken = folder.run(&["new", "a'b c", "--name", "My_Desk"]).expect(0);
    assert!(spoken.stdout.starts_with(r"cd 'a'\''b c'"));
    folder.metadata("a'b c");
}

#[test]
fn json_is_one_document() {
    let folder = Folder::new(&[]);
    let run = folder
        .run(&["new", "desk", "--format", "json", "--vendor"])
        .expect(0);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let files = folder.names("desk");
    let files = files.iter().filter(|name| !name.ends_with('/')).count();
    assert_eq!(document["summary"]["status"], "written");
    assert_eq!(document["summary"]["create"], files);
    assert_eq!(document["changes"].as_array().unwrap().len(), files);
    let run = folder.run_in("desk", &["add", "clerk", "--format", "json"]);
    let document: Value = serde_json::from_str(&run.expect(0).stdout).unwrap();
    assert_eq!(document["summary"]["create"], 3);
}

#[test]
fn an_agent_is_added_with_its_stub_and_the_others_stay() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    let mine = "//! Mine.\n";
    folder.write("desk/src/agents/librarian.rs", mine);
    let description = "Says \"no\": always, # and {often}";
    folder
        .run_in(
            "desk/src",
            &["add", "Night Clerk", "--description", description],
        )
        .expect(0)
        .assert_stderr_contains("wrote agents/night-clerk.md");
    let shown = folder.run_in("desk", &["show", "night-clerk", "--format", "json"]);
    let bundle: Value = serde_json::from_str(&shown.expect(0).stdout).unwrap();
    assert_eq!(bundle["description"], description);
    assert_eq!(folder.read("desk/src/agents/librarian.rs"), mine);
    let stub = folder.read("desk/src/agents/night_clerk.rs");
    assert!(stub.contains("impl contract::NightClerk for Handler {}"));
    let modules = folder.read("desk/src/agents/mod.rs");
    let expected = "pub mod librarian;\npub mod night_clerk;\npub mod proofreader;\n";
    assert!(modules.contains(expected), "{modules}");
    assert!(modules.contains("impl crate::generated::night_clerk::NightClerk {"));

    let before = folder.tree("desk");
    let again = folder.run_in("desk", &["add", "night clerk"]).expect(1);
    again.assert_stderr_contains("this file exists");
    folder.run_in("desk", &["add", "\u{1f980}"]).expect(1);
    assert_eq!(folder.tree("desk"), before);
    folder.run(&["add", "lost"]).expect(1);
}

#[test]
fn a_stub_says_what_is_answered_without_it() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    let endpoints = "service: { documents: shelf, endpoints: { ask: { path: /ask, retrieve: input }, find: { path: /find, handler: search }, vectors: { path: /vectors, handler: embed }, own: { path: /own, handler: code } } }";
    let reader = FIRST
        .replace("first", "reader")
        .replace("\n---\n", &format!("\n{endpoints}\n---\n"));
    folder.write("desk/agents/reader.md", &reader);
    folder.run_in("desk", &["build"]).expect(0);
    let stub = folder.read("desk/src/agents/reader.rs");
    let expected = "/// Answers for `reader`. What has no method here is answered without it:
/// * `POST /v1/agents/reader/invoke` by the prompt
/// * `POST /ask` by the prompt
/// * `POST /find` from the agent's documents
/// * `POST /vectors` by the embedding model
#[derive(";
    assert!(stub.contains(expected), "{stub}");
    assert_eq!(stub.matches("async fn ").count(), 1, "{stub}");
    let shown = folder.run_in("desk", &["show", "reader"]).expect(0).stdout;
    assert!(shown.contains("documents shelf, for admin\n"), "{shown}");
}

#[test]
fn a_build_writes_the_stubs_that_are_missing() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    let mine = folder.read("desk/src/agents/librarian.rs") + "// Mine.\n";
    folder.write("desk/src/agents/librarian.rs", &mine);
    folder.write("desk/agents/clerk.md", CODE);
    folder
        .run_in("desk", &["build"])
        .expect(0)
        .assert_stderr_contains("wrote src/agents/clerk.rs");
    let stub = folder.read("desk/src/agents/clerk.rs");
    assert!(stub.contains("Err(AgentError::not_implemented(\"file\"))"));
    assert_eq!(folder.read("desk/src/agents/librarian.rs"), mine);
    let run = folder.run_in("desk", &["build"]).expect(0);
    assert!(!run.stderr.contains("wrote"), "{}", run.stderr);

    folder.write("desk/src/agents/mod.rs", "// Without marks.\n");
    folder.write("desk/agents/other.md", &FIRST.replace("first", "other"));
    folder
        .run_in("desk", &["build"])
        .expect(0)
        .assert_stderr_contains("`other` is not named here");
    assert_eq!(folder.read("desk/src/agents/mod.rs"), "// Without marks.\n");
    assert!(folder.path("desk/src/agents/other.rs").is_file());
}

#[test]
fn an_agent_is_added_to_a_folder_without_stubs_too() {
    let folder = Folder::new(&[("agents/first.md", FIRST), ("deep/er/x", "")]);
    folder.run_in("deep/er", &["add", "second"]).expect(0);
    assert_eq!(folder.names("agents"), ["first.md", "second.md"]);
    assert!(!folder.path("src").exists());
    // What the new agent would break is told, and it is not added.
    folder.write("agents/third.yaml", "name: fourth\nprompt: Fourth.\n");
    folder.run(&["add", "fourth"]).expect(1);
    assert!(!folder.path("agents/fourth.md").exists());
}

#[test]
fn the_schema_of_the_service_block_agrees_with_the_reader() {
    let folder = Folder::new(&[]);
    let schema = folder.run(&["schema", "service"]).expect(0).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for (block, good) in [
        ("{}", true),
        (
            "{ rate: 60/minute, timeout: 30s, invoke: false, model: sonnet }",
            true,
        ),
        ("{ service: { rate: 1/s } }", true),
        (
            "{ retry: { attempts: 3, backoff: 500ms }, breaker: { failures: 5, cooldown: 30s } }",
            true,
        ),
        (
            "{ budget: { tokens: 1, turns: 10 }, session: { history_tokens: 8000, ttl: 7d } }",
            true,
        ),
        (
            "{ endpoints: { a: { path: /a/b, method: GET, stream: true, roles: [x], handler: code } } }",
            true,
        ),
        (
            "{ endpoints: { a: { input: { x: string }, output: string } } }",
            true,
        ),
        (
            "{ workflows: { w: [ a: first, b: { agent: first, needs: [a], on_failure: retry } ] } }",
            true,
        ),
        (
            "{ workflows: { w: [ parallel: [ { a: first }, { b: first } ] ] } }",
            true,
        ),
        (
            "{ workflows: { w: [ a: { agent: first, on_failure: { fallback: first }, retry: 2 } ] } }",
            true,
        ),
        (
            "{ workflows: { w: { input: { x: string }, roles: [a], concurrency: 2, timeout: 10m, steps: [ a: { agent: first, with: { input: '{{ input.x }}' } } ] } } }",
            true,
        ),
        (
            "{ workflows: { w: [ a: first, b: { agent: first, endpoint: invoke, join: any, when: a.output contains 'x', retry: { backoff: 1s } } ] } }",
            true,
        ),
        (
            "{ workflows: { w: [ a: first, b: { agent: first, join: quorum 1 }, c: { agent: first, join: { quorum: 1 } } ] } }",
            true,
        ),
        (
            "{ documents: handbook, endpoints: { a: { retrieve: input }, b: { handler: search }, c: { handler: embed } } }",
            true,
        ),
        (
            "{ documents: { collection: hand-book, roles: [] }, endpoints: { a: { retrieve: { query: input, limit: 50 } } } }",
            true,
        ),
        ("{ documents: {} }", true),
        ("{ documents: Handbook }", false),
        ("{ documents: [handbook] }", false),
        ("{ documents: { roles: admin } }", false),
        ("{ documents: { name: handbook } }", false),
        ("{ endpoints: { a: { retrieve: true } } }", false),
        ("{ endpoints: { a: { retrieve: { limit: 5 } } } }", false),
        (
            "{ endpoints: { a: { retrieve: { query: input, limit: 51 } } } }",
            false,
        ),
        ("{ rates: 60/minute }", false),
        ("{ rate: often }", false),
        ("{ rate: 0/minute }", false),
        ("{ timeout: 30 }", false),
        ("{ timeout: 0s }", false),
        ("{ invoke: maybe }", false),
        ("{ budget: { tokens: 0 } }", false),
        ("{ retry: { attempts: many } }", false),
        ("{ endpoints: { a: { path: a } } }", false),
        ("{ endpoints: { a: { method: head } } }", false),
        ("{ endpoints: { a: { handler: magic } } }", false),
        ("{ endpoints: { a: { roles: x } } }", false),
        ("{ endpoints: [] }", false),
        ("{ workflows: { w: [] } }", false),
        ("{ workflows: { w: { concurrency: 1 } } }", false),
        (
            "{ workflows: { w: { concurrency: 0, steps: [ a: first ] } } }",
            false,
        ),
        (
            "{ workflows: { w: [ a: first, b: { agent: first, join: most } ] } }",
            false,
        ),
        (
            "{ workflows: { w: [ a: { agent: first, retry: { backoff: 1 } } ] } }",
            false,
        ),
        (
            "{ workflows: { w: [ a: { agent: first, on_failure: explode } ] } }",
            false,
        ),
        ("[]", false),
    ] {
        let value: Value = serde_yaml::from_str(block).unwrap();
        assert_eq!(schema.is_valid(&value), good, "the schema on {block}");
        folder.write("agents/first.md", FIRST);
        folder.write("agents/first.service.yaml", &format!("{block}\n"));
        let status = if good { 0 } else { 1 };
        let run = folder.run(&["check"]);
        assert_eq!(run.status, status, "the reader on {block}: {}", run.stderr);
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/agents");
    let ledger = fs::read_to_string(examples.join("ledger.service.yaml")).unwrap();
    let ledger: Value = serde_yaml::from_str(&ledger).unwrap();
    assert!(schema.is_valid(&ledger));
}
