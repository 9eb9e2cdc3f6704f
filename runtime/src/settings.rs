//! What an operator may set.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::auth::{Auth, SHORTEST_SECRET};
use crate::cors::Origins;
use crate::secret::Secret;
use crate::settings_file::{self, Loaded};
use crate::spec::Rate;
use crate::start::StartError;

/// `host:port` to listen at.
pub(crate) const ADDRESS: &str = "AGENTGEN_ADDRESS";
/// The secret that tokens are signed with.
pub(crate) const SECRET: &str = "AGENTGEN_AUTH_HS256_SECRET";
/// The variable that names the file.
const CONFIG: &str = "AGENTGEN_CONFIG";
/// The file that is read if no other one is named.
const FILE: &str = "service.toml";

/// How a service is run. The default listens at 127.0.0.1:8080, asks nobody who they are, keeps sessions in memory and
/// answers with [`Echo`](crate::Echo).
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port` to listen at; `None` is 127.0.0.1:8080 or the next free port after it.
    pub address: Option<String>,
    /// How callers prove who they are; `None` admits everybody, and only at a loopback address.
    pub auth: Option<Auth>,
    /// The tokens that the service issues itself; `None` if it issues none.
    pub tokens: Option<Tokens>,
    /// How large a request's body may be, in bytes.
    pub body_limit: usize,
    /// How many requests may be answered at a time; the next one is told to come later.
    pub concurrency: usize,
    /// How many proxies stand before the service, and add the address that called them to `X-Forwarded-For`; with none,
    /// what that header says is not heeded.
    pub trusted_proxies: usize,
    /// How long a connection may be idle, or take to send the head of a request.
    pub idle: Duration,
    /// How long a run may take where neither the endpoint nor the agent says.
    pub timeout: Duration,
    /// How long a service that is to stop waits for what is still running.
    pub drain: Duration,
    /// The origins whose pages may call the service.
    pub cors_origins: Vec<String>,
    /// How many requests are answered besides what endpoints and agents say.
    pub rates: Rates,
    /// Where sessions are kept: `sqlite:PATH`, `postgres://…` or `memory:`. It may hold a password.
    pub store: Secret,
    /// What the names of models stand for: `provider:model`, or `echo`. `default` is for agents that name none.
    pub models: BTreeMap<String, String>,
    /// The providers that models are asked from, by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// What is logged, and how.
    pub log: Log,
    /// Whether `/docs` is served.
    pub docs: bool,
    /// Whether `/metrics` is served.
    pub metrics: bool,
}

/// The tokens that a service issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For how long a token gives access.
    pub access_ttl: Duration,
    /// For how long the next one may be asked for.
    pub refresh_ttl: Duration,
    /// Who may ask, by name: the `sub` of the tokens.
    pub clients: BTreeMap<String, TokenClient>,
}

/// Who may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClient {
    /// What proves it.
    pub secret: Secret,
    /// The `roles` of its tokens.
    pub roles: Vec<String>,
}

/// How many requests are answered; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// From one subject.
    pub subject: Option<Rate>,
    /// From one address.
    pub address: Option<Rate>,
    /// For one agent, whoever asks.
    pub agent: Option<Rate>,
}

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

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The least that is worth a line.
    pub level: tracing::Level,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object.
    Json,
    /// For people.
    Text,
}

/// The longest silence of a provider that says nothing of its own.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(120);
const ACCESS_TTL: Duration = Duration::from_secs(15 * 60);
const REFRESH_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: None,
            auth: None,
            tokens: None,
            body_limit: 1024 * 1024,
            concurrency: 256,
            trusted_proxies: 0,
            idle: Duration::from_secs(75),
            timeout: Duration::from_secs(300),
            drain: Duration::from_secs(10),
            cors_origins: Vec::new(),
            rates: Rates::default(),
            store: Secret::new("memory:"),
            models: BTreeMap::new(),
            providers: BTreeMap::new(),
            log: Log {
                format: LogFormat::Json,
                level: tracing::Level::INFO,
            },
            docs: true,
            metrics: true,
        }
    }
}

impl Settings {
    /// The settings in the file that `AGENTGEN_CONFIG` names, or else in `service.toml` if there is one, and in the
    /// environment: every key has a variable, `AGENTGEN_` and the key's path in upper case with `_`.
    ///
    /// # Errors
    /// The first setting that is wrong, and what is wrong with it; never its value, if that is a secret.
    pub fn load() -> Result<Self, StartError> {
        let named = environment(CONFIG).map_err(|detail| StartError::setting(CONFIG, detail))?;
        let path = match &named {
            Some(path) => path.as_str(),
            None if Path::new(FILE).exists() => FILE,
            None => return Self::from_variables(environment),
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| StartError::setting(path, format!("can't be read: {error}")))?;
        Self::from_text(path, &text, environment)
    }

    /// The settings in the environment alone.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_env() -> Result<Self, StartError> {
        Self::from_variables(environment)
    }

    /// The settings in variables that `get` reads: what is said under a name, if anything.
    ///
    /// # Errors
    /// As [`Settings::load`]; what `get` says against a variable is said of it.
    pub fn from_variables(
        get: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, StartError> {
        resolve(&settings_file::read(None, get)?)
    }

    /// The settings in `text`, which errors say is at `path`, and in variables that `get` reads.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_text(
        path: &str,
        text: &str,
        get: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Self, StartError> {
        resolve(&settings_file::read(Some((path, text)), get)?)
    }
}

