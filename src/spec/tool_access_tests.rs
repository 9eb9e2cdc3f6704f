//! What agents may use, in the spellings of each harness.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::spec::agent_file;
use crate::spec::tool_access::ToolAccess;
use crate::spec::tool_list::Tool;

/// What the frontmatter `yaml` leaves an agent, and the messages about it.
fn read(yaml: &str) -> (ToolAccess, Vec<String>) {
    let text = format!("---\nname: x\ndescription: Does it.\n{yaml}\n---\nPrompt.\n");
    let source = Source::from_bytes("x.md", text.into_bytes()).unwrap();
    let mut report = Report::new(&Arc::clone(&source));
    let access = agent_file::read(&mut report, false).unwrap().tools;
    let messages = report.into_diagnostics();
    let messages = messages.iter().map(ToString::to_string).collect();
    (access, messages)
}

/// `allowed - denied` as names: `*` where everything is allowed, and `none` where nothing is.
fn names(yaml: &str) -> String {
    let names = |tools: &[Tool]| {
        let names: Vec<String> = tools.iter().map(Tool::pattern).collect();
        names.join(" ")
    };
    let (access, _) = read(yaml);
    let allowed = match &access.allowed {
        None => "*".to_owned(),
        Some(tools) if tools.is_empty() => "none".to_owned(),
        Some(tools) => names(tools),
    };
    if access.denied.is_empty() {
        allowed
    } else {
        format!("{allowed} - {}", names(&access.denied))
    }
}

fn assert_names(cases: &[(&str, &str)]) {
    for (yaml, wanted) in cases {
        assert_eq!(names(yaml), *wanted, "{yaml}");
    }
}

#[test]
fn lists_of_tools() {
    assert_names(&[
        ("tools: Read, Grep", "Read Grep"),
        ("tools: Read Write Edit", "Read Write Edit"),
        ("tools: \"Read\\tWrite  Edit\"", "Read Write Edit"),
        ("tools: Read, Write Edit", "Read Write Edit"),
        ("tools: Read books", "Read books"),
        ("tools: books dictionary", "books dictionary"),
        ("tools: read grep find", "read grep find"),
        ("tools: Bash(git diff:*) Read", "Bash Read"),
        ("tools: Bash (git diff:*, git log:*), Read", "Bash Read"),
        (
            "tools: mcp__db__query Read mcp__shop",
            "mcp__db__query Read mcp__shop__*",
        ),
        ("tools: [Read, Grep]", "Read Grep"),
        ("tools: [Read Write, Grep]", "Read Write Grep"),
        ("tools:\n  - Read\n  - Bash(git log)", "Read Bash"),
        ("tools:\n  - name: books\n  - name: maps", "books maps"),
        ("tools: \"['Read', 'Grep']\"", "Read Grep"),
        ("tools: |\n  Read\n  Grep", "Read Grep"),
        ("tools: Read; Write", "Read Write"),
        ("tools: Read | Write | books", "Read Write books"),
        ("tools: Read / Write", "Read Write"),
        ("tools: Read and Write", "Read Write"),
        ("tools: Read\n  - Write", "Read Write"),
        ("tools: Bash(grep a|b; c), Read", "Bash Read"),
        ("tools: Search and Replace", "Search and Replace"),
        ("allowed-tools: Read Grep Glob", "Read Grep Glob"),
        ("allowedTools: [Read]", "Read"),
        ("allowed_tools: [Read]", "Read"),
        ("tools: Read\nallowed-tools: Write", "Read"),
        ("tools:\nallowed-tools: Write", "Write"),
        // One name, however odd: its words are no tools.
        ("tools: Diff Engine", "Diff Engine"),
        ("tools: Task Manager", "Task Manager"),
        ("tools: Diff Engine, Read", "Diff Engine Read"),
        ("tools: [Minimal set of tools]", "Minimal set of tools"),
    ]);
}

