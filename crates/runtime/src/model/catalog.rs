//! Resolves model names to providers.
//!
//! Example: with `models.sonnet = "anthropic:claude-sonnet-4-5"` in the settings, an agent with `model: sonnet` is answered
//! by the provider `anthropic`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream;
use reqwest::Client;
use serde_json::Value;

use crate::client::{self, HttpEndpoint};
use crate::error::AgentError;
use crate::error::start_error::{SettingError, StartError};
use crate::model::anthropic;
use crate::model::anthropic_decoder::AnthropicDecoder;
use crate::model::chunk_stream::stream_chunks;
use crate::model::dialects::RequestShape;
use crate::model::echo::Echo;
use crate::model::openai::openai_decoder::OpenAiDecoder;
use crate::model::openai::openai_request::{self, offered_tools};
use crate::model::openai::responses_decoder::ResponsesDecoder;
use crate::model::openai::responses_request;
use crate::model::provider_settings::{ProviderKind, ProviderSettings};
use crate::model::request_adaptation::ModelMemory;
use crate::model::{ChunkStream, ModelRequest, Provider};
use crate::spec::agent_spec::AgentSpec;

/// The model of agents that name none.
const DEFAULT_MODEL: &str = "default";
/// Claude Code's word for the caller's model. A service has no such model: it is the default.
const INHERIT: &str = "inherit";
pub(crate) const ECHO: &str = "echo";
/// Model names that lead to a vendor without a setting, by prefix.
const VENDOR_PREFIXES: [(&str, &str); 3] = [
    ("claude-", "anthropic"),
    ("gpt-", "openai"),
    ("gpt-", "openai-responses"),
];
/// How many aliases in a row are followed.
const MAX_ALIASES: usize = 8;

/// A [`Provider`] made of all providers in the settings. A model's name is resolved to `provider:model` through
/// [`Settings::models`](crate::Settings::models). Without providers in the settings, [`Echo`] answers for every model.
pub struct Models {
    /// Alias to another alias or `provider:model`.
    aliases: BTreeMap<String, String>,
    /// By the provider's name.
    servers: BTreeMap<String, ProviderServer>,
}

/// What a model name resolves to.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Echo,
    Model { provider: &'a str, model: &'a str },
}

/// A provider with its address.
struct ProviderServer {
    settings: ProviderSettings,
    /// Whether the address is the vendor's own.
    is_vendor: bool,
    endpoint: Arc<HttpEndpoint>,
    shape: RequestShape,
    /// What was learned about its models, by their full names.
    memories: Mutex<BTreeMap<String, Arc<ModelMemory>>>,
}

impl Models {
    /// Resolves model names through `aliases` ([`Settings::models`](crate::Settings::models)) to `providers`
    /// ([`Settings::providers`](crate::Settings::providers)).
    ///
    /// # Errors
    /// An invalid address of a provider, and an alias that resolves to nothing.
    pub fn new(
        aliases: &BTreeMap<String, String>,
        providers: &BTreeMap<String, ProviderSettings>,
    ) -> Result<Self, StartError> {
        let mut servers = BTreeMap::new();
        if !providers.is_empty() {
            let client = client::client().map_err(|error| {
                StartError::setting(
                    "providers",
                    format!("the HTTP client can't be created: {error}"),
                )
            })?;
            for (name, provider) in providers {
                let server =
                    ProviderServer::new(name, provider, &client).map_err(StartError::from)?;
                servers.insert(name.clone(), server);
            }
        }
        let models = Self {
            aliases: aliases.clone(),
            servers,
        };
        for name in models.aliases.keys() {
            models.resolve(Some(name)).map_err(StartError::from)?;
        }
        Ok(models)
    }

    /// Whether [`Echo`] answers for every model, because the settings have no provider.
    #[must_use]
    pub fn is_echo(&self) -> bool {
        self.servers.is_empty()
    }

    /// Whether the default model is a real one, and not [`Echo`].
    pub(crate) fn has_default(&self) -> bool {
        matches!(self.resolve(None), Ok(Target::Model { .. }))
    }

    /// Checks that `model`, the agent's own or a fallback, has a provider and a key.
    ///
    /// # Errors
    /// The setting that is missing.
    pub fn check(&self, agent: &AgentSpec, model: Option<&str>) -> Result<(), StartError> {
        let target = self.resolve(model);
        let checked = target.and_then(|target| self.check_key(&target));
        checked.map_err(|SettingError { key, detail }| {
            StartError::setting(key, format!("{detail} (agent `{}`)", agent.name))
        })
    }

