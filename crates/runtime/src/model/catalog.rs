//! Which provider answers for which model: the names that agents use, and what the settings say they stand for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};

use crate::client::{self, Upstream};
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::model::anthropic;
use crate::model::echo::Echo;
use crate::model::openai;
use crate::model::provider_settings::{ProviderKind, ProviderSettings, vendor_variable};
use crate::model::{ChunkStream, ModelRequest, Provider};
use crate::spec::agent_spec::AgentSpec;

/// The model of agents that name none.
const DEFAULT: &str = "default";
/// What an agent says that wants its caller's model.
const INHERIT: &str = "inherit";
pub(crate) const ECHO: &str = "echo";
/// Providers that answer for the models whose names begin so, without a word in the settings.
const FAMILIES: [(&str, &str); 2] = [("claude-", "anthropic"), ("gpt-", "openai")];
/// How many names in a row may stand for each other.
const MOST_NAMES: usize = 8;

/// A provider made of all providers in the settings. A model's name leads to `provider:model` by way of
/// [`Settings::models`](crate::Settings::models); without any provider in the settings, [`Echo`] answers for every model.
pub struct Models {
    names: BTreeMap<String, String>,
    servers: BTreeMap<String, Server>,
}

/// What a name stands for in the end.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Echo,
    Model { provider: &'a str, model: &'a str },
}

/// A provider that can be asked.
struct Server {
    kind: ProviderKind,
    is_vendor: bool,
    has_key: bool,
    client: Client,
    url: Url,
    headers: HeaderMap,
    patience: Duration,
}

/// The setting that is missing or wrong, and why.
struct Wrong {
    key: String,
    detail: String,
}

impl Models {
    /// The models that `names` lead to ([`Settings::models`](crate::Settings::models)), served by `providers`
    /// ([`Settings::providers`](crate::Settings::providers)).
    ///
    /// # Errors
    /// A provider's address that is none, and a name that stands for nothing.
    pub fn new(
        names: &BTreeMap<String, String>,
        providers: &BTreeMap<String, ProviderSettings>,
    ) -> Result<Self, StartError> {
        let mut servers = BTreeMap::new();
        if !providers.is_empty() {
            let client = client::client().map_err(|error| {
                StartError::setting("providers", format!("no client can be made: {error}"))
            })?;
            for (name, provider) in providers {
                let server = Server::new(name, provider, &client).map_err(start_error)?;
                servers.insert(name.clone(), server);
            }
        }
        let models = Self {
            names: names.clone(),
            servers,
        };
        for name in models.names.keys() {
            models.target(Some(name)).map_err(start_error)?;
        }
        Ok(models)
    }

    /// Whether [`Echo`] answers for every model, since the settings name no provider.
    #[must_use]
    pub fn is_echo(&self) -> bool {
        self.servers.is_empty()
    }

    /// Whether a model answers for the agents that name none, and not [`Echo`].
    pub(crate) fn has_default(&self) -> bool {
        matches!(self.target(None), Ok(Target::Model { .. }))
    }

    /// Checks that `agent` can be answered for by `model`: its own, or one that it falls back to.
    ///
    /// # Errors
    /// The setting that says what the model stands for is missing, or a key for it.
    pub fn check(&self, agent: &AgentSpec, model: Option<&str>) -> Result<(), StartError> {
        let found = self.target(model);
        let checked = found.and_then(|target| self.check_key(&target));
        checked.map_err(|Wrong { key, detail }| {
            let detail = format!("{detail} (agent `{}`)", agent.name);
            start_error(Wrong { key, detail })
        })
    }

