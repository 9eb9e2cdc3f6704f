//! `Glob`: the files whose paths fit a pattern.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::tools::{Tool, ToolError, idempotent};
use crate::workspace::file_filter::FileFilter;
use crate::workspace::limited_text::LimitedText;
use crate::workspace::tree_walk::{FoundFile, walk};
use crate::workspace::workspace_call::{Stop, Workspace};
use crate::workspace::workspace_path::WorkspacePath;

/// The most files that are sorted by their time.
const MAX_FOUND: usize = 20_000;

#[derive(Deserialize, JsonSchema)]
struct GlobInput {
    /// The pattern: `**/*.rs`, `src/**/*.{ts,tsx}`. One without `/` fits names in every folder.
    pattern: String,
    /// The folder to look in, from the root of the workspace; the root itself without it.
    #[serde(default)]
    path: Option<String>,
}

pub(super) fn glob(workspace: &Arc<Workspace>) -> Box<dyn Tool> {
    let description = "Lists the files of the workspace whose paths fit a pattern, the one that was changed last first. What `.gitignore` \
                       leaves out is not there, nor are hidden files, unless the pattern names them as in `.github/**`.";
    Box::new(idempotent(workspace.tool("Glob", description, run)))
}

fn run(workspace: &Workspace, input: GlobInput, stop: &Stop) -> Result<String, ToolError> {
    let start = WorkspacePath::read(input.path.as_deref().unwrap_or_default())?;
    // Else nothing would be left to find, or everything but what is meant.
    let pattern = input.pattern.trim_start_matches("./");
    WorkspacePath::read(pattern.trim_start_matches('!'))?;
    if pattern.is_empty() {
        return Err(ToolError::new("the pattern is empty"));
    }
    let base = match start.names() {
        [] => String::new(),
        _ => format!("{start}/"),
    };
    let filter = FileFilter::new(base, &[pattern], None)?;
    let mut found = Vec::new();
    let mut is_cut = false;
    let mut visit = |file: FoundFile<'_>| {
        if found.len() == MAX_FOUND {
            is_cut = true;
            return ControlFlow::Break(());
        }
        let metadata = file.folder.symlink_metadata(file.name);
        let modified = metadata.and_then(|metadata| metadata.modified()).ok();
        found.push((
            Reverse(modified.map(cap_std::time::SystemTime::into_std)),
            file.path.to_owned(),
        ));
        ControlFlow::Continue(())
    };
    let mut notes = walk(workspace, &start, &filter, stop, &mut visit)?;
    if is_cut {
        notes.push(format!(
            "only the first {MAX_FOUND} files were looked at: use a narrower pattern"
        ));
    }
    found.sort_unstable();
    let mut result = LimitedText::new(workspace.settings.result_bytes, 0, usize::MAX);
    for (_, path) in &found {
        if result.line(path).is_break() {
            let count = found.len();
            notes.push(format!(
                "cut off: {count} files were found; use a narrower pattern"
            ));
            break;
        }
    }
    Ok(result.finish("[no files found]", &notes))
}
