//! Three agents: one answers from its prompt alone, the others have endpoints that are written here.

mod lending;

/// What the build script compiled from `agents/`.
pub mod agents {
    agentgen_runtime::include_agents!();
}

use agentgen_runtime::{AgentError, RunContext, Workflows};

pub use crate::lending::Loans;

use crate::agents::lending_desk::LendingDesk;
use crate::agents::librarian::workflows::{AnswerLetterInput, answer_letter};
use crate::agents::librarian::{Librarian, SearchRequest, SearchResponse};

/// The titles the library has.
const CATALOGUE: [&str; 4] = [
    "A Field Guide to Clouds",
    "Clouds over the Harbour",
    "The Beekeeper's Year",
    "Trains That Run on Time",
];

/// Searches the catalogue in code and leaves recommendations to the prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Library;

impl Librarian for Library {
    async fn search(
        &self,
        _cx: &RunContext,
        request: SearchRequest,
    ) -> Result<SearchResponse, AgentError> {
        let query = request.query.to_lowercase();
        let mut titles: Vec<String> = CATALOGUE
            .iter()
            .filter(|title| title.to_lowercase().contains(&query))
            .map(|title| (*title).to_owned())
            .collect();
        let total = i64::try_from(titles.len()).unwrap_or(i64::MAX);
        let limit = request
            .limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(usize::MAX);
        titles.truncate(limit);
        Ok(SearchResponse { titles, total })
    }
}

/// Hands out the handlers of the agents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handlers;

impl agents::Handlers for Handlers {
    fn librarian(&self) -> impl Librarian {
        Library
    }

    fn lending_desk(&self) -> impl LendingDesk {
        Loans::default()
    }
}

/// Answers a reader's letter: with the books on the topic, or with another one if there are none.
///
/// # Errors
/// What keeps the workflow `answer-letter` from being run, and 503 if it came to nothing.
pub async fn answer(
    workflows: &Workflows,
    letter: AnswerLetterInput,
    reader: &str,
) -> Result<Vec<String>, AgentError> {
    let report = answer_letter(workflows, letter, reader).await?;
    let found = report.steps.found.output.map(|found| found.titles);
    match (found, report.steps.advice.output) {
        (_, Some(advice)) => Ok(vec![advice.title]),
        (Some(titles), None) if !titles.is_empty() => Ok(titles),
        _ => {
            let reason = report.error.unwrap_or_default();
            Err(AgentError::unavailable(format!(
                "no book was found: {reason}"
            )))
        }
    }
}
