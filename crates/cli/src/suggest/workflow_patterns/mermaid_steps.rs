//! Reads the steps of a flowchart in Mermaid.

use crate::suggest::reading::MAX_FINDINGS;
use crate::suggest::reading::agent_mentions::{Names, split};
use crate::suggest::workflow_patterns::assignment::parse_assignment;
use crate::suggest::workflow_patterns::step_groups::Group;

/// A graph of names, each with what is written in its place.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Node {
    name: String,
    label: String,
    line: usize,
    /// Whether it asks which way is taken.
    decides: bool,
}

/// The groups of the Mermaid flowchart in `code`, whose first line has the number `first`. None where it is something
/// else, or where it leaves open which of several ways is taken.
pub fn of_mermaid(code: &str, first: usize, names: &Names<'_>) -> Option<Vec<Group>> {
    let mut lines = code
        .lines()
        .enumerate()
        .map(|(index, line)| (first + index, line.trim()));
    let is_head = |line: &str| line.starts_with("graph") || line.starts_with("flowchart");
    lines.find(|(_, line)| is_head(line))?;
    let mut graph = Graph::default();
    for (number, line) in lines {
        let word = line.split_whitespace().next().unwrap_or_default();
        if [
            "%%",
            "subgraph",
            "end",
            "classDef",
            "class",
            "style",
            "linkStyle",
            "click",
            "direction",
        ]
        .contains(&word)
        {
            continue;
        }
        let line = straight(line.trim_end_matches(';'));
        let mut before: Vec<usize> = Vec::new();
        for part in split(&line, &["-->"]) {
            // The label of an arrow: `-->|yes|`.
            let part = part.trim();
            let part = part
                .strip_prefix('|')
                .and_then(|part| Some(part.split_once('|')?.1))
                .unwrap_or(part);
            let these: Vec<usize> = split(part, &["&"])
                .into_iter()
                .filter_map(|node| graph.node(node.trim(), number))
                .collect();
            for from in &before {
                graph.edges.extend(these.iter().map(|to| (*from, *to)));
            }
            before = these;
        }
    }
    (graph.nodes.len() <= MAX_FINDINGS).then_some(())?;
    graph.groups(names)
}

/// `line` with each arrow as `-->`.
fn straight(line: &str) -> String {
    let mut line = line
        .replace("-.->", "-->")
        .replace("==>", "-->")
        .replace("--->", "-->");
    // `A -- yes --> B`
    while let Some(at) = line.find("-- ")
        && let Some(length) = line[at..].find("-->")
    {
        line.replace_range(at..at + length, "");
    }
    line.replace("---", "-->")
}

impl Graph {
    /// The node that `text` writes, such as `A[planner]`.
    fn node(&mut self, text: &str, line: usize) -> Option<usize> {
        let text = text.split(":::").next().unwrap_or(text);
        let end = text.find(['[', '(', '{', '>']).unwrap_or(text.len());
        let (name, shape) = (text[..end].trim(), &text[end..]);
        (!name.is_empty()).then_some(())?;
        let at = match self.nodes.iter().position(|node| node.name == name) {
            Some(at) => at,
            None => {
                self.nodes.push(Node {
                    name: name.to_owned(),
                    label: name.to_owned(),
                    line,
                    decides: false,
                });
                self.nodes.len() - 1
            }
        };
        let label = shape.trim_matches(|c: char| "[](){}<>/\"' ".contains(c));
        if !label.is_empty() {
            let breaks = ["<br/>", "<br />", "<br>", "\\n"];
            let parted = breaks.iter().find_map(|mark| label.split_once(mark));
            self.nodes[at].label = match parted {
                Some((first, rest)) => format!("{first}: {rest}"),
                None => label.to_owned(),
            };
            self.nodes[at].decides = shape.starts_with('{') && !shape.starts_with("{{");
        }
        Some(at)
    }

    /// The agents of the graph, each in the first group that comes behind all it waits for.
    fn groups(mut self, names: &Names<'_>) -> Option<Vec<Group>> {
        let back = self.back_edges();
        self.edges.retain(|edge| !back.contains(edge));
        let open = |(at, node): (usize, &Node)| {
            node.decides && self.edges.iter().filter(|(from, _)| *from == at).count() > 1
        };
        if self.nodes.iter().enumerate().any(open) {
            return None;
        }
        let steps = self.nodes.iter().map(|node| {
            let found = parse_assignment(&node.label, names).filter(|found| found.is_step)?;
            Some(Group::of(Some(found), &node.label, &[], node.line))
        });
        let steps: Vec<Option<Group>> = steps.collect();
        let mut levels = vec![0; self.nodes.len()];
        for _ in 0..self.nodes.len() {
            for (from, to) in &self.edges {
                let behind = levels[*from] + usize::from(steps[*from].is_some());
                levels[*to] = behind.max(levels[*to]);
            }
        }
        let mut groups: Vec<(usize, Group)> = Vec::new();
        for (level, group) in levels.into_iter().zip(steps) {
            let Some(group) = group else { continue };
            match groups.iter_mut().find(|(other, _)| *other == level) {
                Some((_, same)) => {
                    same.parallel = true;
                    same.steps.extend(group.steps);
                }
                None => groups.push((level, group)),
            }
        }
        groups.sort_by_key(|(level, _)| *level);
        (groups.len() > 1).then(|| groups.into_iter().map(|(_, group)| group).collect())
    }

    /// The edges that lead back to where their way came from.
    fn back_edges(&self) -> Vec<(usize, usize)> {
        let mut back = Vec::new();
        let mut done = vec![false; self.nodes.len()];
        for start in 0..self.nodes.len() {
            // Each entry is a node on the way and how many of its edges were followed.
            let mut way = vec![(start, 0)];
            while let Some((node, followed)) = way.last().copied().filter(|_| !done[start]) {
                let next = self
                    .edges
                    .iter()
                    .filter(|(from, _)| *from == node)
                    .nth(followed);
                let Some((_, to)) = next.copied() else {
                    done[node] = true;
                    way.pop();
                    continue;
                };
                if let Some(last) = way.last_mut() {
                    last.1 += 1;
                }
                if way.iter().any(|(other, _)| *other == to) {
                    back.push((node, to));
                } else if !done[to] {
                    way.push((to, 0));
                }
            }
        }
        back
    }
}
