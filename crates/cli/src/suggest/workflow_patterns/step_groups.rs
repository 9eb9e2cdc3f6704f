//! The steps of a workflow, and how a row of them is drawn with arrows.

use serde::Serialize;

use crate::suggest::reading::agent_mentions::{Names, cut, split};
use crate::suggest::reading::{MAX_FINDINGS, one_line};
use crate::suggest::workflow_patterns::assignment::{
    Assignment, is_parallel_mark, parse_assignment, plain,
};

/// Steps that run at the same time; a step that runs alone is a group of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Whether the body says that they run at the same time.
    pub parallel: bool,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The agent; `None` where the body names none.
    pub agent: Option<String>,
    /// What is to be done.
    pub task: String,
    /// What is listed below it.
    pub details: Vec<String>,
    /// Its line, from 1.
    pub line: usize,
}

impl Group {
    /// What the agents of `found` do at the same time, or a step that asks nobody for `text`.
    pub fn of(found: Option<Assignment>, text: &str, details: &[String], line: usize) -> Self {
        let step = |agent: Option<String>, task: &str| Step {
            agent,
            task: one_line(task.trim().trim_end_matches(':'), 500),
            details: details.to_vec(),
            line,
        };
        let Some(Assignment { agents, task, .. }) = found else {
            return Self {
                parallel: false,
                steps: vec![step(None, &plain(text))],
            };
        };
        let steps = agents.iter().map(|(agent, aside)| {
            let task = if aside.is_empty() || is_parallel_mark(aside) {
                task.clone()
            } else {
                format!("({aside}) {task}")
            };
            step(Some(agent.clone()), &task)
        });
        Self {
            parallel: agents.len() > 1,
            steps: steps.collect(),
        }
    }
}

/// Separators between the steps of a row.
const ARROWS: [&str; 13] = [
    "\u{2192}",
    "\u{27a1}\u{fe0f}",
    "\u{27a1}",
    "\u{21d2}",
    "\u{27f6}",
    "\u{25b6}",
    "-->",
    "->",
    "=>",
    " > ",
    ", then ",
    "; then ",
    " then ",
];

/// The group of a line such as "In parallel: coder: build; tester: test", where all parts are steps of agents.
pub fn side_by_side(text: &str, line: usize, names: &Names<'_>) -> Option<Group> {
    let (head, rest) = cut(text, &[":", ",", " - "])?;
    is_parallel_mark(head).then_some(())?;
    let parts = split(rest.trim_end_matches('.'), &["; ", ", and ", ", "]);
    let mut steps = Vec::new();
    for part in &parts {
        let found = parse_assignment(part, names).filter(|found| found.is_step)?;
        steps.extend(Group::of(Some(found), part, &[], line).steps);
    }
    (parts.len() > 1).then_some(Group {
        parallel: true,
        steps,
    })
}

/// The groups of a row such as "planner → (coder + tester) → writer", where at least two of its parts are agents.
pub fn chain(text: &str, line: usize, names: &Names<'_>) -> Option<Vec<Group>> {
    let mut parts = split(text.trim().trim_end_matches('.'), &ARROWS);
    (2..=MAX_FINDINGS).contains(&parts.len()).then_some(())?;
    // "Flow: planner → coder"
    if let Some((_, behind)) = parts[0].rsplit_once(':')
        && names.list(parts[0]).is_none()
        && names.list(behind).is_some()
    {
        parts[0] = behind;
    }
    let parts = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty());
    let groups: Vec<Group> = parts
        .map(|part| {
            let found = parse_assignment(part, names).filter(|found| found.is_step);
            Group::of(found, part, &[], line)
        })
        .collect();
    let asking = groups.iter().filter(|group| group.steps[0].agent.is_some());
    (asking.count() > 1).then_some(groups)
}
