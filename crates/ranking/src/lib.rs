//! Ranks agents by the words of a request: BM25 over their names, descriptions, examples and prompts.
//!
//! The command line and the runtime share this crate, so that both give the same ranking. It needs no network, and the
//! same agents and text give the same scores on every machine.

#![warn(unreachable_pub)]

mod words;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use bm25::{
    Embedder, EmbedderBuilder, Embedding, Scorer, TokenEmbedder, TokenEmbedding, Tokenizer,
};
use rust_stemmers::{Algorithm, Stemmer};

pub use words::{Word, words};

/// The weights of the fields: name and description, examples, prompt. These measured best on public agents.
const WEIGHTS: [f32; 3] = [1.0, 0.5, 1.0];
/// BM25's k1: how much repeated words count. It is commonly between 1.2 and 2. Measured on one half of a set of public agents,
/// 2 was better; the test `ranking` measures the other half.
const SATURATION: f32 = 2.0;
/// How many different words of a request are used: more do not change the ranking, and cost time.
const MAX_WORDS: usize = 256;
/// English words without a subject of their own. Sorted, for binary search.
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can",
    "could", "did", "do", "does", "doing", "don", "down", "during", "each", "few", "for", "from",
    "further", "had", "has", "have", "having", "he", "her", "here", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "just", "let", "me", "more", "most", "my", "no", "nor", "not",
    "now", "of", "off", "on", "once", "only", "or", "other", "our", "out", "over", "own", "please",
    "s", "same", "she", "should", "so", "some", "such", "t", "than", "that", "the", "their",
    "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "under",
    "until", "up", "us", "very", "was", "we", "were", "what", "when", "where", "which", "while",
    "who", "whom", "why", "will", "with", "would", "you", "your",
];

/// The texts of one agent.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// Its name as its author wrote it.
    pub name: &'a str,
    /// Its name in paths; unique.
    pub slug: &'a str,
    /// Its description, in one line.
    pub summary: &'a str,
    /// The situations of its examples, one after the other.
    pub examples: &'a str,
    /// Its prompt.
    pub prompt: &'a str,
}

/// An agent that shares words with a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The slug.
    pub slug: String,
    /// Rounded to thousandths; comparable within one ranking; above 0.
    pub score: f64,
}

/// An index over agents.
pub struct Ranking {
    slugs: BTreeSet<String>,
    fields: [Scorer<String, u64>; 3],
}

impl Ranking {
    /// An index over `agents`, in any order.
    pub fn new(agents: &[Document<'_>]) -> Self {
        let described = |agent: &Document<'_>| format!("{} {}", agent.name, agent.summary);
        let fields: [Vec<String>; 3] = [
            agents.iter().map(described).collect(),
            agents
                .iter()
                .map(|agent| agent.examples.to_owned())
                .collect(),
            agents.iter().map(|agent| agent.prompt.to_owned()).collect(),
        ];
        Self {
            slugs: agents.iter().map(|agent| agent.slug.to_owned()).collect(),
            fields: fields.map(|texts| field(agents, &texts)),
        }
    }

    /// The agents that share words with `text`, best first; among equals in the order of their slugs.
    pub fn rank(&self, text: &str) -> Vec<Ranked> {
        let query = query(text);
        let score = |slug: &String| -> f32 {
            let fields = self.fields.iter().zip(WEIGHTS);
            fields
                .filter_map(|(field, weight)| Some(field.score(slug, &query)? * weight))
                .sum()
        };
        // Rounded, because the last digits of a logarithm may differ between machines.
        let scored = self.slugs.iter().map(|slug| {
            let thousandths = (score(slug) * 1000.0).round() as u64;
            (thousandths, slug)
        });
        let mut scored: Vec<_> = scored.filter(|(thousandths, _)| *thousandths > 0).collect();
        scored.sort_by_key(|(thousandths, slug)| (Reverse(*thousandths), *slug));
        let ranked = scored.into_iter().map(|(thousandths, slug)| Ranked {
            slug: slug.clone(),
            score: thousandths as f64 / 1000.0,
        });
        ranked.collect()
    }
}

/// The index of one field, whose text in each of `agents` is in `texts`.
fn field(agents: &[Document<'_>], texts: &[String]) -> Scorer<String, u64> {
    let corpus: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embedder: Embedder<u64, English> =
        EmbedderBuilder::with_tokenizer_and_fit_to_corpus(English::default(), &corpus)
            .k1(SATURATION)
            .build();
    let mut scorer = Scorer::new();
    for (agent, text) in agents.iter().zip(texts) {
        let mut embedding = embedder.embed(text);
        // A repeated word has the same value each time; lookups scan from the start, so one entry is enough.
        embedding.0.sort_by_key(|word| word.index);
        embedding.0.dedup_by_key(|word| word.index);
        scorer.upsert(&agent.slug.to_owned(), embedding);
    }
    scorer
}

/// The words of a request, each once.
fn query(text: &str) -> Embedding<u64> {
    let mut seen = BTreeSet::new();
    let words = English::default().tokenize(text).into_iter();
    let words = words.map(|word| u64::embed(&word));
    let words = words.filter(|index| seen.insert(*index)).take(MAX_WORDS);
    let words = words.map(|index| TokenEmbedding { index, value: 1.0 });
    Embedding(words.collect())
}

/// Stems of English words, without stop words.
struct English(Stemmer);

impl Default for English {
    fn default() -> Self {
        Self(Stemmer::create(Algorithm::English))
    }
}

impl Tokenizer for English {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let words = words(text).into_iter().filter_map(|word| match word {
            Word::Spaced(word) => {
                let is_stop_word = STOP_WORDS.binary_search(&word.as_str()).is_ok();
                (!is_stop_word).then(|| self.0.stem(&word).into_owned())
            }
            Word::Unspaced(pair) => Some(pair),
        });
        words.collect()
    }
}
