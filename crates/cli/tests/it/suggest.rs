//! `agentgen suggest`: what it finds in a prompt, the diff it prints, and that the diff holds.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p cargo-agentgen suggest` writes the expected texts.

use std::fs;
use std::path::Path;

use crate::command_folder::{FIRST, Folder, Run};
use serde_json::Value;

const CONDUCTOR: &str = include_str!("suggest/conductor.md");
const DESK: &str = include_str!("suggest/desk.md");
const STAFF: [&str; 4] = ["news-writer", "copy-editor", "photo-editor", "fact-checker"];

pub fn agent(name: &str) -> String {
    format!("---\nname: {name}\ndescription: Does the work of a {name}.\n---\nYou are a {name}.\n")
}

fn with_body(body: &str) -> String {
    format!("---\nname: x\ndescription: Is tried.\n---\n{body}")
}

impl Folder {
    fn with_staff(file: &str, text: &str) -> Self {
        let folder = Self::new(&[(file, text)]);
        for name in STAFF {
            folder.write(&format!("agents/{name}.md"), &agent(name));
        }
        folder
    }

    pub fn findings(&self, name: &str) -> Value {
        let run = self.run(&["suggest", name, "--format", "json"]).expect(0);
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// Applies a unified diff as `patch -p1` does, and insists on the lines around.
    pub fn apply(&self, diff: &str) {
        let mut lines = diff.split_inclusive('\n').peekable();
        while let Some(from) = lines.next() {
            let from = from.strip_prefix("--- ").expect("a header").trim_end();
            let to = lines.next().unwrap().strip_prefix("+++ b/").unwrap();
            let path = self.path(to.trim_end());
            let old = match from {
                "/dev/null" => String::new(),
                _ => fs::read_to_string(&path).unwrap(),
            };
            let mut old = old.split_inclusive('\n');
            let (mut new, mut read) = (String::new(), 0);
            while let Some(hunk) = lines.next_if(|line| line.starts_with("@@ -")) {
                let start = hunk[4..].split([',', ' ']).next().unwrap();
                let start: usize = start.parse().unwrap();
                while read + 1 < start {
                    new.push_str(old.next().unwrap());
                    read += 1;
                }
                while let Some(line) = lines.next_if(|line| line.starts_with([' ', '+', '-', '\\']))
                {
                    let bare = lines.peek().is_some_and(|next| next.starts_with('\\'));
                    let text = if bare {
                        line.strip_suffix('\n').unwrap()
                    } else {
                        line
                    };
                    match line.as_bytes()[0] {
                        b'+' => new.push_str(&text[1..]),
                        b'\\' => {}
                        mark => {
                            assert_eq!(old.next(), Some(&text[1..]), "{diff}");
                            read += 1;
                            if mark == b' ' {
                                new.push_str(&text[1..]);
                            }
                        }
                    }
                }
            }
            new.extend(old);
            fs::write(path, new).unwrap();
        }
    }
}

fn assert_snapshot(name: &str, run: &Run) {
    let text = format!("{}---- stderr\n{}", run.stdout, run.stderr);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let file = folder.join(format!("suggest-{name}.txt"));
    if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
    assert_eq!(text, expected, "{}", file.display());
}

#[test]
fn a_system_of_agents_becomes_a_block_that_holds() {
    let folder = Folder::with_staff("agents/conductor.md", CONDUCTOR);
    let run = folder.run(&["suggest", "conductor"]).expect(0);
    assert_snapshot("conductor", &run);
    folder.apply(&run.stdout);
    folder.run(&["check"]).expect(0);
    let again = folder.run(&["suggest", "conductor"]).expect(0);
    assert_eq!(again.stdout, "");
    assert!(
        again.stderr.contains("there is nothing to add"),
        "{}",
        again.stderr
    );
}

#[test]
fn agents_that_are_not_there_are_proposed_in_comments_until_they_are() {
    let folder = Folder::new(&[("agents/conductor.md", CONDUCTOR)]);
    let run = folder.run(&["suggest", "conductor"]).expect(0);
    assert_snapshot("conductor-alone", &run);
    folder.apply(&run.stdout);
    folder.run(&["check"]).expect(0);
    let again = folder.run(&["suggest", "conductor"]).expect(0);
    assert_eq!(again.stdout, "", "{}", again.stderr);
    for name in STAFF {
        folder.run(&["add", name]).expect(0);
    }
    let run = folder.run(&["suggest", "conductor"]).expect(0);
    folder.apply(&run.stdout);
    folder.run(&["check"]).expect(0);
    let text = fs::read_to_string(folder.path("agents/conductor.md")).unwrap();
    assert!(text.contains("\n    - fact-checker\n"), "{text}");
    assert!(text.contains("\n    weekend-essay:\n"), "{text}");
}

#[test]
fn agents_are_known_whatever_letters_their_names_have() {
    const BODY: &str = "You lead.\n\n## Available agents\n\n\
        - **\u{6280}\u{8853}\u{8005}**: builds it\n- **\u{6821}\u{95b1}\u{8005}**: proofreads it\n- news-writer: writes it\n\n\
        ### Pattern 1: Release\n\n\
        1. @\u{6280}\u{8853}\u{8005} build the page\n2. **\u{6821}\u{95b1}\u{8005}**: check the text\n3. news-writer: announce it\n";
    let folder = Folder::with_staff("agents/x.md", &with_body(BODY));
    for (file, name) in [
        ("engineer", "\u{6280}\u{8853}\u{8005}"),
        ("proofreader", "\u{6821}\u{95b1}\u{8005}"),
    ] {
        let text = agent(file).replacen(file, name, 1);
        folder.write(&format!("agents/{file}.md"), &text);
    }
    let run = folder.run(&["suggest", "x"]).expect(0);
    // The plus of the diff in front of each line.
    let proposed = run.stdout.replace("\n+", "\n");
    for line in [
        "    - engineer\n",
        "    - proofreader\n",
        "    - news-writer\n",
        "      - build:\n          agent: engineer\n",
        "      - check:\n          agent: proofreader\n",
    ] {
        assert!(proposed.contains(line), "{line}: {}", run.stdout);
    }
    folder.apply(&run.stdout);
    folder.run(&["check"]).expect(0);
    assert_eq!(folder.findings("x")["missing"], serde_json::json!([]));
}

#[test]
fn routes_become_endpoints_that_hold() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let run = folder.run(&["suggest", "desk"]).expect(0);
    assert_snapshot("desk", &run);
    folder.apply(&run.stdout);
    folder.run(&["check"]).expect(0);
    assert_eq!(folder.run(&["suggest", "desk"]).expect(0).stdout, "");
}

