//! A client of a service under test.

use std::fmt;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::Value;
use tower_service::Service as _;

use crate::error::start_error::StartError;
use crate::schema::Schema;
use crate::server::registry::Registry;
use crate::settings::Settings;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::{EndpointSpec, Handler};

/// Calls a service as its users do, without a socket. Everything is stored in memory.
///
/// ```text
/// let client = TestClient::new(support::registry(), Settings::default())?;
/// let response = client.post("/books/recommend", &json!({ "reader": "a child" })).await;
/// assert_eq!(response.status, 200);
/// ```
#[derive(Debug, Clone)]
pub struct TestClient {
    router: Router,
    document: Value,
    endpoints: Vec<(&'static AgentSpec, &'static EndpointSpec)>,
}

/// A request to one endpoint, made of the examples in the OpenAPI document.
#[derive(Debug, Clone)]
pub struct SampleRequest {
    /// The agent.
    pub agent: &'static AgentSpec,
    /// Its endpoint.
    pub endpoint: &'static EndpointSpec,
    /// The path, with its parameters and the required ones of the query filled in.
    pub path: String,
    /// The required headers.
    pub headers: Vec<(String, String)>,
    /// The body, if the endpoint takes one.
    pub body: Option<Value>,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct TestResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl TestClient {
    /// A client of the service that `registry` is with these settings.
    ///
    /// # Errors
    /// As [`Registry::into_router`].
    pub fn new(registry: Registry, settings: Settings) -> Result<Self, StartError> {
        let document = serde_json::from_str(registry.openapi()).unwrap_or_default();
        let endpoints = registry.endpoints().collect();
        let router = registry.into_router(settings)?;
        Ok(Self {
            router,
            document,
            endpoints,
        })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send("GET", path, &[], None).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> TestResponse {
        self.send("POST", path, &[], Some(body)).await
    }

    /// Any request; a body is sent as JSON.
    ///
    /// # Panics
    /// The method, the path or a header is not valid HTTP, or the response breaks off.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> TestResponse {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body);
        let request = request.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let Ok(response) = self.router.clone().call(request).await;
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await;
        let bytes = bytes.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        TestResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// A request for each endpoint of each agent, in the order of the registry.
    #[must_use]
    pub fn samples(&self) -> Vec<SampleRequest> {
        let endpoints = self.endpoints.iter();
        endpoints
            .map(|(agent, endpoint)| self.sample(agent, endpoint))
            .collect()
    }

    /// Sends a sample request and reads the JSON answer.
    pub async fn call(&self, sample: &SampleRequest) -> TestResponse {
        self.call_with(sample, &[]).await
    }

    /// Sends a sample request and reads the answer as a stream of events: [`TestResponse::events`].
    pub async fn stream(&self, sample: &SampleRequest) -> TestResponse {
        self.call_with(sample, &[("accept", "text/event-stream")])
            .await
    }

    async fn call_with(&self, sample: &SampleRequest, extra: &[(&str, &str)]) -> TestResponse {
        let own = sample.headers.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = own.chain(extra.iter().copied()).collect();
        let method = sample.endpoint.method.as_str();
        self.send(method, &sample.path, &headers, sample.body.as_ref())
            .await
    }

    fn sample(&self, agent: &'static AgentSpec, endpoint: &'static EndpointSpec) -> SampleRequest {
        let item = &self.document["paths"][endpoint.path];
        let operation = &item[endpoint.method.as_str().to_lowercase()];
        let mut path = endpoint.path.to_owned();
        let mut query = Vec::new();
        let mut headers = Vec::new();
        let lists = [&item["parameters"], &operation["parameters"]];
        for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
            let parameter = self.resolve(parameter);
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = self.example(parameter);
            let required = parameter["required"] == true;
            match parameter["in"].as_str() {
                Some("path") => {
                    path = path.replace(&format!("{{{name}}}"), &encoded(&plain(&value)));
                }
                Some("query") if required => {
                    let values = match &value {
                        Value::Array(values) => values.iter().collect(),
                        value => vec![value],
                    };
                    let pairs = values.into_iter().map(plain);
                    query.extend(pairs.map(|v| format!("{}={}", encoded(name), encoded(&v))));
                }
                Some("header") if required => headers.push((name.to_owned(), plain(&value))),
                _ => {}
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let body = operation.get("requestBody").map(|body| {
            let media = &self.resolve(body)["content"]["application/json"];
            self.example(media)
        });
        SampleRequest {
            agent,
            endpoint,
            path,
            headers,
            body,
        }
    }

    /// The first example of a parameter or a body, or of its schema.
    fn example(&self, holder: &Value) -> Value {
        if let Some(example) = holder.get("example") {
            return example.clone();
        }
        let examples = holder["examples"].as_object();
        if let Some(example) = examples.and_then(|examples| examples.values().next()) {
            return self.resolve(example)["value"].clone();
        }
        let schema = self.resolve(&holder["schema"]);
        let first = |key: &str| schema[key].get(0).cloned();
        first("examples")
            .or_else(|| first("enum"))
            .unwrap_or_default()
    }

    /// The target of a reference, or the value itself.
    fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#');
            match target.and_then(|pointer| self.document.pointer(pointer)) {
                Some(target) => value = target,
                None => return &Value::Null,
            }
        }
        value
    }
}

impl SampleRequest {
    /// Compares a response with the contract: a success has an answer that fits the output schema. A handler of the program's own may
    /// also answer with an error document, since what it is asked for need not exist.
    ///
    /// # Errors
    /// What is wrong with the response.
    pub fn check(&self, response: &TestResponse) -> Result<(), String> {
        let wrong = |what: &dyn fmt::Display| Err(format!("{self}: {what}: {}", response.body));
        let is_problem = response.header("content-type") == "application/problem+json";
        match response.status {
            204 => return Ok(()),
            200..=299 => {}
            400..=499 | 501 if self.endpoint.handler == Handler::Code && is_problem => {
                return Ok(());
            }
            status => return wrong(&format_args!("status {status}")),
        }
        let (Ok(answer), Ok(schema)) = (
            serde_json::from_str(&response.body),
            serde_json::from_str(self.endpoint.output_schema),
        ) else {
            return wrong(&"this is not JSON");
        };
        let schema = match Schema::compile(&schema) {
            Ok(schema) => schema,
            Err(error) => return wrong(&error),
        };
        let violations = schema.violations(&answer);
        match violations.first() {
            None => Ok(()),
            Some(first) => wrong(&format_args!("{} {}", first.pointer, first.detail)),
        }
    }
}

/// `GET /books/maps of librarian`
impl fmt::Display for SampleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.endpoint.method.as_str();
        write!(f, "{method} {} of {}", self.path, self.agent.name)
    }
}

impl TestResponse {
    /// The value of a header, empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as JSON; null if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The names of the server-sent events in the body, with their data.
    #[must_use]
    pub fn events(&self) -> Vec<(String, Value)> {
        let field = |lines: &str, name: &str| {
            let prefix = format!("{name}: ");
            let value = lines.lines().find_map(|line| line.strip_prefix(&prefix));
            value.unwrap_or_default().to_owned()
        };
        let events = self
            .body
            .split("\n\n")
            .filter(|event| event.contains("data:"));
        events
            .map(|event| {
                let data = serde_json::from_str(&field(event, "data"));
                (field(event, "event"), data.unwrap_or_default())
            })
            .collect()
    }
}

/// A value as the text of a parameter.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text, percent-encoded for a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
