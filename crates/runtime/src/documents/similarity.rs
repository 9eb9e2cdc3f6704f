//! Exact similarity search in memory: compares every vector with the query.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::documents::document_store::{PassageQuery, SearchResult};
use crate::documents::{DocumentHead, EmbeddedPassage, Passage};

/// Sums that [`dot`] adds up side by side, so that the compiler can use vector instructions.
const LANES: usize = 16;

/// The documents of a collection, by id.
#[derive(Debug, Default)]
pub(crate) struct Index {
    documents: BTreeMap<String, Entry>,
}

/// A document of the index.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) head: DocumentHead,
    /// The embedding model.
    pub(crate) model: String,
    pub(crate) passages: Vec<EmbeddedPassage>,
}

impl Index {
    /// Adds a document, or replaces the one with the same id.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.documents.insert(entry.head.id.clone(), entry);
    }

    /// Removes a document. Returns whether it existed.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.documents.remove(id).is_some()
    }

    /// The document with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.documents.get(id)
    }

    /// All documents, ordered by id.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.documents.values()
    }

    /// The passages that are most similar to `query`.
    pub(crate) fn search(&self, query: &PassageQuery) -> SearchResult {
        let matching = self.entries().filter(|entry| {
            let filter = &query.filter;
            entry.model == query.model
                && filter
                    .iter()
                    .all(|condition| condition.matches(&entry.head))
        });
        let mut scored = Vec::new();
        for entry in matching {
            for (number, passage) in entry.passages.iter().enumerate() {
                let score = dot(&passage.vector, &query.vector);
                if score > 0.0 && f64::from(score) >= query.min_score {
                    scored.push((score, entry, number));
                }
            }
        }
        let total = query.count.then_some(scored.len() as u64);
        let limit = query.limit as usize;
        // The sort is stable: equal scores stay in the order of documents and numbers.
        scored.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
        scored.truncate(limit);
        let passages = scored.into_iter().map(|(score, entry, number)| {
            let passage = &entry.passages[number];
            Passage {
                document: entry.head.clone(),
                number: u32::try_from(number).unwrap_or(u32::MAX),
                title: passage.title.clone(),
                text: passage.text.clone(),
                score: f64::from(score).min(1.0),
            }
        });
        SearchResult {
            passages: passages.collect(),
            total,
            has_other_models: self.entries().any(|entry| entry.model != query.model),
        }
    }
}

/// The cosine of the angle between two vectors of length 1. Of vectors of different sizes, the rest of the longer one is
/// ignored.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_blocks.remainder().iter().zip(b_blocks.remainder());
    let rest = rest.map(|(a, b)| a * b).sum::<f32>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a_blocks.zip(b_blocks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// A vector as JSON, each number with the fewest digits that identify it as an `f32`.
pub(crate) fn json(vector: &[f32]) -> Value {
    // The shortest text of an `f32` is a valid `f64`.
    let shortest = |number: &f32| {
        let number = number.to_string().parse::<f64>();
        number.map_or(Value::Null, Value::from)
    };
    vector.iter().map(shortest).collect()
}

/// Scales a vector to length 1; a zero vector stays as it is.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let length = square.sqrt();
    if length > 0.0 && length.is_finite() {
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}