    fn resolve<'a>(&'a self, model: Option<&'a str>) -> Result<Target<'a>, SettingError> {
        let requested = model
            .filter(|name| *name != INHERIT)
            .unwrap_or(DEFAULT_MODEL);
        let mut name = requested;
        for _ in 0..MAX_ALIASES {
            match self.aliases.get(name) {
                Some(next) if next != name => name = next.trim(),
                _ => break,
            }
        }
        if name == ECHO {
            return Ok(Target::Echo);
        }
        if let Some((provider, model)) = name.split_once(':')
            && self.servers.contains_key(provider)
            && !model.is_empty()
        {
            return Ok(Target::Model { provider, model });
        }
        let family = VENDOR_PREFIXES.iter().find(|(prefix, provider)| {
            name.starts_with(prefix) && self.servers.contains_key(*provider)
        });
        if let Some((_, provider)) = family {
            return Ok(Target::Model {
                provider,
                model: name,
            });
        }
        if self.aliases.contains_key(requested) {
            let key = format!("models.{requested}");
            let detail = match name.split_once(':') {
                Some((provider, _)) if !provider.is_empty() => {
                    format!(
                        "there is no provider `{provider}`: [providers.{provider}] has to say where it is"
                    )
                }
                _ => "must be `provider:model`, `echo` or the name of another model".to_owned(),
            };
            return Err(SettingError::new(key, detail));
        }
        if self.is_echo() {
            return Ok(Target::Echo);
        }
        Err(SettingError::new(
            format!("models.{requested}"),
            "is not set: say which model this is, as in `anthropic:claude-sonnet-4-5`, or `echo`",
        ))
    }

    /// A provider at its vendor's own address needs a key.
    fn check_key(&self, target: &Target<'_>) -> Result<(), SettingError> {
        let Target::Model { provider, model } = target else {
            return Ok(());
        };
        let server = self.servers.get(*provider);
        let missing = server.filter(|server| {
            let settings = &server.settings;
            server.is_vendor
                && settings.api_key.is_none()
                && settings.dialect.0.key_variable.is_some()
        });
        match missing {
            Some(server) => {
                let who = format!("`{model}` needs");
                Err(server.settings.missing_key(provider, &who))
            }
            None => Ok(()),
        }
    }
}

impl Provider for Models {
    fn model(&self, model: Option<&str>) -> String {
        match self.resolve(model) {
            Ok(Target::Model { provider, model }) => format!("{provider}:{model}"),
            Ok(Target::Echo) => ECHO.to_owned(),
            Err(_) => model.unwrap_or(DEFAULT_MODEL).to_owned(),
        }
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let (provider, model) = match self.resolve(request.model) {
            Ok(Target::Model { provider, model }) => (provider, model),
            Ok(Target::Echo) => return Echo.answer(request),
            Err(SettingError { key, detail }) => {
                let error = AgentError::internal(format!("{key}: {detail}"));
                return Box::pin(stream::iter([Err(error)]));
            }
        };
        match self.servers.get(provider) {
            Some(server) => server.answer(provider, model, request),
            None => Echo.answer(request),
        }
    }
}

impl ProviderServer {
    fn new(name: &str, settings: &ProviderSettings, client: &Client) -> Result<Self, SettingError> {
        let (url, is_vendor) = match settings.dialect.kind() {
            ProviderKind::Anthropic => settings.address(name, anthropic::url),
            ProviderKind::OpenAi => settings.address(name, openai_request::url),
            ProviderKind::OpenAiResponses => settings.address(name, responses_request::url),
        }?;
        let endpoint = HttpEndpoint {
            provider: name.to_owned(),
            client: client.clone(),
            url,
            headers: settings.header_map(name)?,
            idle_timeout: settings.timeout,
        };
        Ok(Self {
            is_vendor,
            endpoint: Arc::new(endpoint),
            shape: RequestShape::new(settings.dialect.0, &settings.requests),
            settings: settings.clone(),
            memories: Mutex::default(),
        })
    }

    fn answer(&self, provider: &str, model: &str, request: &ModelRequest) -> ChunkStream {
        let endpoint = Arc::clone(&self.endpoint);
        let full_model = format!("{provider}:{model}");
        let memory = self.memory(&full_model);
        let callable = |body: &Value| {
            let callable = self.shape.tool_calls_in_text.then(|| offered_tools(body));
            callable.unwrap_or_default()
        };
        match self.settings.dialect.kind() {
            ProviderKind::Anthropic => stream_chunks(
                endpoint,
                anthropic::body(model, &full_model, request, &self.shape),
                AnthropicDecoder::new(request),
                memory,
            ),
            ProviderKind::OpenAi => {
                let body = openai_request::body(model, &full_model, request, &self.shape);
                let decoder = OpenAiDecoder::new(request, Arc::clone(&memory), callable(&body));
                stream_chunks(endpoint, body, decoder, memory)
            }
            ProviderKind::OpenAiResponses => {
                let body = responses_request::body(model, &full_model, request, &self.shape);
                let decoder = ResponsesDecoder::new(request, Arc::clone(&memory), callable(&body));
                stream_chunks(endpoint, body, decoder, memory)
            }
        }
    }

    fn memory(&self, model: &str) -> Arc<ModelMemory> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(memory) = memories.get(model) {
            return Arc::clone(memory);
        }
        let requires_limit = self.settings.dialect.kind() == ProviderKind::Anthropic;
        let memory = Arc::new(ModelMemory::new(model.to_owned(), requires_limit));
        let own_name = model.split_once(':').map_or(model, |(_, name)| name);
        let prefilled = &self.settings.requests.thinking_prefilled;
        if prefilled.iter().any(|prefilled| prefilled == own_name) {
            memory.expect_closing_tag();
        }
        memories.insert(model.to_owned(), Arc::clone(&memory));
        memory
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("aliases", &self.aliases)
            .field("providers", &self.servers.keys())
            .finish_non_exhaustive()
    }
}
