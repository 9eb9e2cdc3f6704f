//! Settings of model providers.

use std::collections::BTreeMap;
use std::env::VarError;
use std::time::Duration;

use crate::error::start_error::{SettingError, StartError};
use crate::secret::Secret;

/// The default of [`ProviderSettings::timeout`].
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// Providers that need no settings, with the environment variables that their vendors use for the key.
const VENDORS: [(&str, ProviderKind, &str); 2] = [
    ("anthropic", ProviderKind::Anthropic, "ANTHROPIC_API_KEY"),
    ("openai", ProviderKind::OpenAi, "OPENAI_API_KEY"),
];

/// A model provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The protocol.
    pub kind: ProviderKind,
    /// The base URL, as in `https://api.openai.com/v1`; `None` is the vendor's own.
    pub base_url: Option<String>,
    /// The API key.
    pub api_key: Option<Secret>,
    /// The longest wait for the next bytes of an answer.
    pub timeout: Duration,
}

/// The protocol of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// The Messages API of Anthropic.
    Anthropic,
    /// The Chat Completions API of OpenAI, which many other servers offer too.
    OpenAi,
}

/// The vendor's environment variable for the key; `None` for a provider that needs settings.
pub(crate) fn vendor_variable(provider: &str) -> Option<&'static str> {
    let vendor = VENDORS.iter().find(|(name, ..)| *name == provider);
    vendor.map(|(.., variable)| *variable)
}

/// Adds the vendors' providers that a model refers to, with the keys from the vendors' environment variables.
pub(crate) fn add_vendor_keys(
    models: &BTreeMap<String, String>,
    providers: &mut BTreeMap<String, ProviderSettings>,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<(), StartError> {
    for (name, kind, variable) in VENDORS {
        let is_vendor = |target: &String| target.starts_with(&format!("{name}:"));
        if !models.values().any(is_vendor) {
            continue;
        }
        let provider = providers
            .entry(name.to_owned())
            .or_insert(default_settings(kind));
        if provider.api_key.is_none() && provider.kind == kind {
            let key = vendor_key(variable, get);
            provider.api_key = key?;
        }
    }
    Ok(())
}

/// The provider of this vendor, with the key from its environment variable.
///
/// # Errors
/// The variable, and why it can't be read.
pub(crate) fn vendor(
    provider: &str,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Option<ProviderSettings>, SettingError> {
    let vendor = VENDORS.iter().find(|(name, ..)| *name == provider);
    let Some((_, kind, variable)) = vendor else {
        return Ok(None);
    };
    Ok(Some(ProviderSettings {
        api_key: vendor_key(variable, get)?,
        ..default_settings(*kind)
    }))
}

const fn default_settings(kind: ProviderKind) -> ProviderSettings {
    ProviderSettings {
        kind,
        base_url: None,
        api_key: None,
        timeout: DEFAULT_TIMEOUT,
    }
}

fn vendor_key(
    variable: &'static str,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Option<Secret>, SettingError> {
    let key = get(variable).map_err(|_| SettingError::new(variable, "is not valid UTF-8"))?;
    let key = key.filter(|key| !key.trim().is_empty());
    Ok(key.map(|key| Secret::new(key.trim())))
}
