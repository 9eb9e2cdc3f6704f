//! The server that keeps documents, where the store of everything else does not.

use std::sync::Arc;

use crate::documents::document_store::DocumentStore;
use crate::error::start_error::SettingError;
use crate::secret::Secret;

/// Settings, as diagnostics name them.
pub(crate) const URL: &str = "documents.url";
pub(crate) const API_KEY: &str = "documents.api_key";
/// A server that keeps documents: Qdrant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentsSettings {
    /// Where it is, as in `http://127.0.0.1:6333`.
    pub url: String,
    /// What it wants to be shown.
    pub api_key: Option<Secret>,
}

/// The store on the server of the settings. Nothing is sent yet.
///
/// # Errors
/// The setting, and what is wrong with it; never a key.
#[cfg(feature = "qdrant")]
pub(crate) fn open(settings: &DocumentsSettings) -> Result<Arc<dyn DocumentStore>, SettingError> {
    Ok(Arc::new(crate::documents::qdrant::Qdrant::new(settings)?))
}

/// Says that this program knows no such server.
///
/// # Errors
/// Always.
#[cfg(not(feature = "qdrant"))]
pub(crate) fn open(_: &DocumentsSettings) -> Result<Arc<dyn DocumentStore>, SettingError> {
    Err(SettingError::missing_feature(URL, "qdrant"))
}
