//! The lines of a value as one text.

use crate::text::lines::{common_indent, unindented};

/// The first line and those that continue it as one text: folded as YAML folds, unless one of the further lines is
/// structure.
pub fn joined(first: &str, rest: &[&str]) -> String {
    let mut lines = vec![first.trim()];
    if rest.iter().any(|line| is_structure(line)) {
        let indent = common_indent(rest.iter().copied());
        lines.extend(rest.iter().map(|line| unindented(line, indent).trim_end()));
        return lines.join("\n").trim().to_owned();
    }
    lines.extend(rest.iter().map(|line| line.trim()));
    fold(&lines)
}

/// Lines with single breaks made blanks, and as many breaks kept as there are blank lines between.
pub fn fold(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut blanks = 0;
    for line in lines {
        if line.trim().is_empty() {
            blanks += 1;
            continue;
        }
        if !text.is_empty() {
            match blanks {
                0 => text.push(' '),
                _ => text.push_str(&"\n".repeat(blanks)),
            }
        }
        blanks = 0;
        text.push_str(line);
    }
    text
}

/// A line without what follows ` #` in it.
pub fn without_comment(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .find(|(at, _)| line[..*at].ends_with([' ', '\t']));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// Whether a line looks like more than prose: a tag, a list item, a heading, or `Word:`.
fn is_structure(line: &str) -> bool {
    let line = line.trim_start();
    let numbered = line.split_once(['.', ')']).is_some_and(|(number, rest)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && rest.starts_with(' ')
    });
    let labelled = line.split_once(':').is_some_and(|(label, rest)| {
        !label.is_empty()
            && (rest.is_empty() || rest.starts_with([' ', '\t']))
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    });
    let tagged = line
        .strip_prefix('<')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'));
    tagged
        || line.starts_with("- ")
        || line.starts_with("* ")
        || line.starts_with('#')
        || numbered
        || labelled
}
