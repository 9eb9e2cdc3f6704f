//! The public keys of an issuer: a JWK Set (RFC 7517) from a file or a URL, read again regularly.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use serde_json::Value;

use crate::client::server_address::is_loopback;

const REFRESH_PERIOD: Duration = Duration::from_secs(5 * 60);
/// The least time between two reads because of unknown keys.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(30);
/// The least time between two reads because there are no keys.
const NO_KEYS_PAUSE: Duration = Duration::from_secs(5);
/// How long keys are trusted after they were last read.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;
/// How many keys are tried for a token without a key id.
const MAX_KEYS_TRIED: usize = 8;

/// The keys of an issuer.
pub(crate) struct Jwks {
    source: Source,
    current: RwLock<Option<Current>>,
    /// When the keys were last read, successfully or not. Its lock is held while reading.
    last_read: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Url(Client, Url),
}

#[derive(Clone)]
struct Current {
    keys: Arc<[Arc<Key>]>,
    read_at: Instant,
}

/// A key that verifies signatures.
pub(crate) struct Key {
    pub(crate) verify: DecodingKey,
    id: Option<String>,
    /// The algorithms of its type, or only the one in its `alg`.
    algorithms: Vec<Algorithm>,
}

/// No keys have been read, or they are too old.
#[derive(Debug)]
pub(crate) struct NoKeys;

/// Why a JWK Set can't be used. The text quotes nothing of the set, which may contain private keys by mistake.
#[derive(Debug)]
pub(crate) enum JwksError {
    File { path: PathBuf, error: SetError },
    Url(SetError),
    InvalidUrl(Box<dyn Error + Send + Sync>),
    UrlWithPassword,
    InsecureUrl,
}

/// Why the content of a file or a response is not a usable set.
#[derive(Debug)]
pub(crate) enum SetError {
    Io(std::io::Error),
    Http(reqwest::Error),
    Status(reqwest::StatusCode),
    TooLarge,
    NotJwks { line: usize, column: usize },
    NoUsableKey,
    Cancelled(tokio::task::JoinError),
}

impl Jwks {
    /// The keys of a file, which is read at once.
    pub(crate) fn from_file(path: &Path) -> Result<Self, JwksError> {
        let keys = read_file(path).map_err(|error| JwksError::File {
            path: path.to_owned(),
            error,
        })?;
        let jwks = Self::new(Source::File(path.to_owned()));
        jwks.replace(keys);
        Ok(jwks)
    }

    /// The keys at a URL. Nothing is fetched yet.
    pub(crate) fn from_url(url: &str) -> Result<Self, JwksError> {
        let url = Url::parse(url).map_err(|error| JwksError::InvalidUrl(error.into()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(JwksError::UrlWithPassword);
        }
        let is_local = is_loopback(&url);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(JwksError::InsecureUrl);
        }
        let mut builder = Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(redirect::Policy::none());
        if is_local {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| JwksError::Url(SetError::Http(error)))?;
        Ok(Self::new(Source::Url(client, url)))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            current: RwLock::new(None),
            last_read: tokio::sync::Mutex::new(None),
        }
    }

    /// Whether keys have been read and are not too old.
    pub(crate) fn has_keys(&self) -> bool {
        self.current().is_some()
    }

    /// The keys that may have signed a token: those for this algorithm, and with this id if the token has one. For an
    /// unknown id the set is read again, at most every 30 seconds.
    pub(crate) async fn find(
        self: &Arc<Self>,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Vec<Arc<Key>>, NoKeys> {
        match self.current() {
            None => self.refresh(NO_KEYS_PAUSE).await,
            // `refresh_periodically` runs only if the service is started by this crate, not with `into_router`.
            Some(current) if current.read_at.elapsed() > 2 * REFRESH_PERIOD => {
                self.refresh(UNKNOWN_KEY_PAUSE).await;
            }
            Some(_) => {}
        }
        let current = self.current().ok_or(NoKeys)?;
        let found = matching(&current.keys, algorithm, id);
        if !found.is_empty() || id.is_none() {
            return Ok(found);
        }
        self.refresh(UNKNOWN_KEY_PAUSE).await;
        let current = self.current().ok_or(NoKeys)?;
        Ok(matching(&current.keys, algorithm, id))
    }

    /// Reads the keys at once and then every five minutes; sooner after a failure.
    pub(crate) async fn refresh_periodically(self: Arc<Self>) {
        let mut pause = Duration::from_secs(1);
        loop {
            let started = Instant::now();
            self.refresh(Duration::ZERO).await;
            let is_fresh = self
                .current()
                .is_some_and(|current| current.read_at >= started);
            if is_fresh {
                pause = Duration::from_secs(1);
                tokio::time::sleep(REFRESH_PERIOD).await;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        }
    }

    /// Reads the keys, unless they were read within `pause`. Concurrent calls wait for the same read. It runs in a task of
    /// its own, so that a caller who disconnects does not cancel it.
    async fn refresh(self: &Arc<Self>, pause: Duration) {
        let jwks = Arc::clone(self);
        let task = tokio::spawn(async move {
            let mut last_read = jwks.last_read.lock().await;
            if last_read.is_some_and(|at| at.elapsed() < pause) {
                return;
            }
            *last_read = Some(Instant::now());
            match jwks.source.read().await {
                Ok(keys) => jwks.replace(keys),
                Err(error) => {
                    tracing::warn!(source = %*jwks, %error, "the keys can't be read");
                }
            }
        });
        let _ = task.await;
    }

    fn current(&self) -> Option<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let is_trusted = |current: &&Current| current.read_at.elapsed() < MAX_AGE;
        current.as_ref().filter(is_trusted).cloned()
    }

    fn replace(&self, keys: Vec<Arc<Key>>) {
        let current = Current {
            keys: keys.into(),
            read_at: Instant::now(),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
    }
}

/// The path or the URL.
impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File(path) => path.display().fmt(f),
            Source::Url(_, url) => url.fmt(f),
        }
    }
}

