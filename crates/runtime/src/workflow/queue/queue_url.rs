//! What `workflows.queue` and `workflows.queue_ca` may say.

use std::path::Path;

use crate::error::start_error::SettingError;

/// The setting.
pub(crate) const SETTING: &str = "workflows.queue";
/// The error if processes can't share the journal.
pub(crate) const NOT_SHARED: &str = "needs store.url to be postgres://USER@HOST/DATABASE: the processes that runs are \
     handed out to keep them in one database";

/// The setting of the trusted certificate authorities.
pub(crate) const CA_SETTING: &str = "workflows.queue_ca";

/// The default stream.
#[cfg(feature = "nats")]
const STREAM: &str = "agentgen";
/// The longest name of a stream.
#[cfg(feature = "nats")]
const LONGEST_STREAM: usize = 64;

/// The URL of a queue. It has no `Debug`, since it may hold a password.
#[cfg(feature = "nats")]
pub(crate) struct QueueUrl {
    /// The server, without the login.
    pub(crate) server: async_nats::ServerAddr,
    /// The login.
    pub(crate) login: Login,
    /// The stream's name.
    pub(crate) stream: String,
}

/// How a client logs in.
#[cfg(feature = "nats")]
pub(crate) enum Login {
    /// Without credentials.
    Anonymous,
    /// A token.
    Token(crate::secret::Secret),
    /// A user and a password.
    User(String, crate::secret::Secret),
}

/// There is none without the feature `nats`.
#[cfg(not(feature = "nats"))]
pub(crate) enum QueueUrl {}

#[cfg(feature = "nats")]
impl QueueUrl {
    /// Reads `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][/STREAM]`, or the same with `tls://`.
    ///
    /// # Errors
    /// What is wrong with the URL. The text does not repeat it, since it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self, SettingError> {
        let shape = || {
            wrong(
                "must be nats://HOST:PORT or tls://HOST:PORT, with USER:PASSWORD@ or TOKEN@ before the host if the server \
             asks for it (special characters are written with %), and with /STREAM behind it if the stream is not to \
             be `agentgen`",
            )
        };
        if !["nats://", "tls://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(shape());
        }
        let server = url.parse::<async_nats::ServerAddr>().map_err(|_| shape())?;
        if server.host().is_empty() {
            return Err(shape());
        }
        let login = match (server.username(), server.password()) {
            (None, None) => Login::Anonymous,
            (Some(token), None) => Login::Token(decoded(token)),
            (Some(user), Some(password)) => {
                Login::User(decoded(user).expose().to_owned(), decoded(password))
            }
            (None, Some(_)) => return Err(shape()),
        };
        let mut bare = server.into_inner();
        if bare.query().is_some() || bare.fragment().is_some() {
            return Err(wrong("has parameters, and takes none"));
        }
        let stream = match bare.path().trim_start_matches('/') {
            "" => STREAM,
            stream => stream,
        };
        let is_name = |stream: &str| {
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            stream.len() <= LONGEST_STREAM && stream.bytes().all(is_part)
        };
        if !is_name(stream) {
            let detail = "names a stream that has other characters than letters, digits, - and _, or more than 64";
            return Err(wrong(detail));
        }
        let stream = stream.to_owned();
        bare.set_path("");
        if bare.set_username("").is_err() || bare.set_password(None).is_err() {
            return Err(shape());
        }
        Ok(Self {
            server: async_nats::ServerAddr::from_url(bare).map_err(|_| shape())?,
            login,
            stream,
        })
    }

    /// The server and the stream for messages, without the login.
    pub(crate) fn describe(&self) -> String {
        let (host, port) = (self.server.host(), self.server.port());
        format!("the stream `{}` at {host}:{port}", self.stream)
    }
}

/// Decodes a percent-encoded part of a URL.
#[cfg(feature = "nats")]
fn decoded(part: &str) -> crate::secret::Secret {
    // These have a meaning in a form, but not here.
    let part = part
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(part.as_bytes());
    let text = pairs
        .next()
        .map_or_else(String::new, |(text, _)| text.into_owned());
    crate::secret::Secret::new(text)
}

#[cfg(not(feature = "nats"))]
impl QueueUrl {
    /// Says that there is no queue in this program.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn parse(_: &str) -> Result<Self, SettingError> {
        Err(SettingError::missing_feature(SETTING, "nats"))
    }

    /// Never called.
    pub(crate) fn describe(&self) -> String {
        match *self {}
    }
}

/// Whether the file at `path` holds certificates in PEM.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_authorities(path: &Path) -> Result<(), SettingError> {
    let wrong = |detail| SettingError::new(CA_SETTING, detail);
    let place = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| wrong(format!("`{place}` can't be read: {error}")))?;
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(())
    } else {
        Err(wrong(format!(
            "`{place}` holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"
        )))
    }
}

#[cfg(feature = "nats")]
fn wrong(detail: &str) -> SettingError {
    SettingError::new(SETTING, detail)
}
