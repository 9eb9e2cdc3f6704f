//! Pictures in the language of Mermaid: a [flowchart](https://mermaid.js.org/syntax/flowchart.html).

use std::fmt::Write;

use crate::graph::{Graph, Kind, ON_FAILURE};

/// How many parts stand side by side. Mermaid would draw all of them in one row.
const COLUMNS: usize = 3;

/// Writes `graph` as a flowchart.
pub fn write(graph: &Graph) -> String {
    let mut text = String::from("flowchart TB\n");
    line(&mut text, 1, &format!("accTitle: {}", escape(&graph.title)));
    for (part_index, part) in graph.parts.iter().enumerate() {
        // Ids are numbers: a name could be a word of the language.
        let id = |node: usize| format!("p{part_index}n{node}");
        let title = escape(&part.title);
        line(
            &mut text,
            1,
            &format!("subgraph p{part_index}[\"{title}\"]"),
        );
        for (index, node) in part.nodes.iter().enumerate() {
            let lines: Vec<String> = node.lines.iter().map(|line| escape(line)).collect();
            let label = lines.join("<br/>");
            let shape = match node.kind {
                Kind::Agent => format!("([\"{label}\"])"),
                Kind::Step => format!("[\"{label}\"]"),
                Kind::Person => format!("{{{{\"{label}\"}}}}"),
            };
            line(&mut text, 2, &format!("{}{shape}", id(index)));
        }
        for edge in &part.edges {
            let arrow = if edge.on_failure {
                format!("-.->|\"{ON_FAILURE}\"|")
            } else {
                "-->".to_owned()
            };
            line(
                &mut text,
                2,
                &format!("{} {arrow} {}", id(edge.from), id(edge.to)),
            );
        }
        line(&mut text, 1, "end");
    }
    // Links that are not drawn put each part below another one.
    for below in COLUMNS..graph.parts.len() {
        line(&mut text, 1, &format!("p{} ~~~ p{below}", below - COLUMNS));
    }
    text
}

fn line(text: &mut String, depth: usize, line: &str) {
    text.push_str(&"    ".repeat(depth));
    text.push_str(line);
    text.push('\n');
}

/// Letters, digits, spaces and marks inside words are written as they are; all else could be Mermaid, Markdown
/// or HTML, and is written by its number.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let chars: Vec<char> = text.chars().collect();
    let is_word = |index: Option<usize>| {
        index
            .and_then(|index| chars.get(index))
            .is_some_and(|c| c.is_alphanumeric())
    };
    for (index, &c) in chars.iter().enumerate() {
        let inside = is_word(index.checked_sub(1)) && is_word(Some(index + 1));
        match c {
            ' ' | ',' | ':' => escaped.push(c),
            '-' | '_' | '.' if inside => escaped.push(c),
            c if c.is_alphanumeric() => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            c if c.is_control() => escaped.push(' '),
            // Writing to a String can't fail.
            c => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
        }
    }
    escaped
}
