//! `Grep`: the files, or the lines of files, that a regular expression fits.

use std::ops::ControlFlow;
use std::sync::Arc;

use cap_fs_ext::FollowSymlinks;
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::tools::{Tool, ToolError, idempotent};
use crate::workspace::file_filter::FileFilter;
use crate::workspace::limited_text::{LimitedText, cut};
use crate::workspace::line_search::{Around, search};
use crate::workspace::tree_walk::{FoundFile, TIME_IS_OVER, walk};
use crate::workspace::workspace_call::{Stop, Workspace};
use crate::workspace::workspace_folder::{is_binary, open_file, read_file};
use crate::workspace::workspace_path::WorkspacePath;

/// The most bytes of a line that the model gets.
const MAX_LINE: usize = 500;
/// The most lines around one that fits.
const MAX_AROUND: usize = 500;
/// The most bytes of a compiled pattern.
const MAX_PATTERN: usize = 1 << 20;

#[derive(Deserialize, JsonSchema)]
struct GrepInput {
    /// The regular expression, in the syntax of ripgrep.
    pattern: String,
    /// The file or folder to search in, from the root of the workspace; the root itself without it.
    #[serde(default)]
    path: Option<String>,
    /// Which files are searched: `*.js`, `src/**/*.{ts,tsx}`, or `!*.lock`; several with blanks between them.
    #[serde(default)]
    glob: Option<String>,
    /// A type of files as ripgrep knows them: `js`, `py`, `rust`, `go`, `java`.
    #[serde(default, rename = "type")]
    file_type: Option<String>,
    /// `files_with_matches` lists paths, `content` shows lines, `count` counts lines.
    #[serde(default)]
    output_mode: OutputMode,
    /// With `content`: how many lines after each line that fits.
    #[serde(default, rename = "-A")]
    after: Option<usize>,
    /// With `content`: how many lines before each line that fits.
    #[serde(default, rename = "-B")]
    before: Option<usize>,
    /// With `content`: how many lines before and after each line that fits.
    #[serde(default, rename = "-C")]
    context: Option<usize>,
    /// With `content`: whether lines have their numbers; true without it.
    #[serde(default, rename = "-n")]
    numbers: Option<bool>,
    /// Whether upper and lower case are the same.
    #[serde(default, rename = "-i")]
    ignore_case: Option<bool>,
    /// The most lines or paths of the result; all without it, or with 0.
    #[serde(default)]
    head_limit: Option<usize>,
    /// How many lines or paths are left out at the beginning of the result.
    #[serde(default)]
    offset: Option<usize>,
    /// Whether the pattern may go over several lines, and `.` fits the end of a line.
    #[serde(default)]
    multiline: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum OutputMode {
    Content,
    #[default]
    FilesWithMatches,
    Count,
}

pub(super) fn grep(workspace: &Arc<Workspace>) -> Box<dyn Tool> {
    let description = "Searches the files of the workspace for a regular expression. Paths are relative to the root of the workspace. \
                       What `.gitignore` leaves out is not searched, nor are hidden and binary files.";
    Box::new(idempotent(workspace.tool("Grep", description, run)))
}

fn run(workspace: &Workspace, input: GrepInput, stop: &Stop) -> Result<String, ToolError> {
    let start = WorkspacePath::read(input.path.as_deref().unwrap_or_default())?;
    let max = workspace.settings.file_bytes;
    let lines = input.head_limit.filter(|lines| *lines > 0);
    let result = LimitedText::new(
        workspace.settings.result_bytes,
        input.offset.unwrap_or(0),
        lines.unwrap_or(usize::MAX),
    );
    let mut grep = Grep {
        pattern: pattern(&input)?,
        multiline: input.multiline == Some(true),
        mode: input.output_mode,
        around: around(&input),
        numbers: input.numbers != Some(false),
        result,
        needs_gap: false,
        stop,
    };
    let is_file = workspace.folder.root.metadata(start.to_string());
    if is_file.is_ok_and(|metadata| !metadata.is_dir()) {
        let bytes = workspace.folder.read(&start, max)?;
        let _ = grep.file(&start.to_string(), &bytes);
        let notes = match stop.is_over() {
            true => vec![TIME_IS_OVER.to_owned()],
            false => Vec::new(),
        };
        return Ok(grep.finish(notes, 0));
    }
    let globs = input.glob.as_deref().unwrap_or_default();
    let globs: Vec<&str> = globs.split_whitespace().collect();
    let filter = FileFilter::new(String::new(), &globs, input.file_type.as_deref())?;
    let mut bytes = Vec::new();
    let mut too_large = 0;
    let mut visit = |file: FoundFile<'_>| {
        let Ok(opened) = open_file(file.folder, file.name, FollowSymlinks::No) else {
            return ControlFlow::Continue(());
        };
        match read_file(opened, max, &mut bytes) {
            Ok(true) => grep.file(file.path, &bytes),
            Ok(false) => {
                too_large += 1;
                ControlFlow::Continue(())
            }
            Err(_) => ControlFlow::Continue(()),
        }
    };
    let notes = walk(workspace, &start, &filter, stop, &mut visit)?;
    Ok(grep.finish(notes, too_large))
}

