//! A mock of a model provider, for tests of a service. It streams the answers of a [`Script`] in the protocol of Anthropic
//! or OpenAI, and records the requests. Needs the feature `testing`.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use agentgen_runtime::model::ProviderKind;
//! use agentgen_runtime::testing::{MockServer, Script};
//!
//! let server = MockServer::start().await.unwrap();
//! server.push(Script::text("The maps are on shelf 4.").usage(12, 9));
//! let settings = server.settings(ProviderKind::Anthropic);
//! // registry().into_router(settings), a request to it, and then:
//! assert!(server.requests().is_empty());
//! # let _ = settings;
//! # });
//! ```

mod script;
mod server;
mod wire;

pub use script::Script;
pub use server::{MockServer, Received};