impl Source {
    async fn read(&self) -> Result<Vec<Arc<Key>>, JwksError> {
        match self {
            Self::File(path) => {
                let task = tokio::task::spawn_blocking({
                    let path = path.clone();
                    move || read_file(&path)
                });
                let keys = task.await.map_err(SetError::Cancelled).flatten();
                keys.map_err(|error| JwksError::File {
                    path: path.clone(),
                    error,
                })
            }
            Self::Url(client, url) => fetch(client, url).await.map_err(JwksError::Url),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<Arc<Key>>, SetError> {
    let metadata = std::fs::metadata(path).map_err(SetError::Io)?;
    if metadata.len() > MAX_BYTES as u64 {
        return Err(SetError::TooLarge);
    }
    parse(&std::fs::read(path).map_err(SetError::Io)?)
}

async fn fetch(client: &Client, url: &Url) -> Result<Vec<Arc<Key>>, SetError> {
    let accept = "application/jwk-set+json, application/json";
    let request = client.get(url.clone()).header("accept", accept);
    let mut response = request.send().await.map_err(SetError::Http)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(SetError::Status(response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(SetError::Http)? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(SetError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    parse(&bytes)
}

/// The usable keys of a set. RFC 7517, section 5: keys that are not understood are ignored.
fn parse(bytes: &[u8]) -> Result<Vec<Arc<Key>>, SetError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set = serde_json::from_slice::<Set>(bytes).map_err(|error| SetError::NotJwks {
        line: error.line(),
        column: error.column(),
    })?;
    let keys = set.keys.into_iter().filter_map(key).map(Arc::new);
    let keys = keys.collect::<Vec<_>>();
    if keys.is_empty() {
        return Err(SetError::NoUsableKey);
    }
    Ok(keys)
}

fn key(value: Value) -> Option<Key> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let jwk = serde_json::from_value::<Jwk>(value).ok()?;
    let supported: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        // Symmetric keys: a secret must not be published.
        _ => return None,
    };
    let common = &jwk.common;
    let is_for_signatures = |purpose: &PublicKeyUse| *purpose == PublicKeyUse::Signature;
    let is_for_verification =
        |operations: &Vec<KeyOperations>| operations.contains(&KeyOperations::Verify);
    if !common.public_key_use.as_ref().is_none_or(is_for_signatures)
        || !common
            .key_operations
            .as_ref()
            .is_none_or(is_for_verification)
    {
        return None;
    }
    let only = common.key_algorithm.map(|algorithm| algorithm.to_string());
    let is_allowed = |algorithm: &&Algorithm| {
        only.as_ref()
            .is_none_or(|only| *only == format!("{algorithm:?}"))
    };
    let algorithms = supported
        .iter()
        .filter(is_allowed)
        .copied()
        .collect::<Vec<_>>();
    let verify = DecodingKey::from_jwk(&jwk).ok()?;
    let id = jwk.common.key_id;
    (!algorithms.is_empty()).then_some(Key {
        verify,
        id,
        algorithms,
    })
}

fn matching(keys: &[Arc<Key>], algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
    let matches = |key: &&Arc<Key>| {
        key.algorithms.contains(&algorithm) && (id.is_none() || key.id.as_deref() == id)
    };
    keys.iter()
        .filter(matches)
        .take(MAX_KEYS_TRIED)
        .cloned()
        .collect()
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(f, "`{}` {error}", path.display()),
            Self::Url(
                error @ (SetError::TooLarge | SetError::NotJwks { .. } | SetError::NoUsableKey),
            ) => write!(f, "the answer {error}"),
            Self::Url(error) => error.fmt(f),
            Self::InvalidUrl(error) => write!(f, "is no address: {error}"),
            Self::UrlWithPassword => f.write_str("must hold neither name nor password"),
            Self::InsecureUrl => {
                f.write_str("must begin with https://, unless it is on this machine")
            }
        }
    }
}

impl Error for JwksError {}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "can't be read: {error}"),
            Self::Http(error) => write_with_sources(f, error),
            Self::Status(status) => write!(f, "answered {status}"),
            Self::TooLarge => write!(f, "is larger than {MAX_BYTES} bytes"),
            Self::NotJwks { line, column } => write!(
                f,
                "is no JWK Set: {{\"keys\": […]}} was expected (line {line}, column {column})"
            ),
            Self::NoUsableKey => f.write_str("holds no public key that could be used"),
            Self::Cancelled(error) => error.fmt(f),
        }
    }
}

/// An error and its sources: reqwest's own text leaves out why a request failed.
fn write_with_sources(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}
