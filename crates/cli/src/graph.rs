//! Diagrams of a project: agents with their handoffs, and workflows with their steps, as Mermaid, DOT or SVG.

pub mod graph_dot;
pub mod graph_mermaid;
pub mod graph_svg;

use agentgen_build::Agent;
use agentgen_build::inspect::{Join, OnFailure, Step, StepKind, Workflow, shorten};

/// The characters of a line in a box; longer texts are wrapped.
const LINE: usize = 40;

/// A diagram, independent of its output language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// What it shows, in a few words.
    pub title: String,
    /// Its parts; no line leads from one to another.
    pub parts: Vec<Part>,
}

/// One part of a picture: a workflow, or the agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Its heading.
    pub title: String,
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The lines between them, by the index of the boxes.
    pub edges: Vec<Edge>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its kind.
    pub kind: Kind,
    /// Its text, as it came from the specs: not escaped for any language.
    pub lines: Vec<String>,
}

/// The kinds of boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An agent.
    Agent,
    /// A step of a workflow.
    Step,
    /// The person who decides when a step fails.
    Person,
}

/// A line from one box to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The index of the box where it begins.
    pub from: usize,
    /// The index of the box where it ends.
    pub to: usize,
    /// Whether it is taken only where the step fails; then it is dashed.
    pub on_failure: bool,
}

/// The label of an edge that is taken on failure.
pub const ON_FAILURE: &str = "on failure";

/// All agents of a project, and all their workflows.
pub fn of_project(agents: &[Agent]) -> Graph {
    let mut parts = vec![roster(agents, &agents.iter().collect::<Vec<_>>())];
    for agent in agents {
        parts.extend(agent.service.workflows.iter().map(workflow_part));
    }
    Graph {
        title: "Agents and workflows".to_owned(),
        parts,
    }
}

/// One of `agents`, with its handoffs and workflows.
pub fn of_agent(agent: &Agent, agents: &[Agent]) -> Graph {
    let shown: Vec<&Agent> = agents
        .iter()
        .filter(|other| other.spec.slug == agent.spec.slug || hands_over(agent, other))
        .collect();
    let mut part = roster(agents, &shown);
    // What the others may do is in their own pictures.
    let own = shown
        .iter()
        .position(|other| other.spec.slug == agent.spec.slug);
    part.edges.retain(|edge| Some(edge.from) == own);
    let workflows = agent.service.workflows.iter().map(workflow_part);
    Graph {
        title: format!("The agent {}", agent.spec.name),
        parts: std::iter::once(part).chain(workflows).collect(),
    }
}

/// One workflow.
pub fn of_workflow(workflow: &Workflow) -> Graph {
    let part = workflow_part(workflow);
    Graph {
        title: part.title.clone(),
        parts: vec![part],
    }
}

fn roster(agents: &[Agent], shown: &[&Agent]) -> Part {
    let mut edges = Vec::new();
    for (from, agent) in shown.iter().enumerate() {
        for (to, other) in shown.iter().enumerate() {
            if hands_over(agent, other) {
                edges.push(Edge {
                    from,
                    to,
                    on_failure: false,
                });
            }
        }
    }
    Part {
        title: if shown.len() == agents.len() {
            "Agents and handoffs".to_owned()
        } else {
            "Handoffs".to_owned()
        },
        nodes: shown
            .iter()
            .map(|agent| Node {
                kind: Kind::Agent,
                lines: wrap(&agent.spec.name),
            })
            .collect(),
        edges,
    }
}

fn hands_over(agent: &Agent, other: &Agent) -> bool {
    let spec = &other.spec;
    let mut names = agent.service.agents.iter().map(|name| name.text.as_str());
    names.any(|name| name == spec.slug.as_str() || name == spec.name)
        && agent.may_hand_off_to(other)
}

