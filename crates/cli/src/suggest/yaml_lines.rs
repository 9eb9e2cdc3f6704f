//! Proposed YAML as a tree of lines, some of them commented out.

/// A line of YAML with the lines below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlLine {
    /// The line without its indent.
    pub text: String,
    /// If not, the line and its children are written as comments.
    pub enabled: bool,
    /// The lines below it, indented one level more.
    pub children: Vec<YamlLine>,
}

impl YamlLine {
    /// An enabled line with its children.
    pub fn new(text: impl Into<String>, children: Vec<YamlLine>) -> Self {
        Self {
            text: text.into(),
            enabled: true,
            children,
        }
    }

    /// An enabled line without children.
    pub fn leaf(text: impl Into<String>) -> Self {
        Self::new(text, Vec::new())
    }
}

/// The line `key:` with `children`; enabled if any child is.
pub fn header(key: &str, children: Vec<YamlLine>) -> YamlLine {
    YamlLine {
        text: format!("{key}:"),
        enabled: children.iter().any(|line| line.enabled),
        children,
    }
}

/// The text of `lines`, each with its indent of at least `indent` blanks.
pub fn lines(lines: &[YamlLine], indent: usize) -> Vec<String> {
    let mut written = Vec::new();
    write(lines, indent, None, &mut written);
    written
}

/// `comment` is the column of the `#` where a parent is disabled.
fn write(lines: &[YamlLine], indent: usize, comment: Option<usize>, written: &mut Vec<String>) {
    for line in lines {
        let comment = comment.or_else(|| (!line.enabled).then_some(indent));
        written.push(match comment {
            Some(column) => {
                let blanks = " ".repeat(indent - column);
                format!("{}# {blanks}{}", " ".repeat(column), line.text)
            }
            None => format!("{}{}", " ".repeat(indent), line.text),
        });
        // The children of `- key:` are indented from the key, not from the dash.
        let deeper = if line.text.starts_with("- ") { 4 } else { 2 };
        write(&line.children, indent + deeper, comment, written);
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
            .any(|c| c.is_control() || agentgen_build::inspect::is_hidden(c))
        || words.contains(&text.to_ascii_lowercase().as_str());
    if first && !odd {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
