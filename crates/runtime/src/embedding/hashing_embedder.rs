//! Embeds texts without a model: their words and parts of words, hashed into a vector.

use std::collections::BTreeMap;
use std::future::ready;

use rust_stemmers::{Algorithm, Stemmer};

use crate::documents::similarity::normalize;
use crate::embedding::{Embedder, Embedding, Purpose};
use agentgen_ranking::{Word, words};

/// How many numbers a vector has if nobody says.
pub(crate) const USUAL_DIMENSIONS: u32 = 2_048;
/// What passages score at least that have anything in common with a query. Words that fall on the same number by chance
/// bring others near, and the longer a passage is, the less a word of it counts: in `tests/service/handbook`, this much
/// leaves out most of the former and none of the latter.
const MIN_SCORE: f64 = 0.06;
/// What a word counts, one of few letters, and three letters of a word in a row. Short words are in every text and say
/// little; the parts of words bring together what no stemmer does.
const WORD: f32 = 1.0;
const SHORT_WORD: f32 = 0.25;
const TRIGRAM: f32 = 0.25;
/// From how many letters on a word is a long one.
const LONG: usize = 4;

/// An [`Embedder`] that knows words and no meanings: texts are near each other if they share words or parts of words.
/// It needs no network, gives the same vector for the same text on every machine, and says what it is: its model is
/// called `hashing-2048` after its dimensions. The method is signed feature hashing (Weinberger et al., "Feature Hashing
/// for Large Scale Multitask Learning", 2009, arXiv:0902.2206).
#[derive(Debug, Clone)]
pub struct HashingEmbedder {
    dimensions: u32,
    model: String,
}

impl HashingEmbedder {
    /// An embedder whose vectors have so many numbers, at least one.
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
            // The place comes from all bits but the first, the sign from that one.
            let place = (hash ^ (hash >> 32)) % u64::from(self.dimensions);
            let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
            // A word that stands there often does not say as much more. The root is the same number everywhere,
            // which a logarithm need not be.
            vector[place as usize] += sign * weight * (count as f32).sqrt();
        }
        normalize(&mut vector);
        vector
    }
}

impl Default for HashingEmbedder {
    fn default() -> Self {
        Self::new(USUAL_DIMENSIONS)
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

    fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> Embedding<'a> {
        let vectors = texts.iter().map(|text| self.vector(text)).collect();
        Box::pin(ready(Ok(vectors)))
    }
}

/// The words of a text and the parts of them, by their hashes: what one counts, and how often it is there.
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
        let is_long = letters.len() >= LONG;
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
