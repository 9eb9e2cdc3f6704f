//! Pictures as [SVG](https://www.w3.org/TR/SVG11/): one file that needs no other.

use std::fmt::Write;

use dagre::graph::{Graph as Layout, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, Point, RankDir, layout};

use crate::graph::{Graph, Kind, ON_FAILURE, Part};

/// The height of a line of text, in pixels, as all lengths here.
const LINE_HEIGHT: f64 = 17.0;
/// The space around the text of a box, and between the frame of a part and what is in it.
const PADDING: f64 = 12.0;
/// The space between parts, and at the border of the picture.
const GAP: f64 = 24.0;
/// How wide the picture becomes before parts go into a further row.
const ROW: f64 = 1600.0;

const STYLE: &str = "text{font:13px sans-serif;fill:#1f2328;text-anchor:middle}\
.heading{font-weight:bold;text-anchor:start}\
.note{font-size:11px;fill:#9a3412}\
.part{fill:none;stroke:#d0d7de}\
.step{fill:#f6f8fa;stroke:#57606a}\
.agent{fill:#ddf4ff;stroke:#0969da}\
.person{fill:#fff8c5;stroke:#9a6700}\
.edge{fill:none;stroke:#57606a}\
.failure{stroke:#9a3412;stroke-dasharray:5 4}";

/// Draws `graph`. The same graph gives the same bytes.
pub fn write(graph: &Graph) -> String {
    let parts: Vec<Placed> = graph.parts.iter().map(layout_part).collect();
    let (mut x, mut y, mut row_height, mut width) = (GAP, GAP, 0.0_f64, 0.0_f64);
    let mut body = String::new();
    for (part, placed) in graph.parts.iter().zip(&parts) {
        if x > GAP && x + placed.width > ROW {
            (x, y, row_height) = (GAP, y + row_height + GAP, 0.0);
        }
        // Writing to a String can't fail.
        let _ = draw(part, placed, (x, y), &mut body);
        x += placed.width + GAP;
        width = width.max(x);
        row_height = row_height.max(placed.height);
    }
    let height = y + row_height + GAP;
    let title = escape(&graph.title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-labelledby=\"title\" \
         width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <title id=\"title\">{title}</title>\n\
         <style>{STYLE}</style>\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#57606a\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         {body}</svg>\n"
    )
}

/// The layout of one part, relative to its top left corner.
struct Placed {
    width: f64,
    height: f64,
    nodes: Vec<Area>,
    edges: Vec<Route>,
}

/// A box by its middle and its size.
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The points of an edge and the middle of its label.
struct Route {
    points: Vec<Point>,
    label: (f64, f64),
}

fn layout_part(part: &Part) -> Placed {
    let mut graph: Layout<NodeLabel, EdgeLabel> = Layout::with_options(GraphOptions {
        directed: true,
        multigraph: true,
        compound: false,
    });
    for (index, node) in part.nodes.iter().enumerate() {
        let widest = node.lines.iter().map(|line| text_width(line));
        let label = NodeLabel {
            width: widest.fold(60.0, f64::max) + 2.0 * PADDING,
            height: node.lines.len() as f64 * LINE_HEIGHT + PADDING,
            ..NodeLabel::default()
        };
        graph.set_node(index.to_string(), Some(label));
    }
    for (index, edge) in part.edges.iter().enumerate() {
        let mut label = EdgeLabel::default();
        if edge.on_failure {
            label.width = text_width(ON_FAILURE);
            label.height = LINE_HEIGHT;
        }
        let (from, to) = (edge.from.to_string(), edge.to.to_string());
        graph.set_edge(from, to, Some(label), Some(&index.to_string()));
    }
    layout(
        &mut graph,
        Some(LayoutOptions {
            // Steps go on downwards; agents make a list.
            rankdir: if part.nodes.iter().any(|node| node.kind == Kind::Step) {
                RankDir::TB
            } else {
                RankDir::LR
            },
            nodesep: 24.0,
            ranksep: 36.0,
            // Of arrangements that are as good, the one in the order of the spec.
            tie_keep_first: true,
            ..LayoutOptions::default()
        }),
    );
    let (left, top) = (PADDING, 2.0 * PADDING + LINE_HEIGHT);
    let nodes: Vec<Area> = (0..part.nodes.len())
        .filter_map(|index| graph.node(&index.to_string()))
        .map(|node| Area {
            x: node.x.unwrap_or(0.0) + left,
            y: node.y.unwrap_or(0.0) + top,
            width: node.width,
            height: node.height,
        })
        .collect();
    let edges: Vec<Route> = part
        .edges
        .iter()
        .enumerate()
        .filter_map(|(index, edge)| {
            let (from, to) = (edge.from.to_string(), edge.to.to_string());
            graph.edge(&from, &to, Some(&index.to_string()))
        })
        .map(|edge| Route {
            points: edge
                .points
                .iter()
                .map(|point| Point::new(point.x + left, point.y + top))
                .collect(),
            label: (edge.x.unwrap_or(0.0) + left, edge.y.unwrap_or(0.0) + top),
        })
        .collect();
    let points = edges.iter().flat_map(|edge| &edge.points);
    let labels = edges
        .iter()
        .map(|edge| edge.label.0 + text_width(ON_FAILURE) / 2.0);
    let right = nodes
        .iter()
        .map(|node| node.x + node.width / 2.0)
        .chain(points.clone().map(|point| point.x))
        .chain(labels)
        .fold(0.0, f64::max);
    let bottom = nodes
        .iter()
        .map(|node| node.y + node.height / 2.0)
        .chain(points.map(|point| point.y))
        .fold(top, f64::max);
    Placed {
        width: right.max(heading_width(&part.title) + PADDING) + PADDING,
        height: bottom + PADDING,
        nodes,
        edges,
    }
}

