//! The public keys of an issuer: a JWK Set (RFC 7517) in a file or at an address, and how it is kept fresh.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use serde_json::Value;

/// How often the keys are asked for.
const PERIOD: Duration = Duration::from_secs(5 * 60);
/// How long after an attempt a key that is not known leads to the next one.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(30);
/// How long after an attempt a caller leads to the next one while there are no keys at all.
const EMPTY_PAUSE: Duration = Duration::from_secs(5);
/// For how long keys are trusted that could not be confirmed.
const LONGEST_TRUST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long fetching the keys may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest set that is read, in bytes.
const LARGEST: usize = 256 * 1024;
/// How many keys are tried for a token that names none.
const MOST_TRIED: usize = 8;

/// The keys of an issuer.
pub(crate) struct Jwks {
    source: Source,
    current: RwLock<Option<Current>>,
    /// When the last attempt was made to read them. Whoever holds it reads.
    attempt: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Address(Client, Url),
}

#[derive(Clone)]
struct Current {
    keys: Arc<[Arc<Key>]>,
    since: Instant,
}

/// A key that signatures can be checked with.
pub(crate) struct Key {
    /// What checks them.
    pub(crate) check: DecodingKey,
    id: Option<String>,
    /// The algorithms of its kind, or the one it says it is for.
    algorithms: Vec<Algorithm>,
}

/// There are no keys now.
#[derive(Debug)]
pub(crate) struct Missing;

impl Jwks {
    /// The keys in a file, read now.
    pub(crate) fn of_file(path: &Path) -> Result<Self, String> {
        let keys = read_file(path)?;
        let jwks = Self::new(Source::File(path.to_owned()));
        jwks.keep(keys);
        Ok(jwks)
    }

    /// The keys at an address, which is asked later.
    pub(crate) fn of_url(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("is no address: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold neither name nor password".to_owned());
        }
        let is_local = is_local(&url);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err("must begin with https://, unless it is on this machine".to_owned());
        }
        let mut builder = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none());
        if is_local {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| causes(&error))?;
        Ok(Self::new(Source::Address(client, url)))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            current: RwLock::new(None),
            attempt: tokio::sync::Mutex::new(None),
        }
    }

    /// Whether there are keys.
    pub(crate) fn is_there(&self) -> bool {
        self.current().is_some()
    }

    /// The keys that may have signed a token: those of this algorithm, with this id if the token names one. For an id
    /// that is not known the set is read once more, at most every 30 seconds.
    pub(crate) async fn find(
        self: &Arc<Self>,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Vec<Arc<Key>>, Missing> {
        match self.current() {
            None => self.read_again(EMPTY_PAUSE).await,
            // Nobody watches over the keys of a router that is served by other means.
            Some(current) if current.since.elapsed() > 2 * PERIOD => {
                self.read_again(UNKNOWN_PAUSE).await;
            }
            Some(_) => {}
        }
        let current = self.current().ok_or(Missing)?;
        let found = fitting(&current.keys, algorithm, id);
        if !found.is_empty() || id.is_none() {
            return Ok(found);
        }
        self.read_again(UNKNOWN_PAUSE).await;
        let current = self.current().ok_or(Missing)?;
        Ok(fitting(&current.keys, algorithm, id))
    }

    /// Keeps the keys fresh: reads them at once and then every five minutes, and after a failure soon again.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut pause = Duration::from_secs(1);
        loop {
            let began = Instant::now();
            self.read_again(Duration::ZERO).await;
            let is_fresh = self.current().is_some_and(|current| current.since >= began);
            let next = if is_fresh { PERIOD } else { pause };
            pause = match is_fresh {
                true => Duration::from_secs(1),
                false => (pause * 2).min(Duration::from_secs(60)),
            };
            tokio::time::sleep(next).await;
        }
    }

    /// Reads the keys, unless that was tried within `pause`; whoever comes meanwhile waits for the same reading. It
    /// goes on if the caller goes away, so that nobody can keep it from ending.
    async fn read_again(self: &Arc<Self>, pause: Duration) {
        let jwks = Arc::clone(self);
        let reading = tokio::spawn(async move {
            let mut attempt = jwks.attempt.lock().await;
            if attempt.is_some_and(|at| at.elapsed() < pause) {
                return;
            }
            *attempt = Some(Instant::now());
            match jwks.source.read().await {
                Ok(keys) => jwks.keep(keys),
                Err(error) => tracing::warn!(source = %*jwks, error, "the keys can't be read"),
            }
        });
        let _ = reading.await;
    }

    fn current(&self) -> Option<Current> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let is_trusted = |current: &&Current| current.since.elapsed() < LONGEST_TRUST;
        current.as_ref().filter(is_trusted).cloned()
    }

    fn keep(&self, keys: Vec<Arc<Key>>) {
        let current = Current {
            keys: keys.into(),
            since: Instant::now(),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
    }
}

