//! Loads and checks [`Settings`].

use std::collections::BTreeMap;
use std::env::VarError;
use std::path::Path;
use std::time::Duration;

use crate::auth::issuer;
use crate::auth::token_settings::{TokenClient, Tokens};
use crate::auth::{Auth, AuthError, LONGEST_LEEWAY, SHORTEST_SECRET};
use crate::error::start_error::{SettingError, StartError};
use crate::http::layers::cors::Origins;
use crate::http::layers::rate_limits::Rates;
use crate::http::protocols::Protocol;
use crate::model::provider_settings::add_vendor_keys;
use crate::secret::Secret;
use crate::settings::document_settings::{documents, embeddings};
use crate::settings::mcp_load::mcp_servers;
use crate::settings::provider_load::providers;
use crate::settings::settings_read::{self, CONFIG, EMPTY, Loaded, NOT_UNICODE};
use crate::settings::workspace_load::workspace;
use crate::settings::{AUTH_SETTINGS, Settings};
use crate::store::store_url::{self, StoreUrl};
use crate::telemetry::log::{Log, LogFormat};
use crate::workflow::queue::queue_url::{self, QueueUrl};
use crate::workflow::workflow_service::WorkflowLimits;

/// The file that is read if no other one is named.
const FILE: &str = "service.toml";
/// The store of a service whose settings name none.
pub(crate) const STORE: &str = "sqlite:agentgen.db";

/// The shortest lease of a run: it is renewed three times as often.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
const ACCESS_TTL: Duration = Duration::from_secs(15 * 60);
const REFRESH_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Settings {
    /// The settings in the file that `AGENTGEN_CONFIG` names, or else in `service.toml` if there is one, and in the
    /// environment: every key has a variable, `AGENTGEN_` and the key's path in upper case with `_`. If they don't say
    /// where sessions are kept, that is the file `agentgen.db`.
    ///
    /// # Errors
    /// The first setting that is wrong, and what is wrong with it; never its value, if that is a secret.
    pub fn load() -> Result<Self, StartError> {
        let Some(path) = file()? else {
            return persistent(&settings_read::read(None, environment)?, environment);
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let place = if path == FILE {
                path.clone()
            } else {
                format!("{CONFIG}: {path}")
            };
            StartError::setting(place, format!("can't be read: {error}"))
        })?;
        persistent(
            &settings_read::read(Some((&path, &text)), environment)?,
            environment,
        )
    }

    /// These settings with `models` as the names of models, and the providers that they need, with keys from the vendors'
    /// environment variables.
    ///
    /// # Errors
    /// A key that can't be read.
    pub fn with_models(mut self, models: BTreeMap<String, String>) -> Result<Self, StartError> {
        add_vendor_keys(&models, &mut self.providers, &environment)?;
        self.models = models;
        Ok(self)
    }

    /// The settings in the environment alone.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_env() -> Result<Self, StartError> {
        Self::from_variables(environment)
    }

    /// The settings in variables that `get` reads, as [`std::env::var`] does; `None` for one that is not set.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_variables(
        get: impl Fn(&str) -> Result<Option<String>, VarError>,
    ) -> Result<Self, StartError> {
        resolve(&settings_read::read(None, &get)?, get)
    }

    /// The settings in `text`, which errors say is at `path`, and in variables that `get` reads.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_text(
        path: &str,
        text: &str,
        get: impl Fn(&str) -> Result<Option<String>, VarError>,
    ) -> Result<Self, StartError> {
        resolve(&settings_read::read(Some((path, text)), &get)?, get)
    }
}

/// The variables of the environment that look like settings and are none.
pub(crate) fn unknown_variables() -> Vec<StartError> {
    let text = file().ok().flatten();
    let text = text.and_then(|path| std::fs::read_to_string(path).ok());
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    settings_read::unknown_variables(text.as_deref(), names)
}

