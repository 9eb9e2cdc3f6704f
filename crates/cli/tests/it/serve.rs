//! `agentgen serve`, `dev`, `chat` and `run`: agents that answer without being compiled.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command_folder::Folder;

/// A service that runs until it is dropped.
pub(crate) struct Serving {
    process: Child,
    pub(crate) url: String,
    told: Receiver<String>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stdout and stderr of the command, which reads `stdin` and has to succeed.
pub(crate) fn with_stdin(folder: &Folder, arguments: &[&str], stdin: &str) -> (String, String) {
    let mut process = agentgen(folder, arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

pub(crate) fn agentgen(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentgen"));
    command
        .args(arguments)
        .current_dir(folder.path(""))
        .env_remove("ANTHROPIC_API_KEY")
        .env_remove("OPENAI_API_KEY")
        .env("AGENTGEN_STORE_URL", "memory:")
        .env("AGENTGEN_LOG_LEVEL", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Serving {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let (tell, told) = channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| {
                let _ = tell.send(line);
            });
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{line}: {:?}", told.iter().collect::<Vec<_>>()));
        Self {
            process,
            url: url.to_owned(),
            told,
        }
    }

    /// The first line on stderr with `part`.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        loop {
            let line = self.told.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("no line with `{part}`"));
            if line.contains(part) {
                return line;
            }
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let client = config.build().new_agent();
        let url = format!("{}{path}", self.url);
        let response = match body {
            Some(body) => client
                .post(url)
                .header("content-type", "application/json")
                .send(body.to_string()),
            None => client.get(url).call(),
        };
        let mut response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = response.body_mut().read_to_string().unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (response.status().as_u16(), json)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, Some(&body))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, None)
    }

    /// Waits until `is_so` holds; returns how long it took.
    pub(crate) fn until(&self, is_so: impl Fn() -> bool) -> Duration {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(30), "it never is");
            std::thread::sleep(Duration::from_millis(2));
        }
        began.elapsed()
    }
}

pub(crate) const DESK: &str = "---\nname: desk\ndescription: Answers at the desk.\nservice:\n  endpoints:\n    ask:\n      \
    path: /ask\n      input:\n        question: string\n      output:\n        reply: string\n    count:\n      \
    path: /count\n      input:\n        n: integer\n      output:\n        n: integer\n      handler: code\n  \
    workflows:\n    twice:\n      - one: desk\n      - two: desk\n---\nYou answer.\n";

pub(crate) fn serve(folder: &Folder) -> Serving {
    Serving::start(&mut agentgen(folder, &["serve", "--port", "0"]))
}

#[test]
fn a_folder_is_served_without_compiling() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let service = serve(&folder);
    let line = service.line("model:");
    assert!(
        line.starts_with("1 agent of agents; model: `echo`, which is no model"),
        "{line}"
    );
    for path in ["/", "/docs", "/openapi.json"] {
        assert_eq!(
            service.line("http://").trim(),
            format!("{}{path}", service.url)
        );
    }
    let (status, answer) = service.post("/v1/agents/desk/invoke", json!({ "input": "Hi" }));
    assert_eq!(
        (status, &answer["output"]),
        (200, &json!("[echo] desk received 2 characters: Hi"))
    );
    let (status, answer) = service.post("/ask", json!({ "question": "Where?" }));
    assert_eq!(
        (status, answer),
        (
            200,
            json!({ "reply": "[echo] desk received 6 characters: Where?" })
        )
    );
    let (status, problem) = service.post("/ask", json!({ "question": 1 }));
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (422, &json!("/question"))
    );
    let (status, problem) = service.post("/count", json!({ "n": 1 }));
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        status == 501 && detail.contains("`agentgen new PATH --from AGENTS`"),
        "{problem}"
    );
    let (_, document) = service.get("/openapi.json");
    assert_eq!(document["paths"]["/ask"]["post"]["operationId"], "askDesk");
    let (status, page) = service.get("/docs");
    assert!(status == 200 && page.is_string());
}