/// Where the keys come from.
impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File(path) => path.display().fmt(f),
            Source::Address(_, url) => url.fmt(f),
        }
    }
}

impl Source {
    async fn read(&self) -> Result<Vec<Arc<Key>>, String> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&path));
                reading.await.map_err(|error| error.to_string())?
            }
            Self::Address(client, url) => fetch(client, url).await,
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<Arc<Key>>, String> {
    let wrong = |detail: String| format!("`{}` {detail}", path.display());
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    let length = length.map_err(|error| wrong(format!("can't be read: {error}")))?;
    if length > LARGEST as u64 {
        return Err(wrong(format!("is larger than {LARGEST} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(format!("can't be read: {error}")))?;
    parse(&bytes).map_err(wrong)
}

async fn fetch(client: &Client, url: &Url) -> Result<Vec<Arc<Key>>, String> {
    let accept = "application/jwk-set+json, application/json";
    let request = client.get(url.clone()).header("accept", accept);
    let mut answer = request.send().await.map_err(|error| causes(&error))?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(format!("answered {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| causes(&error))? {
        if bytes.len() + chunk.len() > LARGEST {
            return Err(format!("answered more than {LARGEST} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    parse(&bytes).map_err(|detail| format!("the answer {detail}"))
}

/// The keys of a set that can be used. As RFC 7517 has it, those that are not understood are passed over.
fn parse(bytes: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set = serde_json::from_slice::<Set>(bytes).map_err(|error| {
        // What else serde says may quote the file, which may hold private keys by mistake.
        let (line, column) = (error.line(), error.column());
        format!("is no JWK Set: {{\"keys\": […]}} was expected (line {line}, column {column})")
    })?;
    let keys = set.keys.into_iter().filter_map(key).map(Arc::new);
    let keys = keys.collect::<Vec<_>>();
    if keys.is_empty() {
        return Err("holds no public key that could be used".to_owned());
    }
    Ok(keys)
}

fn key(value: Value) -> Option<Key> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let jwk = serde_json::from_value::<Jwk>(value).ok()?;
    let of_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        // A secret has no place where others can read it.
        _ => return None,
    };
    let common = &jwk.common;
    let is_to_sign = |purpose: &PublicKeyUse| *purpose == PublicKeyUse::Signature;
    let is_to_check = |uses: &Vec<KeyOperations>| uses.contains(&KeyOperations::Verify);
    if !common.public_key_use.as_ref().is_none_or(is_to_sign)
        || !common.key_operations.as_ref().is_none_or(is_to_check)
    {
        return None;
    }
    let own = common.key_algorithm.map(|own| own.to_string());
    let is_own = |known: &&Algorithm| own.as_ref().is_none_or(|own| *own == format!("{known:?}"));
    let algorithms = of_kind.iter().filter(is_own).copied().collect::<Vec<_>>();
    let check = DecodingKey::from_jwk(&jwk).ok()?;
    let id = jwk.common.key_id;
    (!algorithms.is_empty()).then_some(Key {
        check,
        id,
        algorithms,
    })
}

fn fitting(keys: &[Arc<Key>], algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
    let fits = |key: &&Arc<Key>| {
        key.algorithms.contains(&algorithm) && (id.is_none() || key.id.as_deref() == id)
    };
    keys.iter().filter(fits).take(MOST_TRIED).cloned().collect()
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An error with what led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
