//! Embeds texts without a model: hashes their words and parts of words into a vector.

use rust_stemmers::{Algorithm, Stemmer};
use std::collections::BTreeMap;

use crate::documents::similarity::normalize;
use crate::embedding::{EmbedFuture, Embedder, Purpose};
use crate::future::off_worker;
use agentgen_ranking::{Word, words};

pub(crate) const DEFAULT_DIMENSIONS: u32 = 2_048;
/// Hash collisions give unrelated texts a score above 0, and a single word counts less in a longer passage. On the
/// documents of `tests/fixtures/handbook`, this limit removes most chance matches and no real one.
const MIN_SCORE: f64 = 0.06;
/// The weights of a word, of a short word, and of three consecutive letters of a word. Short words are in every text and
/// distinguish little; trigrams match related words that the stemmer does not.
const WORD: f32 = 1.0;
const SHORT_WORD: f32 = 0.25;
const TRIGRAM: f32 = 0.25;
/// How much longer a byte takes than one of JSON does.
const COST: usize = 4;
/// A word with fewer letters is short.
const LONG_WORD_LETTERS: usize = 4;

/// An [`Embedder`] that compares words, not meanings: texts that share words or parts of words are similar. It needs no
/// network, and gives the same vector for the same text on every machine. Its model name contains the size of its vectors,
/// as in `hashing-2048`. The method is signed feature hashing (Weinberger et al., "Feature Hashing
/// for Large Scale Multitask Learning", 2009, arXiv:0902.2206).
#[derive(Debug, Clone)]
pub struct HashingEmbedder {
    dimensions: u32,
    model: String,
}

impl HashingEmbedder {
    /// An embedder with vectors of this size, at least 1.
    #[must_use]
    pub fn new(dimensions: u32) -> Self {
        let dimensions = dimensions.max(1);
        Self {
            dimensions,
            model: format!("hashing-{dimensions}"),
        }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimensions as usize];
        for (hash, (weight, count)) in features(text) {
            // The first bit decides the sign, the others the index.
            let index = (hash ^ (hash >> 32)) % u64::from(self.dimensions);
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            // A repeated word counts less each time. IEEE 754 defines the square root exactly, other than a logarithm, so the
            // result is the same on every machine.
            vector[index as usize] += sign * weight * (count as f32).sqrt();
        }
        normalize(&mut vector);
        vector
    }
}

impl Default for HashingEmbedder {
    fn default() -> Self {
        Self::new(DEFAULT_DIMENSIONS)
    }
}

impl Embedder for HashingEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> Option<u32> {
        Some(self.dimensions)
    }

    fn min_score(&self) -> f64 {
        MIN_SCORE
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> EmbedFuture<'a> {
        let (embedder, texts) = (self.clone(), texts.to_vec());
        let bytes = texts.iter().map(String::len).sum::<usize>();
        Box::pin(async move {
            let embed = move || texts.iter().map(|text| embedder.vector(text)).collect();
            Ok(off_worker(bytes * COST, embed).await)
        })
    }
}

/// The words and trigrams of a text, by hash, each with its weight and its number of occurrences.
fn features(text: &str) -> BTreeMap<u64, (f32, u32)> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut features = BTreeMap::new();
    let mut add = |kind: u8, feature: &str, weight: f32| {
        let bytes = std::iter::once(kind).chain(feature.bytes());
        features.entry(fnv1a(bytes)).or_insert((weight, 0)).1 += 1;
    };
    for word in words(text) {
        let word = match word {
            Word::Spaced(word) => word,
            Word::Unspaced(pair) => {
                add(b'w', &pair, WORD);
                continue;
            }
        };
        let stem = stemmer.stem(&word);
        let letters = stem.chars().collect::<Vec<_>>();
        let is_long = letters.len() >= LONG_WORD_LETTERS;
        add(b'w', &stem, if is_long { WORD } else { SHORT_WORD });
        if is_long {
            for three in letters.windows(3) {
                add(b't', &three.iter().collect::<String>(), TRIGRAM);
            }
        }
    }
    features
}

/// The hash FNV-1a of 64 bits, with the constants of its authors (Fowler, Noll and Vo; RFC 9923).
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn the_hash_is_the_published_one() {
        // Vectors of RFC 9923, appendix C.
        assert_eq!(fnv1a("".bytes()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a".bytes()), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar".bytes()), 0x8594_4171_f739_67e8);
    }
}
