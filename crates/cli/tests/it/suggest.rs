//! `agentgen suggest`: what it finds in a prompt, the diff it prints, and that the diff holds.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --test suggest` writes the expected texts anew. `AGENTGEN_SEEDS` and
//! `AGENTGEN_CORPUS` name the folders of the reference agents and of public agent files; without them the tests
//! over these say that they were not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::{FIRST, Folder, Run};
use agentgen_build::diagnostics::source::Source;
use agentgen_build::diagnostics::{Report, has_errors};
use agentgen_build::generate::check;
use agentgen_build::project::Project;
use agentgen_build::spec::agent_file;
use cargo_agentgen::suggest::propose::propose;
use cargo_agentgen::suggest::service_edit::{Edit, edit};
use cargo_agentgen::suggest::{self, Findings};
use proptest::prelude::*;
use serde_json::Value;

const CONDUCTOR: &str = include_str!("suggest/conductor.md");
const DESK: &str = include_str!("suggest/desk.md");
const STAFF: [&str; 4] = ["news-writer", "copy-editor", "photo-editor", "fact-checker"];

fn agent(name: &str) -> String {
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

    fn findings(&self, name: &str) -> Value {
        let run = self.run(&["suggest", name, "--format", "json"]).expect(0);
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// Applies a unified diff as `patch -p1` does, and insists on the lines around.
    fn apply(&self, diff: &str) {
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

fn expect_snapshot(name: &str, run: &Run) {
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
    expect_snapshot("conductor", &run);
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
    expect_snapshot("conductor-alone", &run);
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
fn routes_become_endpoints_that_hold() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let run = folder.run(&["suggest", "desk"]).expect(0);
    expect_snapshot("desk", &run);
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
        "first: nothing in the prompt speaks of a service\n"
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
    assert!(run.stderr.contains("this is no rate"), "{}", run.stderr);
}

fn found(body: &str) -> Findings {
    suggest::read(body, &STAFF)
}

fn routes(body: &str) -> Vec<String> {
    let routes = found(body).routes;
    let name = |route: &suggest::Route| format!("{} {}", route.method.unwrap_or("-"), route.path);
    routes.iter().map(name).collect()
}

#[test]
fn routes_are_told_from_paths_and_commands() {
    assert_eq!(
        routes("Serve the endpoints `/a`, `/b/:id` and `/c/<n>`."),
        ["- /a", "- /b/{id}", "- /c/{n}"]
    );
    assert_eq!(
        routes("Then `POST /a?x=1`, PUT /b, and **GET /c**."),
        ["POST /a", "PUT /b", "GET /c"]
    );
    assert_eq!(routes("## API\n\nSay `/a`."), ["- /a"]);
    assert_eq!(routes("## API\n\n- one\n\t- two: `/a`\r\n"), ["- /a"]);
    assert_eq!(
        routes("The route `/a`, that is `DELETE /a`."),
        ["DELETE /a"]
    );
    assert_eq!(
        routes(
            "`POST` `/a`, a GET request to `/b`, GET and PUT `/c`, `/d` (PATCH, DELETE), and GET|PUT /e"
        ),
        [
            "POST /a",
            "GET /b",
            "GET /c",
            "PUT /c",
            "PATCH /d",
            "DELETE /d",
            "GET /e",
            "PUT /e"
        ]
    );
    assert_eq!(
        routes("| Method | Path |\n|--|--|\n| GET, POST | `/a` |\n| `DELETE` | `/a/<int:id>` |\n"),
        ["GET /a", "POST /a", "DELETE /a/{id}"]
    );
    assert_eq!(
        routes("| Route | Does |\n|--|--|\n| `POST /a` | Sends |\n| `/b/[id]/{n:int}` | Shows |\n"),
        ["POST /a", "- /b/{id}/{n}"]
    );
    assert_eq!(
        routes("## API\n\nIt offers:\n\n- `/a` to look\n\n### More\n\n- `/b`\n"),
        ["- /a", "- /b"]
    );
    assert_eq!(routes("# An API expert\n\n## Files\n\n- `/a`\n"), [""; 0]);
    assert_eq!(
        routes("## Endpoints\n\n```\n# all\nGET /a   the list\nPUT|PATCH /a/:id\n```\n"),
        ["GET /a", "PUT /a/{id}", "PATCH /a/{id}"]
    );
    for none in [
        "Look into `/a`.",
        "The endpoint `/usr/lib/a` and `/src/a.rs`",
        "The API has the command `/deploy`.",
        "Endpoints:\n\n```\nPOST /a\n`/b`\n```\n",
        "Endpoints:\n\n~~~http\nPOST /a\n~~~",
        "Commands:\n\n~~~\nPOST /a\n~~~",
        "    POST /a\n",
        "POST / and POST",
    ] {
        assert_eq!(routes(none), [""; 0], "{none}");
    }
}

#[test]
fn rosters_are_told_from_other_lists() {
    let names = |body: &str| -> Vec<String> {
        let found = found(body).specialists;
        found.into_iter().map(|one| one.name).collect()
    };
    assert_eq!(
        names("# Available Agents\n\n* `a-b` - does\n* **C D**: does\n* e-f: x\n"),
        ["a-b", "C D", "e-f"]
    );
    assert_eq!(
        names("**Your Team:**\n\n1. news-writer\n2. someone\n"),
        ["news-writer"]
    );
    assert_eq!(
        names("## Subagents\n\n### a-b\n\nDoes.\n\n### Not this\n"),
        ["a-b"]
    );
    assert_eq!(
        names("## Agents\n\n| Agent | Work |\n|--|--|\n| a-b | c |\n"),
        ["a-b"]
    );
    assert_eq!(
        names("Available agents:\n\n- **a-b**: c\n\n# Next\n\n- **d-e**: f\n"),
        ["a-b"]
    );
    assert_eq!(
        names("## Integration with Other Agents\n\n- **a-b**: c\n"),
        [""; 0]
    );
    assert_eq!(
        names("```\n## Available Agents\n- **a-b**: c\n```\n"),
        [""; 0]
    );
}

#[test]
fn rosters_are_read_in_the_forms_that_people_write() {
    let told = |body: &str| -> Vec<(String, String)> {
        let found = suggest::read(body, &CREW).specialists;
        found
            .into_iter()
            .map(|one| (one.name, one.purpose))
            .collect()
    };
    for roster in [
        "- `planner`: thinks\n- `coder`: types\n",
        "- @planner - thinks\n- @coder – types\n",
        "1. planner: thinks\n2. coder: types\n",
        "* **Planner** (senior): thinks\n  - Skills: a-b, c-d\n  - e-f\n* **coder** — types\n",
        "| Agent | Does |\n|--|--|\n| planner | thinks |\n| `coder` | types |\n",
        "| # | Does | Agent name |\n|--|--|--|\n| 1 | thinks | planner |\n| 2 | types | **coder** |\n",
        "### planner - thinks\n\n- **Purpose**: to think\n- **Tools**: Read\n\n### 2. Coder: types\n\nUses a-b.\n\n- c-d\n",
        "**planner**: thinks\n\n**coder**: types\n",
    ] {
        let found: Vec<_> = told(&format!(
            "## Available Agents\n\n{roster}\n## Next\n\n- **g-h**: no\n"
        ));
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["planner", "coder"], "{roster}");
        let purposes: Vec<_> = found
            .iter()
            .map(|(_, purpose)| purpose.trim_start_matches("(senior): "))
            .collect();
        assert_eq!(purposes, ["thinks", "types"], "{roster}");
    }
    let names =
        |body: &str| -> Vec<String> { told(body).into_iter().map(|(name, _)| name).collect() };
    for title in [
        "You have a team of experts at your disposal:",
        "Agents You Can Delegate To",
        "You coordinate the following agents:",
    ] {
        let body = format!(
            "## {title}\n\n- planner: thinks\n- **a-b**: x\n- 🛠️ coder: types\n- **Speed**: is all\n"
        );
        assert_eq!(names(&body), ["planner", "a-b", "coder"], "{body}");
    }
    for title in [
        "Available tools for agents",
        "When agents fail you",
        "Coordinate with other agents:",
    ] {
        assert_eq!(
            names(&format!("## {title}\n\n- **a-b**: x\n")),
            [""; 0],
            "{title}"
        );
    }
    assert_eq!(
        names("## Agents\n\n- **The Typist** (`coder`): types\n- **Cook** (`a-b`): cooks\n"),
        ["coder", "a-b"]
    );
    // Nobody of these is there yet.
    assert_eq!(
        names("## Your Crew\n\n- cook: cooks\n- waiter: waits\n"),
        ["cook", "waiter"]
    );
    assert_eq!(
        names("## Your Crew\n\n- cook: cooks\n- some others: wait\n"),
        [""; 0]
    );
    assert_eq!(
        names("## Team\n\n### Cook\n\n- **Purpose**: cooks\n- **Tools**: knife\n"),
        ["Cook"]
    );
    assert_eq!(
        names("## Team\n\n| Agent | Does |\n|--|--|\n| cook | cooks |\n"),
        ["cook"]
    );
    assert_eq!(
        names("## Team\n\n| City | Does |\n|--|--|\n| Rome | is there |\n"),
        [""; 0]
    );
}

/// The agents of each group, those of a parallel one in brackets; `-` for none.
fn flow(body: &str) -> Vec<String> {
    let workflows = found(body).workflows;
    workflows
        .iter()
        .flat_map(|workflow| flow_of(&workflow.groups))
        .collect()
}

fn flow_of(groups: &[suggest::Group]) -> Vec<String> {
    groups
        .iter()
        .map(|group| {
            let names = group
                .steps
                .iter()
                .map(|step| step.agent.as_deref().unwrap_or("-"));
            let names = names.collect::<Vec<_>>().join(" ");
            if group.parallel {
                format!("[{names}]")
            } else {
                names
            }
        })
        .collect()
}

#[test]
fn patterns_are_read_however_they_are_indented() {
    let list = "1. a-b: x\n2. Parallel:\n   - c-d: y\n     * more\n   - e-f: z\n3. rest\n";
    let expected = ["a-b", "[c-d e-f]", "-"];
    for body in [
        format!("### Pattern 1: N\n```\n{list}```\n"),
        format!("### Pattern 1: N\n\n{list}"),
        format!("**Workflow 2 - N**\n\n{list}"),
        format!("# Pattern 3: N\r\n\r\n{}", list.replace('\n', "\r\n")),
        format!(
            "# Pattern 3: N\n\n{}",
            list.replace("     *", "\t\t*").replace("   -", "\t-")
        ),
        format!("# Pattern 1: N\n\n{}", list.trim_end()),
        format!("# Pattern 1: N\n```\n{list}"),
        format!(
            "- Pattern 1: N\n{}",
            list.lines()
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
        ),
        format!("# Pattern 1: N\n\nFirst:\n\n{list}\n# Next\n\n1. g-h: no\n"),
    ] {
        assert_eq!(flow(&body), expected, "{body}");
    }
    assert_eq!(flow("# Pattern A: N\n\n1. a-b: x\n"), ["a-b"]);
    assert_eq!(flow("# Pattern a: N\n\n1. a-b: x\n"), [""; 0]);
    assert_eq!(flow("# Pattern 1: N\n\nJust words.\n"), [""; 0]);
    assert_eq!(
        flow(
            "# Pattern 1: N\n\n1. Phase:\n   - a-b: x\n   - rest\n2. In parallel:\n   - c-d\n   - e-f\n"
        ),
        ["a-b", "-", "[c-d e-f]"]
    );
}

/// Agents that are called by one word.
const CREW: [&str; 5] = ["planner", "coder", "tester", "writer", "code-reviewer"];

/// The workflows of `body`, each with its title and its groups as [`flow`] writes them.
fn crew(body: &str) -> Vec<(String, String)> {
    let workflows = suggest::read(body, &CREW).workflows;
    let flow = |one: &suggest::Workflow| flow_of(&one.groups).join(" ");
    workflows
        .iter()
        .map(|one| (one.title.clone(), flow(one)))
        .collect()
}

#[test]
fn steps_are_read_in_the_forms_that_people_write() {
    for (steps, expected) in [
        // Rows of arrows.
        ("planner → coder → planner", "planner coder planner"),
        (
            "planner -> (coder + tester) -> writer",
            "planner [coder tester] writer",
        ),
        (
            "`planner` → `coder` & `tester` → `writer`",
            "planner [coder tester] writer",
        ),
        (
            "Flow: planner => [coder, tester] => writer.",
            "planner [coder tester] writer",
        ),
        (
            "```\nplanner\n   ↓\ncoder + tester\n   ↓\nwriter\n```",
            "planner [coder tester] writer",
        ),
        ("planner\n  → coder\n  → tester", "planner coder tester"),
        (
            "```\nplanner\n  → coder\n  → tester\n```",
            "planner coder tester",
        ),
        ("Request → planner → coder → Done", "- planner coder -"),
        ("planner → coder / tester → writer", "planner - writer"),
        // Rows and lists that say the same.
        (
            "planner → coder\n\n1. planner: think\n2. coder: type\n3. Rest",
            "planner coder -",
        ),
        // Marks in front of steps.
        (
            "Step 1: writer drafts\nStep 2: planner reviews",
            "writer planner",
        ),
        (
            "- Step 1: writer drafts\n- Step 2: code-reviewer reviews",
            "writer code-reviewer",
        ),
        (
            "1. **Step 1**: planner: think\n2. **Step 2**: coder: type",
            "planner coder",
        ),
        ("- [ ] planner: think\n- [x] coder: type", "planner coder"),
        ("1) @planner think\n2) @coder type", "planner coder"),
        ("→ @planner: think\n→ @coder: type", "planner coder"),
        (
            "**1.** planner — think\n**2.** coder — type",
            "planner coder",
        ),
        (
            "1️⃣ planner: think\n2️⃣ coder + tester: type",
            "planner [coder tester]",
        ),
        (
            "Step 1 → planner: think\nStep 2 → coder, tester: type",
            "planner [coder tester]",
        ),
        ("1. planner: think\n   ↳ coder: type", "planner coder"),
        ("1. [planner] think\n2. [coder] type", "planner coder"),
        // Names as others write them.
        (
            "1. **Code Reviewer**: look\n2. **The Planner** – think",
            "code-reviewer planner",
        ),
        (
            "1. Think (planner)\n2. Type [coder]\n3. **Try** → tester",
            "planner coder tester",
        ),
        (
            "1. Think\n   - Agent: planner\n   - Task: deep\n2. Type\n   - **Agents**: coder, tester",
            "planner [coder tester]",
        ),
        (
            "1. Ask planner for a plan\n2. Use the coder agent\n3. Hand over to tester",
            "planner coder tester",
        ),
        (
            "1. coder's work is praised\n2. coder output is read by tester",
            "- -",
        ),
        ("1. Both coder and planner or nobody", "-"),
        ("1. planner: think, then coder: type", "planner coder"),
        ("1. planner thinks, then coder types", "planner coder"),
        // What runs at the same time.
        (
            "1. planner: think\n2. (parallel)\n   a. coder: type\n   b. tester: try\n3. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. planner: think\n2a. coder: type\n2b. tester: try\n3. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. planner: think\n2. coder: type (parallel)\n3. tester: try (parallel)\n4. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. planner: think\n2. coder: type\n3. tester: try, in parallel with step 2\n4. writer: tell",
            "planner [coder tester] writer",
        ),
        (
            "1. coder (in parallel with tester): type\n2. tester: try\n3. writer: tell",
            "[coder tester] writer",
        ),
        (
            "1. coder and tester (concurrently): work\n2. planner + writer: work (parallel)",
            "[coder tester] [planner writer]",
        ),
        (
            "1. coder, tester and writer work simultaneously",
            "[coder tester writer]",
        ),
        (
            "1. At the same time:\n   - coder: type\n   - tester: try",
            "[coder tester]",
        ),
        ("1. In parallel: coder: type; tester: try", "[coder tester]"),
        (
            "1. Not in parallel:\n   - coder: type\n   - tester: try",
            "coder tester",
        ),
        (
            "1. coder: run the tests in parallel\n   - unit\n   - end to end",
            "coder",
        ),
        (
            "1. Parallel:\n   - planner → coder\n   - writer → tester",
            "[planner writer] [coder tester]",
        ),
        (
            "```\nplanner\n├── coder: type\n└── tester: try\nwriter: tell\n```",
            "planner [coder tester] writer",
        ),
        // Phases.
        (
            "**Phase 1: Think**\n- planner: think\n\n**Phase 2: Work (parallel)**\n- coder: type\n- tester: try\n",
            "planner [coder tester]",
        ),
        (
            "### Phase 1\n\n1. planner: think\n\n### Phase 2\n\n1. coder: type",
            "planner coder",
        ),
        (
            "Phase 1 - Think:\n- planner: think\n\nRun these in parallel:\n- coder: type\n- tester: try",
            "planner [coder tester]",
        ),
        // Other lists of the same pattern are no steps of it.
        (
            "**When to use**: often\n**Agents**: planner, coder\n\n**Steps:**\n1. planner: think\n2. coder: type\n\n**Success criteria:**\n- It works\n- coder has slept",
            "planner coder",
        ),
        // Tables, graphs, data, calls.
        (
            "| Step | Agent | Task |\n|---|---|---|\n| 1 | planner | think |\n| 2a | coder | type |\n| 2b | `tester` | try |\n",
            "planner [coder tester]",
        ),
        (
            "```mermaid\ngraph TD\n  S([Start]) --> A[planner]\n  A --> B[coder<br/>type] & C[\"tester: try\"]\n  B --> D{Good?}\n  C --> D\n  D -- yes --> E(writer)\n  E -.->|again| A\n```",
            "planner [coder tester] writer",
        ),
        (
            "```mermaid\ngraph TD\n  A[planner] --> D{Easy?}\n  D -->|yes| B[coder]\n  D -->|no| C[tester]\n```",
            "",
        ),
        (
            "```yaml\nsteps:\n  - agent: planner\n    task: think\n  - parallel:\n      - agent: coder\n        task: type\n      - agent: tester\n        task: try\n```",
            "planner [coder tester]",
        ),
        (
            "```\nTask(subagent_type=\"planner\", prompt=\"think\")\nTask(subagent_type=\"coder\", prompt=\"type\")\n```",
            "planner coder",
        ),
    ] {
        for body in [
            format!("### Pattern 1: N\n\n{steps}\n"),
            format!("### Pattern 1: N\n\n{steps}"),
        ] {
            let expected: Vec<_> = [expected]
                .iter()
                .filter(|flow| !flow.is_empty())
                .map(|flow| ("N".to_owned(), (*flow).to_owned()))
                .collect();
            assert_eq!(crew(&body), expected, "{body}");
            let returned = body.replace('\n', "\r\n");
            assert_eq!(crew(&returned), expected, "{returned}");
        }
    }
}

#[test]
fn what_a_step_asks_is_told_without_its_marks() {
    let body = "# Pattern 1: N\n\n1. Step 1: writer drafts the text\n2. (parallel) coder: type\n3. tester: try (parallel)\n4. Think (planner)\n\
                5. Task(subagent_type=\"coder\", prompt=\"Build\")\n6. `writer` (in haste): send\n";
    let workflows = suggest::read(body, &CREW).workflows;
    let steps = workflows[0].groups.iter().flat_map(|group| &group.steps);
    let tasks: Vec<&str> = steps.map(|step| step.task.as_str()).collect();
    assert_eq!(
        tasks,
        [
            "drafts the text",
            "type",
            "try",
            "Think",
            "Build",
            "(in haste) send"
        ]
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
fn a_pattern_never_takes_the_steps_of_another() {
    let patterns = |first: &str, second: &str, third: &str| {
        format!(
            "## Patterns\n\n{first}\nplanner → coder\n\n{second}\n\n{third}\n- Step 1: writer drafts\n- Step 2: planner reviews\n\n## Rest\n\n1. coder: sleep\n"
        )
    };
    let expected = |titles: &[(&str, &str)]| -> Vec<(String, String)> {
        titles
            .iter()
            .map(|(title, flow)| ((*title).to_owned(), (*flow).to_owned()))
            .collect()
    };
    let found = expected(&[("One", "planner coder"), ("Three", "writer planner")]);
    for (first, second, third) in [
        (
            "### Pattern 1: One",
            "### Pattern 2: Two",
            "**Pattern 3 – Three**",
        ),
        (
            "**Pattern 1: One**",
            "### Pattern 2: Two",
            "#### Workflow 3. Three",
        ),
        (
            "### 🔁 Pattern 1: One",
            "**Pattern B: Two**",
            "**Pattern C: Three**",
        ),
        (
            "### 1. Pattern #1: One",
            "### Workflow Pattern 2: Two",
            "Pattern 3: Three:",
        ),
    ] {
        assert_eq!(crew(&patterns(first, second, third)), found, "{first}");
    }
    let block = "## Workflow Patterns\n\n```\nPattern 1: One\n  1. planner: think\n  2. Parallel:\n     - coder: type\n     - tester: try\n\nPattern 2: Two\n1. Nobody\n\nPattern 3: Three\n  writer → planner\n```\n";
    let found = expected(&[
        ("One", "planner [coder tester]"),
        ("Three", "writer planner"),
    ]);
    assert_eq!(crew(block), found);
    let lines: Vec<usize> = suggest::read(block, &CREW)
        .workflows
        .iter()
        .map(|one| one.line)
        .collect();
    assert_eq!(lines, [4, 13]);
    assert_eq!(
        crew("### Pattern 1\n\n1. coder: type\n"),
        expected(&[("Pattern 1", "coder")])
    );
    // Workflows need no number where a title says that they are workflows.
    let body = "## Workflow Patterns\n\n### Ship it\n1. coder: type\n2. tester: try\n\n### Tell it (docs)\nwriter → planner\n\n### One\n1. tester: try\n2. Rest\n\n### None\n1. Rest\n2. tester: try\n\n### Notes\n- coder: is slow\n- tester: is not\n\n\
                ## Playbooks\n\n- **Undo**: coder → tester\n- **Redo**: type it again\n\n| Pattern | Flow |\n|---|---|\n| Try | tester → coder |\n\n\
                **Pattern 7: Look**: planner → writer\n\n## Values\n\n- **Speed**: coder → tester\n";
    let found = expected(&[
        ("Ship it", "coder tester"),
        ("Tell it (docs)", "writer planner"),
        ("One", "tester -"),
        ("Undo", "coder tester"),
        ("Try", "tester coder"),
        ("Look", "planner writer"),
    ]);
    assert_eq!(crew(body), found);
}

#[test]
fn words_with_hyphens_are_no_agents_where_a_roster_says_who_there_is() {
    let steps = "## Pattern 1: N\n\n1. a-b: x\n2. follow-up: ask\n3. end-to-end: try\n4. api-tester: try\n5. **sign-off**: done\n";
    assert_eq!(
        flow(steps),
        ["a-b", "follow-up", "end-to-end", "api-tester", "sign-off"]
    );
    let roster = format!("## Available Agents\n\n- **a-b**: works\n\n{steps}");
    assert_eq!(flow(&roster), ["a-b", "-", "-", "api-tester", "sign-off"]);
}

#[test]
fn forms_of_answers_are_read_from_json_and_lists() {
    let names = |body: &str| -> Vec<String> {
        let output = found(body).output;
        let properties = output.into_iter().flat_map(|output| output.properties);
        properties.map(|one| one.name).collect()
    };
    let json =
        "## Output Format\n\n```json\n{\"a\": 1, \"b-c\": [{\"d\": null}], \"type\": \"x\"}\n```\n";
    assert_eq!(names(json), ["a", "b-c", "type"]);
    assert_eq!(
        names("## Output Format\n\n```json\n[{\"a\": 1}]\n```\n"),
        ["items"]
    );
    assert_eq!(
        names("## Output Format\n\n```json\n{\"a\": ...}\n```\n"),
        ["a"]
    );
    assert_eq!(
        names("## Report Structure\n\nAnswer with:\n\n- **One**: a\n- Two things\n"),
        ["one", "two_things"]
    );
    assert_eq!(names("## Output\n\n- a\n- b\n"), [""; 0]);
    assert_eq!(names("## Output\n\n```json\n{\"a\": 1}\n```\n"), ["a"]);
    assert_eq!(
        names("## Rules\n\nAlways answer with this JSON:\n\n```\n{\"a\": 1}\n```\n"),
        ["a"]
    );
    assert_eq!(
        names("## Rules\n\nThe input is this JSON:\n\n```\n{\"a\": 1}\n```\n"),
        [""; 0]
    );
    assert_eq!(
        names("## Result format\n\n```yaml\na: 1\nb:\n  - c: true\n```\n"),
        ["a", "b"]
    );
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

/// What could trip a reader of Markdown or a writer of YAML.
const PIECES: [&str; 70] = [
    "## Available Agents\n",
    "### Pattern 1: Go\n",
    "## Output Format\n",
    "## API endpoints\n",
    "```\n",
    "```json\n",
    "~~~",
    "1. ",
    "2. ",
    "10) ",
    "- ",
    "* ",
    "\t",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "Parallel:\n",
    "a-b",
    "news-writer",
    "**a-b**: ",
    "`POST /x`",
    "`/y/{id}`",
    "PUT /z/{a}/{b}",
    "GET /v1/runs",
    "| a | b |\n|--|--|\n",
    "{\"a\": [1, {\"b\": 2}]}",
    "{{ x }}",
    "# ",
    ": ",
    " #",
    "\"",
    "'",
    "---\n",
    "é",
    "🚀",
    "\u{202e}",
    "null",
    "type: ",
    "[x]",
    "- [ ] ",
    "<p>",
    " → ",
    " -> ",
    "(a-b + c-d)",
    "(parallel) ",
    " in parallel with step 1",
    "2a. ",
    "2b. ",
    "Step 1: ",
    "**Phase 2**\n",
    "├── ",
    "   ↓\n",
    "@a-b ",
    "news-writer drafts",
    "copy-editor and a-b",
    "Agent: a-b",
    "## Workflows\n",
    "```mermaid\ngraph TD\n",
    "A[a-b] --> B[news-writer]\n",
    "B --> A\n",
    "| Step | Agent |\n|--|--|\n",
    "{\"a\": x|y, // z\n ...}",
    "GET, POST ",
    "(DELETE)",
    "subagent_type=\"a-b\"",
    ", then ",
    "```yaml\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_body_comes_to_a_block_that_holds_or_to_none(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..40),
        end in prop::sample::select(vec!["", "\n", "\r\n"]),
    ) {
        hold(&format!("{}{end}", pieces.concat()));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        hold(&text);
    }
}

/// What the body comes to leaves the project without errors.
fn hold(body: &str) {
    let text = with_body(body);
    let Ok(source) = Source::from_bytes("agents/x.md", text.into_bytes()) else {
        return;
    };
    let staff = STAFF.map(|name| {
        Source::from_bytes(&format!("agents/{name}.md"), agent(name).into_bytes()).unwrap()
    });
    let mut project = Project::default();
    project.sources.extend(staff);
    project.sources.push(source);
    let agents = check(&project).agents;
    let own = agents.iter().find(|agent| agent.spec.name == "x").unwrap();
    let findings = suggest::read(own.spec.prompt(), &STAFF);
    let proposal = propose(&findings, own, &agents);
    let change = match edit(&project, own, &proposal) {
        Edit::Change(change) => change,
        Edit::Nothing => {
            assert!(proposal.is_empty(), "{body:?}");
            return;
        }
        Edit::Impossible(lines) => panic!("{body:?}: {lines:#?}"),
    };
    // What is proposed is right by itself; comments are for agents that are not there.
    assert!(!change.commented, "{body:?}: {}", change.new);
    project.sources.pop();
    project
        .sources
        .push(Source::from_bytes(&change.path, change.new.into_bytes()).unwrap());
    let diagnostics = check(&project).diagnostics;
    assert!(!has_errors(&diagnostics), "{body:?}: {diagnostics:#?}");
}

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
        eprintln!("not run: {variable} is not set");
    }
    folder
}

#[test]
fn the_reference_agents_are_read_whole() {
    let Some(seeds) = folder("AGENTGEN_SEEDS") else {
        return;
    };
    let read = |name: &str| fs::read_to_string(seeds.join(name)).unwrap();
    let text = read("orchestrator.md");
    let findings = found(text.split_once("\n---\n").unwrap().1);
    let names: Vec<&str> = findings
        .specialists
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "backend-specialist",
            "database-migration-specialist",
            "frontend-specialist",
            "api-integration-specialist",
            "cloudops-engineer",
            "deployment-engineer",
            "dapr-event-specialist",
            "architect",
            "spec-kit-architect",
            "python-cli",
        ]
    );
    let titles: Vec<&str> = findings
        .workflows
        .iter()
        .map(|one| one.title.as_str())
        .collect();
    assert_eq!(titles.len(), 8, "{titles:?}");
    let parallel: Vec<(usize, usize)> = findings
        .workflows
        .iter()
        .enumerate()
        .flat_map(|(index, workflow)| {
            let groups = workflow.groups.iter().filter(|group| group.parallel);
            groups.map(move |group| (index + 1, group.steps.len()))
        })
        .collect();
    assert_eq!(parallel, [(1, 2), (3, 2), (4, 2), (8, 3)]);
    let steps: Vec<usize> = findings
        .workflows
        .iter()
        .map(|one| one.groups.len())
        .collect();
    assert_eq!(steps, [5, 5, 5, 6, 2, 3, 2, 5]);
    let output = findings.output.unwrap();
    let names: Vec<&str> = output
        .properties
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "agents_invoked",
            "integration_points",
            "final_status",
            "deliverables",
            "next_steps"
        ]
    );

    let alone = Folder::new(&[("agents/orchestrator.md", &text)]);
    let diff = alone.run(&["suggest", "orchestrator"]).expect(0).stdout;
    for shown in findings
        .specialists
        .iter()
        .map(|one| format!("+  #   - {}\n", one.name))
    {
        assert!(diff.contains(&shown), "{shown}");
    }
    assert_eq!(diff.matches("- parallel:").count(), 4);
    alone.apply(&diff);
    alone.run(&["check"]).expect(0);

    let whole = Folder::new(&[("agents/orchestrator.md", &text)]);
    for name in findings.specialists.iter().map(|one| &one.name) {
        whole.write(&format!("agents/{name}.md"), &agent(name));
    }
    whole.apply(&whole.run(&["suggest", "orchestrator"]).expect(0).stdout);
    let checked = whole
        .run(&["show", "orchestrator", "--format", "json"])
        .expect(0);
    let shown: Value = serde_json::from_str(&checked.stdout).unwrap();
    let workflows = shown["workflows"].as_array().map(Vec::len);
    assert_eq!(workflows, Some(8));
    whole.run(&["check"]).expect(0);

    let text = read("fastapi-orchestrator.md");
    let alone = Folder::new(&[("agents/fastapi-orchestrator.md", &text)]);
    let run = alone.run(&["suggest", "fastapi-orchestrator"]).expect(0);
    for path in ["/chat", "/search", "/embed", "/health", "/auth"] {
        assert!(run.stdout.contains(&format!("path: {path}\n")), "{path}");
    }
    assert!(run.stderr.contains("found 5 routes\n"), "{}", run.stderr);
    alone.apply(&run.stdout);
    alone.run(&["check"]).expect(0);
    let shown = alone
        .run(&["show", "fastapi-orchestrator", "--format", "json"])
        .expect(0);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let answers: Vec<(&str, &str, bool)> = shown["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap();
            (text("path"), text("handler"), one["retrieve"].is_object())
        })
        .collect();
    assert_eq!(
        answers[1..],
        [
            ("/chat", "model", true),
            ("/search", "search", false),
            ("/embed", "embed", false),
            ("/health", "code", false),
            ("/auth", "code", false),
        ]
    );
    assert_eq!(shown["documents"]["collection"], "fastapi-orchestrator");
    let chat = &shown["endpoints"][1]["output"]["properties"];
    for property in ["output", "session_id", "citations"] {
        assert!(chat.get(property).is_some(), "{property}: {chat}");
    }
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
        let told = endpoints.iter().map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("path"), text("handler"), one["retrieve"].clone())
        });
        told.collect::<Vec<_>>()
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