#[test]
fn json_tells_everything_that_was_found_and_where() {
    let folder = Folder::with_staff("agents/conductor.md", CONDUCTOR);
    let found = folder.findings("conductor");
    let line = |needle: &str| {
        1 + CONDUCTOR[..CONDUCTOR.find(needle).unwrap()]
            .matches('\n')
            .count()
    };
    let specialists = found["findings"]["specialists"].as_array().unwrap();
    let named: Vec<_> = specialists
        .iter()
        .map(|one| (&one["name"], &one["line"]))
        .collect();
    let lines = STAFF.map(|name| (name, line(&format!("- **{name}**"))));
    for (name, line) in lines {
        assert!(
            named.contains(&(&name.into(), &line.into())),
            "{name}: {named:?}"
        );
    }
    assert_eq!(named.len(), STAFF.len());
    let parallel = &found["findings"]["workflows"][0]["groups"][1];
    assert_eq!(parallel["parallel"], true);
    assert_eq!(parallel["steps"][1]["agent"], "photo-editor");
    assert_eq!(parallel["steps"][1]["line"], line("- photo-editor (with"));
    assert_eq!(parallel["steps"][1]["details"][0], "Find three pictures");
    assert_eq!(
        found["findings"]["output"]["line"],
        line("## Output Format")
    );
    assert_eq!(
        found["findings"]["checklists"][0]["items"][0],
        "Names are spelled right"
    );
    assert_eq!(found["change"], "agents/conductor.md");
    let diff = folder.run(&["suggest", "conductor"]).expect(0).stdout;
    assert_eq!(found["diff"], diff.as_str());
}