#[test]
fn all_tools_and_none() {
    for yaml in [
        "",
        "tools:",
        "tools: ~",
        "tools: inherit",
        "tools: Inherit",
        "tools: all",
        "tools: All tools",
        "tools: '*'",
        "tools: ['*']",
        "tools: [all]",
        "tools: ['*', Read]",
        "tools: true",
        "disallowedTools:",
        "disallowedTools: []",
        "disallowedTools: false",
    ] {
        assert_eq!(names(yaml), "*", "{yaml}");
    }
    for yaml in [
        "tools: []",
        "tools: ''",
        "tools: false",
        "tools: ' , '",
        "tools: none",
        "tools: No tools",
    ] {
        assert_eq!(names(yaml), "none", "{yaml}");
    }
    let (_, messages) = read("tools: []");
    assert_eq!(
        messages,
        [
            "x.md:4:1: note[AG037]: `tools` is empty: the agent may use no tool (remove the key to allow all tools that the service registers)"
        ]
    );
    assert_names(&[
        ("disallowedTools: '*'", "* - *"),
        ("disallowedTools: all", "* - *"),
    ]);
}

#[test]
fn denied_tools() {
    assert_names(&[
        ("disallowedTools: Edit, Write", "* - Edit Write"),
        ("disallowedTools: Edit Write", "* - Edit Write"),
        ("disallowedTools: [Edit, Write]", "* - Edit Write"),
        (
            "disallowedTools:\n  - Edit\n  - Write Read",
            "* - Edit Write Read",
        ),
        ("disallowedTools: Edit; Write", "* - Edit Write"),
        ("disallowedTools: Edit|Write", "* - Edit Write"),
        ("disallowedTools: Edit and Write", "* - Edit Write"),
        ("disallowedTools: Edit\n  - Write", "* - Edit Write"),
        ("disallowedTools: none", "*"),
        ("disallowed-tools: Edit", "* - Edit"),
        ("disallowed_tools: Edit", "* - Edit"),
        (
            "disallowedTools: Edit\ndisallowed-tools: Edit, Write",
            "* - Edit Write",
        ),
        ("disallowedTools: {Edit: true, Write: false}", "* - Edit"),
        ("disallowedTools: books maps", "* - books maps"),
        ("disallowedTools: mcp__shop", "* - mcp__shop__*"),
        ("disallowedTools: mcp__shop__*", "* - mcp__shop__*"),
        ("disallowedTools: mcp__shop__buy", "* - mcp__shop__buy"),
        ("disallowedTools: mcp__*", "* - mcp__*"),
        ("disallowedTools: shop/*", "* - mcp__shop__*"),
        (
            "disallowedTools: io.github/tools/search",
            "* - mcp__io_github__tools_search",
        ),
        (
            "tools: Read, Write\ndisallowedTools: Write",
            "Read Write - Write",
        ),
        (
            "disallowedTools: Bash(git push:*), books(4)",
            "* - Bash books",
        ),
    ]);
    let (_, messages) = read("disallowedTools: Bash(git push:*), Read, Bash(git reset), books(4)");
    assert_eq!(
        messages,
        [
            "x.md:4:18: note[AG037]: calls of `Bash`, `books` can't be told apart by their arguments: all are denied (check the arguments in the tool itself, and take it out of the list)"
        ]
    );
}

