//! Builds the embedder that the settings name.

use std::sync::Arc;

use crate::client::{self, HttpEndpoint};
use crate::embedding::Embedder;
use crate::embedding::embedding_settings::{
    DIMENSIONS, Embeddings, HASHING, INVALID_MODEL, MIN_SCORE, MODEL, split_model,
};
use crate::embedding::hashing_embedder::{DEFAULT_DIMENSIONS, HashingEmbedder};
use crate::embedding::openai_embedder::OpenAiEmbedder;
use crate::error::start_error::StartError;
use crate::model::openai::openai_request;
use crate::model::provider_settings::{ProviderKind, ProviderSettings};
use crate::settings::Settings;

/// The most dimensions of a vector.
const MAX_DIMENSIONS: u32 = 8_192;

/// The embedder in `settings`.
///
/// # Errors
/// An invalid model, a provider that does not exist or has no embeddings, and a missing address or key.
pub(crate) fn embedder(settings: &Settings) -> Result<Arc<dyn Embedder>, StartError> {
    let Embeddings {
        model,
        dimensions,
        min_score,
        provider,
    } = &settings.embeddings;
    if min_score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
        return Err(StartError::setting(MIN_SCORE, "must be between 0 and 1"));
    }
    if dimensions.is_some_and(|dimensions| !(1..=MAX_DIMENSIONS).contains(&dimensions)) {
        let detail = format!("must be between 1 and {MAX_DIMENSIONS}");
        return Err(StartError::setting(DIMENSIONS, detail));
    }
    if model == HASHING {
        let dimensions = dimensions.unwrap_or(DEFAULT_DIMENSIONS);
        return Ok(Arc::new(HashingEmbedder::new(dimensions)));
    }
    let (name, model) =
        split_model(model).ok_or_else(|| StartError::setting(MODEL, INVALID_MODEL))?;
    let provider = settings.providers.get(name).or(provider.as_ref());
    let provider = provider.ok_or_else(|| {
        let detail =
            format!("there is no provider `{name}`: [providers.{name}] has to say where it is");
        StartError::setting(MODEL, detail)
    })?;
    let endpoint = endpoint(name, provider)?;
    Ok(Arc::new(OpenAiEmbedder::new(endpoint, model, *dimensions)))
}

fn endpoint(name: &str, provider: &ProviderSettings) -> Result<HttpEndpoint, StartError> {
    if provider.dialect.kind() == ProviderKind::Anthropic {
        let detail = format!(
            "the provider `{name}` has no embeddings: only providers with OpenAI's API have"
        );
        return Err(StartError::setting(MODEL, detail));
    }
    let (url, is_vendor) = provider
        .address(name, openai_request::embeddings_url)
        .map_err(StartError::from)?;
    let needs_key = is_vendor && provider.dialect.0.key_variable.is_some();
    if needs_key && provider.api_key.is_none() {
        return Err(provider.missing_key(name, "embeddings need").into());
    }
    let headers = provider.header_map(name).map_err(StartError::from)?;
    let client = client::client().map_err(|error| {
        StartError::setting(
            "providers",
            format!("the HTTP client can't be created: {error}"),
        )
    })?;
    Ok(HttpEndpoint {
        provider: name.to_owned(),
        client,
        url,
        headers,
        idle_timeout: provider.timeout,
    })
}
