//! Unified diffs: from the files on disk to those that would be generated, and of files that a command changes.

use std::fs;
use std::time::Duration;

use agentgen_build::inspect::MANIFEST_NAME;
use agentgen_build::{Change, ChangeKind, Plan};
use similar::TextDiff;

/// A unified diff in colours: what is new is green, what goes is red.
pub fn coloured(diff: &str) -> String {
    let line = |line: &str| {
        let colour = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => "1",
            [b'+', ..] => "32",
            [b'-', ..] => "31",
            [b'@', b'@', ..] => "36",
            _ => return line.to_owned(),
        };
        let (text, end) = match line.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (line, ""),
        };
        format!("\u{1b}[{colour}m{text}\u{1b}[0m{end}")
    };
    diff.split_inclusive('\n').map(line).collect()
}

/// Every difference; that of the manifest only where there is no other.
pub fn unified(plan: &Plan<'_>) -> String {
    let changed: Vec<&Change<'_>> = plan
        .changes
        .iter()
        .filter(|change| !matches!(change.kind, ChangeKind::Unchanged | ChangeKind::Keep))
        .collect();
    let only_manifest = changed.len() == 1;
    let mut text = String::new();
    for change in changed {
        let path = format!("{}/{}", plan.name, change.path);
        if change.path == MANIFEST_NAME {
            if only_manifest {
                text.push_str(&format!("{path}: out of date\n"));
            }
            continue;
        }
        // A link is not followed: what it leads to may be anything.
        let on_disk = plan.out.join(&change.path);
        let old = match fs::symlink_metadata(&on_disk) {
            Ok(metadata) if metadata.is_file() => fs::read(&on_disk).unwrap_or_default(),
            _ => Vec::new(),
        };
        let new = change.bytes.unwrap_or_default();
        let (from, to) = match change.kind {
            ChangeKind::Create => ("/dev/null".to_owned(), format!("b/{path}")),
            ChangeKind::Delete => (format!("a/{path}"), "/dev/null".to_owned()),
            _ => (format!("a/{path}"), format!("b/{path}")),
        };
        match (std::str::from_utf8(&old), std::str::from_utf8(new)) {
            (Ok(old), Ok(new)) => {
                let diff = TextDiff::configure()
                    .timeout(Duration::from_secs(1))
                    .diff_lines(old, new);
                let hunks = diff.unified_diff().header(&from, &to).to_string();
                text.push_str(&hunks);
            }
            _ => text.push_str(&format!("Binary files {from} and {to} differ\n")),
        }
    }
    text
}

/// The change of one file as a unified diff that `patch -p1` and `git apply` take in the project's folder. A file that is new
/// has no `old` text.
pub fn of_file(path: &str, old: Option<&str>, new: &str) -> String {
    // Lines end with LF for those who apply a diff, whatever other line ends are in them.
    let before: Vec<&str> = old.unwrap_or_default().split_inclusive('\n').collect();
    let after: Vec<&str> = new.split_inclusive('\n').collect();
    // A blank ends a name for those who apply a diff, unless a tab does.
    let end = if path.contains(' ') { "\t" } else { "" };
    let from = match old {
        Some(_) => format!("a/{path}{end}"),
        None => "/dev/null".to_owned(),
    };
    let diff = TextDiff::configure()
        .newline_terminated(true)
        .diff_slices(&before, &after);
    let mut text = format!("--- {from}\n+++ b/{path}{end}\n");
    for hunk in diff.unified_diff().iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for line in hunk.iter_changes() {
            text.push_str(&format!("{}{}", line.tag(), line.value()));
            if !line.value().ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}