#[test]
fn what_is_not_a_list_of_tools_is_an_error() {
    for (yaml, wanted) in [
        ("tools: 3", "x.md:4:8: error[AG025]: `tools` is a number"),
        (
            "tools: [Read, {}]",
            "x.md:4:15: error[AG025]: `tools` has an item that is a mapping",
        ),
        (
            "tools: {read: yes}",
            "x.md:4:15: error[AG025]: `read` of `tools` is text (it takes `true` or `false`",
        ),
        (
            "disallowedTools: 3",
            "x.md:4:18: error[AG025]: `disallowedTools` is a number",
        ),
        (
            "disallowedTools: true",
            "x.md:4:18: error[AG025]: `disallowedTools` is true or false",
        ),
        (
            "tools: {read: true, bash: ask}",
            "x.md:4:27: error[AG025]: `bash` of `tools` is text (it takes `true` or `false`",
        ),
        (
            "tools: all except Write",
            "x.md:4:8: error[AG025]: `tools` is no list of names (write the names of the tools",
        ),
        (
            "disallowedTools: everything but Read",
            "x.md:4:18: error[AG025]: `disallowedTools` is no list of names (write the names",
        ),
        (
            "disallowedTools: Bash(rm, Write",
            "x.md:4:18: error[AG025]: `disallowedTools` is no list of names (close the bracket",
        ),
        (
            "disallowedTools: [Read, 3]",
            "x.md:4:25: error[AG025]: `disallowedTools` has an item that is a number",
        ),
    ] {
        let (_, messages) = read(yaml);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].starts_with(wanted), "{messages:?}");
    }
}

#[test]
fn names_that_allow_or_deny_nothing_are_warned_of() {
    for (yaml, wanted) in [
        (
            "disallowedTools: Write, Edit.",
            "x.md:4:18: warning[AG027]: `Edit.` denies nothing in `disallowedTools`: no tool can have this name (did you mean `Edit`?)",
        ),
        (
            "disallowedTools: '!Write'",
            "x.md:4:18: warning[AG027]: `!Write` denies nothing in `disallowedTools`: no tool can have this name (did you mean `Write`?)",
        ),
        (
            "tools: '!Write'",
            "x.md:4:8: warning[AG027]: `!Write` allows nothing in `tools` (deny a tool under `disallowedTools`)",
        ),
        (
            "tools: [books, -Write]",
            "x.md:4:16: warning[AG027]: `-Write` allows nothing in `tools` (deny a tool under `disallowedTools`)",
        ),
        (
            "tools: inherit, books",
            "x.md:4:8: warning[AG027]: `inherit` allows nothing in `tools` (remove it, or the other names: alone it allows every tool)",
        ),
    ] {
        let (_, messages) = read(yaml);
        assert_eq!(messages[0], wanted);
    }
    for yaml in [
        "disallowedTools: 'mcp_*, search/usages, @git/status, books(4)'",
        "tools: [inherit]",
    ] {
        let (_, messages) = read(yaml);
        let warned = messages.iter().any(|message| message.contains("warning"));
        assert!(!warned, "{messages:?}");
    }
}

#[test]
fn opencode_switches_single_tools_off() {
    assert_names(&[
        ("tools: {write: false, edit: false}", "* - write edit"),
        ("tools:\n  write: false\n  bash: true", "* - write"),
        ("tools: {books: true}", "*"),
        ("tools: {'*': false, read: true, grep: true}", "read grep"),
        ("tools: {'*': false}", "none"),
        ("tools: {'*': true, bash: false}", "* - bash"),
        ("tools: {'mcp_*': false}", "* - mcp_*"),
        // The last one that matches decides.
        ("tools: {read: true, '*': false}", "none"),
        ("tools: {read: false, '*': true}", "*"),
        (
            "tools: {'*': false, 'mcp_*': true, mcp_buy: false}",
            "mcp_* - mcp_buy",
        ),
    ]);
    let (_, messages) = read("tools: {books: true}");
    assert!(
        messages[0].starts_with("x.md:4:1: note[AG037]: `tools` switches tools on, and none off"),
        "{messages:?}"
    );
    let (access, messages) = read("tools: {'mcp_*': false, mcp_list: true}");
    assert_eq!(access.denied.len(), 1);
    assert!(
        messages[0].contains("`mcp_list` stays denied (`mcp_*` denies it"),
        "{messages:?}"
    );
    assert!(read("tools: {write: false}").1.is_empty());
}