#[test]
fn a_saved_file_is_live_and_a_broken_one_changes_nothing() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let service = serve(&folder);
    service.line("/openapi.json");
    let names = || {
        let (_, list) = service.get("/v1/agents");
        let agents = list["agents"].as_array().unwrap().iter();
        agents
            .map(|agent| agent["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    folder.write(
        "agents/porter.md",
        "---\nname: porter\ndescription: Carries.\n---\nYou carry.\n",
    );
    service.until(|| names() == ["desk", "porter"]);
    assert!(
        service
            .line("reloaded")
            .starts_with("reloaded 2 agents of agents in ")
    );

    folder.write("agents/desk.md", &DESK.replace("path: /ask", "path: [ask"));
    service.line("error");
    service.line("the agents stay as they were");
    let (status, _) = service.post("/ask", json!({ "question": "Where?" }));
    assert_eq!(status, 200);
    // Other files are live all the same.
    folder.write(
        "agents/cook.md",
        "---\nname: cook\ndescription: Cooks.\n---\nYou cook.\n",
    );
    service.until(|| names() == ["cook", "desk", "porter"]);
    let line = service.line("reloaded");
    assert!(line.contains("; agents/desk.md as before in "), "{line}");
    std::fs::remove_file(folder.path("agents/cook.md")).unwrap();

    folder.write(
        "agents/desk.md",
        &DESK.replace("path: /ask", "path: /inquire"),
    );
    service.until(|| service.post("/inquire", json!({ "question": "Where?" })).0 == 200);
    assert_eq!(service.post("/ask", json!({ "question": "Where?" })).0, 404);
    service.line("reloaded");

    // A conversation goes on after a reload.
    let (_, first) = service.post("/v1/agents/desk/invoke", json!({ "input": "Hi" }));
    std::fs::remove_file(folder.path("agents/porter.md")).unwrap();
    service.until(|| names() == ["desk"]);
    let more = json!({ "input": "Hi again", "session_id": first["session_id"] });
    assert_eq!(service.post("/v1/agents/desk/invoke", more).0, 200);
}

#[test]
fn whatever_an_editor_or_git_does_is_one_reload() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let service = serve(&folder);
    service.line("/openapi.json");
    let agent = |name: &str| format!("---\nname: {name}\ndescription: Helps.\n---\nYou help.\n");
    let reloaded = |start: &str| {
        let line = service.line("reloaded");
        assert!(
            line.starts_with(&format!("reloaded {start} of agents in ")),
            "{line}"
        );
    };
    // An editor writes beside the file and puts that in its place; a backup of the old one stays.
    std::fs::rename(
        folder.path("agents/desk.md"),
        folder.path("agents/desk.md~"),
    )
    .unwrap();
    folder.write(
        "agents/.desk.md.swp",
        &DESK.replace("path: /ask", "path: /inquire"),
    );
    std::fs::rename(
        folder.path("agents/.desk.md.swp"),
        folder.path("agents/desk.md"),
    )
    .unwrap();
    service.until(|| service.post("/inquire", json!({ "question": "Where?" })).0 == 200);
    reloaded("1 agent");
    // A folder is moved here with all that is in it, and goes.
    folder.write("elsewhere/one.md", &agent("one"));
    folder.write("elsewhere/two.md", &agent("two"));
    std::fs::rename(folder.path("elsewhere"), folder.path("agents/team")).unwrap();
    reloaded("3 agents");
    std::fs::remove_dir_all(folder.path("agents/team")).unwrap();
    reloaded("1 agent");
    // A folder is made, and filled a moment later.
    std::fs::create_dir(folder.path("agents/later")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    folder.write("agents/later/three.md", &agent("three"));
    reloaded("2 agents");
    // Contracts beside agents.
    let contract = "endpoints:\n  count:\n    path: /three\n    input:\n      n: integer\n    output:\n      n: integer\n";
    folder.write("agents/later/three.service.yaml", contract);
    reloaded("2 agents");
    assert_eq!(service.post("/three", json!({ "n": 1 })).0, 200);
    // Another branch is checked out: many files at once. A machine under load may pause meanwhile.
    for number in 0..60 {
        let name = format!("a{number}");
        folder.write(&format!("agents/branch/{name}.md"), &agent(&name));
    }
    let mut reloads = 1;
    while !service.line("reloaded").starts_with("reloaded 62 agents") {
        reloads += 1;
    }
    assert!(reloads < 10, "{reloads}");
    // Another folder takes the place of the one with the agents, and is watched from then on.
    folder.write("new/desk.md", &DESK.replace("path: /ask", "path: /first"));
    std::fs::rename(folder.path("agents"), folder.path("old")).unwrap();
    std::fs::rename(folder.path("new"), folder.path("agents")).unwrap();
    while !service.line("reloaded").starts_with("reloaded 1 agent ") {}
    folder.write(
        "agents/desk.md",
        &DESK.replace("path: /ask", "path: /second"),
    );
    reloaded("1 agent");
    assert_eq!(
        service.post("/second", json!({ "question": "Where?" })).0,
        200
    );
    // What the service and others write beside the agents is no change, and neither is the same text again.
    folder.write("agentgen.db-wal", "pages");
    folder.write("agents/notes.txt", "notes");
    folder.write(
        "agents/desk.md",
        &DESK.replace("path: /ask", "path: /second"),
    );
    folder.write("agents/one.md", &agent("one"));
    reloaded("2 agents");
    std::thread::sleep(Duration::from_millis(200));
    let more: Vec<String> = service
        .told
        .try_iter()
        .filter(|line| line.contains("reloaded"))
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn the_key_of_a_vendor_chooses_its_models_and_echo_avoids_it() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let line = |arguments: &[&str], key: &str| {
        let mut command = agentgen(&folder, arguments);
        Serving::start(command.env(key, "a key of the tests")).line("model:")
    };
    let serve = ["serve", "--port", "0"];
    let told = line(&serve, "ANTHROPIC_API_KEY");
    assert!(
        told.contains("Anthropic, since ANTHROPIC_API_KEY is set: anthropic:claude-"),
        "{told}"
    );
    let told = line(&serve, "OPENAI_API_KEY");
    assert!(
        told.contains("OpenAI, since OPENAI_API_KEY is set: openai-responses:gpt-"),
        "{told}"
    );
    let told = line(
        &[&serve[..], &["--model", "echo"]].concat(),
        "ANTHROPIC_API_KEY",
    );
    assert!(
        told.contains("`echo`, which is no model, as `--model` says"),
        "{told}"
    );
    folder.write("service.toml", "[models]\ndefault = \"echo\"\n");
    let told = line(&serve, "ANTHROPIC_API_KEY");
    assert!(
        told.contains("echo for agents that name no other, as the settings say"),
        "{told}"
    );
}

#[test]
fn a_misspelt_variable_is_named_with_the_one_that_is_meant() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let mut command = agentgen(&folder, &["serve", "--port", "0"]);
    let command = command
        .env("AGENTGEN_LOG_LEVEL", "warn")
        .env("AGENTGEN_TOKEN", "a token of the tests")
        .env("AGENTGEN_RATE_ADRESS", "1/minute");
    let line = Serving::start(command).line("AGENTGEN_RATE_ADRESS");
    assert!(
        line.contains("AGENTGEN_RATE_ADRESS: is no setting; did you mean `AGENTGEN_RATE_ADDRESS`?"),
        "{line}"
    );
}

