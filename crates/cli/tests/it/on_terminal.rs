//! What is different on a terminal: colours and the log. `script` gives the command one.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::command_folder::Folder;
use crate::serve::{DESK, agentgen};

/// `agentgen` with these arguments, on a terminal.
pub(crate) fn on_terminal(folder: &Folder, arguments: &str) -> Command {
    let own = agentgen(folder, &[]);
    let mut command = Command::new("script");
    // Not every shell replaces itself with its last command, and one that stays is ended by Ctrl-C.
    let program = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_agentgen"));
    command
        .args(["-qec", &program, "/dev/null"])
        .current_dir(folder.path(""))
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// What the command shows until it ends.
fn shown(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn colours_follow_the_terminal() {
    let folder = Folder::new(&[("agents/desk.md", &DESK.replace("path: /ask", "path: [ask"))]);
    let has_colours = |text: String| {
        assert!(text.contains("error") && text.contains("desk.md"), "{text}");
        text.contains('\u{1b}')
    };
    assert!(has_colours(shown(&mut on_terminal(&folder, "check"))));
    assert!(!has_colours(shown(
        on_terminal(&folder, "check").env("NO_COLOR", "1")
    )));
    assert!(!has_colours(shown(&mut on_terminal(
        &folder,
        "check --color never"
    ))));
    assert!(!has_colours(shown(&mut agentgen(&folder, &["check"]))));
    let mut forced = agentgen(&folder, &["check"]);
    assert!(has_colours(shown(forced.env("CLICOLOR_FORCE", "1"))));
}

#[test]
fn the_log_of_a_service_is_text_on_a_terminal_and_else_json() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let about = "no authentication";
    let mut terminal = on_terminal(&folder, "serve --port 0");
    let mut process = terminal.env("AGENTGEN_LOG_LEVEL", "warn").spawn().unwrap();
    let mut screen = BufReader::new(process.stdout.take().unwrap());
    // It is ready for signals when it says that it listens. The log may be before that or after it.
    let mut lines = Vec::new();
    while !["listening on", about].iter().all(|part| has(&lines, part)) {
        let mut line = String::new();
        assert!(screen.read_line(&mut line).unwrap() > 0, "{lines:?}");
        lines.push(line);
    }
    let line = lines.iter().find(|line| line.contains(about)).unwrap();
    assert!(
        line.contains("WARN") && !line.trim_start().starts_with('{'),
        "{line}"
    );
    // Ctrl-C: the terminal makes a signal of it.
    process.stdin.take().unwrap().write_all(b"\x03").unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0), "{rest}");

    let mut piped = agentgen(&folder, &["serve", "--port", "0"]);
    let mut process = piped.env("AGENTGEN_LOG_LEVEL", "warn").spawn().unwrap();
    let mut stderr = BufReader::new(process.stderr.take().unwrap());
    let line = line_with(&mut stderr, about);
    process.kill().unwrap();
    process.wait().unwrap();
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["level"], "WARN", "{json}");
}

fn has(lines: &[String], part: &str) -> bool {
    lines.iter().any(|line| line.contains(part))
}

fn line_with(lines: &mut impl BufRead, part: &str) -> String {
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if line.contains(part) {
            return line;
        }
        line.clear();
    }
    panic!("no line with `{part}`");
}
