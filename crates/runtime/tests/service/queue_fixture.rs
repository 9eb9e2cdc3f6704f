//! Queues for tests, each with its own JetStream stream, and services that use them.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::workflow::WorkflowSpec;
use agentgen_runtime::{Registry, Secret, Settings, StartError, serve_on};
use async_nats::jetstream::{self, Context};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::store_fixture::{TestStore, postgres_store};
use crate::workflow_fixture::{RecordedInputs, registry_of};

/// An exclusive stream and a database.
pub struct TestQueue {
    /// Includes the name of the stream.
    pub url: String,
    pub stream: String,
    pub jetstream: Context,
    pub store: TestStore,
}

/// The URL of NATS from `AGENTGEN_TEST_NATS`, or the default URL in CI.
fn nats_url() -> Option<String> {
    let named = std::env::var("AGENTGEN_TEST_NATS").ok();
    let usual = || "nats://127.0.0.1:4222".to_owned();
    named.or_else(|| (std::env::var("CI").ok()? == "true").then(usual))
}

/// A queue, if both a NATS server and a PostgreSQL server are configured.
pub async fn test_queue() -> Option<TestQueue> {
    let Some(server) = nats_url() else {
        let message = "skipped: tests on NATS, because AGENTGEN_TEST_NATS is not set\n";
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
    /// Publishes `payload` as a run to execute.
    pub async fn push(&self, payload: String) {
        let subject = format!("{}.runs", self.stream);
        let sent = self.jetstream.publish(subject, payload.into()).await;
        sent.unwrap().await.unwrap();
    }

    /// The number of messages in the stream.
    pub async fn message_count(&self) -> u64 {
        let mut stream = self.jetstream.get_stream(&self.stream).await.unwrap();
        stream.info().await.unwrap().state.messages
    }

    /// Waits up to ten seconds until the stream is empty. Returns whether it is.
    pub async fn is_drained(&self) -> bool {
        for _ in 0..200 {
            if self.message_count().await == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Removes everything that the test created.
    pub async fn remove(self) {
        // Tests of invalid settings create no stream.
        let _ = self.jetstream.delete_stream(&self.stream).await;
        self.store.remove().await;
    }

    /// Settings with this queue. The runs of a killed process are taken over after `lease`.
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

/// A service in this process.
pub struct RunningService {
    pub address: SocketAddr,
    /// The inputs of its agents.
    pub inputs: RecordedInputs,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), StartError>>,
}

/// Serves `workflow` on a free port.
pub async fn serve(workflow: WorkflowSpec, settings: Settings) -> RunningService {
    let inputs = RecordedInputs::default();
    serve_registry(registry_of(workflow, &inputs), inputs, settings).await
}

/// Serves `registry`, whose agents record `inputs`, on a free port.
pub async fn serve_registry(
    registry: Registry,
    inputs: RecordedInputs,
    settings: Settings,
) -> RunningService {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
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
    /// Stops the service and waits for its end.
    pub async fn stop(self) {
        // The receiver is gone if the service failed to start.
        let _ = self.stop.send(());
        self.served.await.unwrap().unwrap();
    }

    /// The number of calls to its agents.
    pub fn inputs(&self) -> usize {
        self.inputs.lock().unwrap().len()
    }
}
