//! Ranks agents by the words of a request: BM25 over their names, descriptions, examples and prompts.
//!
//! The command line and the runtime share this crate, so that both give the same ranking. It needs no network, and the
//! same agents and text give the same scores on every machine.

#![warn(unreachable_pub)]

mod field;
mod words;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rust_stemmers::{Algorithm, Stemmer};

use field::Field;
pub use words::{Word, words};

/// The weights of the fields: name and description, examples, prompt. These measured best on public agents.
const WEIGHTS: [f32; 3] = [1.0, 0.5, 1.0];
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
    slugs: Vec<String>,
    fields: [Field; 3],
}

impl Ranking {
    /// An index over `agents`, in any order.
    pub fn new(agents: &[Document<'_>]) -> Self {
        let described = |agent: &Document<'_>| stems(&format!("{} {}", agent.name, agent.summary));
        Self {
            slugs: agents.iter().map(|agent| agent.slug.to_owned()).collect(),
            fields: [
                Field::new(agents.iter().map(described)),
                Field::new(agents.iter().map(|agent| stems(agent.examples))),
                Field::new(agents.iter().map(|agent| stems(agent.prompt))),
            ],
        }
    }

    /// The agents that share words with `text`, best first; among equals in the order of their slugs.
    pub fn rank(&self, text: &str) -> Vec<Ranked> {
        let query = query(text);
        let mut scores = vec![0.0_f32; self.slugs.len()];
        for (field, weight) in self.fields.iter().zip(WEIGHTS) {
            for (total, score) in scores.iter_mut().zip(field.scores(&query)) {
                *total += score * weight;
            }
        }
        // Rounded, because the last digits of a logarithm may differ between machines.
        let scored = scores.iter().zip(&self.slugs).map(|(score, slug)| {
            let thousandths = (score * 1000.0).round() as u64;
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

/// The stems of a request, each once.
fn query(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let stems = stems(text).into_iter();
    let stems = stems.filter(|stem| seen.insert(stem.clone()));
    stems.take(MAX_WORDS).collect()
}

/// The stems of the English words of a text, without stop words, and the units of other scripts.
fn stems(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let stems = words(text).into_iter().filter_map(|word| match word {
        Word::Spaced(word) => {
            let is_stop_word = STOP_WORDS.binary_search(&word.as_str()).is_ok();
            (!is_stop_word).then(|| stemmer.stem(&word).into_owned())
        }
        Word::Unspaced(pair) => Some(pair),
    });
    stems.collect()
}
