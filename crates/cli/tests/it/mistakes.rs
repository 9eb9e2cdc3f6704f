//! Mistakes that people make in agent files: each is reported once, at its place, with its cause and what to do.

use crate::command_folder::Folder;

/// An agent whose service block is `service`, which starts on line 5.
fn agent(service: &str) -> String {
    format!(
        "---\nname: librarian\ndescription: Knows books.\nservice:\n{service}---\nYou know books.\n"
    )
}

/// An agent with one endpoint, the keys of which are `keys`, each on a line. They start on line 7.
fn endpoint(keys: &[&str]) -> String {
    let lines: String = keys.iter().map(|key| format!("      {key}\n")).collect();
    agent(&format!("  endpoints:\n    recommend:\n{lines}"))
}

/// `line:column-column CODE message (help)` of each error of `agentgen check`.
fn errors(files: &[(&str, &str)]) -> Vec<String> {
    let json = Folder::new(files)
        .run(&["check", "--format", "json"])
        .expect(1)
        .json();
    let found = json["diagnostics"].as_array().unwrap().iter();
    let found = found.filter(|one| one["severity"] == "error");
    found
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            format!(
                "{}:{}-{} {} {} ({})",
                one["line"],
                one["column"],
                one["end_column"],
                text("code"),
                text("message"),
                text("help")
            )
        })
        .collect()
}

#[test]
fn a_wrong_value_of_an_endpoint_names_its_key() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["stream: yes please"],
            "7:15-25 AG045 `stream` is text (it takes `true` or `false`)",
        ),
        (
            &["stream:", "  1"],
            "8:9-10 AG045 `stream` is the number 1 (it takes `true` or `false`)",
        ),
        (
            &["timeout: 30 minutes"],
            "7:16-26 AG045 `timeout` is not a duration (write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`)",
        ),
        (
            &["timeout: 0s"],
            "7:16-18 AG045 `timeout` is zero (write a number above zero)",
        ),
        (
            &["timeout: 30"],
            "7:16-18 AG045 `timeout` is not a duration (write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`)",
        ),
        (
            &["rate: often"],
            "7:13-18 AG045 `rate` is not a rate (write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`)",
        ),
        (
            &["roles: admin"],
            "7:14-19 AG045 `roles` is text (it takes a list of names: `[one, two]`)",
        ),
        (
            &["roles: [admin, 5]"],
            "7:22-23 AG045 an item of `roles` is the number 5 (it takes text)",
        ),
        (
            &["roles:", "  - admin", "  - [x]"],
            "9:11-13 AG045 an item of `roles` is a list (it takes text)",
        ),
        (
            &["retrieve: { query: input, limit: many }"],
            "7:40-44 AG045 `limit` is text (it takes a whole number from 1 to 50)",
        ),
        (
            &["pth: /x"],
            "7:7-10 AG026 there is no setting `pth` (did you mean `path`?)",
        ),
        (
            &["method: fetch"],
            "7:15-20 AG042 `fetch` is not an HTTP method of endpoints (it takes `get`, `post`, `put`, `patch` or `delete`)",
        ),
        (
            &["handler: cod"],
            "7:16-19 AG042 there is no handler `cod` (did you mean `code`?)",
        ),
        (
            &["input: { limit?: int }"],
            "7:24-27 AG050 there is no type \"int\" (did you mean `integer`?)",
        ),
        (
            &["path: books"],
            "7:13-18 AG042 the path `books` does not start with `/` (write `/books`)",
        ),
        (
            &["path: /shelves/{shelf}/{row}", "input: { shelf: string }"],
            "7:30-35 AG042 the input has no property for the path's `{row}` (add `row` to the endpoint's `input`)",
        ),
        (
            &["path: \"/rows/{row}\""],
            "7:20-25 AG042 the input has no property for the path's `{row}` (add `row` to the endpoint's `input`)",
        ),
    ];
    for (keys, expected) in cases {
        let text = endpoint(keys);
        assert_eq!(errors(&[("agents/a.md", &text)]), [*expected], "{keys:?}");
    }
}

