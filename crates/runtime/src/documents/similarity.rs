//! Exact search: every vector is compared with the query.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::documents::document_store::{Found, PassageQuery};
use crate::documents::{DocumentHead, EmbeddedPassage, Passage};

/// How many products are added up side by side: as many as a processor's registers take at once.
const LANES: usize = 16;

/// The passages of a collection, in memory.
#[derive(Debug, Default)]
pub(crate) struct Index {
    documents: BTreeMap<String, Entry>,
}

/// A document in the index.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What a search is narrowed by.
    pub(crate) head: DocumentHead,
    /// What embedded it.
    pub(crate) model: String,
    /// Its passages in their order.
    pub(crate) passages: Vec<EmbeddedPassage>,
}

impl Index {
    /// Puts a document in the place of the one that has its id.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.documents.insert(entry.head.id.clone(), entry);
    }

    /// Removes a document, and says whether there was one.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.documents.remove(id).is_some()
    }

    /// The document of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.documents.get(id)
    }

    /// All documents in the order of their ids.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.documents.values()
    }

    /// The passages that are nearest to `query`.
    pub(crate) fn search(&self, query: &PassageQuery) -> Found {
        let admitted = self.entries().filter(|entry| {
            let filter = &query.filter;
            entry.model == query.model
                && filter.iter().all(|condition| condition.admits(&entry.head))
        });
        let mut scored = Vec::new();
        for entry in admitted {
            for (number, passage) in entry.passages.iter().enumerate() {
                let score = dot(&passage.vector, &query.vector);
                if score > 0.0 && f64::from(score) >= query.min_score {
                    scored.push((score, entry, number));
                }
            }
        }
        let total = query.count.then_some(scored.len() as u64);
        let limit = query.limit as usize;
        // The passages were met in the order of documents and numbers, which a stable order keeps among equals.
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
        Found {
            passages: passages.collect(),
            total,
        }
    }
}

/// The cosine of the angle between two vectors of length 1. Vectors of different models may differ in size; the rest
/// of the longer one counts for nothing.
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

/// A vector as JSON, each number with as many digits as tell it from its neighbours.
pub(crate) fn json(vector: &[f32]) -> Value {
    let short = |number: &f32| number.to_string().parse::<f64>().unwrap_or_default();
    vector.iter().map(short).collect()
}

/// Scales a vector to length 1; one of nothing but zeros stays as it is.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let length = square.sqrt();
    if length > 0.0 && length.is_finite() {
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}
