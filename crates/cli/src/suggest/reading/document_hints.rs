//! Routes that search documents or embed texts, and routes whose model is given passages.

use crate::suggest::reading::markdown::{Block, Kind};
use crate::suggest::yaml_lines::{YamlLine, scalar};
use agentgen_build::inspect::path_parameters;

/// The line of the first of `blocks`, outside of code, that mentions retrieval.
pub fn retrieval(blocks: &[Block]) -> Option<usize> {
    let mut blocks = blocks.iter();
    let found = blocks
        .find(|block| !matches!(block.kind, Kind::Fence(_)) && mentions_retrieval(&block.text));
    found.map(|block| block.line)
}

fn mentions_retrieval(text: &str) -> bool {
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

/// The last segments of paths that take a question.
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
pub fn is_question(last: &str) -> bool {
    QUESTIONS.contains(&last)
}

/// The rest of an endpoint at `path` that answers from documents or with vectors, if it is one: its input, its
/// output, and what answers it.
pub fn lookup(last: &str, method: &str, path: &str) -> Option<Vec<YamlLine>> {
    let parameters: Vec<&str> = path_parameters(path).collect();
    match (last, method) {
        ("search", "GET" | "POST") => {
            // Other parameters of the path are filters, which are texts.
            let typed = ["limit", "updated_after", "updated_before"];
            if parameters.iter().any(|name| typed.contains(name)) {
                return None;
            }
            let mut input = from_path(path);
            if !parameters.contains(&"query") {
                input.push(YamlLine::leaf("query: string, what is looked for"));
            }
            input.push(YamlLine::leaf("limit?: integer, how many passages at most"));
            Some(endpoint(input, search_output(), "search"))
        }
        ("embed" | "embeddings", "POST") if parameters.is_empty() => {
            let input = vec![
                YamlLine::leaf("texts(array): string, what is embedded"),
                YamlLine::leaf("purpose?(enum, what the vectors are for): [document, query]"),
            ];
            Some(endpoint(input, embed_output(), "embed"))
        }
        _ => None,
    }
}

/// The rest of an endpoint at `path` whose model answers from passages, turn after turn: its input, its output with
/// what the answer rests on, and what the passages are looked for by.
pub fn conversation(path: &str) -> Vec<YamlLine> {
    let parameters: Vec<&str> = path_parameters(path).collect();
    let mut input = from_path(path);
    let own = [
        ("input", "input: string, what the agent is asked"),
        (
            "session_id",
            "session_id?: string, the conversation to go on with",
        ),
    ];
    let own = own.iter().filter(|(name, _)| !parameters.contains(name));
    input.extend(own.map(|(_, line)| YamlLine::leaf(*line)));
    let citation = [
        "id: string, identifies the passage",
        "title?: string, its title",
        "quote?: string, the words that matter",
    ];
    let output = vec![
        YamlLine::leaf("output: string, what the agent answers"),
        YamlLine::leaf("session_id: string, the conversation it belongs to"),
        YamlLine::new(
            "citations(array, the passages that the answer rests on):",
            citation.map(YamlLine::leaf).into(),
        ),
    ];
    vec![
        YamlLine::new("input:", input),
        YamlLine::new("output:", output),
        YamlLine::leaf("retrieve: input"),
    ]
}

/// What an endpoint at `path` takes from there.
pub fn from_path(path: &str) -> Vec<YamlLine> {
    let parameters = path_parameters(path);
    let texts = parameters.map(|name| format!("{}: string, from the path", scalar(name)));
    texts.map(YamlLine::leaf).collect()
}

fn endpoint(input: Vec<YamlLine>, output: Vec<YamlLine>, handler: &str) -> Vec<YamlLine> {
    vec![
        YamlLine::new("input:", input),
        YamlLine::new("output:", output),
        YamlLine::leaf(format!("handler: {handler}")),
    ]
}

fn search_output() -> Vec<YamlLine> {
    let hit = [
        "id: string, identifies the passage",
        "score: number, how near it is to the query",
        "text: string, the passage",
        "document: string, the document it is from",
        "title?: string, its title",
    ];
    vec![
        YamlLine::new(
            "hits(array, the nearest passages, best first):",
            hit.map(YamlLine::leaf).into(),
        ),
        YamlLine::leaf("total: integer, how many passages fit"),
    ]
}

/// Lists of lists have no shorthand.
fn embed_output() -> Vec<YamlLine> {
    let number = YamlLine::leaf("items: { type: number }");
    let vector = YamlLine::new("items:", vec![YamlLine::leaf("type: array"), number]);
    vec![
        YamlLine::leaf("type: object"),
        YamlLine::leaf("required: [vectors, model, dimensions]"),
        YamlLine::new(
            "properties:",
            vec![
                YamlLine::new("vectors:", vec![YamlLine::leaf("type: array"), vector]),
                YamlLine::leaf("model: { type: string }"),
                YamlLine::leaf("dimensions: { type: integer }"),
            ],
        ),
    ]
}
