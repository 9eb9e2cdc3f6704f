//! Calls a service: one that runs somewhere, or one of this process over the agents of a folder.

use std::time::Duration;

use agentgen_runtime::{AgentLoader, Secret, Settings, serve_on};
use reqwest::{Client, Method, Response, Url};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::configuration::service_token::token_for;
use crate::serve::call_failure::Failure;
use crate::serve::event_stream::EventStream;
use crate::serve::served_agents::{ServedAgents, load, refused};
use crate::serve::vendor_models::{choose, variable};
use crate::terminal::Status;

/// How long a service may take until it can be reached.
const CONNECT: Duration = Duration::from_secs(10);

/// A service that can be called.
pub struct ServiceConnection {
    client: Client,
    base: String,
    token: Option<String>,
    /// What answers, if it is known.
    pub model: Option<String>,
}

impl ServiceConnection {
    /// To the service at `address`. The token of `AGENTGEN_TOKEN` goes with every request, but not over a network in the clear.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub fn to(address: &str) -> Result<Self, Failure> {
        let usage = |words: &str| Failure {
            words: format!("{address}: {words}"),
            status: Status::Usage,
        };
        let url = address.parse::<Url>().ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            usage("the address of a service is written as in http://127.0.0.1:8080")
        })?;
        let host = url.host_str().unwrap_or_default();
        let token = token_for(host, url.scheme() == "https");
        let token = token.map_err(|reason| usage(&reason))?;
        Self::new(address.trim_end_matches('/').to_owned(), token, None)
    }

    /// To a service of the agents at `paths` in this process, which keeps what it stores in memory. `model` is as in
    /// `agentgen serve --model`.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was reported.
    pub async fn to_folder(paths: &[String], model: Option<&str>) -> Result<Self, Status> {
        let read = ServedAgents::new(paths).read()?;
        let documents = read.documents.as_ref().ok_or(read.status)?;
        let start_error = |error| {
            refused(&error);
            Status::Usage
        };
        let settings = Settings::load().map_err(start_error)?;
        let choice = choose(&settings, model, &read.agents, variable).map_err(start_error)?;
        let settings = Settings {
            auth: None,
            tokens: None,
            queue: None,
            queue_ca: None,
            store: Secret::new("memory:"),
            ..choice.settings
        };
        let registry = load(&mut AgentLoader::default(), documents).map_err(start_error)?;
        let io = |error: std::io::Error| Failure::broken(error).report();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io)?;
        let address = listener.local_addr().map_err(io)?;
        let (failed, failure) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let ended = serve_on(listener, registry, settings, std::future::pending()).await;
            let _ = failed.send(ended.err());
        });
        let connection = Self::new(format!("http://{address}"), None, Some(choice.words));
        let connection = connection.map_err(Failure::report)?;
        // It listens already, and answers once it has started.
        tokio::select! {
            _ = connection.get("/livez") => Ok(connection),
            Ok(Some(error)) = failure => Err(start_error(error)),
        }
    }

    fn new(base: String, token: Option<String>, model: Option<String>) -> Result<Self, Failure> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Ok(Self {
            client: client.map_err(Failure::broken)?,
            base,
            token,
            model,
        })
    }

    /// The JSON at `path`.
    ///
    /// # Errors
    ///
    /// A service that can't be reached or refuses.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        json(
            self.send(Method::GET, path, None, "application/json")
                .await?,
        )
        .await
    }

    /// The JSON answer to `body`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        json(
            self.send(Method::POST, path, Some(body), "application/json")
                .await?,
        )
        .await
    }

    /// Deletes what is at `path`; the JSON that says what was deleted.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        json(
            self.send(Method::DELETE, path, None, "application/json")
                .await?,
        )
        .await
    }

    /// The events at `path`, or those that answer `body`. Dropping them ends the request.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn events(&self, path: &str, body: Option<&Value>) -> Result<EventStream, Failure> {
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let response = self.send(method, path, body, "text/event-stream").await?;
        Ok(EventStream::new(response))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Result<Response, Failure> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.header("accept", accept);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await;
        let response = response.map_err(|error| Failure {
            words: format!("{} can't be reached: {error}", self.base),
            status: Status::Io,
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem = json(response).await.unwrap_or_default();
        let detail = problem["detail"]
            .as_str()
            .unwrap_or("this is not an agentgen service");
        let mut words = format!("the service answers {}: {detail}", status.as_u16());
        for error in problem["errors"].as_array().into_iter().flatten() {
            let part = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
            words.push_str(&format!("; {} {}", part("pointer"), part("detail")));
        }
        let status = match status.as_u16() {
            400..=499 => Status::Usage,
            _ => Status::Io,
        };
        Err(Failure { words, status })
    }
}

async fn json(response: Response) -> Result<Value, Failure> {
    let text = response.text().await.map_err(Failure::broken)?;
    serde_json::from_str(&text).map_err(Failure::broken)
}
