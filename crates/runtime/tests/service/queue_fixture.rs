//! The queues that tests have runs handed out by, each a stream of its own, and services on them.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::WorkflowSpec;
use agentgen_runtime::{Secret, Settings, StartError, serve_on};
use async_nats::jetstream::{self, Context};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::store_fixture::{TestStore, postgres_store};
use crate::workflow_fixture::{RecordedInputs, registry_of};

/// A stream that nobody else uses, and a database.
pub struct TestQueue {
    /// With the stream's name.
    pub url: String,
    pub stream: String,
    pub jetstream: Context,
    pub store: TestStore,
}

/// Where NATS is, if it may be used: CI has one at the usual place.
fn nats_url() -> Option<String> {
    let named = std::env::var("AGENTGEN_TEST_NATS").ok();
    let usual = || "nats://127.0.0.1:4222".to_owned();
    named.or_else(|| (std::env::var("CI").ok()? == "true").then(usual))
}

/// A queue, if there are a NATS server and a PostgreSQL server for tests.
pub async fn test_queue() -> Option<TestQueue> {
    let Some(server) = nats_url() else {
        let message = "not run: tests on NATS, as AGENTGEN_TEST_NATS names no server\n";
        std::io::stdout().write_all(message.as_bytes()).unwrap();
        return None;
    };
    let store = postgres_store().await?;
    let server = server.trim_end_matches('/');
    let client = async_nats::connect(server).await.unwrap();
    let stream = format!("test-{}", uuid::Uuid::new_v4());
    Some(TestQueue {
        url: format!("{server}/{stream}"),
        stream,
        jetstream: jetstream::new(client),
        store,
    })
}

impl TestQueue {
    /// Has the stream hold `payload`, as a run to be handed out.
    pub async fn push(&self, payload: String) {
        let subject = format!("{}.runs", self.stream);
        let sent = self.jetstream.publish(subject, payload.into()).await;
        sent.unwrap().await.unwrap();
    }

    /// How many runs the stream holds.
    pub async fn waiting(&self) -> u64 {
        let mut stream = self.jetstream.get_stream(&self.stream).await.unwrap();
        stream.info().await.unwrap().state.messages
    }

    /// Whether the stream holds nothing, ten seconds from now at the latest.
    pub async fn runs_empty(&self) -> bool {
        for _ in 0..200 {
            if self.waiting().await == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Leaves nothing behind.
    pub async fn remove(self) {
        // A test that was wrong about its settings has none.
        let _ = self.jetstream.delete_stream(&self.stream).await;
        self.store.remove().await;
    }

    /// Settings with this queue; a process that was killed is missed after `lease`.
    pub fn settings(&self, lease: Duration) -> Settings {
        Settings {
            store: Secret::new(self.store.url.clone()),
            queue: Some(Secret::new(self.url.clone())),
            workflows: WorkflowLimits {
                lease,
                ..WorkflowLimits::default()
            },
            ..Settings::default()
        }
    }
}

/// A service of this process.
pub struct RunningService {
    pub address: SocketAddr,
    /// What its agents were asked.
    pub inputs: RecordedInputs,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), StartError>>,
}

/// Serves `workflow` at a free port.
pub async fn serve(workflow: WorkflowSpec, settings: Settings) -> RunningService {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let inputs = RecordedInputs::default();
    let registry = registry_of(workflow, &inputs);
    let stopped = async {
        let _ = stopped.await;
    };
    let served = tokio::spawn(serve_on(listener, registry, settings, stopped));
    RunningService {
        address,
        inputs,
        stop,
        served,
    }
}

impl RunningService {
    /// Has it stop, and waits for that.
    pub async fn stop(self) {
        // One that never started has nothing to wait for.
        let _ = self.stop.send(());
        self.served.await.unwrap().unwrap();
    }

    /// How often its agents were asked.
    pub fn inputs(&self) -> usize {
        self.inputs.lock().unwrap().len()
    }
}
