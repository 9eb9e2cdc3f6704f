//! Where a provider is and what it speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::start_error::StartError;
use crate::secret::Secret;

/// The longest silence of a provider that says nothing of its own.
pub(crate) const PROVIDER_TIMEOUT: Duration = Duration::from_secs(120);
/// The providers that need no settings, and the variables that their vendors have for a key.
const VENDORS: [(&str, ProviderKind, &str); 2] = [
    ("anthropic", ProviderKind::Anthropic, "ANTHROPIC_API_KEY"),
    ("openai", ProviderKind::OpenAi, "OPENAI_API_KEY"),
];

/// A server that models are asked from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// What it speaks.
    pub kind: ProviderKind,
    /// Where it is, without the path of an operation; `None` is the vendor's own.
    pub base_url: Option<String>,
    /// What it wants to be shown.
    pub api_key: Option<Secret>,
    /// How long it may be silent.
    pub timeout: Duration,
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// The Messages API of Anthropic.
    Anthropic,
    /// The Chat Completions API of OpenAI, which many servers offer.
    OpenAi,
}

/// The variable that the vendor of the provider has for a key; `None` if settings have to say where the provider is.
pub(crate) fn vendor_variable(provider: &str) -> Option<&'static str> {
    let vendor = VENDORS.iter().find(|(name, ..)| *name == provider);
    vendor.map(|(.., variable)| *variable)
}

/// The vendors' own variables give a key to the providers of their names, if a model is asked from them.
pub(crate) fn add_vendor_keys(
    models: &BTreeMap<String, String>,
    providers: &mut BTreeMap<String, ProviderSettings>,
    get: &impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<(), StartError> {
    for (name, kind, variable) in VENDORS {
        let of_vendor = |target: &String| target.starts_with(&format!("{name}:"));
        if !models.values().any(of_vendor) {
            continue;
        }
        let provider = providers.entry(name.to_owned()).or_insert(usual(kind));
        if provider.api_key.is_none() && provider.kind == kind {
            let key = vendor_key(variable, get);
            provider.api_key = key.map_err(|(key, detail)| StartError::setting(key, detail))?;
        }
    }
    Ok(())
}

/// The vendor of this name as a provider, with the key in its own variable.
///
/// # Errors
/// That variable, and why it can't be read.
pub(crate) fn vendor(
    provider: &str,
    get: &impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<Option<ProviderSettings>, (&'static str, String)> {
    let vendor = VENDORS.iter().find(|(name, ..)| *name == provider);
    let Some((_, kind, variable)) = vendor else {
        return Ok(None);
    };
    Ok(Some(ProviderSettings {
        api_key: vendor_key(variable, get)?,
        ..usual(*kind)
    }))
}

const fn usual(kind: ProviderKind) -> ProviderSettings {
    ProviderSettings {
        kind,
        base_url: None,
        api_key: None,
        timeout: PROVIDER_TIMEOUT,
    }
}

fn vendor_key(
    variable: &'static str,
    get: &impl Fn(&str) -> Result<Option<String>, String>,
) -> Result<Option<Secret>, (&'static str, String)> {
    let key = get(variable).map_err(|detail| (variable, detail))?;
    let key = key.filter(|key| !key.trim().is_empty());
    Ok(key.map(|key| Secret::new(key.trim())))
}
