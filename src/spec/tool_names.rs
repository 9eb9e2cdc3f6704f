//! Names of tools: those that harnesses bring along, and how they write the tools of MCP servers.

/// The tools that Claude Code brings along: they work on a developer's machine, with files, a shell and a terminal. In
/// order; a service has none of them.
/// See <https://code.claude.com/docs/en/settings#tools-available-to-claude>.
const BUILT_IN: [&str; 38] = [
    "Agent",
    "AskUserQuestion",
    "Bash",
    "BashOutput",
    "Edit",
    "EnterPlanMode",
    "EnterWorktree",
    "ExitPlanMode",
    "ExitWorktree",
    "Glob",
    "Grep",
    "KillBash",
    "KillShell",
    "LS",
    "LSP",
    "ListMcpResourcesTool",
    "MultiEdit",
    "NotebookEdit",
    "NotebookRead",
    "PowerShell",
    "Read",
    "ReadMcpResourceTool",
    "Skill",
    "SlashCommand",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "TodoRead",
    "TodoWrite",
    "ToolSearch",
    "View",
    "WebFetch",
    "WebSearch",
    "Write",
];

/// The tools of GitHub Copilot, OpenCode, Gemini CLI, Codex and pi, in order. They are plain words, and a service may have a tool
/// of the same name.
const OF_OTHER_HARNESSES: [&str; 57] = [
    "agent",
    "apply_patch",
    "bash",
    "browser",
    "changes",
    "codebase",
    "codesearch",
    "custom-agent",
    "edit",
    "editFiles",
    "execute",
    "extensions",
    "fetch",
    "find",
    "findTestFiles",
    "githubRepo",
    "glob",
    "google_web_search",
    "grep",
    "grep_search",
    "list",
    "list_directory",
    "ls",
    "lsp",
    "multiedit",
    "openSimpleBrowser",
    "patch",
    "problems",
    "question",
    "read",
    "read_file",
    "read_many_files",
    "replace",
    "runCommands",
    "runTasks",
    "runTests",
    "run_shell_command",
    "save_memory",
    "search",
    "search_file_content",
    "shell",
    "skill",
    "task",
    "terminalLastCommand",
    "testFailure",
    "todo",
    "todoread",
    "todowrite",
    "update_plan",
    "usages",
    "view_image",
    "vscode",
    "web",
    "web_fetch",
    "webfetch",
    "websearch",
    "write",
];

/// Groups of tools in VS Code, in order: `search/usages` is a tool of the editor and not one of an MCP server.
const EDITOR_GROUPS: [&str; 12] = [
    "agent",
    "browser",
    "edit",
    "execute",
    "new",
    "read",
    "runCommands",
    "runTasks",
    "search",
    "todo",
    "vscode",
    "web",
];

/// Whether the tool is one of Claude Code's own, which no service has unless it brings one of that name.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.binary_search(&name).is_ok()
}

/// Whether a harness brings a tool of this name along.
pub fn is_known(name: &str) -> bool {
    is_built_in(name) || OF_OTHER_HARNESSES.binary_search(&name).is_ok()
}

/// The tools that harnesses bring along.
pub fn known() -> impl Iterator<Item = &'static str> {
    BUILT_IN.into_iter().chain(OF_OTHER_HARNESSES)
}

/// Whether a tool can have this name, in which `*` stands for any characters.
pub fn is_possible(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
    !name.is_empty() && name.chars().all(fits)
}

/// The server and the tool on it that `name` means: `mcp__server__tool` in Claude Code, `server/tool` in Copilot, `@server/tool` in
/// Kiro. The tool is empty where the whole server is meant.
pub fn mcp_parts(name: &str) -> Option<(&str, &str)> {
    let (server, tool) = if let Some(rest) = name.strip_prefix("mcp__") {
        rest.split_once("__").unwrap_or((rest, ""))
    } else if let Some(rest) = name.strip_prefix('@') {
        let parts = rest.split_once('/').unwrap_or((rest, ""));
        if parts == ("builtin", "") {
            return None;
        }
        parts
    } else {
        let (server, tool) = name.split_once('/')?;
        if EDITOR_GROUPS.contains(&server) {
            return None;
        }
        (server, tool)
    };
    let fits = |part: &str| part.chars().all(|c| !c.is_whitespace() && c != '(');
    (!server.is_empty() && fits(server) && fits(tool)).then_some((server, tool))
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, OF_OTHER_HARNESSES, mcp_parts};

    #[test]
    fn the_lists_are_in_order() {
        assert!(BUILT_IN.is_sorted() && OF_OTHER_HARNESSES.is_sorted());
    }

    #[test]
    fn tools_of_mcp_servers_in_the_spellings_of_the_harnesses() {
        for (name, parts) in [
            ("mcp__db__query", Some(("db", "query"))),
            ("mcp__db", Some(("db", ""))),
            ("mcp__db__*", Some(("db", "*"))),
            ("mcp__*", Some(("*", ""))),
            ("github/*", Some(("github", "*"))),
            ("github/list_issues", Some(("github", "list_issues"))),
            (
                "io.github/tools/search",
                Some(("io.github", "tools/search")),
            ),
            ("@git/status", Some(("git", "status"))),
            ("@git", Some(("git", ""))),
            ("@builtin", None),
            ("search/usages", None),
            ("edit/editFiles", None),
            ("mcp__", None),
            ("read and/or write", None),
            ("books", None),
        ] {
            assert_eq!(mcp_parts(name), parts, "{name}");
        }
    }
}
