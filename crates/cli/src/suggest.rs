//! Reads the body of an agent for what a service block can say: routes, specialists, workflows, the answer format.
//!
//! Reading is guessing: what is found is proposed to a person ([`crate::suggest::propose`]), never acted on.

pub mod endpoint_proposal;
pub mod insertion;
pub mod proposal;
#[cfg(test)]
mod proposal_tests;
pub mod propose;
pub mod reading;
pub mod service_edit;
pub mod workflow_patterns;
pub mod workflow_proposal;
pub mod yaml_lines;

use serde::Serialize;

use crate::suggest::reading::agent_mentions::Names;
use crate::suggest::reading::answer_format;
use crate::suggest::reading::document_hints;
use crate::suggest::reading::markdown::{self, Block, Kind};
use crate::suggest::reading::one_line;
use crate::suggest::reading::roster;
use crate::suggest::reading::routes;

pub use crate::suggest::reading::answer_format::Output;
pub use crate::suggest::reading::roster::Specialist;
pub use crate::suggest::reading::routes::Route;
pub use crate::suggest::reading::text_sample::Property;
pub use crate::suggest::workflow_patterns::Workflow;
pub use crate::suggest::workflow_patterns::step_groups::{Group, Step};

/// What was found in a body, in its order. Lines count from 1 in the body, until
/// [`Findings::below`] moves them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The agents of a roster, such as one under "Available Agents".
    pub specialists: Vec<Specialist>,
    /// The lists of steps under headings such as "Pattern 1: Release".
    pub workflows: Vec<Workflow>,
    /// Paths that are mentioned as routes.
    pub routes: Vec<Route>,
    /// The first line that mentions retrieval, embeddings or vectors.
    pub retrieval: Option<usize>,
    /// The answer format under a heading such as "Output Format".
    pub output: Option<Output>,
    /// Lists with boxes to tick. A service block has no form of them: they stay in the prompt.
    pub checklists: Vec<Checklist>,
}

/// A list with boxes to tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// The heading above it.
    pub title: String,
    /// The line of its first item.
    pub line: usize,
    /// Its items.
    pub items: Vec<String>,
}

impl Findings {
    /// Whether there is nothing a service block could say.
    pub fn is_empty(&self) -> bool {
        self.specialists.is_empty()
            && self.workflows.is_empty()
            && self.routes.is_empty()
            && self.output.is_none()
    }

    /// The same findings of a body that starts below `lines` lines of its file.
    pub fn below(mut self, lines: usize) -> Self {
        for specialist in &mut self.specialists {
            specialist.line += lines;
        }
        for workflow in &mut self.workflows {
            workflow.line += lines;
            let groups = workflow.groups.iter_mut();
            for step in groups.flat_map(|group| &mut group.steps) {
                step.line += lines;
            }
        }
        for route in &mut self.routes {
            route.line += lines;
        }
        for checklist in &mut self.checklists {
            checklist.line += lines;
        }
        if let Some(line) = &mut self.retrieval {
            *line += lines;
        }
        if let Some(output) = &mut self.output {
            output.line += lines;
        }
        self
    }
}

/// Reads the Markdown text `body`. `agents` are the names and slugs of the agents there are: they are known
/// as names where other words are not.
pub fn read(body: &str, agents: &[&str]) -> Findings {
    let body = &with_line_feeds(body);
    let blocks = markdown::blocks(body);
    let specialists = roster::read(&blocks, agents);
    let roster: Vec<&str> = specialists
        .iter()
        .map(|found| found.name.as_str())
        .collect();
    let names = Names::new(agents, &roster);
    Findings {
        workflows: workflow_patterns::read(body, &blocks, &names),
        routes: routes::read(&blocks),
        retrieval: document_hints::retrieval(&blocks),
        output: answer_format::read(&blocks),
        checklists: checklists(&blocks),
        specialists,
    }
}

/// `text` of the same length in which a line that ends with CR alone ends with LF, as Markdown is read here.
fn with_line_feeds(text: &str) -> String {
    let next = text.chars().skip(1).map(Some).chain([None]);
    let pairs = text.chars().zip(next);
    pairs
        .map(|(c, next)| match (c, next) {
            ('\r', Some('\n')) => '\r',
            ('\r', _) => '\n',
            _ => c,
        })
        .collect()
}

fn checklists(blocks: &[Block]) -> Vec<Checklist> {
    let mut found: Vec<Checklist> = Vec::new();
    let mut title = "";
    let mut open = false;
    for block in blocks {
        if !matches!(block.kind, Kind::Task(_)) {
            open = false;
            if block.is_title() {
                title = &block.text;
            }
            continue;
        }
        let item = one_line(&block.text, 200);
        match found.last_mut().filter(|_| open) {
            Some(checklist) => checklist.items.push(item),
            None => found.push(Checklist {
                title: one_line(title.trim_end().trim_end_matches(':'), 80),
                line: block.line,
                items: vec![item],
            }),
        }
        open = true;
    }
    found
}
