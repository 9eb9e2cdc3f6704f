//! Log lines about providers, and what they must not contain.

use std::future::pending;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::Script;
use agentgen_runtime::{Secret, Settings, serve_on};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;

use crate::desk_service::registry;
use crate::http_client::post;
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, agent_app, desk_with, invoke, mock_server, registry_of,
    unreachable_provider,
};

/// A log captured in memory.
#[derive(Clone, Default)]
pub struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for CapturedLog {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl CapturedLog {
    /// Captures the log of this thread, at `level` and above, until the guard is dropped.
    pub fn capture(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        // With a single subscriber, tracing caches the interest of the first thread that reaches a callsite for all
        // threads. Two more subscribers with all levels enabled make it ask each thread's subscriber.
        static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();
        let all = || {
            let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
            Dispatch::new(all.with_writer(std::io::sink).finish())
        };
        OTHERS.get_or_init(|| [all(), all()]);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn failures_are_logged_without_the_key_at_any_level() {
    for kind in KINDS {
        for status in [400, 401, 429, 500] {
            let log = CapturedLog::default();
            let _guard = log.capture(tracing::Level::TRACE);
            let server = mock_server([]).await;
            let words = "what is this? the key was sk-hidden";
            server.always(Script::error(status, words).header("request-id", "req_7"));
            let mut settings = server.settings(kind);
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.api_key = Some(Secret::new("sk-hidden"));
            let policy = Policy {
                retry_attempts: 2,
                retry_backoff_ms: 1,
                ..Policy::DEFAULT
            };
            let app = agent_app(desk_with(policy), settings);
            invoke(&app, "a question").await;
            let text = log.text();
            assert!(text.contains("the provider failed"), "{text}");
            assert!(text.contains(&format!("status={status}")), "{text}");
            assert!(text.contains("req_7"), "{text}");
            assert!(!text.contains("sk-hidden"), "{text}");
            let denied = text.contains("check providers.mock.api_key");
            assert_eq!(denied, status == 401, "{text}");
            assert!(
                text.contains("what is this? the key was [redacted]"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn an_unreachable_provider_is_logged_with_the_reason() {
    for kind in KINDS {
        let log = CapturedLog::default();
        let _guard = log.capture(tracing::Level::INFO);
        let gone = unreachable_provider(kind).await;
        invoke(&agent_app(desk_with(NO_RETRIES), gone), "hi")
            .await
            .problem(503);
        let text = log.text();
        assert!(
            text.contains("unreachable") && text.contains("refused"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn message_text_is_not_logged_by_default() {
    for kind in KINDS {
        let log = CapturedLog::default();
        let _guard = log.capture(tracing::Level::INFO);
        let server = mock_server([
            Script::error(400, "the prompt is no good"),
            Script::text("badgers are no JSON"),
            Script::text(r#"{"mood":"badgers"}"#),
        ])
        .await;
        let app = agent_app(desk_with(NO_RETRIES), server.settings(kind));
        invoke(&app, "tell me about badgers").await.problem(502);
        post(&app, "/chat", r#"{"message":"badgers"}"#)
            .await
            .problem(502);
        let text = log.text();
        assert!(text.contains("does not fit the output schema"), "{text}");
        assert!(!text.contains("badgers"), "{text}");
    }
}

#[tokio::test]
async fn the_providers_words_are_logged_cut_and_on_one_line() {
    for kind in KINDS {
        let log = CapturedLog::default();
        let _guard = log.capture(tracing::Level::WARN);
        let words = format!("first\nsecond {} last", "word ".repeat(200));
        let server = mock_server([Script::error(400, words)]).await;
        let app = agent_app(desk_with(Policy::DEFAULT), server.settings(kind));
        let answer = invoke(&app, "hi").await;
        assert!(!answer.text.contains("second"), "{}", answer.text);
        let text = log.text();
        assert!(text.contains("first second word word"), "{text}");
        assert!(text.contains('…') && !text.contains(" last"), "{text}");
    }
}

#[tokio::test]
async fn what_is_learned_about_a_model_is_logged_once_with_its_setting() {
    let log = CapturedLog::default();
    let _guard = log.capture(tracing::Level::WARN);
    let refusal =
        r#"{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}"#;
    let server = mock_server([Script::replay(422, "application/json", refusal)]).await;
    let thought = |text: &str| {
        let text = serde_json::Value::from(text);
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":{text}}},\"finish_reason\":\"stop\"}}]}}\n\n"
        )
    };
    let answer = thought("I think.\n</think>\nHello.");
    server.always(Script::replay(200, "text/event-stream", answer));
    let settings = server.settings(ProviderKind::OpenAi);
    let app = agent_app(desk_with(Policy::DEFAULT), settings);
    for _ in 0..3 {
        assert_eq!(invoke(&app, "hi").await.json()["output"], "Hello.");
    }
    let text = log.text();
    let setting = "`stream_options = false` in [providers.mock] says so from the start";
    assert_eq!(text.matches(setting).count(), 1, "{text}");
    assert!(text.contains("Extra inputs are not permitted"), "{text}");
    assert_eq!(
        text.matches("marks only the end of its thoughts").count(),
        1,
        "{text}"
    );
    assert!(!text.contains("Hello."), "{text}");
}

#[tokio::test]
async fn a_service_without_providers_logs_a_warning_once() {
    let log = CapturedLog::default();
    let guard = log.capture(tracing::Level::INFO);
    let app = registry_of(agent(|_| {}))
        .into_router(Settings::default())
        .unwrap();
    invoke(&app, "hi").await;
    drop(guard);
    assert_eq!(log.text().matches("no provider is set").count(), 1);
}

#[tokio::test]
async fn reaching_the_connection_limit_is_counted_and_logged_once() {
    let log = CapturedLog::default();
    let _guard = log.capture(tracing::Level::WARN);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings {
        connections: 1,
        ..Settings::default()
    };
    tokio::spawn(serve_on(listener, registry(), settings, pending()));
    let mut metrics = String::new();
    for _ in 0..2 {
        // It stays open, and uses the only slot.
        let mut open = TcpStream::connect(address).await.unwrap();
        let request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
        open.write_all(request.as_bytes()).await.unwrap();
        open.read_exact(&mut [0; 15]).await.unwrap();
        let mut waiting = TcpStream::connect(address).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        waiting.write_all(request.as_bytes()).await.unwrap();
        metrics.clear();
        let mut early = [0; 1];
        let early = tokio::time::timeout(
            std::time::Duration::from_millis(100),
            waiting.read(&mut early),
        );
        assert!(early.await.is_err());
        drop(open);
        waiting.read_to_string(&mut metrics).await.unwrap();
    }
    let line = |line: &&str| line.starts_with("agentgen_connections_full_total ");
    let line = metrics.lines().find(line).unwrap();
    let count = line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    assert_eq!(count, 2, "{line}");
    let text = log.text();
    assert_eq!(text.matches("limits.connections").count(), 1, "{text}");
    assert!(text.contains("max_connections=1"), "{text}");
}
