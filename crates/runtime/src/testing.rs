//! For tests of a service: a client that calls it without a socket, and a mock of a model provider. The mock streams the answers
//! of a [`Script`] in a protocol of Anthropic or OpenAI, and records the requests. Needs the feature `testing`.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use agentgen_runtime::model::ProviderKind;
//! use agentgen_runtime::testing::{MockServer, Script};
//!
//! let server = MockServer::start().await.unwrap();
//! server.push(Script::text("The maps are on shelf 4.").usage(12, 9));
//! let settings = server.settings(ProviderKind::Anthropic);
//! // TestClient::new(registry(), settings), a request with it, and then:
//! assert!(server.requests().is_empty());
//! # let _ = settings;
//! # });
//! ```

mod script;
mod server;
mod test_client;
mod wire;

pub use script::Script;
pub use server::{MockServer, Received};
pub use test_client::{SampleRequest, TestClient, TestResponse};
