//! Pictures in the [DOT language](https://graphviz.org/doc/info/lang.html) of Graphviz.

use std::fmt::Write;

use crate::graph::{Graph, Kind, ON_FAILURE};

/// Writes `graph` as a directed graph with a cluster for each part.
pub fn write(graph: &Graph) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = draw(graph, &mut text);
    text
}

fn draw(graph: &Graph, text: &mut String) -> std::fmt::Result {
    writeln!(text, "digraph {{")?;
    writeln!(text, "    tooltip={};", quoted(&graph.title))?;
    writeln!(text, "    node [fontname=\"sans-serif\", fontsize=12];")?;
    writeln!(text, "    edge [fontname=\"sans-serif\", fontsize=10];")?;
    for (part_index, part) in graph.parts.iter().enumerate() {
        writeln!(text, "    subgraph cluster_{part_index} {{")?;
        writeln!(text, "        label={};", quoted(&part.title))?;
        for (index, node) in part.nodes.iter().enumerate() {
            let style = match node.kind {
                Kind::Agent => "shape=box, style=rounded",
                Kind::Step => "shape=box",
                Kind::Person => "shape=hexagon",
            };
            let label = quoted(&node.lines.join("\n"));
            writeln!(
                text,
                "        p{part_index}n{index} [{style}, label={label}];"
            )?;
        }
        for edge in &part.edges {
            let style = if edge.on_failure {
                format!(" [style=dashed, label=\"{ON_FAILURE}\"]")
            } else {
                String::new()
            };
            let (from, to) = (edge.from, edge.to);
            writeln!(
                text,
                "        p{part_index}n{from} -> p{part_index}n{to}{style};"
            )?;
        }
        writeln!(text, "    }}")?;
    }
    writeln!(text, "}}")
}

/// A string in quotes. Graphviz reads backslashes and HTML's `&…;` in labels.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '&' => quoted.push_str("&amp;"),
            '\u{fffe}' | '\u{ffff}' => quoted.push(' '),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