#[test]
fn opencode_permissions() {
    assert_names(&[
        ("permission: {bash: deny}", "* - bash"),
        ("permission: {bash: allow, webfetch: allow}", "*"),
        (
            "permission: {edit: deny}",
            "* - edit write patch multiedit apply_patch",
        ),
        ("permission: {bash: ask}", "* - bash"),
        (
            "permission: {bash: {'*': allow, 'git push *': deny}}",
            "* - bash",
        ),
        (
            "permission: {bash: {'*': ask, 'git log': allow}}",
            "* - bash",
        ),
        ("permission: {bash: {'*': allow}}", "*"),
        ("permission: {'*': deny, read: allow}", "read"),
        ("permission: deny", "none"),
        ("permission: allow", "*"),
        (
            "permission: {external_directory: deny, doom_loop: ask}",
            "*",
        ),
        ("permission: {read: maybe}", "* - read"),
        ("permission: {task: deny}", "* - task"),
        (
            "tools: Read, Grep, Bash\npermission: {'*': deny, read: allow, grep: allow}",
            "Read Grep",
        ),
        (
            "tools: [Read, Bash]\npermission: {bash: deny}",
            "Read Bash - bash",
        ),
    ]);
    let (_, messages) =
        read("permission: {bash: ask, read: {'*': allow, '*.env': deny}, glob: alow}");
    assert_eq!(
        messages,
        [
            "x.md:4:66: warning[AG027]: `alow` is no permission: it denies (did you mean `allow`?)",
            "x.md:4:14: note[AG037]: a service has nobody to ask: `bash` is denied (write `allow` to let the model use it)",
            "x.md:4:25: note[AG037]: calls of `read` can't be told apart by their arguments: all are denied (write `allow`, and check the arguments in the tool itself)",
        ]
    );
}

#[test]
fn copilot_gemini_and_kiro() {
    assert_names(&[
        (
            "tools: ['codebase', 'search/usages', 'github/*']",
            "codebase search/usages mcp__github__*",
        ),
        (
            "tools: ['read', 'github/list_issues']",
            "read mcp__github__list_issues",
        ),
        (
            "tools: [read_file, 'mcp_*', 'mcp_shop_*']",
            "read_file mcp_* mcp_shop_*",
        ),
        (
            "tools: ['@git/status', '@aws', '@builtin']",
            "mcp__git__status mcp__aws__* @builtin",
        ),
        (
            "tools: {web_search: true, view_image: false}",
            "* - view_image",
        ),
    ]);
}

#[test]
fn entries_for_some_calls_allow_nothing() {
    let (_, messages) = read("tools: books(4), maps");
    assert!(
        messages[0].contains(
            "note[AG037]: calls of `books` can't be told apart by their arguments: none is allowed"
        ),
        "{messages:?}"
    );
}

#[test]
fn rules_on_agents_restrict_handoffs() {
    for (yaml, admitted) in [
        ("", [true, true]),
        ("tools: Read", [true, true]),
        ("tools: Read, Agent", [true, true]),
        ("tools: Read, Agent(cook)", [true, false]),
        ("tools: Task(cook, Head Baker), Read", [true, true]),
        ("tools: ['*', 'Agent(head-baker)']", [false, true]),
        ("tools: Agent(*)", [true, true]),
        ("tools: Agent(cook), Agent", [true, true]),
        ("disallowedTools: Task", [false, false]),
        ("disallowedTools: agent", [false, false]),
        ("disallowedTools: '*'", [false, false]),
        ("disallowedTools: Agent(Cook)", [false, true]),
        ("disallowedTools: Task(head-baker)", [true, false]),
        ("disallowedTools: mcp__*", [true, true]),
        (
            "tools: Agent(cook)\ndisallowedTools: Agent(cook)",
            [false, false],
        ),
        (
            "permission: {task: {'*': deny, cook: allow}}",
            [false, false],
        ),
    ] {
        let (access, _) = read(yaml);
        let names = [["cook", "cook"], ["Head Baker", "head-baker"]];
        assert_eq!(
            names.map(|names| access.may_hand_off_to(names)),
            admitted,
            "{yaml}"
        );
    }
}