#[test]
fn nothing_is_served_beyond_this_machine_without_authentication() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let run = agentgen(&folder, &["serve", "--bind", "0.0.0.0"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{told}");
    assert!(told.contains("needs authentication"), "{told}");
    folder.write("agents/desk.md", &DESK.replace("path: /ask", "path: [ask"));
    let run = agentgen(&folder, &["serve"]).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
}

#[test]
fn a_conversation_and_a_run_in_the_terminal() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let service = serve(&folder);
    for target in [&["--service", &service.url][..], &["--agents", "agents"]] {
        let chat = [&["chat", "desk"][..], target].concat();
        let (said, told) = with_stdin(&folder, &chat, "Hi\n\nWhere is it?\n");
        let lines = [
            "[echo] desk received 2 characters: Hi",
            "[echo] desk received 12 characters: Where is it?",
        ];
        assert_eq!(said.lines().collect::<Vec<_>>(), lines, "{told}");
        assert!(told.contains("echo: "), "{told}");

        let run = [&["run", "twice", "--input", "Go"][..], target].concat();
        let run = agentgen(&folder, &run).output().unwrap();
        let told = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{told}");
        for part in [
            "one desk ...",
            "one succeeded",
            "two succeeded",
            "completed",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(String::from_utf8_lossy(&run.stdout).starts_with("[echo] desk received "));
    }
    let wrong = ["chat", "dsk", "--service", &service.url];
    let run = agentgen(&folder, &wrong).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.code() == Some(2) && told.contains("`desk`"),
        "{told}"
    );
    let wrong = ["run", "twic", "--service", &service.url];
    let run = agentgen(&folder, &wrong).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.code() == Some(2)
            && told.contains("there is no workflow `twic`; did you mean `twice`?"),
        "{told}"
    );
}

