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

/// A file's name for those who apply a diff. A line end in it would begin another header, so that the diff would change another
/// file: such names are quoted, as git does. A blank ends a name, unless a tab does.
fn diff_name(name: &str) -> String {
    if !name.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')) {
        let end = if name.contains(' ') { "\t" } else { "" };
        return format!("{name}{end}");
    }
    let mut quoted = "\"".to_owned();
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            0x20..0x7f => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted + "\""
}

/// The change of one file as a unified diff that `patch -p1` and `git apply` take in the project's folder. A file that is new
/// has no `old` text.
pub fn of_file(path: &str, old: Option<&str>, new: &str) -> String {
    // Lines end with LF for those who apply a diff, whatever other line ends are in them.
    let before: Vec<&str> = old.unwrap_or_default().split_inclusive('\n').collect();
    let after: Vec<&str> = new.split_inclusive('\n').collect();
    let from = match old {
        Some(_) => diff_name(&format!("a/{path}")),
        None => "/dev/null".to_owned(),
    };
    let to = diff_name(&format!("b/{path}"));
    let diff = TextDiff::configure()
        .newline_terminated(true)
        .diff_slices(&before, &after);
    let mut text = format!("--- {from}\n+++ {to}\n");
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

#[cfg(test)]
mod tests {
    use super::of_file;

    #[test]
    fn a_name_can_not_begin_another_header() {
        let diff = of_file("agents/a\n+++ b.md", Some("x\n"), "y\n");
        let names = "--- \"a/agents/a\\012+++ b.md\"\n+++ \"b/agents/a\\012+++ b.md\"\n";
        assert!(diff.starts_with(names), "{diff}");
        let diff = of_file("agents/a b.md", None, "y\n");
        assert!(
            diff.starts_with("--- /dev/null\n+++ b/agents/a b.md\t\n"),
            "{diff}"
        );
    }
}
