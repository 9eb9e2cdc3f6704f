//! Turns texts into vectors: by hashing words, or by an embedding model over HTTP.

pub(crate) mod embedding_settings;
pub(crate) mod hashing_embedder;
pub(crate) mod openai_embedder;

use std::pin::Pin;

use crate::error::AgentError;

/// Embeds texts.
pub trait Embedder: Send + Sync + 'static {
    /// The name of the model. Vectors are only compared with others of the same name, so that anything that changes
    /// them is part of it.
    fn model(&self) -> &str;

    /// How many numbers a vector has; `None` if only the vectors themselves tell.
    fn dimensions(&self) -> Option<u32>;

    /// What a passage scores at least that a query finds, if nobody says otherwise: where chance alone brings texts a
    /// little nearer, it is above that.
    fn min_score(&self) -> f64 {
        0.0
    }

    /// The vectors of `texts`, one for each in the same order, all of the same size and of length 1. What has no
    /// meaning at all may be all zeros.
    ///
    /// # Errors
    /// What the provider of the model says, as for [`Provider`](crate::model::Provider).
    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> Embedding<'a>;
}

/// Vectors on their way.
pub type Embedding<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, AgentError>> + Send + 'a>>;

/// What vectors are for: some models embed what is looked for otherwise than what is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Purpose {
    /// To be found.
    #[default]
    Document,
    /// To find.
    Query,
}
