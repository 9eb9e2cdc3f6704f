//! Routes behind which documents or an embedding stand, and those whose model is given passages.

use crate::suggest::reading::markdown::{Block, Kind};
use crate::suggest::yaml_lines::{Branch, scalar};
use agentgen_build::contract::endpoint_path;

/// The line of the first of `blocks`, outside of code, that speaks of passages a model is given.
pub fn retrieval(blocks: &[Block]) -> Option<usize> {
    let mut blocks = blocks.iter();
    let found = blocks.find(|block| !matches!(block.kind, Kind::Fence(_)) && speaks(&block.text));
    found.map(|block| block.line)
}

fn speaks(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        // Rags are something else.
        word == "RAG"
            || matches!(
                word.to_lowercase().as_str(),
                "retrieval"
                    | "retriever"
                    | "retrievers"
                    | "qdrant"
                    | "embedding"
                    | "embeddings"
                    | "pgvector"
            )
    }) || text.to_lowercase().contains("vector store")
        || text.to_lowercase().contains("vector database")
        || text.to_lowercase().contains("vector search")
}

/// The last words of paths at which a person asks something.
const QUESTIONS: [&str; 9] = [
    "answer",
    "answers",
    "ask",
    "chat",
    "message",
    "messages",
    "query",
    "question",
    "questions",
];

/// Whether the model at a route that ends in `last` answers from passages, where there are some.
pub fn asks(last: &str) -> bool {
    QUESTIONS.contains(&last)
}

/// The rest of an endpoint at `path` that answers from documents or with vectors, if it is one: its input, its
/// output, and what answers it.
pub fn lookup(last: &str, method: &str, path: &str) -> Option<Vec<Branch>> {
    let parameters: Vec<&str> = endpoint_path::parameters(path).collect();
    match (last, method) {
        ("search", "GET" | "POST") => {
            // What else stands in the path narrows the search, as a text.
            let typed = ["limit", "updated_after", "updated_before"];
            if parameters.iter().any(|name| typed.contains(name)) {
                return None;
            }
            let mut input = from_path(path);
            if !parameters.contains(&"query") {
                input.push(Branch::leaf("query: string, what is looked for"));
            }
            input.push(Branch::leaf("limit?: integer, how many passages at most"));
            Some(endpoint(input, search_output(), "search"))
        }
        ("embed" | "embeddings", "POST") if parameters.is_empty() => {
            let input = vec![
                Branch::leaf("texts(array): string, what is embedded"),
                Branch::leaf("purpose?(enum, what the vectors are for): [document, query]"),
            ];
            Some(endpoint(input, embed_output(), "embed"))
        }
        _ => None,
    }
}

/// The rest of an endpoint at `path` whose model answers from passages, turn after turn: its input, its output with
/// what the answer rests on, and what the passages are looked for by.
pub fn conversation(path: &str) -> Vec<Branch> {
    let parameters: Vec<&str> = endpoint_path::parameters(path).collect();
    let mut input = from_path(path);
    let own = [
        ("input", "input: string, what the agent is asked"),
        (
            "session_id",
            "session_id?: string, the conversation to go on with",
        ),
    ];
    let own = own.iter().filter(|(name, _)| !parameters.contains(name));
    input.extend(own.map(|(_, line)| Branch::leaf(*line)));
    let citation = [
        "id: string, identifies the passage",
        "title?: string, its title",
        "quote?: string, the words that matter",
    ];
    let output = vec![
        Branch::leaf("output: string, what the agent answers"),
        Branch::leaf("session_id: string, the conversation it belongs to"),
        Branch::new(
            "citations(array, the passages that the answer rests on):",
            citation.map(Branch::leaf).into(),
        ),
    ];
    vec![
        Branch::new("input:", input),
        Branch::new("output:", output),
        Branch::leaf("retrieve: input"),
    ]
}

/// What an endpoint at `path` takes from there.
pub fn from_path(path: &str) -> Vec<Branch> {
    let parameters = endpoint_path::parameters(path);
    let texts = parameters.map(|name| format!("{}: string, from the path", scalar(name)));
    texts.map(Branch::leaf).collect()
}

fn endpoint(input: Vec<Branch>, output: Vec<Branch>, handler: &str) -> Vec<Branch> {
    vec![
        Branch::new("input:", input),
        Branch::new("output:", output),
        Branch::leaf(format!("handler: {handler}")),
    ]
}

fn search_output() -> Vec<Branch> {
    let hit = [
        "id: string, identifies the passage",
        "score: number, how near it is to the query",
        "text: string, the passage",
        "document: string, the document it is from",
        "title?: string, its title",
    ];
    vec![
        Branch::new(
            "hits(array, the nearest passages, best first):",
            hit.map(Branch::leaf).into(),
        ),
        Branch::leaf("total: integer, how many passages fit"),
    ]
}

/// Lists of lists have no shorthand.
fn embed_output() -> Vec<Branch> {
    let number = Branch::leaf("items: { type: number }");
    let vector = Branch::new("items:", vec![Branch::leaf("type: array"), number]);
    vec![
        Branch::leaf("type: object"),
        Branch::leaf("required: [vectors, model, dimensions]"),
        Branch::new(
            "properties:",
            vec![
                Branch::new("vectors:", vec![Branch::leaf("type: array"), vector]),
                Branch::leaf("model: { type: string }"),
                Branch::leaf("dimensions: { type: integer }"),
            ],
        ),
    ]
}