#[test]
fn what_is_there_stays_and_is_not_proposed_again() {
    let body = CONDUCTOR.split_once("\n---\n").unwrap().1;
    let blocks = [
        "service:\n  agents: [copy-editor] # one\n  rate: 3/minute\n",
        "service:\n    agents:\n    - copy-editor\n    workflows:\n        silence:\n        - wait: copy-editor\n    # the end\n",
        "service:\n  endpoints:\n    report:\n      path: /mine\n\n  workflows:\n    breaking-news: [{ write: news-writer }]\ncolor: blue\n",
        "service:\n  timeout: 3s\n  agents:\n    - news-writer\n    - copy-editor\n",
    ];
    for block in blocks {
        for end in ["\n", "\r\n"] {
            let head = "---\nname: conductor\ndescription: Leads.\n";
            let text = format!("{head}{block}---\n{body}").replace('\n', end);
            let folder = Folder::with_staff("agents/conductor.md", &text);
            let diff = folder.run(&["suggest", "conductor"]).expect(0).stdout;
            assert!(!diff.is_empty(), "{block}");
            folder.apply(&diff);
            folder.run(&["check"]).expect(0);
            let new = fs::read_to_string(folder.path("agents/conductor.md")).unwrap();
            assert_eq!(new.contains("\r\n"), end == "\r\n");
            assert_eq!(
                new.matches('\r').count(),
                if end == "\n" { 0 } else { new.lines().count() }
            );
            // Every line that was there is there, in its order; a flow list may have grown.
            let mut lines = new.lines();
            for old in text.lines().filter(|line| !line.contains("agents: [")) {
                assert!(lines.any(|line| line == old), "{old}\n{new}");
            }
            assert_eq!(
                new.matches("- copy-editor\r")
                    .count()
                    .max(new.matches("- copy-editor\n").count()),
                usize::from(!block.contains("[copy")),
                "{new}"
            );
            assert_eq!(
                folder.run(&["suggest", "conductor"]).expect(0).stdout,
                "",
                "{new}"
            );
        }
    }
}

#[test]
fn a_contract_beside_the_file_is_the_one_that_grows() {
    for contract in [
        "rate: 3/minute",
        "service:\n  rate: 3/minute\n",
        "# nothing yet\n",
    ] {
        let folder = Folder::with_staff("agents/conductor.md", CONDUCTOR);
        folder.write("agents/conductor.service.yaml", contract);
        let run = folder.run(&["suggest", "conductor"]).expect(0);
        assert!(
            run.stdout
                .starts_with("--- a/agents/conductor.service.yaml\n"),
            "{}",
            run.stdout
        );
        folder.apply(&run.stdout);
        folder.run(&["check"]).expect(0);
        let new = fs::read_to_string(folder.path("agents/conductor.service.yaml")).unwrap();
        assert!(new.starts_with(contract.trim_end()), "{new}");
        assert_eq!(folder.run(&["suggest", "conductor"]).expect(0).stdout, "");
    }
}