/// The file that is read, if any.
pub(crate) fn file() -> Result<Option<String>, StartError> {
    let wrong = |detail: String| StartError::setting(CONFIG, detail);
    match environment(CONFIG).map_err(|_| wrong(NOT_UNICODE.to_owned()))? {
        Some(path) if path.trim().is_empty() => Err(wrong(EMPTY.to_owned())),
        Some(path) => Ok(Some(path)),
        None => Ok(Path::new(FILE).exists().then(|| FILE.to_owned())),
    }
}

fn environment(name: &str) -> Result<Option<String>, VarError> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The settings of a service that keeps its data in a file, unless they name another store.
fn persistent(
    loaded: &Loaded,
    get: impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Settings, StartError> {
    let mut settings = resolve(loaded, get)?;
    if cfg!(feature = "sqlite") && loaded.file.store.url.is_none() {
        settings.store = Secret::new(STORE);
    }
    Ok(settings)
}

fn resolve(
    loaded: &Loaded,
    get: impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<Settings, StartError> {
    let file = &loaded.file;
    let defaults = Settings::default();
    for (key, address) in [
        ("address", &file.address),
        ("metrics.address", &file.metrics.address),
    ] {
        if let Some(address) = address {
            check_address(loaded, key, address)?;
        }
    }
    let store = file.store.url.as_ref();
    let store = store.map(|url| StoreUrl::parse(url.expose())).transpose();
    let store = store.map_err(|error| loaded.wrong(store_url::SETTING, error.detail))?;
    if let Some(url) = &file.workflows.queue {
        let wrong = |detail: String| loaded.wrong(queue_url::SETTING, detail);
        QueueUrl::parse(url.expose()).map_err(|error| wrong(error.detail))?;
        if !store.is_some_and(|store| store.is_shared()) {
            return Err(wrong(queue_url::NOT_SHARED.to_owned()));
        }
    }
    if let Some(path) = &file.workflows.queue_ca {
        let wrong = |detail: String| loaded.wrong(queue_url::CA_SETTING, detail);
        if file.workflows.queue.is_none() {
            return Err(wrong("is of no use without workflows.queue".to_owned()));
        }
        queue_url::check_authorities(path).map_err(|error| wrong(error.detail))?;
    }
    check_limits(loaded)?;
    Origins::new(&file.cors.origins)
        .map_err(|error| loaded.wrong("cors.origins", error.to_string()))?;
    let auth = auth(loaded)?;
    let tokens = tokens(loaded, auth.as_ref())?;
    let mut providers = providers(loaded, &get)?;
    add_vendor_keys(&file.models, &mut providers, &get)?;
    let wrong = |error: SettingError| loaded.wrong(&error.key, error.detail);
    Ok(Settings {
        embeddings: embeddings(&file.embeddings, &providers, &get).map_err(wrong)?,
        documents: documents(&file.documents).map_err(wrong)?,
        address: file.address.clone(),
        expose: protocols(loaded)?.unwrap_or(defaults.expose),
        auth,
        tokens,
        body_limit: file.limits.body_bytes.unwrap_or(defaults.body_limit),
        concurrency: file.limits.concurrency.unwrap_or(defaults.concurrency),
        bodies: file.limits.bodies.unwrap_or(defaults.bodies),
        followers: file.limits.followers.unwrap_or(defaults.followers),
        share: file.limits.share.unwrap_or(defaults.share),
        connections: file.limits.connections.unwrap_or(defaults.connections),
        trusted_proxies: file
            .limits
            .trusted_proxies
            .unwrap_or(defaults.trusted_proxies),
        head: file.limits.head.unwrap_or(defaults.head),
        idle: file.limits.idle.unwrap_or(defaults.idle),
        write: file.limits.write.unwrap_or(defaults.write),
        timeout: file.limits.timeout.unwrap_or(defaults.timeout),
        drain: file.limits.drain.unwrap_or(defaults.drain),
        cors_origins: file.cors.origins.clone(),
        rates: Rates {
            subject: file.rate.subject,
            address: file.rate.address,
            agent: file.rate.agent,
        },
        workflows: workflows(loaded)?,
        queue: file.workflows.queue.clone(),
        queue_ca: file.workflows.queue_ca.clone(),
        store: file.store.url.clone().unwrap_or(defaults.store),
        models: file.models.clone(),
        providers,
        mcp_servers: mcp_servers(loaded, &get)?,
        mcp_inline: loaded.file.mcp.inline,
        workspace: workspace(&file.workspace).map_err(wrong)?,
        log: log(loaded, defaults.log)?,
        console: file.console.enabled,
        docs: file.docs.enabled.unwrap_or(defaults.docs),
        metrics: file.metrics.enabled.unwrap_or(defaults.metrics),
        metrics_address: file.metrics.address.clone(),
    })
}

/// The protocols that `expose` names, in the order of their list.
fn protocols(loaded: &Loaded) -> Result<Option<Vec<Protocol>>, StartError> {
    let Some(names) = &loaded.file.expose else {
        return Ok(None);
    };
    let words = Protocol::ALL.map(Protocol::as_str);
    if let Some(name) = names.iter().find(|name| Protocol::parse(name).is_none()) {
        let detail = format!("`{name}` is none of {}", words.join(", "));
        return Err(loaded.wrong("expose", detail));
    }
    let named = |protocol: &Protocol| names.iter().any(|name| name == protocol.as_str());
    let protocols: Vec<_> = Protocol::ALL.into_iter().filter(named).collect();
    let mut missing = protocols
        .iter()
        .filter_map(|protocol| protocol.missing_feature());
    if let Some(feature) = missing.next() {
        return Err(SettingError::missing_feature("expose", feature).into());
    }
    if protocols.is_empty() {
        return Err(loaded.wrong(
            "expose",
            "a service without a protocol serves nothing".to_owned(),
        ));
    }
    Ok(Some(protocols))
}

fn check_address(loaded: &Loaded, key: &str, address: &str) -> Result<(), StartError> {
    let port = address
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        _ => Err(loaded.wrong(
            key,
            format!("`{address}` is not host:port, as in 127.0.0.1:8080"),
        )),
    }
}

/// Limits that let nothing through are mistakes.
fn check_limits(loaded: &Loaded) -> Result<(), StartError> {
    let limits = &loaded.file.limits;
    for (key, count) in [
        ("limits.body_bytes", limits.body_bytes),
        ("limits.concurrency", limits.concurrency),
        ("limits.bodies", limits.bodies),
        ("limits.followers", limits.followers),
        ("limits.connections", limits.connections),
    ] {
        if count == Some(0) {
            return Err(loaded.wrong(key, "must be 1 at least"));
        }
    }
    if limits
        .share
        .is_some_and(|share| !(share > 0.0 && share <= 1.0))
    {
        return Err(loaded.wrong("limits.share", "must be above 0, and 1 at most"));
    }
    if limits.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(loaded.wrong("limits.timeout", "must be longer than nothing"));
    }
    Ok(())
}

