//! The settings of documents: what embeds them, and where they are stored.

use std::collections::BTreeMap;
use std::env::VarError;

use serde::Deserialize;

use crate::documents::documents_settings::{self, API_KEY, DocumentsSettings};
use crate::embedding::embedding_settings::{
    DIMENSIONS, Embeddings, HASHING, INVALID_MODEL, MIN_SCORE, MODEL, split_model,
};
use crate::error::start_error::SettingError;
use crate::model::provider_settings::{ProviderSettings, vendor};
use crate::secret::Secret;

/// `[embeddings]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EmbeddingsFile {
    model: Option<String>,
    dimensions: Option<u32>,
    min_score: Option<f64>,
}

/// `[documents]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DocumentsFile {
    url: Option<String>,
    api_key: Option<Secret>,
}

/// What embeds documents. A vendor's own variable gives it a key, and changes nothing for the models that agents name.
pub(crate) fn embeddings(
    file: &EmbeddingsFile,
    providers: &BTreeMap<String, ProviderSettings>,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Embeddings, SettingError> {
    let defaults = Embeddings::default();
    let model = file.model.clone().unwrap_or(defaults.model);
    let mut provider = None;
    if model != HASHING {
        let (name, _) =
            split_model(&model).ok_or_else(|| SettingError::new(MODEL, INVALID_MODEL))?;
        if !providers.contains_key(name) {
            provider = vendor(name, get)?;
        }
    }
    if file.dimensions == Some(0) {
        return Err(SettingError::new(DIMENSIONS, "must be 1 at least"));
    }
    let is_score = |score: f64| (0.0..=1.0).contains(&score);
    if file.min_score.is_some_and(|score| !is_score(score)) {
        return Err(SettingError::new(MIN_SCORE, "must be between 0 and 1"));
    }
    Ok(Embeddings {
        model,
        dimensions: file.dimensions,
        min_score: file.min_score,
        provider,
    })
}

/// Where documents are stored; `None` is the store of everything else.
pub(crate) fn documents(file: &DocumentsFile) -> Result<Option<DocumentsSettings>, SettingError> {
    let api_key = file.api_key.clone();
    let Some(url) = file.url.clone() else {
        return match api_key {
            Some(_) => {
                let detail = "is set, but documents.url is not: which server is it for?";
                Err(SettingError::new(API_KEY, detail))
            }
            None => Ok(None),
        };
    };
    let settings = DocumentsSettings { url, api_key };
    documents_settings::open(&settings)?;
    Ok(Some(settings))
}
