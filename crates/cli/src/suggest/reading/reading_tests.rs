//! What is read from a body: routes, rosters, forms of answers.

#![allow(clippy::unwrap_used)]

use crate::suggest::{self, Findings, Route};

const STAFF: [&str; 4] = ["news-writer", "copy-editor", "photo-editor", "fact-checker"];

/// Agents that are called by one word.
const CREW: [&str; 5] = ["planner", "coder", "tester", "writer", "code-reviewer"];

fn found(body: &str) -> Findings {
    suggest::read(body, &STAFF)
}

fn routes(body: &str) -> Vec<String> {
    let routes = found(body).routes;
    let name = |route: &Route| format!("{} {}", route.method.unwrap_or("-"), route.path);
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
    let roster_of = |body: &str| -> Vec<(String, String)> {
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
        let found: Vec<_> = roster_of(&format!(
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
        |body: &str| -> Vec<String> { roster_of(body).into_iter().map(|(name, _)| name).collect() };
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