#[test]
fn a_block_on_one_line_is_left_alone_and_shown_what_it_could_hold() {
    let text = CONDUCTOR.replace("model: sonnet\n", "service: { rate: 3/minute }\n");
    let folder = Folder::with_staff("agents/conductor.md", &text);
    let run = folder.run(&["suggest", "conductor"]).expect(0);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("  workflows:\n    breaking-news:\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_block_too_large_for_frontmatter_goes_beside_the_file() {
    let pattern = |number| {
        format!(
            "## Pattern {number}: W{number}\n\n1. copy-editor: {}\n",
            "x ".repeat(400)
        )
    };
    let body: String = (1..=150).map(pattern).collect();
    let folder = Folder::with_staff("agents/x.md", &with_body(&body));
    let run = folder.run(&["suggest", "x"]).expect(0);
    assert!(
        run.stdout
            .starts_with("--- /dev/null\n+++ b/agents/x.service.yaml\n")
    );
    folder.apply(&run.stdout);
    folder.run(&["check"]).expect(0);
}

#[test]
fn an_agent_written_in_yaml_gets_a_contract_beside_it() {
    let prompt = "prompt: |\n  The service has the endpoint `POST /ask`.\nname: oracle\ndescription: Knows.\n";
    let folder = Folder::new(&[("agents/oracle.yaml", prompt)]);
    let run = folder.run(&["suggest", "oracle"]).expect(0);
    assert!(
        run.stdout
            .starts_with("--- /dev/null\n+++ b/agents/oracle.service.yaml\n"),
        "{}",
        run.stdout
    );
    folder.apply(&run.stdout);
    assert_eq!(
        folder.names("agents"),
        ["oracle.service.yaml", "oracle.yaml"]
    );
    folder.run(&["check"]).expect(0);
    assert_eq!(folder.run(&["suggest", "oracle"]).expect(0).stdout, "");
}

#[test]
fn write_does_what_the_diff_says_byte_for_byte() {
    let marked = format!("\u{feff}{}", CONDUCTOR.replace('\n', "\r\n"));
    let unended = DESK.trim_end().to_owned();
    let returns = DESK.replace('\n', "\r");
    for text in [CONDUCTOR, DESK, &marked, &unended, &returns] {
        let patched = Folder::with_staff("agents/a.md", text);
        patched.apply(&patched.run(&["suggest", "agents/a.md"]).expect(0).stdout);
        let written = Folder::with_staff("agents/a.md", text);
        let run = written
            .run(&["suggest", "agents/a.md", "--write"])
            .expect(0);
        assert_eq!(run.stdout, "");
        assert!(
            run.stderr.ends_with("wrote agents/a.md\n"),
            "{}",
            run.stderr
        );
        assert_eq!(patched.files("agents"), written.files("agents"));
        let new = fs::read_to_string(written.path("agents/a.md")).unwrap();
        assert!(new.len() > text.len() && new.starts_with(&text[..10]));
        assert!(new.ends_with(&text[text.len() - 500..]));
    }
}

#[test]
fn a_file_without_a_last_line_end_is_diffed_as_such() {
    for end in ["\n", "\r\n", "\r"] {
        let text =
            "---\nname: x\ndescription: y\n---\nThe endpoint `POST /ask`.".replace('\n', end);
        let folder = Folder::new(&[("agents/x.md", &text)]);
        let diff = folder.run(&["suggest", "x"]).expect(0).stdout;
        assert!(diff.contains("\n\\ No newline at end of file\n"), "{diff}");
        folder.apply(&diff);
        let new = fs::read_to_string(folder.path("agents/x.md")).unwrap();
        let block = "service:\n  endpoints:\n    ask:\n      path: /ask\n---\n".replace('\n', end);
        assert_eq!(
            new,
            text.replacen(&format!("{end}---{end}"), &format!("{end}{block}"), 1)
        );
    }
}

#[test]
fn nothing_found_is_nothing_printed() {
    let folder = Folder::new(&[("agents/first.md", FIRST)]);
    let run = folder.run(&["suggest", "first"]).expect(0);
    assert_eq!(run.stdout, "");
    assert_eq!(
        run.stderr,
        "first: the prompt mentions nothing that a service block could say\n"
    );
    let run = folder.run(&["suggest", "firs"]).expect(1);
    assert!(
        run.stderr.contains("did you mean `first`?"),
        "{}",
        run.stderr
    );
    folder.run(&["suggest"]).expect(2);
}

#[test]
fn a_file_that_is_no_agent_is_refused_with_the_reason() {
    let folder = Folder::with_staff("agents/notes.md", "## Available Agents\n\n- **a-b**: c\n");
    let run = folder.run(&["suggest", "agents/notes.md"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr
            .contains("an agent is a Markdown file that starts with a line `---`"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("agents/notes.md"), "{}", run.stderr);
}

#[test]
fn an_agent_with_errors_is_refused() {
    let text = CONDUCTOR.replace("model: sonnet\n", "service: { rate: often }\n");
    let folder = Folder::new(&[("agents/conductor.md", &text)]);
    let run = folder.run(&["suggest", "conductor"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("`rate` is not a rate"),
        "{}",
        run.stderr
    );
}

#[test]
fn steps_are_called_by_what_is_done() {
    let body = "# Pattern 1: N\n\n1. news-writer: Design the news-writers' room\n2. Use the `copy-editor` agent to polish it\n\
                3. copy-editor and fact-checker: check all of it (parallel)\n4. photo-editor → news-writer → photo-editor\n";
    let folder = Folder::with_staff("agents/x.md", &with_body(body));
    folder.run(&["suggest", "x", "--write"]).expect(0);
    folder.run(&["check"]).expect(0);
    let text = fs::read_to_string(folder.path("agents/x.md")).unwrap();
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.strip_suffix(':'))
        .collect();
    let expected = [
        "design",
        "polish",
        "parallel",
        "copy_editor",
        "fact_checker",
        "photo_editor",
        "news_writer",
        "photo_editor_2",
    ];
    assert_eq!(ids, expected, "{text}");
}

#[test]
fn examples_of_answers_say_types_and_choices_and_no_more() {
    let form = r#"## Response Format

```json
{
  "state": "open | closed", // how it stands
  "risk": "low|high",
  "score": 0.0-1.0,
  "count": <integer>,
  "tags": ["string"],
  "ids": "integer[]",
  "note": "string | null",
  "title": "One line about it",
  "agent": "coder",
  "done": true/false,
  "steps": [
    { "agent": "coder", "ok": true },
    ...
  ],
  "more": {...},
}
```
"#;
    let folder = Folder::new(&[("agents/x.md", &with_body(form))]);
    let run = folder.run(&["suggest", "x", "--write"]).expect(0);
    folder.run(&["check"]).expect(0);
    let text = fs::read_to_string(folder.path("agents/x.md")).unwrap();
    let (_, output) = text.split_once("      output:\n").unwrap();
    let expected = "        state(enum, how it stands): [open, closed]
        risk(enum): [low, high]
        score: number
        count: integer
        tags(array): string
        ids(array): integer
        note: string
        title: string, One line about it
        agent: string
        done: boolean
        steps(array):
          agent: string
          ok: boolean
        more: any
---
";
    assert!(output.starts_with(expected), "{output}{}", run.stderr);
}

#[test]
fn searches_and_embeddings_are_proposed_where_they_can_be() {
    let body = "## Routes\n\n- `GET /shelves/{shelf}/search`\n- `POST /search/{query}/{language}`\n- `POST /pages/{limit}/search`\n\
                - `DELETE /search`\n- `POST /models/{model}/embed`\n- `POST /ask`\n- `POST /order`\n";
    let of = |body: &str| {
        let folder = Folder::new(&[("agents/x.md", &with_body(body))]);
        folder.apply(&folder.run(&["suggest", "x"]).expect(0).stdout);
        folder.run(&["check"]).expect(0);
        let shown = folder.run(&["show", "x", "--format", "json"]).expect(0);
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let endpoints = shown["endpoints"].as_array().unwrap()[1..].to_vec();
        let found = endpoints.iter().map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("path"), text("handler"), one["retrieve"].clone())
        });
        found.collect::<Vec<_>>()
    };
    let handlers = [
        ("/shelves/{shelf}/search", "search"),
        ("/search/{query}/{language}", "search"),
        ("/pages/{limit}/search", "code"),
        ("/search", "code"),
        ("/models/{model}/embed", "code"),
        ("/ask", "model"),
        ("/order", "model"),
    ];
    let plain: Vec<_> = handlers
        .iter()
        .map(|(path, handler)| ((*path).to_owned(), (*handler).to_owned(), Value::Null))
        .collect();
    assert_eq!(of(body), plain);
    // What is said in code, or of rags, is no talk of retrieval.
    let idle = format!("{body}\nKeep the rag dry.\n\n```\nRAG\n```\n");
    assert_eq!(of(&idle), plain);
    let mut retrieving = plain;
    retrieving[5].2 = serde_json::json!({ "query": "input", "limit": 5 });
    assert_eq!(of(&format!("{body}\nAnswer by RAG.\n")), retrieving);
}