/// A lease that ends before it can be renewed would restart every run over and over.
fn workflows(loaded: &Loaded) -> Result<WorkflowLimits, StartError> {
    let (file, defaults) = (&loaded.file.workflows, WorkflowLimits::default());
    if file.runs == Some(0) {
        return Err(loaded.wrong("workflows.runs", "must be 1 at least"));
    }
    if file.queued == Some(0) {
        return Err(loaded.wrong("workflows.queued", "must be 1 at least"));
    }
    if file.lease.is_some_and(|lease| lease < SHORTEST_LEASE) {
        return Err(loaded.wrong("workflows.lease", "must be 100ms at least"));
    }
    Ok(WorkflowLimits {
        runs: file.runs.unwrap_or(defaults.runs),
        queued: file.queued.unwrap_or(defaults.queued),
        lease: file.lease.unwrap_or(defaults.lease),
        keep: file.keep.unwrap_or(defaults.keep),
        resumptions: file.resumptions.unwrap_or(defaults.resumptions),
        output_bytes: loaded
            .file
            .limits
            .output_bytes
            .unwrap_or(defaults.output_bytes),
    })
}

fn auth(loaded: &Loaded) -> Result<Option<Auth>, StartError> {
    let file = &loaded.file.auth;
    let sources = [
        ("auth.hs256_secret", file.hs256_secret.is_some()),
        ("auth.jwks_file", file.jwks_file.is_some()),
        ("auth.jwks_url", file.jwks_url.is_some()),
    ];
    let mut set = sources.iter().filter(|(_, is_set)| *is_set);
    if let (Some((first, _)), Some((second, _))) = (set.next(), set.next()) {
        let detail = format!("can't stand beside {first}: tokens are checked in one way");
        return Err(loaded.wrong(second, detail));
    }
    let wrong = |key: &'static str| {
        move |error: AuthError| loaded.wrong(&format!("auth.{key}"), error.to_string())
    };
    let mut auth = match (&file.hs256_secret, &file.jwks_file, &file.jwks_url) {
        (Some(secret), ..) => Auth::hs256(secret.expose().as_bytes()).ok_or_else(|| {
            let length = secret.expose().len();
            let detail = format!("has {length} bytes, and must have at least {SHORTEST_SECRET}");
            loaded.wrong("auth.hs256_secret", detail)
        })?,
        (None, Some(path), _) => Auth::jwks_file(path).map_err(wrong("jwks_file"))?,
        (None, None, Some(url)) => Auth::jwks_url(url).map_err(wrong("jwks_url"))?,
        (None, None, None) => return without_keys(loaded),
    };
    if let Some(algorithms) = &file.algorithms {
        auth = auth.algorithms(algorithms).map_err(wrong("algorithms"))?;
    }
    if let Some(issuer) = &file.issuer {
        auth = auth.issuer(issuer);
    }
    if let Some(audience) = &file.audience {
        auth = auth.audience(audience);
    }
    if let Some(leeway) = file.leeway {
        if leeway > LONGEST_LEEWAY {
            return Err(loaded.wrong("auth.leeway", "must be 5m at most"));
        }
        auth = auth.leeway(leeway);
    }
    Ok(Some(auth))
}

