//! Embeds texts as vectors: by hashing their words, or with an embedding model over HTTP.
//!
//! Invariant: vectors are compared only with vectors of the same model name.

pub(crate) mod embedding_settings;
pub(crate) mod hashing_embedder;
pub(crate) mod openai_embedder;

use std::pin::Pin;

use crate::error::AgentError;

/// Embeds texts.
pub trait Embedder: Send + Sync + 'static {
    /// The name of the model. Everything that changes its vectors is part of the name.
    fn model(&self) -> &str;

    /// The size of the vectors; `None` if it is known only from the vectors themselves.
    fn dimensions(&self) -> Option<u32>;

    /// The default of the lowest score that a search returns. An embedder whose unrelated texts score above 0 by chance
    /// returns more than that.
    fn min_score(&self) -> f64 {
        0.0
    }

    /// One vector for each text, in the same order, all of the same size and of length 1. The vector of a text without any
    /// words may be zero.
    ///
    /// # Errors
    /// Those of the model's provider, as for [`Provider`](crate::model::Provider).
    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> EmbedFuture<'a>;
}

/// The future of [`Embedder::embed`].
pub type EmbedFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, AgentError>> + Send + 'a>>;

/// What a vector is for. Some models embed queries and documents differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Purpose {
    /// A text that is searched.
    #[default]
    Document,
    /// A text to search for.
    Query,
}
