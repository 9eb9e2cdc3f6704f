//! `Read`: the lines of a file.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::tools::{Tool, ToolError, idempotent};
use crate::workspace::limited_text::{LimitedText, cut};
use crate::workspace::workspace_call::{Stop, Workspace};
use crate::workspace::workspace_folder::is_binary;
use crate::workspace::workspace_path::WorkspacePath;

/// How many lines are read where the call does not say.
const DEFAULT_LINES: usize = 2000;
/// The most bytes of a line that the model gets.
const MAX_LINE: usize = 2000;

#[derive(Deserialize, JsonSchema)]
struct ReadInput {
    /// The path of the file, from the root of the workspace: `src/main.rs`.
    file_path: String,
    /// The number of the first line, from 1.
    #[serde(default)]
    offset: Option<usize>,
    /// How many lines; 2000 without it.
    #[serde(default)]
    limit: Option<usize>,
}

pub(super) fn read(workspace: &Arc<Workspace>) -> Box<dyn Tool> {
    let description = "Reads a text file of the workspace. The result has a line number and a tab before each line. Paths are relative to \
                       the root of the workspace.";
    Box::new(idempotent(workspace.tool("Read", description, run)))
}

fn run(workspace: &Workspace, input: ReadInput, _: &Stop) -> Result<String, ToolError> {
    let path = WorkspacePath::read(&input.file_path)?;
    let bytes = workspace
        .folder
        .read(&path, workspace.settings.file_bytes)?;
    if is_binary(&bytes) {
        return Err(ToolError::new(format!(
            "`{path}` is binary: it has {} bytes that are no text",
            bytes.len()
        )));
    }
    let text = String::from_utf8_lossy(&bytes);
    let first = input.offset.unwrap_or(1).max(1);
    let most = input.limit.unwrap_or(DEFAULT_LINES);
    let mut result = LimitedText::new(workspace.settings.result_bytes, 0, most);
    let mut shown = 0;
    for (index, line) in text.lines().enumerate().skip(first - 1) {
        let number = index + 1;
        let end = if line.len() > MAX_LINE {
            " [cut off]"
        } else {
            ""
        };
        let line = format!("{number:>6}\t{}{end}", cut(line, MAX_LINE));
        if result.line(&line).is_break() {
            break;
        }
        shown += 1;
    }
    let lines = text.lines().count();
    let mut notes = Vec::new();
    if result.is_cut() {
        let next = first + shown;
        notes.push(format!(
            "cut off: the file has {lines} lines; go on with `offset` {next}"
        ));
    }
    if matches!(text, std::borrow::Cow::Owned(_)) {
        notes
            .push("the file is not valid UTF-8; \u{fffd} stands for what can't be read".to_owned());
    }
    let nothing = match lines {
        0 => "[the file is empty]".to_owned(),
        _ => format!("[the file has {lines} lines]"),
    };
    Ok(result.finish(&nothing, &notes))
}