/// No authentication, unless other settings of `[auth]` show that the operator wanted it.
fn without_keys(loaded: &Loaded) -> Result<Option<Auth>, StartError> {
    let file = &loaded.file.auth;
    let alone = [
        ("auth.issuer", file.issuer.is_some()),
        ("auth.audience", file.audience.is_some()),
        ("auth.algorithms", file.algorithms.is_some()),
        ("auth.leeway", file.leeway.is_some()),
    ];
    match alone.iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => {
            let detail = format!("is set, but no token can be checked: set {AUTH_SETTINGS}");
            Err(loaded.wrong(key, detail))
        }
        None => Ok(None),
    }
}

fn tokens(loaded: &Loaded, auth: Option<&Auth>) -> Result<Option<Tokens>, StartError> {
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
    let tokens = Tokens {
        access_ttl: file.access_ttl.unwrap_or(ACCESS_TTL),
        refresh_ttl: file.refresh_ttl.unwrap_or(REFRESH_TTL),
        clients,
    };
    issuer::check(&tokens, auth).map_err(|error| loaded.wrong(&error.key, error.detail))?;
    Ok(Some(tokens))
}

fn log(loaded: &Loaded, defaults: Log) -> Result<Log, StartError> {
    let file = &loaded.file.log;
    let format = match file.format.as_deref() {
        None => LogFormat::of_stderr(),
        Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        Some(_) => return Err(loaded.wrong("log.format", "must be `json` or `text`")),
    };
    let level = match file.level.as_deref().map(str::parse) {
        None => defaults.level,
        Some(Ok(level)) => level,
        Some(Err(_)) => {
            let detail = "must be `error`, `warn`, `info`, `debug` or `trace`";
            return Err(loaded.wrong("log.level", detail));
        }
    };
    Ok(Log { format, level })
}
