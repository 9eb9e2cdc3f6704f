//! Settings of model providers.

use std::collections::BTreeMap;
use std::env::VarError;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::client::{sensitive, server_address};
use crate::error::start_error::{SettingError, StartError};
use crate::model::ProviderMetadata;
use crate::model::dialects::{
    DIALECTS, Dialect, DialectRow, KeyHeader, StructuredOutput, SystemRole,
};
use crate::secret::Secret;

/// The default of [`ProviderSettings::timeout`].
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// The header `anthropic-version`, which the API requires.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A model provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The kind of server, which implies the protocol.
    pub dialect: Dialect,
    /// The base URL, as in `https://api.openai.com/v1`; `None` is the dialect's own.
    pub base_url: Option<String>,
    /// The API key.
    pub api_key: Option<Secret>,
    /// The longest wait for the next bytes of an answer.
    pub timeout: Duration,
    /// What requests look like where that is not as in the dialect.
    pub requests: RequestSettings,
}

/// What the requests to a provider look like; `None` is as in its dialect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestSettings {
    /// How structured output is asked for.
    pub structured: Option<StructuredOutput>,
    /// Whether `stream_options` asks for usage.
    pub stream_options: Option<bool>,
    /// The name of the limit of output tokens.
    pub max_tokens_parameter: Option<String>,
    /// The most output tokens of one answer.
    pub max_output_tokens: Option<u64>,
    /// The role of the system message.
    pub system_role: Option<SystemRole>,
    /// Whether tool calls that the model writes into its text are read as calls.
    pub tool_calls_in_text: Option<bool>,
    /// Whether the models get the images that tools give.
    pub images: Option<bool>,
    /// The models that begin with their thoughts, and mark only the end of them.
    pub thinking_prefilled: Vec<String>,
    /// Further headers.
    pub headers: BTreeMap<String, Secret>,
    /// Further members of each request.
    pub extra_body: ProviderMetadata,
}

/// The protocol of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// The Messages API of Anthropic.
    Anthropic,
    /// The Chat Completions API of OpenAI, which many other servers offer too.
    OpenAi,
    /// The Responses API of OpenAI, which has its newest models.
    OpenAiResponses,
}

impl ProviderSettings {
    /// A provider at its dialect's own address, without a key.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            base_url: None,
            api_key: None,
            timeout: DEFAULT_TIMEOUT,
            requests: RequestSettings::default(),
        }
    }

    /// The base URL of the provider `name`, and whether it is the vendor's own.
    ///
    /// # Errors
    /// No address, or none of HTTP; one with a name or a password, or one to which a key would go unencrypted.
    pub(crate) fn address(
        &self,
        name: &str,
        operation: impl Fn(&str) -> Option<Url>,
    ) -> Result<(Url, bool), SettingError> {
        let wrong =
            |detail: String| SettingError::new(format!("providers.{name}.base_url"), detail);
        let own = self.dialect.0.base_url;
        let own_name = own.filter(|_| name == self.dialect.name());
        let base = self.base_url.as_deref().or(own_name);
        let base = base.ok_or_else(|| wrong("is not set: where is this provider?".to_owned()))?;
        let mut headers = self.requests.headers.keys();
        let header = headers.find(|header| server_address::is_credential(header));
        let secret = match (&self.api_key, header) {
            (None, Some(header)) => format!("providers.{name}.headers.{header}"),
            _ => format!("providers.{name}.api_key"),
        };
        let secret = (&*secret, self.api_key.is_some() || header.is_some());
        let url = server_address::check(operation(base), "https://models.example/v1", secret);
        let url = url.map_err(wrong)?;
        let is_vendor = own.and_then(operation).as_ref() == Some(&url);
        Ok((url, is_vendor))
    }

    /// The headers of each request to the provider `name`. Keys are marked as sensitive.
    ///
    /// # Errors
    /// A key or a header that HTTP can't transport.
    pub(crate) fn header_map(&self, name: &str) -> Result<HeaderMap, SettingError> {
        const INVALID: &str = "has characters that an HTTP header can't have";
        let wrong = |key: &str| SettingError::new(format!("providers.{name}.{key}"), INVALID);
        let mut headers = HeaderMap::new();
        if self.dialect.kind() == ProviderKind::Anthropic {
            let version = HeaderName::from_static("anthropic-version");
            headers.insert(version, HeaderValue::from_static(ANTHROPIC_VERSION));
        }
        if let Some(key) = &self.api_key {
            let (header, value) = match self.dialect.0.key_header {
                KeyHeader::Bearer => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
                KeyHeader::Named(header) => {
                    (HeaderName::from_static(header), key.expose().to_owned())
                }
            };
            headers.insert(header, sensitive(&value).ok_or_else(|| wrong("api_key"))?);
        }
        for (header, value) in &self.requests.headers {
            let key = format!("headers.{header}");
            let header = header.parse::<HeaderName>().map_err(|_| wrong(&key))?;
            headers.insert(
                header,
                sensitive(value.expose()).ok_or_else(|| wrong(&key))?,
            );
        }
        Ok(headers)
    }

    /// What a missing key of the provider `name` is called in errors.
    pub(crate) fn missing_key(&self, name: &str, who: &str) -> SettingError {
        let variable = self
            .dialect
            .0
            .key_variable
            .filter(|_| name == self.dialect.name());
        let detail = match variable {
            Some(variable) => format!("is not set, nor is {variable}: {who} a key"),
            None => format!("is not set: {who} a key"),
        };
        SettingError::new(format!("providers.{name}.api_key"), detail)
    }
}

/// Adds the vendors' providers that a model refers to, with the keys from the vendors' environment variables.
pub(crate) fn add_vendor_keys(
    models: &BTreeMap<String, String>,
    providers: &mut BTreeMap<String, ProviderSettings>,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<(), StartError> {
    let is_anthropic = |kind| kind == ProviderKind::Anthropic;
    for row in &DIALECTS {
        let is_meant = |target: &String| target.starts_with(&format!("{}:", row.name));
        if !models.values().any(is_meant) {
            continue;
        }
        if !providers.contains_key(row.name) && row.base_url.is_some() {
            providers.insert(row.name.to_owned(), ProviderSettings::new(Dialect::of(row)));
        }
        if let Some(provider) = providers.get_mut(row.name)
            && provider.api_key.is_none()
            && is_anthropic(provider.dialect.kind()) == is_anthropic(row.kind)
        {
            provider.api_key = vendor_key(row, get)?;
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
    let row = DIALECTS.iter().find(|row| row.name == provider);
    let Some(row) = row.filter(|row| row.base_url.is_some()) else {
        return Ok(None);
    };
    Ok(Some(ProviderSettings {
        api_key: vendor_key(row, get)?,
        ..ProviderSettings::new(Dialect::of(row))
    }))
}

fn vendor_key(
    row: &'static DialectRow,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Option<Secret>, SettingError> {
    let Some(variable) = row.key_variable else {
        return Ok(None);
    };
    let key = get(variable).map_err(|_| SettingError::new(variable, "is not valid UTF-8"))?;
    let key = key.filter(|key| !key.trim().is_empty());
    Ok(key.map(|key| Secret::new(key.trim())))
}
