//! `Write`, `Edit` and `MultiEdit`: changes of one file.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::tools::{Tool, ToolError};
use crate::workspace::file_write;
use crate::workspace::workspace_call::{Stop, Workspace};
use crate::workspace::workspace_folder::is_binary;
use crate::workspace::workspace_path::WorkspacePath;

#[derive(Deserialize, JsonSchema)]
struct WriteInput {
    /// The path of the file, from the root of the workspace: `src/main.rs`.
    file_path: String,
    /// The whole text of the file.
    content: String,
}

#[derive(Deserialize, JsonSchema)]
struct EditInput {
    /// The path of the file, from the root of the workspace: `src/main.rs`.
    file_path: String,
    #[serde(flatten)]
    edit: Replacement,
}

#[derive(Deserialize, JsonSchema)]
struct MultiEditInput {
    /// The path of the file, from the root of the workspace: `src/main.rs`.
    file_path: String,
    /// The changes, one after the other. Each starts from what the one before it has left.
    #[schemars(length(min = 1))]
    edits: Vec<Replacement>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct Replacement {
    /// The text to replace, exactly as it is in the file, without line numbers.
    old_string: String,
    /// The text in its place.
    new_string: String,
    /// Whether all occurrences are replaced. Else there must be exactly one.
    #[serde(default)]
    replace_all: bool,
}

/// The tools that change files.
pub(super) fn all(workspace: &Arc<Workspace>) -> [Box<dyn Tool>; 3] {
    [
        Box::new(workspace.tool(
            "Write",
            "Writes a text file of the workspace: a new one, or over the one that is there. Paths are relative to the root of the workspace.",
            write,
        )),
        Box::new(workspace.tool(
            "Edit",
            "Replaces a text in a file of the workspace. The text must be in the file exactly once, unless `replace_all` is true: take \
             lines around it along until it is unique. An empty `old_string` makes a new file. Paths are relative to the root of the \
             workspace.",
            edit,
        )),
        Box::new(workspace.tool(
            "MultiEdit",
            "Makes several changes of one file of the workspace, as `Edit` makes one. If one of them is not possible, none is made. \
             Paths are relative to the root of the workspace.",
            multi_edit,
        )),
    ]
}

fn write(workspace: &Workspace, input: WriteInput, stop: &Stop) -> Result<String, ToolError> {
    let path = WorkspacePath::read(&input.file_path)?;
    file_write::write(workspace, &path, stop, |existing| {
        let lines = input.content.lines().count();
        let done = match existing {
            Some(_) => "was replaced",
            None => "is new",
        };
        let said = format!("`{path}` {done}: {lines} lines");
        Ok((input.content.into_bytes(), said))
    })
}

fn edit(workspace: &Workspace, input: EditInput, stop: &Stop) -> Result<String, ToolError> {
    replace(workspace, &input.file_path, &[input.edit], stop)
}

fn multi_edit(
    workspace: &Workspace,
    input: MultiEditInput,
    stop: &Stop,
) -> Result<String, ToolError> {
    replace(workspace, &input.file_path, &input.edits, stop)
}

fn replace(
    workspace: &Workspace,
    path: &str,
    edits: &[Replacement],
    stop: &Stop,
) -> Result<String, ToolError> {
    let path = WorkspacePath::read(path)?;
    let max = workspace.settings.file_bytes;
    file_write::write(workspace, &path, stop, |existing| {
        let mut text = match existing {
            None => None,
            Some(bytes) if is_binary(bytes) => {
                return Err(ToolError::new(format!("`{path}` is binary")));
            }
            Some(bytes) => match String::from_utf8(bytes.to_vec()) {
                Ok(text) => Some(text),
                Err(_) => return Err(ToolError::new(format!("`{path}` is not valid UTF-8"))),
            },
        };
        let mut replaced = 0;
        for (index, edit) in edits.iter().enumerate() {
            let (changed, count) = edited(text.as_deref(), edit, max).map_err(|detail| {
                let which = match edits.len() {
                    1 => String::new(),
                    _ => format!("edit {} of {}: ", index + 1, edits.len()),
                };
                ToolError::new(format!("{which}{detail}; `{path}` was not changed"))
            })?;
            text = Some(changed);
            replaced += count;
        }
        let said = match existing {
            Some(_) => format!("`{path}` was changed in {replaced} places"),
            None => format!("`{path}` is new"),
        };
        Ok((text.unwrap_or_default().into_bytes(), said))
    })
}

/// `text` after `edit`, and how many places that changed. `None` is a file that is not there.
///
/// # Errors
/// Why the edit is not possible.
fn edited(text: Option<&str>, edit: &Replacement, max: usize) -> Result<(String, usize), String> {
    let text = match text {
        None if edit.old_string.is_empty() => return Ok((edit.new_string.clone(), 1)),
        None => return Err("there is no such file".to_owned()),
        Some("") if edit.old_string.is_empty() => return Ok((edit.new_string.clone(), 1)),
        Some(text) => text,
    };
    if edit.old_string.is_empty() {
        return Err("`old_string` is empty, and the file is there and not empty".to_owned());
    }
    if edit.old_string == edit.new_string {
        return Err("`old_string` and `new_string` are the same".to_owned());
    }
    let (mut old, mut new) = (edit.old_string.clone(), edit.new_string.clone());
    // The model sees lines without their ends, so it can't know that they are those of Windows.
    if !text.contains(&old) && has_windows_lines(text) {
        let with_ends = |part: &str| part.replace("\r\n", "\n").replace('\n', "\r\n");
        (old, new) = (with_ends(&old), with_ends(&new));
    }
    let count = text.matches(&old).count();
    match count {
        0 => Err("`old_string` is not in the file".to_owned()),
        2.. if !edit.replace_all => Err(format!(
            "`old_string` is in the file {count} times: take more lines along, or set `replace_all`"
        )),
        _ if text.len() + count * new.len() > max + count * old.len() => Err(format!(
            "the file would be larger than the {max} bytes that this workspace allows"
        )),
        _ => Ok((text.replace(&old, &new), count)),
    }
}

/// Whether every line of `text` ends as on Windows.
fn has_windows_lines(text: &str) -> bool {
    let ends = text.matches('\n').count();
    ends > 0 && ends == text.matches("\r\n").count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Replacement, edited};

