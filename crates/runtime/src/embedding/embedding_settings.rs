//! What an operator may set of the embeddings.

use crate::model::provider_settings::ProviderSettings;

/// The setting that names the model.
pub(crate) const MODEL: &str = "embeddings.model";
/// The setting that says how many numbers a vector has.
pub(crate) const DIMENSIONS: &str = "embeddings.dimensions";
/// The setting that says what a passage scores at least to be found.
pub(crate) const MIN_SCORE: &str = "embeddings.min_score";
/// The embedder that needs no provider.
pub(crate) const HASHING: &str = "hashing";
/// What makes the texts of documents comparable.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// `hashing`, which needs no provider and knows words only, or `provider:model`.
    pub model: String,
    /// How many numbers a vector has; `None` is 2,048 for `hashing`, and what the model gives for any other.
    pub dimensions: Option<u32>,
    /// What a passage scores at least to be found, from 0 to 1; `None` is 0.06 for `hashing`, and 0 for any other.
    pub min_score: Option<f64>,
    /// The model's provider, if it is not among [`Settings::providers`](crate::Settings::providers).
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

/// The provider and the model in a name.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn named(model: &str) -> Result<(&str, &str), String> {
    let named = model.split_once(':');
    named
        .filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
        .ok_or_else(|| {
            format!(
                "must be `{HASHING}` or `provider:model`, as in `openai:text-embedding-3-small`"
            )
        })
}