fn workflow_part(workflow: &Workflow) -> Part {
    let steps = &workflow.steps;
    let mut part = Part {
        title: match &workflow.schedule {
            Some(schedule) => format!("Workflow {}, at {schedule}", workflow.name),
            None => format!("Workflow {}", workflow.name),
        },
        nodes: steps.iter().map(step_node).collect(),
        edges: Vec::new(),
    };
    for (to, step) in steps.iter().enumerate() {
        for need in &step.needs {
            if let Some(from) = steps.iter().position(|other| other.id == need.text) {
                part.edges.push(Edge {
                    from,
                    to,
                    on_failure: false,
                });
            }
        }
    }
    for (from, step) in steps.iter().enumerate() {
        if let Some(node) = node_on_failure(step) {
            let existing = part.nodes.iter().position(|other| *other == node);
            let to = existing.unwrap_or(part.nodes.len());
            if existing.is_none() {
                part.nodes.push(node);
            }
            part.edges.push(Edge {
                from,
                to,
                on_failure: true,
            });
        }
    }
    part
}

fn step_node(step: &Step) -> Node {
    let mut lines = wrap(&step.id);
    lines.extend(wrap(&match (&step.kind, step.call()) {
        (_, Some(call)) => match &call.endpoint {
            Some(endpoint) => format!("{} · {}", call.agent.text, endpoint.text),
            None => call.agent.text.clone(),
        },
        (StepKind::Plan(plan), None) => {
            let agents = plan.agents.iter().map(|agent| agent.text.as_str());
            let agents = agents.collect::<Vec<_>>().join(", ");
            format!("subtasks for {}", shorten(&agents, 4 * LINE))
        }
        (_, None) => format!("waits for {}", step.waits_for_what().unwrap_or_default()),
    }));
    if let Some(each) = step.for_each() {
        let items = shorten(&each.items_text, 4 * LINE);
        lines.extend(wrap(&format!("for each {items}")));
    }
    match step.join {
        Join::All => {}
        Join::Any => lines.push("after any".to_owned()),
        Join::Quorum(steps) => lines.push(format!("after {steps} of {}", step.needs.len())),
    }
    if let Some(condition) = &step.when {
        lines.extend(wrap(&format!("when {}", shorten(condition, 4 * LINE))));
    }
    lines.extend(
        step.attempts
            .map(|attempts| format!("attempts: {attempts}")),
    );
    lines.extend(
        step.timeout_ms
            .map(|limit| format!("timeout: {}", duration(limit))),
    );
    match step.on_failure {
        OnFailure::Skip => lines.push("on failure: skip".to_owned()),
        OnFailure::Retry => lines.push("on failure: retry".to_owned()),
        OnFailure::Stop | OnFailure::Escalate | OnFailure::Join | OnFailure::Fallback(_) => {}
    }
    Node {
        kind: Kind::Step,
        lines,
    }
}

/// The agent or person that takes over when the step fails.
fn node_on_failure(step: &Step) -> Option<Node> {
    match &step.on_failure {
        OnFailure::Fallback(agent) => Some(Node {
            kind: Kind::Agent,
            lines: wrap(&agent.text),
        }),
        OnFailure::Escalate => Some(Node {
            kind: Kind::Person,
            lines: vec!["a person".to_owned()],
        }),
        OnFailure::Stop | OnFailure::Retry | OnFailure::Skip | OnFailure::Join => None,
    }
}

fn duration(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{} s", ms / 1000),
        _ => format!("{ms} ms"),
    }
}

/// `text` in lines of at most [`LINE`] characters, broken between words where there are any.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut length = LINE;
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        for (index, piece) in word.chunks(LINE).enumerate() {
            let fits = length + 1 + piece.len() <= LINE;
            match lines.last_mut() {
                Some(line) if fits && index == 0 => {
                    line.push(' ');
                    line.extend(piece);
                    length += 1 + piece.len();
                }
                _ => {
                    lines.push(piece.iter().collect());
                    length = piece.len();
                }
            }
        }
    }
    lines
}