    #[test]
    fn a_text_is_replaced_where_it_is_clear_which_is_meant() {
        let edit = |old: &str, new: &str, replace_all| Replacement {
            old_string: old.to_owned(),
            new_string: new.to_owned(),
            replace_all,
        };
        for (text, edit, wanted) in [
            (Some("a b a"), edit("b", "c", false), Ok("a c a")),
            (Some("a b a"), edit("a", "c", true), Ok("c b c")),
            (Some("a b a"), edit("a", "c", false), Err("2 times")),
            (Some("a b a"), edit("d", "c", true), Err("not in the file")),
            (Some("a b a"), edit("a", "a", true), Err("the same")),
            (Some("a"), edit("", "x", false), Err("is empty")),
            (Some(""), edit("", "x", false), Ok("x")),
            (None, edit("", "x", false), Ok("x")),
            (None, edit("a", "x", false), Err("no such file")),
            (
                Some("a\r\nb\r\n"),
                edit("a\nb", "c\nd", false),
                Ok("c\r\nd\r\n"),
            ),
            (
                Some("a\r\nb\n"),
                edit("a\nb", "c", false),
                Err("not in the file"),
            ),
            (Some("aaaa"), edit("a", "0123456789", true), Err("larger")),
        ] {
            match (edited(text, &edit, 20), wanted) {
                (Ok((changed, _)), wanted) => assert_eq!(Ok(&*changed), wanted),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (Err(error), _) => panic!("{error}"),
            }
        }
    }
}