fn environment(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err("is not valid UTF-8".to_owned()),
    }
}

fn resolve(loaded: &Loaded) -> Result<Settings, StartError> {
    let file = &loaded.file;
    let usual = Settings::default();
    if let Some(address) = &file.address {
        check_address(loaded, address)?;
    }
    if file.limits.concurrency == Some(0) {
        return Err(loaded.wrong("limits.concurrency", "must be at least 1"));
    }
    Origins::new(&file.cors.origins).map_err(|detail| loaded.wrong("cors.origins", detail))?;
    Ok(Settings {
        address: file.address.clone(),
        auth: auth(loaded)?,
        tokens: tokens(loaded)?,
        body_limit: file.limits.body_bytes.unwrap_or(usual.body_limit),
        concurrency: file.limits.concurrency.unwrap_or(usual.concurrency),
        trusted_proxies: file.limits.trusted_proxies.unwrap_or(usual.trusted_proxies),
        idle: file.limits.idle.unwrap_or(usual.idle),
        timeout: file.limits.timeout.unwrap_or(usual.timeout),
        drain: file.limits.drain.unwrap_or(usual.drain),
        cors_origins: file.cors.origins.clone(),
        rates: Rates {
            subject: file.rate.subject,
            address: file.rate.address,
            agent: file.rate.agent,
        },
        store: file.store.url.clone().unwrap_or(usual.store),
        models: file.models.clone(),
        providers: providers(loaded)?,
        log: log(loaded, usual.log)?,
        docs: file.docs.enabled.unwrap_or(usual.docs),
        metrics: file.metrics.enabled.unwrap_or(usual.metrics),
    })
}

fn check_address(loaded: &Loaded, address: &str) -> Result<(), StartError> {
    let port = address
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(loaded.wrong(
            "address",
            format!("`{address}` is not host:port, as in 127.0.0.1:8080"),
        )),
    }
}

fn auth(loaded: &Loaded) -> Result<Option<Auth>, StartError> {
    let file = &loaded.file.auth;
    let Some(secret) = &file.hs256_secret else {
        let alone = [("issuer", &file.issuer), ("audience", &file.audience)];
        return match alone.iter().find(|(_, value)| value.is_some()) {
            Some((key, _)) => Err(loaded.wrong(
                &format!("auth.{key}"),
                format!("is set, but {SECRET} is not: no token can be checked"),
            )),
            None => Ok(None),
        };
    };
    let Some(mut auth) = Auth::hs256(secret.expose().as_bytes()) else {
        let length = secret.expose().len();
        let detail = format!("has {length} bytes, and must have at least {SHORTEST_SECRET}");
        return Err(loaded.wrong("auth.hs256_secret", detail));
    };
    if let Some(issuer) = &file.issuer {
        auth = auth.issuer(issuer);
    }
    if let Some(audience) = &file.audience {
        auth = auth.audience(audience);
    }
    Ok(Some(auth))
}

fn tokens(loaded: &Loaded) -> Result<Option<Tokens>, StartError> {
    let Some(file) = &loaded.file.tokens else {
        return Ok(None);
    };
    let mut clients = BTreeMap::new();
    for (name, client) in &file.clients {
        let Some(secret) = client.secret.clone() else {
            let key = format!("tokens.clients.{name}.secret");
            return Err(loaded.wrong(&key, "is not set: the client could not prove who it is"));
        };
        let roles = client.roles.clone();
        clients.insert(name.clone(), TokenClient { secret, roles });
    }
    Ok(Some(Tokens {
        access_ttl: file.access_ttl.unwrap_or(ACCESS_TTL),
        refresh_ttl: file.refresh_ttl.unwrap_or(REFRESH_TTL),
        clients,
    }))
}

fn providers(loaded: &Loaded) -> Result<BTreeMap<String, ProviderSettings>, StartError> {
    let mut providers = BTreeMap::new();
    for (name, file) in &loaded.file.providers {
        let kind = match file.kind.as_deref().unwrap_or(name) {
            "anthropic" => ProviderKind::Anthropic,
            "openai" => ProviderKind::OpenAi,
            _ => {
                let key = format!("providers.{name}.kind");
                return Err(loaded.wrong(&key, "must be `anthropic` or `openai`"));
            }
        };
        let settings = ProviderSettings {
            kind,
            base_url: file.base_url.clone(),
            api_key: file.api_key.clone(),
            timeout: file.timeout.unwrap_or(PROVIDER_TIMEOUT),
        };
        providers.insert(name.clone(), settings);
    }
    Ok(providers)
}

fn log(loaded: &Loaded, usual: Log) -> Result<Log, StartError> {
    let file = &loaded.file.log;
    let format = match file.format.as_deref() {
        None => usual.format,
        Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        Some(_) => return Err(loaded.wrong("log.format", "must be `json` or `text`")),
    };
    let level = match file.level.as_deref().map(str::parse) {
        None => usual.level,
        Some(Ok(level)) => level,
        Some(Err(_)) => {
            let detail = "must be `error`, `warn`, `info`, `debug` or `trace`";
            return Err(loaded.wrong("log.level", detail));
        }
    };
    Ok(Log { format, level })
}
