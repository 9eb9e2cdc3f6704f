//! The service on a socket: startup, connections, command line and shutdown.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use agentgen_runtime::{Settings, StartError, serve_args, serve_on};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::desk_service::registry;
use crate::http_client::eventually;
use crate::stub_providers::{HangingProvider, SlowAnswer};

pub(crate) async fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) async fn send_request(address: SocketAddr, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!(
        "{head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

pub(crate) async fn read_to_end_of_stream(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const CHAT: &str = "POST /chat HTTP/1.1\r\nHost: localhost";

#[tokio::test]
async fn the_server_answers_cancels_abandoned_runs_and_stops() {
    let (listener, address) = listener("127.0.0.1:0").await;
    let provider = HangingProvider::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let settings = Settings {
        drain: Duration::from_millis(300),
        ..Settings::default()
    };
    let served = tokio::spawn(serve_on(
        listener,
        registry().provider(provider.clone()),
        settings,
        async {
            let _ = stopped.await;
        },
    ));
    let healthy = send_request(
        address,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close",
        "",
    )
    .await;
    let healthy = read_to_end_of_stream(healthy).await;
    assert!(healthy.starts_with("HTTP/1.1 200 OK") && healthy.ends_with(r#"{"status":"ok"}"#));

    for accept in ["application/json", "text/event-stream"] {
        let caller = send_request(
            address,
            &format!("{CHAT}\r\nAccept: {accept}"),
            r#"{"message":"hi"}"#,
        )
        .await;
        assert!(eventually(|| provider.in_flight() == 1).await);
        drop(caller);
        assert!(eventually(|| provider.in_flight() == 0).await, "{accept}");
    }

    let streaming = send_request(
        address,
        &format!("{CHAT}\r\nAccept: text/event-stream"),
        r#"{"message":"hi"}"#,
    )
    .await;
    let waiting = send_request(address, CHAT, r#"{"message":"hi"}"#).await;
    assert!(eventually(|| provider.in_flight() == 2).await);
    let start = Instant::now();
    stop.send(()).unwrap();
    let (streamed, waited) = tokio::join!(
        read_to_end_of_stream(streaming),
        read_to_end_of_stream(waiting)
    );
    assert!(
        streamed.contains("event: run.failed") && streamed.contains("\"status\":503"),
        "{streamed}"
    );
    assert!(
        waited.starts_with("HTTP/1.1 503") && waited.contains("shutting down"),
        "{waited}"
    );
    served.await.unwrap().unwrap();
    assert!((300..10_000).contains(&start.elapsed().as_millis()));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_client_disconnect_cancels_the_model_call_within_a_second() {
    let (listener, address) = listener("127.0.0.1:0").await;
    let provider = HangingProvider::default();
    tokio::spawn(serve_on(
        listener,
        registry().provider(provider.clone()),
        Settings::default(),
        std::future::pending(),
    ));
    for accept in ["application/json", "text/event-stream"] {
        let head = format!("{CHAT}\r\nAccept: {accept}");
        let caller = send_request(address, &head, r#"{"message":"hi"}"#).await;
        assert!(eventually(|| provider.in_flight() == 1).await);
        let start = Instant::now();
        drop(caller);
        assert!(eventually(|| provider.in_flight() == 0).await, "{accept}");
        assert!(start.elapsed() < Duration::from_secs(1), "{accept}");
    }
}

#[tokio::test]
async fn a_stopping_server_is_not_ready_and_starts_no_runs() {
    let (listener, address) = listener("127.0.0.1:0").await;
    let provider = HangingProvider::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let settings = Settings {
        drain: Duration::from_millis(500),
        ..Settings::default()
    };
    let served = tokio::spawn(serve_on(
        listener,
        registry().provider(provider.clone()),
        settings,
        async {
            let _ = stopped.await;
        },
    ));
    let streaming = send_request(
        address,
        &format!("{CHAT}\r\nAccept: text/event-stream"),
        r#"{"message":"hi"}"#,
    )
    .await;
    assert!(eventually(|| provider.in_flight() == 1).await);
    // An idle connection does not delay the shutdown.
    let silent = TcpStream::connect(address).await.unwrap();
    let start = Instant::now();
    stop.send(()).unwrap();
    let close = "HTTP/1.1\r\nHost: localhost\r\nConnection: close";
    let ask_for = async |head: &str| {
        read_to_end_of_stream(send_request(address, &format!("{head} {close}"), "{}").await).await
    };
    // A connection accepted during the signal may be closed without a response.
    let mut ready = String::new();
    while !ready.starts_with("HTTP/1.1 503") && start.elapsed() < Duration::from_millis(200) {
        ready = ask_for("GET /readyz").await;
    }
    let chat = ask_for("POST /chat").await;
    let live = ask_for("GET /livez").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("the service is stopping"), "{ready}");
    assert!(chat.starts_with("HTTP/1.1 503"), "{chat}");
    assert!(chat.contains("shutting down"), "{chat}");
    assert!(live.starts_with("HTTP/1.1 200"), "{live}");
    let streamed = read_to_end_of_stream(streaming).await;
    assert!(
        streamed.contains("event: run.failed") && streamed.contains("\"status\":503"),
        "{streamed}"
    );
    assert_eq!(read_to_end_of_stream(silent).await, "");
    served.await.unwrap().unwrap();
    assert!((500..2_000).contains(&start.elapsed().as_millis()));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn incomplete_request_headers_time_out() {
    let (listener, address) = listener("127.0.0.1:0").await;
    let settings = Settings {
        idle: Duration::from_millis(200),
        ..Settings::default()
    };
    tokio::spawn(serve_on(
        listener,
        registry(),
        settings,
        std::future::pending(),
    ));
    let start = Instant::now();
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    for stream in [&mut slow, &mut silent] {
        let mut text = String::new();
        // The connection is closed, possibly with an error, but never with a success.
        let _ = stream.read_to_string(&mut text).await;
        assert!(!text.contains(" 200 "), "{text}");
    }
    let took = start.elapsed().as_millis();
    assert!((200..2_000).contains(&took), "{took}");
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_a_free_slot() {
    let (listener, address) = listener("127.0.0.1:0").await;
    let settings = Settings {
        connections: 2,
        share: 1.0,
        ..Settings::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve_on(listener, registry(), settings, async {
        let _ = stopped.await;
    }));
    const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost";
    let assert_ok = async |stream: &mut TcpStream| {
        let mut first = [0; 15];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
    };
    // Both stay open after their response.
    let mut open = [
        send_request(address, HEALTH, "").await,
        send_request(address, HEALTH, "").await,
    ];
    for stream in &mut open {
        assert_ok(stream).await;
    }
    let mut waiting = send_request(address, HEALTH, "").await;
    let early = tokio::time::timeout(Duration::from_millis(300), assert_ok(&mut waiting)).await;
    assert!(early.is_err());
    let [first, second] = open;
    drop(first);
    assert_ok(&mut waiting).await;

    stop.send(()).unwrap();
    drop((second, waiting));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn without_authentication_only_loopback_addresses_are_allowed() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else {
            continue;
        };
        let error = serve_on(
            listener,
            registry(),
            Settings::default(),
            std::future::ready(()),
        );
        let error = error.await.unwrap_err();
        assert!(matches!(error, StartError::Setting { .. }));
        let text = error.to_string();
        assert!(
            text.starts_with("AGENTGEN_ADDRESS: ") && text.contains("AGENTGEN_AUTH_HS256_SECRET")
        );
        assert!(text.contains("auth.jwks_file") && text.contains("auth.jwks_url"));
    }
    let auth = agentgen_runtime::auth::Auth::hs256(&[b'x'; 32]);
    let (listener, _) = listener("0.0.0.0:0").await;
    let settings = Settings {
        auth,
        ..Settings::default()
    };
    serve_on(listener, registry(), settings, std::future::ready(()))
        .await
        .unwrap();
}

/// When this variable is set, this test program runs as a service.
const SERVE: &str = "TEST_SERVE";
/// When this variable is set too, its model takes a second.
const SLOW_MODEL: &str = "TEST_SLOW_MODEL";
/// The command-line arguments of that service.
const ARGUMENTS: &str = "TEST_ARGUMENTS";

fn program(variables: &[(&str, &str)]) -> std::process::Child {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "server_lifecycle::a_service_program_starts_on_a_free_port_and_stops_on_sigterm",
            "--exact",
            "--nocapture",
        ])
        .env(SERVE, "1");
    // Variables of tests, such as AGENTGEN_CORPUS, are no settings.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AGENTGEN_") {
            command.env_remove(name);
        }
    }
    command
        .env("AGENTGEN_STORE_URL", "memory:")
        .envs(variables.iter().copied())
        .stdout(std::process::Stdio::piped());
    command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

/// The exit code, stdout and stderr of a program that exits by itself.
fn ended(variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = program(variables).wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn settings_can_be_checked_without_serving() {
    let secret = "hunter2-hunter2-hunter2-hunter2-";
    let check =
        |variables: &[(&str, &str)]| ended(&[&[(ARGUMENTS, "--check-config")], variables].concat());
    let (code, stdout, stderr) = check(&[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("the settings are fine") && stdout.contains("authentication none"));
    assert!(!stdout.contains("listening"));
    assert!(stdout.contains("documents      in the store\n"), "{stdout}");
    assert!(stdout.contains("embeddings     hashing\n"), "{stdout}");
    let (code, stdout, stderr) = check(&[
        ("AGENTGEN_AUTH_HS256_SECRET", secret),
        ("AGENTGEN_ADDRESS", "0.0.0.0:80"),
        ("AGENTGEN_PROVIDERS_ANTHROPIC_API_KEY", secret),
        ("AGENTGEN_MODELS_SONNET", "anthropic:claude-sonnet-4-5"),
        ("AGENTGEN_MODELS_HAIKU", "anthropic:claude-haiku-4-5"),
        ("AGENTGEN_MODELS_OPUS", "ollama:qwen3:8b"),
        ("AGENTGEN_PROVIDERS_OPENAI_BASE_URL", "http://proxy/v1"),
        ("AGENTGEN_STORE_URL", "postgres://me:hunter2@127.0.0.1:1/db"),
    ]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("0.0.0.0:80") && stdout.contains("HS256"));
    let providers = "anthropic (with a key), ollama (without a key), openai (openai-compatible, without a key)\n";
    assert!(stdout.contains(providers), "{stdout}");
    assert!(stdout.contains("store          postgres\n"), "{stdout}");
    assert!(!stdout.contains("hunter2") && !stderr.contains("hunter2"));

    // Checking the settings does not create the store.
    let folder = std::env::temp_dir().join(format!("agentgen-checked-{}", std::process::id()));
    let url = format!("sqlite:{}/agentgen.db", folder.display());
    let (code, stdout, _) = check(&[("AGENTGEN_STORE_URL", url.as_str())]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains(&url) && !folder.exists(), "{stdout}");

    for (wrong, part) in [
        (
            ("AGENTGEN_ADDRESS", "0.0.0.0:80"),
            "AGENTGEN_AUTH_HS256_SECRET",
        ),
        (("AGENTGEN_AUTH_HS256_SECRET", "hunter2"), "has 7 bytes"),
        (
            ("AGENTGEN_AUTH_JWKS_FILE", "/nowhere/keys"),
            "/nowhere/keys",
        ),
        (
            ("AGENTGEN_CONFIG", "/nowhere/service.toml"),
            "can't be read",
        ),
        (("AGENTGEN_CONFIG", ""), "is set, and empty"),
    ] {
        let (code, stdout, stderr) = check(&[wrong]);
        assert_eq!(code, Some(2), "{wrong:?}");
        assert!(!stdout.contains("fine"), "{stdout}");
        let begin = format!("error: {}: ", wrong.0);
        assert!(stderr.starts_with(&begin), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
    for (model, stdout) in [
        (
            "openai:text-embedding-3-small",
            "providers.openai.api_key: is not set, nor is OPENAI_API_KEY",
        ),
        (
            "anthropic:claude",
            "embeddings.model: the provider `anthropic` has no embeddings",
        ),
    ] {
        let (code, _, stderr) = check(&[("AGENTGEN_EMBEDDINGS_MODEL", model)]);
        assert_eq!(code, Some(2));
        assert!(stderr.contains(stdout), "{stderr}");
    }
}

#[test]
fn the_command_line_prints_help_and_rejects_unknown_arguments() {
    let (code, stdout, _) = ended(&[(ARGUMENTS, "--help")]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("--check-config") && stdout.contains("AGENTGEN_CONFIG"));
    let (code, stdout, _) = ended(&[(ARGUMENTS, "--settings")]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("`AGENTGEN_LIMITS_TIMEOUT`"), "{stdout}");
    let (code, stdout, _) = ended(&[(ARGUMENTS, "--version")]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("(agentgen-runtime "), "{stdout}");
    for wrong in ["--chek-config", "serve", "--check-config twice"] {
        let (code, _, stderr) = ended(&[(ARGUMENTS, wrong)]);
        assert_eq!(code, Some(2));
        let last = wrong.split(' ').next_back().unwrap();
        assert!(stderr.starts_with(&format!("error: `{last}` ")), "{stderr}");
    }
}

#[test]
fn a_service_program_starts_on_a_free_port_and_stops_on_sigterm() {
    if std::env::var_os(SERVE).is_some() {
        let arguments = std::env::var(ARGUMENTS).unwrap_or_default();
        let arguments = arguments.split_whitespace().map(str::to_owned);
        let registry = registry();
        let registry = match std::env::var_os(SLOW_MODEL) {
            Some(_) => registry.provider(SlowAnswer(Duration::from_secs(1))),
            None => registry,
        };
        let code = serve_args(registry, arguments);
        std::process::exit(if code == ExitCode::SUCCESS {
            0
        } else if code == ExitCode::from(2) {
            2
        } else {
            1
        });
    }
    let wide = program(&[("AGENTGEN_ADDRESS", "0.0.0.0:0")])
        .wait_with_output()
        .unwrap();
    assert_eq!(wide.status.code(), Some(2));
    let stderr = String::from_utf8(wide.stderr).unwrap();
    assert!(
        stderr.contains("AGENTGEN_ADDRESS") && stderr.contains("AGENTGEN_AUTH_HS256_SECRET"),
        "{stderr}"
    );
    let short = program(&[("AGENTGEN_AUTH_HS256_SECRET", "short")])
        .wait_with_output()
        .unwrap();
    assert_eq!(short.status.code(), Some(2));

    let mut running = program(&[]);
    let mut out = std::io::BufReader::new(running.stdout.take().unwrap());
    let url = loop {
        let mut line = String::new();
        assert!(
            std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0,
            "it never listened"
        );
        if let Some((_, url)) = line.split_once("listening on http://") {
            break url.trim().to_owned();
        }
    };
    let address = url.parse::<SocketAddr>().unwrap();
    assert!(address.ip().is_loopback() && address.port() >= 8080);
    // A second process uses the next port.
    let mut second = program(&[]);
    let mut second_out = std::io::BufReader::new(second.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("listening on") {
        assert!(std::io::BufRead::read_line(&mut second_out, &mut text).unwrap() > 0);
    }
    assert!(!text.contains(&url));
    std::net::TcpStream::connect(address).unwrap();
    for child in [&mut running, &mut second] {
        let id = child.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

/// A program that serves, and its address.
fn serving(variables: &[(&str, &str)]) -> (std::process::Child, SocketAddr) {
    let mut child = program(variables);
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let address = std::io::BufRead::lines(&mut out).find_map(|line| {
        let line = line.unwrap();
        let (_, address) = line.split_once("listening on http://")?;
        Some(address.trim().parse().unwrap())
    });
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    (child, address.expect("it never listened"))
}

fn signal(child: &std::process::Child, name: &str) {
    let mut kill = std::process::Command::new("kill");
    let kill = kill.args([name, &child.id().to_string()]);
    assert!(kill.status().unwrap().success());
}

/// Sends a request, and returns without its response.
fn ask_for(address: SocketAddr, query: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let text = format!("GET /shelves/1/search?query={query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    stream
}

#[cfg(unix)]
#[test]
fn a_process_ends_in_time_though_every_worker_is_busy() {
    let (mut child, address) = serving(&[("AGENTGEN_LIMITS_DRAIN", "300ms")]);
    let workers = std::thread::available_parallelism().unwrap().get();
    let _busy: Vec<_> = (0..workers * 3)
        .map(|_| ask_for(address, "blocks"))
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    signal(&child, "-TERM");
    child.wait().unwrap();
    let took = began.elapsed().as_millis();
    assert!((250..2_500).contains(&took), "{took} ms");
}

/// For each signal that stops it: requests under way are answered, and then the process ends without waiting for its drain.
#[cfg(unix)]
#[test]
fn a_process_answers_running_requests_before_it_ends() {
    for name in ["-TERM", "-INT"] {
        let variables = [("AGENTGEN_LIMITS_DRAIN", "20s"), (SLOW_MODEL, "1")];
        let (mut child, address) = serving(&variables);
        let ask = |accept: &str| {
            let body = r#"{"input":"hi"}"#;
            let length = body.len();
            let text = format!(
                "POST /v1/agents/desk/invoke HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
            stream
        };
        let mut running = ask("application/json");
        let mut streaming = ask("text/event-stream");
        std::thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        signal(&child, name);
        for stream in [&mut running, &mut streaming] {
            let mut answer = String::new();
            std::io::Read::read_to_string(stream, &mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
            assert!(answer.contains("at last"), "{name}: {answer}");
        }
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let took = began.elapsed().as_millis();
        assert!((500..5_000).contains(&took), "{took} ms");
    }
}