#[test]
fn a_wrong_value_of_a_service_names_its_key() {
    let cases: &[(&str, &str)] = &[
        (
            "  budget: { tokens: lots }\n",
            "5:21-25 AG045 `tokens` is text (it takes a whole number above zero)",
        ),
        (
            "  budget: 5\n",
            "5:11-12 AG045 `budget` is the number 5 (it takes a mapping with tokens, turns)",
        ),
        (
            "  budget:\n    turns: 5000000000\n",
            "6:12-22 AG045 `turns` is too large (it can be 4294967295 at most)",
        ),
        (
            "  retry: { attempts: 0 }\n",
            "5:22-23 AG045 `attempts` is the number 0 (it takes a whole number above zero)",
        ),
        (
            "  breaker: { cooldown: soon }\n",
            "5:24-28 AG045 `cooldown` is not a duration (write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`)",
        ),
        (
            "  session: { ttl: 1000000d }\n",
            "5:19-27 AG045 `ttl` is too long (it can be a hundred years at most: `36525d`)",
        ),
        (
            "  invoke: never\n",
            "5:11-16 AG045 `invoke` is text (it takes `true` or `false`)",
        ),
        (
            "  model: [a]\n",
            "5:10-12 AG045 `model` is a list (it takes text)",
        ),
        (
            "  agents: poet\n",
            "5:11-15 AG045 `agents` is text (it takes a list of names: `[one, two]`)",
        ),
        (
            "  documents: 5\n",
            "5:14-15 AG045 `documents` is the number 5 (it takes the name of a collection, or `{ collection: handbook, roles: [admin] }`)",
        ),
        (
            "  rate: 0/minute\n",
            "5:9-17 AG045 `rate` is not a rate (write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`)",
        ),
        (
            "  endpoint: {}\n",
            "5:3-11 AG026 there is no setting `endpoint` (did you mean `endpoints`?)",
        ),
        (
            "  workflows:\n    w:\n      concurrency: all\n      steps: [a: librarian]\n",
            "7:20-23 AG045 `concurrency` is text (it takes a whole number above zero)",
        ),
        (
            "  workflows:\n    w:\n      - a: { agent: librarian, timeout: x }\n",
            "7:41-42 AG045 `timeout` is not a duration (write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`)",
        ),
        (
            "  workflows:\n    w:\n      - a: { agent: libarian }\n",
            "7:21-29 AG044 there is no agent `libarian` in this project (did you mean `librarian`?)",
        ),
    ];
    for (service, expected) in cases {
        let text = agent(service);
        assert_eq!(errors(&[("agents/a.md", &text)]), [*expected], "{service}");
    }
    // A sidecar in JSON style names keys too.
    let plain = "---\nname: librarian\ndescription: Knows books.\n---\nYou know books.\n";
    let sidecar = "{\"budget\": {\"tokens\": \"lots\"}}\n";
    assert_eq!(
        errors(&[("agents/a.md", plain), ("agents/a.service.yaml", sidecar)]),
        ["1:23-29 AG045 `tokens` is text (it takes a whole number above zero)"]
    );
}

#[test]
fn two_routes_that_are_one_are_both_shown() {
    let first = endpoint(&["path: /books"]);
    let second = first
        .replace("librarian", "shelver")
        .replace("recommend", "sell");
    let folder = Folder::new(&[("agents/a.md", &first), ("agents/b.md", &second)]);
    assert_eq!(
        folder.run(&["check"]).expect(1).stderr,
        "\
error[AG043]: POST /books is the route of `recommend` of `librarian` (agents/a.md:7) too
 --> agents/b.md:7:13
  |
7 |       path: /books
  |             ^^^^^^
  |
 ::: agents/a.md:7:13
  |
7 |       path: /books
  |             ------ the other is here
  |
  = help: give one of them another path

run `agentgen explain AG043` for an example and its fix
error: 2 agents read; 1 error
"
    );
    let json = folder.run(&["check", "--format", "json"]).expect(1).json();
    let related = &json["diagnostics"][0]["related"][0];
    assert_eq!(
        (&related["path"], &related["line"]),
        (&"agents/a.md".into(), &7.into())
    );
    // Without a `path`, the name makes the route.
    let text = agent("  endpoints:\n    first-one: {}\n    firstOne: {}\n");
    let stderr = Folder::new(&[("agents/a.md", &text)])
        .run(&["check"])
        .expect(1)
        .stderr;
    assert!(stderr.contains("7:5\n"), "{stderr}");
    assert!(stderr.contains("--------- the other is here"), "{stderr}");
}

#[test]
fn a_missing_space_and_a_missing_letter_are_named() {
    for (service, wanted) in [
        (
            "  endpoints:\n    a: {method:get, path: /a}\n",
            "6:9-19 AG026 there is no setting `method:get` (write `method: get`, with a space behind the colon)",
        ),
        (
            "  agents: [b]\n",
            "5:12-13 AG044 there is no agent `b` in this project (add its file, or take the name out)",
        ),
    ] {
        assert_eq!(errors(&[("agents/a.md", &agent(service))]), [wanted]);
    }
}