/// What plays the part of cargo and of the program it builds: a shell script. It fails where `src/main.rs` has the word `broken`.
#[cfg(unix)]
const CARGO: &str = r#"#!/bin/sh
echo "built" >> builds
if grep -q broken src/main.rs; then echo "error[E0001]: it is broken" >&2; exit 101; fi
echo '{"reason":"compiler-artifact","executable":null}'
echo "{\"reason\":\"compiler-artifact\",\"executable\":\"$PWD/program\"}"
"#;
#[cfg(unix)]
const PROGRAM: &str = r#"#!/bin/sh
address=${AGENTGEN_ADDRESS:-127.0.0.1:18471}
trap 'echo "ended" >> ends; exit 0' TERM
echo "started" >> starts
echo "listening on http://$address"
echo "prompts at $AGENTGEN_DEV_PROMPTS"
while :; do sleep 0.05; done
"#;

#[cfg(unix)]
#[test]
fn dev_builds_for_code_and_contracts_and_not_for_prompts() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new(&[
        ("agents/desk.md", DESK),
        ("Cargo.toml", "[package]\nname = \"desk\"\n"),
        ("src/main.rs", "fn main() {}\n"),
        ("cargo", CARGO),
        ("program", PROGRAM),
    ]);
    for program in ["cargo", "program"] {
        let may_run = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(program), may_run).unwrap();
    }
    let mut command = agentgen(&folder, &["dev"]);
    let service = Serving::start(command.env("CARGO", folder.path("cargo")));
    assert_eq!(service.url, "http://127.0.0.1:18471");
    let lines = |file: &str| {
        let text = std::fs::read_to_string(folder.path(file)).unwrap_or_default();
        text.lines().count()
    };
    assert_eq!((lines("builds"), lines("ends")), (1, 0));
    let prompt = || {
        let text = std::fs::read_to_string(folder.path("target/agentgen/dev-prompts.json"));
        serde_json::from_str::<Value>(&text.unwrap()).unwrap()["desk"].clone()
    };
    assert_eq!(prompt(), "You answer.\n");

    folder.write(
        "agents/desk.md",
        &DESK.replace("You answer.", "You answer kindly."),
    );
    let line = service.line("without a build");
    assert!(line.starts_with("1 prompt live in "), "{line}");
    assert_eq!(
        (prompt(), lines("builds"), lines("ends")),
        (json!("You answer kindly.\n"), 1, 0)
    );

    folder.write("src/main.rs", "fn main() { broken }\n");
    service.line("it is broken");
    service.line("the project does not build; what ran before stays");
    assert_eq!((lines("builds"), lines("ends")), (2, 0));

    folder.write("src/main.rs", "fn main() { mended }\n");
    service.until(|| (lines("builds"), lines("ends"), lines("starts")) == (3, 1, 2));

    folder.write("agents/desk.md", &DESK.replace("path: /ask", "path: [ask"));
    service.line("error");
    service.line("waiting for a change");
    folder.write(
        "agents/desk.md",
        &DESK.replace("path: /ask", "path: /inquire"),
    );
    service.until(|| (lines("builds"), lines("ends"), lines("starts")) == (4, 2, 3));

    let asked = Command::new("kill")
        .arg(service.process.id().to_string())
        .status();
    assert!(asked.unwrap().success());
    service.until(|| lines("ends") == 3);
}
