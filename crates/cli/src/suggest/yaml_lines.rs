//! YAML that is proposed: lines below lines, of which some count and some are comments.

/// A line of YAML with the lines below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The line without its indent.
    pub text: String,
    /// Whether it counts; if not, it and all below it are written as comments.
    pub live: bool,
    /// The lines below it.
    pub below: Vec<Branch>,
}

impl Branch {
    /// A line that counts, with those below it.
    pub fn new(text: impl Into<String>, below: Vec<Branch>) -> Self {
        Self {
            text: text.into(),
            live: true,
            below,
        }
    }

    /// A line that counts, with none below it.
    pub fn leaf(text: impl Into<String>) -> Self {
        Self::new(text, Vec::new())
    }
}

/// The branch `key` with `below`; it counts if anything below it does.
pub fn header(key: &str, below: Vec<Branch>) -> Branch {
    Branch {
        text: format!("{key}:"),
        live: below.iter().any(|branch| branch.live),
        below,
    }
}

/// The lines of `branches`, each with its indent.
pub fn lines(branches: &[Branch], indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    write(branches, indent, None, &mut lines);
    lines
}

fn write(branches: &[Branch], indent: usize, comment: Option<usize>, lines: &mut Vec<String>) {
    for branch in branches {
        let comment = comment.or_else(|| (!branch.live).then_some(indent));
        lines.push(match comment {
            Some(column) => {
                let blanks = " ".repeat(indent - column);
                format!("{}# {blanks}{}", " ".repeat(column), branch.text)
            }
            None => format!("{}{}", " ".repeat(indent), branch.text),
        });
        // What is below an item stands below its key, not below its dash.
        let deeper = if branch.text.starts_with("- ") { 4 } else { 2 };
        write(&branch.below, indent + deeper, comment, lines);
    }
}

/// `text` as YAML: plain where that is the same text, else in double quotes.
pub fn scalar(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let odd = text.contains(": ")
        || text.contains(" #")
        || text.ends_with([':', ' '])
        || text
            .chars()
            .any(|c| c.is_control() || agentgen_build::text::printable::is_hidden(c))
        || words.contains(&text.to_ascii_lowercase().as_str());
    match first && !odd {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}
