//! Where the service is, and how it is called.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::problem::ClientError;

/// A service of agents. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: Url,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) timeout: Option<Duration>,
}

impl Client {
    /// The service at `base_url`, such as `http://localhost:8080`; a path in it comes before the paths of all operations.
    ///
    /// # Errors
    /// Where `base_url` is no URL, or there is no connector for it.
    pub fn new(base_url: &str) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().build()?;
        let base = Url::parse(base_url);
        let base = base.map_err(|error| refused(format!("{base_url}: {error}")))?;
        if !matches!(base.scheme(), "http" | "https")
            || base.query().is_some()
            || base.fragment().is_some()
        {
            let detail = "a base URL starts with http:// or https:// and has neither ? nor #";
            return Err(refused(format!("{base_url}: {detail}")));
        }
        Ok(Self {
            http,
            base,
            authorization: None,
            timeout: None,
        })
    }

    /// Connects with `http`, which may have a proxy, certificates or default headers.
    #[must_use]
    pub fn with_http(mut self, http: reqwest::Client) -> Self {
        self.http = http;
        self
    }

    /// Sends `token` with each request: `Authorization: Bearer TOKEN`.
    ///
    /// # Errors
    /// A token with characters that no header may have.
    pub fn with_bearer_token(mut self, token: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value =
            value.map_err(|_| refused("the token has characters that no header may have"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// The longest a call may take; without it, a call waits for as long as the service does. A stream may take longer, but be
    /// silent for no longer; the service sends a sign of life every 15 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Where the service is.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }
}

fn refused(detail: impl Into<String>) -> ClientError {
    ClientError::Request(detail.into())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .field("authorization", &self.authorization)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
