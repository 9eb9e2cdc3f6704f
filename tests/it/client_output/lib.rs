//! Services of generated agents, and clients of them.

#![allow(missing_docs)]

use std::net::SocketAddr;

use agentgen_runtime::{Registry, Settings, serve_on};
use tokio::net::TcpListener;

#[path = "../flows/client/mod.rs"]
pub mod flows_client;

pub mod flows {
    pub mod agents {
        ::agentgen_runtime::include_agents!("../flows");
    }

    pub use crate::flows_client as client;
}

pub mod page {
    pub mod agents {
        ::agentgen_runtime::include_agents!("../page");
    }
}

/// Serves `registry` for as long as the process runs.
pub async fn serve(registry: Registry) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let forever = std::future::pending();
    tokio::spawn(async move {
        let served = serve_on(listener, registry, Settings::default(), forever).await;
        served.expect("it is served");
    });
    format!("http://{address}")
}
