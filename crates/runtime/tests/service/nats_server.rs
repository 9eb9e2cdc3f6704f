//! A queue on a private NATS server: credentials, TLS, and outages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agentgen_runtime::workflow::WorkflowLimits;
use agentgen_runtime::{Secret, Settings};
use serde_json::Value;

use crate::durability::http_request;
use crate::queue_delivery::{final_report, metrics, start_error, start_run, wait_until};
use crate::queue_fixture::{RunningService, serve};
use crate::store_fixture::{TestStore, postgres_store};
use crate::workflow_fixture::{step, workflow};

const PASSWORD: &str = "hunter2@+&";

/// A NATS server process that accepts one user.
struct Server {
    port: u16,
    folder: PathBuf,
    child: Child,
}

/// The path of a TLS fixture.
fn tls(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    Path::new(folder).join(name)
}

fn launch(port: u16, folder: &Path, is_secure: bool) -> Option<Child> {
    let mut server = Command::new("nats-server");
    if is_secure {
        server.arg("--tls").arg("--tlscert").arg(tls("server.pem"));
        server.arg("--tlskey").arg(tls("server.key"));
    }
    let server = server
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"])
        .arg(folder)
        .args(["--user", "me", "--pass", PASSWORD])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    server.ok()
}

impl Server {
    /// Starts a server if `nats-server` is installed.
    fn start(is_secure: bool) -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = std::env::temp_dir().join(format!("agentgen-nats-{}", uuid::Uuid::new_v4()));
        let Some(child) = launch(port, &folder, is_secure) else {
            let message =
                "skipped: tests on a private NATS server, because nats-server is not installed\n";
            std::io::stdout().write_all(message.as_bytes()).unwrap();
            return None;
        };
        Some(Self {
            port,
            folder,
            child,
        })
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn settings(&self, store: &TestStore, login: &str) -> Settings {
        Settings {
            store: Secret::new(store.url.clone()),
            queue: Some(Secret::new(format!(
                "nats://{login}127.0.0.1:{}",
                self.port
            ))),
            workflows: WorkflowLimits {
                lease: Duration::from_millis(500),
                ..WorkflowLimits::default()
            },
            ..Settings::default()
        }
    }
}

impl Drop for Server {
    /// Cleans up even if the test fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The status of the queue in the readiness response.
async fn queue_status(service: &RunningService) -> Value {
    let (_, ready) = http_request(service.address, "GET", "/readyz", "").await;
    let checks = ready["checks"].as_array().unwrap().iter();
    let mut queue = checks.filter(|check| check["name"] == "queue");
    queue.next().unwrap()["status"].clone()
}

async fn assert_run_completes(service: &RunningService) {
    let location = start_run(service).await;
    let report = final_report(service, &location).await;
    assert_eq!(report["status"], "completed", "{report}");
}

#[tokio::test]
async fn a_queue_is_used_again_after_an_outage() {
    let Some(store) = postgres_store().await else {
        return;
    };
    let Some(mut server) = Server::start(false) else {
        return store.remove().await;
    };
    // The service connects even if the server starts to listen later.
    let settings = server.settings(&store, "me:hunter2%40+%26@");
    let service = serve(workflow(vec![step("a", &[], "so")]), settings).await;
    wait_until(async || queue_status(&service).await == "ok").await;
    assert_run_completes(&service).await;
    let handed = async |count: u32| {
        let line = format!("agentgen_workflow_deliveries_total{{delivery=\"new\"}} {count}\n");
        metrics(&service).await.contains(&line)
    };
    wait_until(async || handed(1).await).await;

    server.kill();
    wait_until(async || queue_status(&service).await == "degraded").await;
    assert_run_completes(&service).await;
    server.child = launch(server.port, &server.folder, false).unwrap();
    wait_until(async || queue_status(&service).await == "ok").await;
    assert_run_completes(&service).await;
    wait_until(async || handed(2).await).await;

    // Rejected credentials are a startup error that does not contain the password.
    for login in ["", "me:hunter3@", "hunter3@"] {
        let error = start_error(server.settings(&store, login)).await;
        assert!(error.starts_with("workflows.queue: "), "{error}");
        assert!(error.contains("authorization violation"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
    service.stop().await;
    store.remove().await;
}

#[tokio::test]
async fn a_queue_with_a_private_certificate_authority_is_accepted() {
    let Some(store) = postgres_store().await else {
        return;
    };
    let Some(server) = Server::start(true) else {
        return store.remove().await;
    };
    let listens = async || {
        let connected = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await;
        connected.is_ok()
    };
    wait_until(listens).await;
    let login = "me:hunter2%40+%26@";
    for scheme in ["tls", "nats"] {
        let settings = Settings {
            queue: Some(Secret::new(format!(
                "{scheme}://{login}localhost:{}",
                server.port
            ))),
            ..server.settings(&store, login)
        };
        // Without the certificate authority the connection is a startup error.
        let error = start_error(settings.clone()).await;
        assert!(error.starts_with("workflows.queue: "), "{error}");
        assert!(error.contains("certificate"), "{error}");
        assert!(error.contains("workflows.queue_ca"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
        let settings = Settings {
            queue_ca: Some(tls("ca.pem")),
            ..settings
        };
        let service = serve(workflow(vec![step("a", &[], "so")]), settings).await;
        wait_until(async || queue_status(&service).await == "ok").await;
        assert_run_completes(&service).await;
        service.stop().await;
    }
    store.remove().await;
}