#[test]
fn no_public_agent_gets_a_block_that_check_refuses() {
    let Some(corpus) = folder("AGENTGEN_CORPUS") else {
        return;
    };
    let mut files = Vec::new();
    crate::common::collect(&corpus.join("../../agents"), "", &mut files);
    files.retain(|(name, _)| name.ends_with(".md"));
    assert!(files.len() >= 211, "only {} files", files.len());
    let (mut proposed, mut with_others) = (0, 0);
    for (name, bytes) in files {
        let text = String::from_utf8(bytes).unwrap();
        let file = Path::new(&name).file_name().unwrap().to_str().unwrap();
        let path = format!("agents/{file}");
        // A command for each of those that say nothing would take most of the time.
        let source = Source::new(&path, text.clone());
        let spec = agent_file::read(&mut Report::new(&Arc::new(source)), false);
        if spec.is_some_and(|spec| suggest::read(spec.prompt(), &[]).is_empty()) {
            continue;
        }
        let folder = Folder::new(&[(&path, &text)]);
        let run = folder.run(&["suggest", &path, "--format", "json"]);
        if run.status != 0 {
            folder.run(&["check"]).expect(1);
            continue;
        }
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        let Some(diff) = found["diff"].as_str() else {
            continue;
        };
        proposed += 1;
        folder.apply(diff);
        folder.run(&["check"]).expect(0);
        let missing = found["missing"].as_array().unwrap();
        if missing.is_empty() {
            continue;
        }
        with_others += 1;
        folder.write(&path, &text);
        for name in missing.iter().map(|name| name.as_str().unwrap()) {
            folder.write(&format!("agents/{name}.md"), &agent(name));
        }
        folder.apply(&folder.run(&["suggest", &path]).expect(0).stdout);
        folder.run(&["check"]).expect(0);
    }
    assert!(
        proposed >= 30 && with_others >= 1,
        "{proposed} {with_others}"
    );
}
