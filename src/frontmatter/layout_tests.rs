//! Mistakes of layout: each is one error at its own line, in words, and nothing of the file is read.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::frontmatter::{self, Reading};

/// What is reported of an agent with this frontmatter, which is not read.
fn refusal(frontmatter: &str) -> Vec<String> {
    let text = format!("---\n{frontmatter}\n---\nBody\n");
    let source = Source::from_bytes("agents/x.md", text.into_bytes()).unwrap();
    let mut report = Report::new(&source);
    let reading = frontmatter::read(&mut report, false);
    let found: Vec<String> = report
        .into_diagnostics()
        .iter()
        .map(|diagnostic| diagnostic.to_string().replace("agents/x.md:", ""))
        .collect();
    assert!(
        matches!(reading, Reading::Unreadable),
        "{frontmatter:?} is read: {found:?} {reading:?}"
    );
    found
}

#[track_caller]
fn refused(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (frontmatter, expected) in cases {
        let found = std::panic::catch_unwind(|| refusal(frontmatter)).unwrap_or_default();
        if found != [*expected] {
            wrong.push(format!("{frontmatter:?}\n  {}", found.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tabs() {
    refused(&[
        (
            "name: x\nservice:\n  endpoints:\n\t  recommend:\n      path: /x",
            "5:1: error[AG015]: line 5 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\nservice:\n\tendpoints:\n\t\trecommend:\n\t\t\tpath: /x",
            "4:1: error[AG015]: line 4 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    recommend:\n      path: /x\n\t  input: {q: string}\nmodel: opus",
            "7:1: error[AG015]: line 7 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    recommend:\n      path: /x\n  \t  input:\n        q: string",
            "7:3: error[AG015]: line 7 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\n\tdescription: tabbed",
            "3:1: error[AG015]: line 3 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\n \tdescription: tabbed\nmodel: opus",
            "3:2: error[AG015]: line 3 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "description: One: two\n\tmodel: opus",
            "3:1: error[AG015]: line 3 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\ndescription: d\nhooks:\n  Stop:\n\t- go: now",
            "6:1: error[AG015]: line 6 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "name: x\nmcpServers:\n  db:\n\tcommand: run",
            "5:1: error[AG015]: line 5 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
    ]);
}

#[test]
fn spaces() {
    refused(&[
        (
            "name: x\n description: one blank",
            "3:2: error[AG015]: `description` is indented by one space too many: 1 instead of 0 (start it in the same column as `name`; put the value of `name` in quotes if it is part of it)",
        ),
        (
            "name: x\n  description: two blanks\nmodel: opus",
            "3:3: error[AG015]: `description` is indented by two spaces too many: 2 instead of 0 (start it in the same column as `name`; put the value of `name` in quotes if it is part of it)",
        ),
        (
            " name: x\ndescription: d",
            "2:2: error[AG015]: `name` is indented by one space too many: 1 instead of 0 (indent it like `description` in line 3)",
        ),
        (
            "  name: x\n  description: d\n model: opus",
            "2:3: error[AG015]: `description` is indented by one space too many: 2 instead of 1 (indent it like `model` in line 4)",
        ),
        (
            "description: d\nmodel: opus\n tools: Read",
            "4:2: error[AG015]: `tools` is indented by one space too many: 1 instead of 0 (start it in the same column as `model`; put the value of `model` in quotes if it is part of it)",
        ),
        (
            "description: Plan: then act\n model: opus",
            "3:2: error[AG015]: `model` is indented by one space too many: 1 instead of 0 (start it in the same column as `description`; put the value of `description` in quotes if it is part of it)",
        ),
        (
            "description: Plan\ngoes on: here\n and here\n model: opus",
            "5:2: error[AG015]: `model` is indented by one space too many: 1 instead of 0 (start it in the same column as `description`; put the value of `description` in quotes if it is part of it)",
        ),
        (
            "name: x\n other: y",
            "3:2: error[AG015]: `other` is indented by one space too many: 1 instead of 0 (indent it like `name` in line 2)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    recommend:\n      path: /x\n       method: get",
            "7:8: error[AG015]: `method` is indented by one space too many: 7 instead of 6 (indent it like `path` in line 6)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    recommend:\n      method: get\n     path: /x",
            "7:6: error[AG015]: `path` is indented by one space too few: 5 instead of 6 (indent it like `method` in line 6)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    recommend:\n      input:\n        a: string\n         b: string\n        c: string",
            "8:10: error[AG015]: `b` is indented by one space too many: 9 instead of 8 (indent it like `a` in line 7)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    recommend:\n       path: /x\n      method: get\n   other:\n      path: /y",
            "7:7: error[AG015]: `method` is indented by one space too few: 6 instead of 7 (indent it like `path` in line 6)",
        ),
        (
            "name: x\nservice:\n  fallbacks:\n    - a\n   - b",
            "6:4: error[AG015]: the item is indented by one space too few: 3 instead of 4 (indent it like the item in line 5)",
        ),
        (
            "name: x\nservice:\n   budget:\n     turns: 3\n  timeout: 3s",
            "6:3: error[AG015]: `timeout` is indented by one space too few: 2 instead of 3 (indent it like `budget` in line 4)",
        ),
        (
            "name: x\n description: a\ndescription: b",
            "3:2: error[AG015]: `description` is indented by one space too many: 1 instead of 0 (start it in the same column as `name`; put the value of `name` in quotes if it is part of it)",
        ),
    ]);
}

#[test]
fn a_service_block_in_the_wrong_place() {
    refused(&[
        (
            "name: x\nmodel: sonnet\n  endpoints:\n    recommend:\n      path: /x",
            "4:3: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it, in the first column)",
        ),
        (
            "name: x\nmodel: sonnet\n\n  endpoints:\n    recommend:\n      path: /x\n  timeout: 3s\ncolor: red",
            "5:3: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it, in the first column)",
        ),
        (
            "name: x\ndescription: Does it all\n  endpoints:\n    recommend:\n      path: /x\nmodel: sonnet",
            "4:3: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it, in the first column)",
        ),
        (
            "name: x\ndescription: Does: it all\nand more\n  endpoints:\n    recommend:\n      path: /x",
            "5:3: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it, in the first column)",
        ),
        (
            "name: x\ntools:\n  - Read\n  endpoints:\n    recommend:\n      path: /x",
            "5:3: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it, in the first column)",
        ),
        (
            "name: x\nmodel:\n  endpoints:\n    recommend:\n      path: /x",
            "4:3: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it, in the first column)",
        ),
        (
            "name: x\nendpoints:\n  recommend:\n    path: /x",
            "3:1: error[AG015]: `endpoints` belongs under `service:` (write a line `service:` above it; indent it by two spaces, and the lines below it too)",
        ),
        (
            "name: x\nservice:\nendpoints:\n  recommend:\n    path: /x",
            "4:1: error[AG015]: `endpoints` belongs under `service:` (indent it by two spaces, and the lines below it too)",
        ),
        (
            "name: x\nservice:\nbudget:\n  turns: 3",
            "4:1: error[AG015]: `budget` belongs under `service:` (indent it by two spaces, and the lines below it too)",
        ),
        (
            "name: x\nservice:\n  timeout: 3s\nworkflows:\n  go:\n    steps:\n      a: b",
            "5:1: error[AG015]: `workflows` belongs under `service:` (indent it by two spaces, and the lines below it too)",
        ),
        (
            "name: x\ndescription: Helps\n  mode:\n    fast: yes\n    slow: no: never",
            "4:3: error[AG015]: `mode` is indented by two spaces too many: 2 instead of 0 (start it in the same column as `description`; put the value of `description` in quotes if it is part of it)",
        ),
    ]);
}

#[test]
fn characters_that_look_like_spaces() {
    refused(&[
        (
            "name:\u{a0}x\ndescription: d",
            "2:6: error[AG015]: a no-break space (U+00A0) is behind `name:`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "name:\u{a0}x",
            "2:6: error[AG015]: a no-break space (U+00A0) is behind `name:`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "description: d\nmodel:\u{a0}opus",
            "3:7: error[AG015]: a no-break space (U+00A0) is behind `model:`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "description: d: e\nmodel:\u{3000}opus",
            "3:7: error[AG015]: an ideographic space (U+3000) is behind `model:`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "\u{a0}name: x\ndescription: d",
            "2:1: error[AG015]: a no-break space (U+00A0) is in front of `name`; it becomes part of the key (delete it)",
        ),
        (
            "name: x\n\u{a0}description: d",
            "3:1: error[AG015]: a no-break space (U+00A0) is in front of `description`; it becomes part of the key (delete it)",
        ),
        (
            "name: x\nmodel\u{a0}: opus",
            "3:6: error[AG015]: a no-break space (U+00A0) is behind `model`; it becomes part of the key (delete it)",
        ),
        (
            "name: x\nmodel\u{200b}: opus",
            "3:6: error[AG015]: a zero-width space (U+200B) is behind `model`; it becomes part of the key (delete it)",
        ),
        (
            "\u{feff}name: x\nmodel: opus",
            "2:1: error[AG015]: line 2 starts with a byte order mark (U+FEFF); YAML needs ordinary spaces (delete it and type a space in its place)",
        ),
        (
            "name: x\nservice:\n\u{a0}\u{a0}endpoints:\n    a:\n      path: /x",
            "4:1: error[AG015]: a no-break space (U+00A0) is in front of `endpoints`; it becomes part of the key (delete it)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n\u{3000}\u{3000}a:\n      path: /x",
            "5:1: error[AG015]: an ideographic space (U+3000) is in front of `a`; it becomes part of the key (delete it)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      path: /x\n      method:\u{a0}get",
            "7:14: error[AG015]: a no-break space (U+00A0) is behind `method:`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      path: /x\n      input:\n        q:\u{a0}string",
            "8:11: error[AG015]: a no-break space (U+00A0) is behind `q:`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      path\u{a0}: /x",
            "6:11: error[AG015]: a no-break space (U+00A0) is behind `path`; it becomes part of the key (delete it)",
        ),
    ]);
}

#[test]
fn structure_is_never_read_as_text() {
    refused(&[
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      path: /x: y",
            "6:15: error[AG006]: `: ` inside a value needs quotes (put the whole value in quotes)",
        ),
        (
            "name: x\nservice: {endpoints: {a: {path: /x}}\nmodel: opus",
            "3:10: error[AG006]: the brace that opens here is never closed (close it with `}`)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      description: \"no end\n      path: /x",
            "6:20: error[AG006]: the quote that opens here is never closed (close it with `\"`)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      description: 'it's'\n      path: /x",
            "6:24: error[AG006]: the value continues after its closing quote (put all of it in quotes, and write `''` for a quote inside)",
        ),
        (
            "name: x\nservice:\n  workflows:\n    go:\n      steps:\n        a: {{ input.x }}",
            "7:12: error[AG006]: a value that starts with `{{` needs quotes (put the whole value in quotes)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      path:/x\n      method: get",
            "6:7: error[AG015]: a space is missing behind `path:` (write `path: ...`)",
        ),
        (
            "name: x\nservice:\n  fallbacks: - a\n  timeout: 3s",
            "4:14: error[AG015]: a list can't start on the line of its key (put each `- ` on a line of its own below the key, or the value in quotes if it is text)",
        ),
        (
            "name: x\nhooks: {Stop: [a: b: c]}",
            "3:8: error[AG006]: what is in these brackets is not a list or a mapping (put each text in them that holds `: `, `,` or a quote in quotes)",
        ),
        (
            "name: x\nhooks: [{a: b: c}]",
            "3:8: error[AG006]: what is in these brackets is not a list or a mapping (put each text in them that holds `: `, `,` or a quote in quotes)",
        ),
        (
            "name: x\nhooks:\n  - matcher: Bash: x\n    command: y",
            "4:18: error[AG006]: `: ` inside a value needs quotes (put the whole value in quotes)",
        ),
        (
            "name: x\nmodel: opus\nstray text\ncolor: red",
            "4:1: error[AG006]: line 4 is neither `key: value` nor a part of the text above it (indent it if it continues that text; else start it with a key and a colon)",
        ),
        (
            "name: x\ncolor: re: d\n  other: y",
            "3:10: error[AG006]: `: ` inside a value needs quotes (put the whole value in quotes)",
        ),
        (
            "just: [a\n  b: c",
            "2:7: error[AG006]: the bracket that opens here is never closed (close it with `]`)",
        ),
        (
            "- a\nb: c",
            "3:1: error[AG015]: line 3 can't be a part of what is above it (don't mix `key: value` lines and `- ` items in one block)",
        ),
        (
            "name: x\ntags:\n  -\u{a0}one\n  -\u{a0}two",
            "4:4: error[AG015]: a no-break space (U+00A0) is behind `-`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "name: x\ntags:\n  - one\n  -\u{a0}two\n  three: 3",
            "5:4: error[AG015]: a no-break space (U+00A0) is behind `-`; YAML needs an ordinary space (delete it and type a space in its place)",
        ),
        (
            "name\u{ff1a}x\nmodel: opus",
            "2:5: error[AG006]: `\u{ff1a}` (U+FF1A) is behind `name`; it is no colon to YAML (write `name: ...`)",
        ),
        (
            "description: Does it.\nmodel\u{ff1a}opus",
            "3:6: error[AG006]: `\u{ff1a}` (U+FF1A) is behind `model`; it is no colon to YAML (write `model: ...`)",
        ),
        (
            "description: Does it.\ntools = [\"Read\"]",
            "3:7: error[AG006]: `=` is behind `tools`; YAML needs a colon and a space (write `tools: ...`)",
        ),
        (
            "name = \"x\"",
            "2:6: error[AG006]: `=` is behind `name`; YAML needs a colon and a space (write `name: ...`)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a: {path: /x, summary: one\u{fffe}two}",
            "5:31: error[AG006]: the character U+FFFE can't be in YAML (delete it)",
        ),
        (
            "name: x\nservice:\n  endpoints:\n    a:\n      path: /x\n      summary: one\u{2028}two",
            "7:19: error[AG006]: an unusual line break (U+2028) is in the text; YAML may end the line there (delete it, or type a space in its place)",
        ),
        (
            "name: x\nServices:\n  endpoints:\n    a: {path: /x}",
            "3:1: error[AG015]: there is no key `Services`, and so nothing reads this service block (write `service:`)",
        ),
        (
            "hello there\nname: x",
            "2:1: error[AG006]: line 2 is neither `key: value` nor a part of the text above it (indent it if it continues that text; else start it with a key and a colon)",
        ),
    ]);
}