fn draw(
    part: &Part,
    placed: &Placed,
    (left, top): (f64, f64),
    svg: &mut String,
) -> std::fmt::Result {
    writeln!(svg, "<g transform=\"translate({left:.0} {top:.0})\">")?;
    let (width, height) = (placed.width, placed.height);
    writeln!(
        svg,
        "<rect class=\"part\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\"/>"
    )?;
    let title = escape(&part.title);
    let (x, y) = (PADDING, PADDING + LINE_HEIGHT / 2.0);
    writeln!(
        svg,
        "<text class=\"heading\" x=\"{x:.0}\" y=\"{y:.0}\">{title}</text>"
    )?;
    for (edge, route) in part.edges.iter().zip(&placed.edges) {
        let points: Vec<String> = route
            .points
            .iter()
            .map(|point| format!("{:.0},{:.0}", point.x, point.y))
            .collect();
        let class = if edge.on_failure {
            "edge failure"
        } else {
            "edge"
        };
        let points = points.join(" ");
        writeln!(
            svg,
            "<polyline class=\"{class}\" marker-end=\"url(#arrow)\" points=\"{points}\"/>"
        )?;
        if edge.on_failure {
            let (x, y) = route.label;
            writeln!(
                svg,
                "<text class=\"note\" x=\"{x:.0}\" y=\"{y:.0}\">{ON_FAILURE}</text>"
            )?;
        }
    }
    for (node, area) in part.nodes.iter().zip(&placed.nodes) {
        let (class, radius) = match node.kind {
            Kind::Agent => ("agent", 12),
            Kind::Step => ("step", 2),
            Kind::Person => ("person", 12),
        };
        let (x, y) = (area.x - area.width / 2.0, area.y - area.height / 2.0);
        let (width, height) = (area.width, area.height);
        writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"{radius}\"/>"
        )?;
        for (index, line) in node.lines.iter().enumerate() {
            let weight = match (node.kind, index) {
                (Kind::Step, 0) => " font-weight=\"bold\"",
                _ => "",
            };
            let baseline = y + PADDING / 2.0 + LINE_HEIGHT * (index as f64 + 0.75);
            let (middle, line) = (area.x, escape(line));
            writeln!(
                svg,
                "<text{weight} x=\"{middle:.0}\" y=\"{baseline:.0}\">{line}</text>"
            )?;
        }
    }
    writeln!(svg, "</g>")
}

/// About as wide as the text can become in a common font of 13 pixels; scripts of East Asia are square.
fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|c| if c < '\u{1100}' { 7.4 } else { 13.0 })
        .sum()
}

fn heading_width(text: &str) -> f64 {
    text_width(text) * 1.2
}

/// Text of an XML document; what XML can't hold becomes a space.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
