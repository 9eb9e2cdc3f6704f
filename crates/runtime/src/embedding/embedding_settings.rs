//! Settings of the embedding model.

use crate::model::provider_settings::ProviderSettings;

/// Settings, as diagnostics name them.
pub(crate) const MODEL: &str = "embeddings.model";
pub(crate) const DIMENSIONS: &str = "embeddings.dimensions";
pub(crate) const MIN_SCORE: &str = "embeddings.min_score";
/// What is wrong with a model name that [`split_model`] refuses.
pub(crate) const INVALID_MODEL: &str =
    "must be `hashing` or `provider:model`, as in `openai:text-embedding-3-small`";
/// The model name of [`HashingEmbedder`](crate::HashingEmbedder).
pub(crate) const HASHING: &str = "hashing";

/// The embedding model of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// `hashing`, which compares words and needs no provider, or `provider:model`.
    pub model: String,
    /// The size of the vectors; `None` is 2,048 for `hashing`, and the model's own for others.
    pub dimensions: Option<u32>,
    /// The lowest score that searches return, from 0 to 1; `None` is 0.06 for `hashing`, and 0 for others.
    pub min_score: Option<f64>,
    /// The model's provider, if it is not one of [`Settings::providers`](crate::Settings::providers).
    pub provider: Option<ProviderSettings>,
}

impl Default for Embeddings {
    fn default() -> Self {
        Self {
            model: HASHING.to_owned(),
            dimensions: None,
            min_score: None,
            provider: None,
        }
    }
}

/// Splits `provider:model`; `None` if either is missing.
pub(crate) fn split_model(model: &str) -> Option<(&str, &str)> {
    let parts = model.split_once(':');
    parts.filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
}