    fn target<'a>(&'a self, model: Option<&'a str>) -> Result<Target<'a>, Wrong> {
        let asked = model.filter(|name| *name != INHERIT).unwrap_or(DEFAULT);
        let mut name = asked;
        for _ in 0..MOST_NAMES {
            match self.names.get(name) {
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
        let family = FAMILIES.iter().find(|(prefix, provider)| {
            name.starts_with(prefix) && self.servers.contains_key(*provider)
        });
        if let Some((_, provider)) = family {
            return Ok(Target::Model {
                provider,
                model: name,
            });
        }
        if self.names.contains_key(asked) {
            let key = format!("models.{asked}");
            let detail = match name.split_once(':') {
                Some((provider, _)) if !provider.is_empty() => {
                    format!(
                        "there is no provider `{provider}`: [providers.{provider}] has to say where it is"
                    )
                }
                _ => "must be `provider:model`, `echo` or the name of another model".to_owned(),
            };
            return Err(Wrong { key, detail });
        }
        if self.is_echo() {
            return Ok(Target::Echo);
        }
        Err(Wrong {
            key: format!("models.{asked}"),
            detail: "is not set: say which model this is, as in `anthropic:claude-sonnet-4-5`, or `echo`"
                .to_owned(),
        })
    }

    /// At its vendor's own address, a provider does nothing without a key.
    fn check_key(&self, target: &Target<'_>) -> Result<(), Wrong> {
        let Target::Model { provider, model } = target else {
            return Ok(());
        };
        let server = self.servers.get(*provider);
        if server.is_some_and(|server| server.is_vendor && !server.has_key) {
            return Err(Wrong {
                key: format!("providers.{provider}.api_key"),
                detail: match vendor_variable(provider) {
                    Some(variable) => {
                        format!("is not set, nor is {variable}: `{model}` needs a key")
                    }
                    None => format!("is not set: `{model}` needs a key"),
                },
            });
        }
        Ok(())
    }
}

impl Provider for Models {
    fn model(&self, model: Option<&str>) -> String {
        match self.target(model) {
            Ok(Target::Model { provider, model }) => format!("{provider}:{model}"),
            Ok(Target::Echo) => ECHO.to_owned(),
            Err(_) => model.unwrap_or(DEFAULT).to_owned(),
        }
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let (provider, model) = match self.target(request.model) {
            Ok(Target::Model { provider, model }) => (provider, model),
            Ok(Target::Echo) => return Echo.answer(request),
            Err(Wrong { key, detail }) => {
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

impl Server {
    fn new(name: &str, settings: &ProviderSettings, client: &Client) -> Result<Self, Wrong> {
        let wrong = |key: &str, detail: &str| Wrong {
            key: format!("providers.{name}.{key}"),
            detail: detail.to_owned(),
        };
        let (usual, url, headers): (_, fn(&str) -> _, fn(_) -> _) = match settings.kind {
            ProviderKind::Anthropic => (anthropic::BASE_URL, anthropic::url, anthropic::headers),
            ProviderKind::OpenAi => (openai::BASE_URL, openai::url, openai::headers),
        };
        if settings.base_url.is_none() && vendor_variable(name).is_none() {
            return Err(wrong("base_url", "is not set: where is this provider?"));
        }
        let base = settings.base_url.as_deref().unwrap_or(usual);
        let (url, vendors_own): (Option<Url>, _) = (url(base), url(usual));
        let vendors_own = url == vendors_own;
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            wrong(
                "base_url",
                "is no address such as https://models.example/v1",
            )
        })?;
        let headers: Option<HeaderMap> = headers(settings.api_key.as_ref());
        Ok(Self {
            kind: settings.kind,
            is_vendor: vendors_own,
            has_key: settings.api_key.is_some(),
            client: client.clone(),
            url,
            headers: headers.ok_or_else(|| wrong("api_key", "holds what no HTTP header can"))?,
            patience: settings.timeout,
        })
    }

    fn answer(&self, provider: &str, model: &str, request: &ModelRequest) -> ChunkStream {
        let upstream = Arc::new(Upstream {
            provider: provider.to_owned(),
            client: self.client.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            patience: self.patience,
        });
        match self.kind {
            ProviderKind::Anthropic => client::ask(
                upstream,
                anthropic::body(model, request),
                anthropic::Events::new(request),
            ),
            ProviderKind::OpenAi => client::ask(
                upstream,
                openai::body(model, request, self.is_vendor),
                openai::Events::new(request),
            ),
        }
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Models")
            .field("names", &self.names)
            .field("providers", &self.servers.keys())
            .finish_non_exhaustive()
    }
}

fn start_error(Wrong { key, detail }: Wrong) -> StartError {
    StartError::setting(key, detail)
}
