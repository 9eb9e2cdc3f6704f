//! Whatever a body says, what is proposed for it passes `agentgen check`.

#![allow(clippy::unwrap_used)]

use agentgen_build::inspect::has_errors;
use agentgen_build::{Project, Source, check};
use proptest::prelude::*;

use crate::suggest;
use crate::suggest::propose::propose;
use crate::suggest::service_edit::{Edit, edit};

const STAFF: [&str; 4] = ["news-writer", "copy-editor", "photo-editor", "fact-checker"];

fn agent(name: &str) -> String {
    format!("---\nname: {name}\ndescription: Does the work of a {name}.\n---\nYou are a {name}.\n")
}

/// What could trip a reader of Markdown or a writer of YAML.
const PIECES: [&str; 70] = [
    "## Available Agents\n",
    "### Pattern 1: Go\n",
    "## Output Format\n",
    "## API endpoints\n",
    "```\n",
    "```json\n",
    "~~~",
    "1. ",
    "2. ",
    "10) ",
    "- ",
    "* ",
    "\t",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "Parallel:\n",
    "a-b",
    "news-writer",
    "**a-b**: ",
    "`POST /x`",
    "`/y/{id}`",
    "PUT /z/{a}/{b}",
    "GET /v1/runs",
    "| a | b |\n|--|--|\n",
    "{\"a\": [1, {\"b\": 2}]}",
    "{{ x }}",
    "# ",
    ": ",
    " #",
    "\"",
    "'",
    "---\n",
    "é",
    "🚀",
    "\u{202e}",
    "null",
    "type: ",
    "[x]",
    "- [ ] ",
    "<p>",
    " → ",
    " -> ",
    "(a-b + c-d)",
    "(parallel) ",
    " in parallel with step 1",
    "2a. ",
    "2b. ",
    "Step 1: ",
    "**Phase 2**\n",
    "├── ",
    "   ↓\n",
    "@a-b ",
    "news-writer drafts",
    "copy-editor and a-b",
    "Agent: a-b",
    "## Workflows\n",
    "```mermaid\ngraph TD\n",
    "A[a-b] --> B[news-writer]\n",
    "B --> A\n",
    "| Step | Agent |\n|--|--|\n",
    "{\"a\": x|y, // z\n ...}",
    "GET, POST ",
    "(DELETE)",
    "subagent_type=\"a-b\"",
    ", then ",
    "```yaml\n",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_body_comes_to_a_block_that_holds_or_to_none(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..40),
        end in prop::sample::select(vec!["", "\n", "\r\n"]),
    ) {
        assert_proposal_checks(&format!("{}{end}", pieces.concat()));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        assert_proposal_checks(&text);
    }
}

/// What the body comes to leaves the project without errors.
fn assert_proposal_checks(body: &str) {
    let text = format!("---\nname: x\ndescription: Is tried.\n---\n{body}");
    let Ok(source) = Source::from_bytes("agents/x.md", text.into_bytes()) else {
        return;
    };
    let staff = STAFF.map(|name| {
        Source::from_bytes(&format!("agents/{name}.md"), agent(name).into_bytes()).unwrap()
    });
    let mut project = Project::default();
    project.sources.extend(staff);
    project.sources.push(source);
    let agents = check(&project).agents;
    let own = agents.iter().find(|agent| agent.spec.name == "x").unwrap();
    let findings = suggest::read(own.spec.prompt(), &STAFF);
    let proposal = propose(&findings, own, &agents);
    let change = match edit(&project, own, &proposal) {
        Edit::Change(change) => change,
        Edit::Nothing => {
            assert!(proposal.is_empty(), "{body:?}");
            return;
        }
        Edit::Impossible(lines) => panic!("{body:?}: {lines:#?}"),
    };
    // What is proposed is right by itself; comments are for agents that are not there.
    assert!(!change.commented, "{body:?}: {}", change.new);
    project.sources.pop();
    project
        .sources
        .push(Source::from_bytes(&change.path, change.new.into_bytes()).unwrap());
    let diagnostics = check(&project).diagnostics;
    assert!(!has_errors(&diagnostics), "{body:?}: {diagnostics:#?}");
}