fn pattern(input: &GrepInput) -> Result<Regex, ToolError> {
    RegexBuilder::new(&input.pattern)
        .case_insensitive(input.ignore_case == Some(true))
        .multi_line(true)
        .crlf(true)
        .dot_matches_new_line(input.multiline == Some(true))
        .size_limit(MAX_PATTERN)
        .build()
        .map_err(|error| ToolError::new(format!("the pattern can't be used: {error}")))
}

fn around(input: &GrepInput) -> Around {
    let lines = |own: Option<usize>| own.or(input.context).unwrap_or(0).min(MAX_AROUND);
    match input.output_mode {
        OutputMode::Content => Around {
            before: lines(input.before),
            after: lines(input.after),
        },
        OutputMode::FilesWithMatches | OutputMode::Count => Around::default(),
    }
}

/// A search over several files.
struct Grep<'a> {
    pattern: Regex,
    multiline: bool,
    mode: OutputMode,
    around: Around,
    numbers: bool,
    result: LimitedText,
    /// Whether lines of an earlier file stand before those of this one, which context divides.
    needs_gap: bool,
    stop: &'a Stop,
}

impl Grep<'_> {
    /// Searches the file at `path`. Breaks when the result is full.
    fn file(&mut self, path: &str, bytes: &[u8]) -> ControlFlow<()> {
        if is_binary(bytes) {
            return ControlFlow::Continue(());
        }
        let (mode, numbers, stop) = (self.mode, self.numbers, self.stop);
        let divides = self.around.before > 0 || self.around.after > 0;
        let result = &mut self.result;
        let mut needs_gap = self.needs_gap;
        let mut count = 0_usize;
        let mut is_full = ControlFlow::Continue(());
        let _ = search(
            bytes,
            &self.pattern,
            self.multiline,
            self.around,
            &|| stop.is_over(),
            &mut |line| {
                count += 1;
                match mode {
                    OutputMode::FilesWithMatches => return ControlFlow::Break(()),
                    OutputMode::Count => return ControlFlow::Continue(()),
                    OutputMode::Content => {}
                }
                if divides && (line.is_gap || std::mem::take(&mut needs_gap)) {
                    is_full = result.line("--");
                    is_full?;
                }
                let text = String::from_utf8_lossy(line.text);
                let mark = if line.is_match { ':' } else { '-' };
                let number = match numbers {
                    true => format!("{}{mark}", line.number),
                    false => String::new(),
                };
                let end = if text.len() > MAX_LINE {
                    " [cut off]"
                } else {
                    ""
                };
                is_full = result.line(&format!(
                    "{path}{mark}{number}{}{end}",
                    cut(&text, MAX_LINE)
                ));
                is_full
            },
        );
        if count == 0 {
            return ControlFlow::Continue(());
        }
        self.needs_gap = true;
        match mode {
            OutputMode::Content => is_full,
            OutputMode::FilesWithMatches => self.result.line(path),
            OutputMode::Count => self.result.line(&format!("{path}:{count}")),
        }
    }

    fn finish(self, mut notes: Vec<String>, too_large: usize) -> String {
        if self.result.is_cut() {
            notes.push("cut off: there is more; use a narrower pattern, or `offset`".to_owned());
        }
        if too_large > 0 {
            notes.push(format!(
                "{too_large} files are too large and were not searched"
            ));
        }
        self.result.finish("[nothing found]", &notes)
    }
}
