//! Sessions that survive a restart, and errors of opening a store.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use agentgen_runtime::{Secret, Settings, StartError, Store, serve_args, serve_on};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::desk_service::registry;
use crate::http_client::eventually;
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};
use crate::stub_providers::HangingProvider;

/// When this variable is set, this test program runs as a service.
const SERVE: &str = "TEST_DURABLE";

#[test]
fn program() {
    if let Some(kind) = std::env::var_os(SERVE) {
        let registry = match kind == "hang" {
            true => registry().provider(HangingProvider::default()),
            false => registry(),
        };
        let code = serve_args(registry, []);
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

fn start(folder: &Path, url: Option<&str>) -> Child {
    start_as("1", "exec", folder, url)
}

/// Starts the program by a line of shell, behind which it is a command with arguments.
pub fn start_with(shell: &str, folder: &Path, url: Option<&str>) -> Child {
    start_as("1", shell, folder, url)
}

/// As [`start_with`]; the model of a `kind` of `hang` never answers.
fn start_as(kind: &str, shell: &str, folder: &Path, url: Option<&str>) -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["durability::program", "--exact", "--nocapture"])
        .env(SERVE, kind)
        .env("AGENTGEN_ADDRESS", "127.0.0.1:0")
        .env_remove("AGENTGEN_STORE_URL")
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(url) = url {
        command.env("AGENTGEN_STORE_URL", url);
    }
    command.spawn().unwrap()
}

/// Waits until the program listens, and returns its address.
pub fn wait_for_address(child: &mut Child) -> SocketAddr {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| {
        let line = line.unwrap();
        line.split_once("listening on http://")
            .map(|(_, address)| address.trim().parse().unwrap())
    });
    line.expect("it never listened")
}

/// Sends a request and returns the status and the JSON body of the response.
pub async fn http_request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn a_killed_service_goes_on(test_store: TestStore) {
    let folder = std::env::temp_dir();
    let mut child = start(&folder, Some(&test_store.url));
    let address = wait_for_address(&mut child);
    let invoke = "/v1/agents/desk/invoke";
    let (status, first) = http_request(address, "POST", invoke, r#"{"input":"before"}"#).await;
    assert_eq!(status, 200, "{first}");
    let id = first["session_id"].as_str().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(TcpStream::connect(address).await.is_err());

    let mut child = start(&folder, Some(&test_store.url));
    let address = wait_for_address(&mut child);
    let body = json!({"input": "after", "session_id": id}).to_string();
    let (status, second) = http_request(address, "POST", invoke, &body).await;
    assert_eq!(status, 200, "{second}");
    assert_eq!(second["session_id"], id);
    let path = format!("/v1/agents/desk/sessions/{id}/messages");
    let (_, texts) = http_request(address, "GET", &path, "").await;
    let texts = texts["messages"].as_array().unwrap().iter();
    let texts = texts.map(|message| message["text"].as_str().unwrap());
    let texts = texts.collect::<Vec<_>>();
    let expected = [
        "before",
        "[echo] desk received 6 characters: before",
        "after",
        "[echo] desk received 5 characters: after",
    ];
    assert_eq!(texts, expected);
    child.kill().unwrap();
    child.wait().unwrap();
    test_store.remove().await;
}

#[tokio::test]
async fn sessions_survive_a_killed_service() {
    a_killed_service_goes_on(sqlite_store()).await;
    if let Some(test_store) = postgres_store().await {
        a_killed_service_goes_on(test_store).await;
    }
}

/// Kills a service in the middle of the first and of the second turn of two conversations.
async fn a_killed_turn_leaves_its_question(test_store: TestStore) {
    let folder = std::env::temp_dir();
    let invoke = "/v1/agents/desk/invoke";
    let body = |input: &str, id: &str| json!({"input": input, "session_id": id}).to_string();
    let mut child = start(&folder, Some(&test_store.url));
    let address = wait_for_address(&mut child);
    let (status, _) = http_request(address, "POST", invoke, &body("hello", "old")).await;
    assert_eq!(status, 200);
    child.kill().unwrap();
    child.wait().unwrap();

    let mut child = start_as("hang", "exec", &folder, Some(&test_store.url));
    let address = wait_for_address(&mut child);
    for id in ["old", "new"] {
        // The first words of a stream show that the turn is at its model call.
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = body("lost", id);
        let head = format!(
            "POST {invoke}/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut read = String::new();
        while !read.contains("output.delta") {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "{read}");
            read.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        // Dropped only after the kill: a caller who leaves ends the turn.
        std::mem::forget(stream);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if test_store.url.starts_with("postgres:") {
        // Other processes of the service may be alive: they wait until the lease expires.
        test_store
            .execute("UPDATE session_leases SET expires_at = 0")
            .await;
    }

    let mut child = start(&folder, Some(&test_store.url));
    let address = wait_for_address(&mut child);
    let messages = async |id: &str| {
        let path = format!("/v1/agents/desk/sessions/{id}/messages");
        let (_, page) = http_request(address, "GET", &path, "").await;
        let messages = page["messages"].as_array().unwrap().iter();
        let member = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
        let messages = messages.map(|message| (member(message, "status"), member(message, "text")));
        messages.collect::<Vec<_>>()
    };
    let lost = ("interrupted".to_owned(), "lost".to_owned());
    assert_eq!(messages("new").await, std::slice::from_ref(&lost));
    let old = messages("old").await;
    assert_eq!((old.len(), &old[2]), (3, &lost));
    let (status, answer) = http_request(address, "POST", invoke, &body("again", "old")).await;
    assert_eq!(status, 200, "{answer}");
    // The model gets what was not answered together with the new question.
    assert_eq!(
        answer["output"],
        "[echo] desk received 11 characters: lost\n\nagain"
    );
    let old = messages("old").await;
    assert_eq!((old.len(), old[2].clone()), (5, lost));
    assert_eq!(old[3], ("completed".to_owned(), "again".to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
    test_store.remove().await;
}

#[tokio::test]
async fn a_turn_that_a_kill_interrupts_leaves_its_question() {
    a_killed_turn_leaves_its_question(sqlite_store()).await;
    if let Some(test_store) = postgres_store().await {
        a_killed_turn_leaves_its_question(test_store).await;
    }
}

#[tokio::test]
async fn a_service_that_stops_during_a_turn_releases_the_session() {
    let test_store = sqlite_store();
    let provider = HangingProvider::default();
    let serve = async |registry: agentgen_runtime::Registry| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = Settings {
            store: Secret::new(test_store.url.clone()),
            drain: Duration::from_millis(50),
            ..Settings::default()
        };
        let stopped = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve_on(listener, registry, settings, stopped));
        (address, stop, served)
    };
    let (address, stop, served) = serve(registry().provider(provider.clone())).await;
    let body = r#"{"message":"a","session_id":"mine"}"#;
    let turn = tokio::spawn(async move { http_request(address, "POST", "/chat", body).await });
    assert!(eventually(|| provider.in_flight() == 1).await);
    stop.send(()).unwrap();
    assert_eq!(turn.await.unwrap().0, 503);
    served.await.unwrap().unwrap();

    let (address, stop, served) = serve(registry()).await;
    let (status, answer) = http_request(address, "POST", "/chat", body).await;
    assert_eq!(status, 200, "{answer}");
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
    test_store.remove().await;
}

#[tokio::test]
async fn services_that_start_concurrently_share_a_new_store() {
    for test_store in [Some(sqlite_store()), postgres_store().await]
        .into_iter()
        .flatten()
    {
        let folder = std::env::temp_dir();
        let mut children = (0..4)
            .map(|_| start(&folder, Some(&test_store.url)))
            .collect::<Vec<_>>();
        let mut ids = Vec::new();
        for child in &mut children {
            let address = wait_for_address(child);
            let body = r#"{"input":"hello"}"#;
            let (status, answer) =
                http_request(address, "POST", "/v1/agents/desk/invoke", body).await;
            assert_eq!(status, 200, "{answer}");
            ids.push((address, answer["session_id"].as_str().unwrap().to_owned()));
        }
        // Every service sees what one has stored.
        for (address, _) in &ids {
            for (_, id) in &ids {
                let path = format!("/v1/agents/desk/sessions/{id}");
                assert_eq!(http_request(*address, "GET", &path, "").await.0, 200);
            }
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        test_store.remove().await;
    }
}

#[tokio::test]
async fn by_default_sessions_are_stored_in_a_file_only_its_owner_can_read() {
    let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let mut child = start(&folder, None);
    let address = wait_for_address(&mut child);
    let (status, _) = http_request(
        address,
        "POST",
        "/v1/agents/desk/invoke",
        r#"{"input":"hi"}"#,
    )
    .await;
    assert_eq!(status, 200);
    let names = std::fs::read_dir(&folder).unwrap();
    let mut names = names.map(|entry| entry.unwrap()).collect::<Vec<_>>();
    names.sort_by_key(std::fs::DirEntry::file_name);
    assert_eq!(names[0].file_name(), "agentgen.db");
    #[cfg(unix)]
    for entry in &names {
        use std::os::unix::fs::PermissionsExt;
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

async fn refused(url: &str) -> String {
    match Store::open(&Secret::new(url)).await {
        Err(error @ StartError::Setting { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("{url} was opened"),
    }
}

#[tokio::test]
async fn errors_of_opening_a_store_name_it_without_its_password() {
    for url in [
        "",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite::memory:",
        "sqlite:a.db?mode=ro",
        "memory:x",
        "mysql://root:hunter2@localhost/x",
        "postgres://u:hunter2@host:port/x",
        "postgres://u:hunter2@localhost/x?sslmode=hunter2",
        "hunter2",
        "postgres://u:hunter2@127.0.0.1:1/x",
        "sqlite:/dev/null/hunter2/a.db",
    ] {
        let error = refused(url).await;
        assert!(
            error.starts_with("store.url: ") && !error.contains('\n'),
            "{error}"
        );
        assert!(
            !error.contains("hunter2") || url.starts_with("sqlite"),
            "{error}"
        );
    }
    let closed = refused("postgres://u:hunter2@127.0.0.1:1/x").await;
    assert!(
        closed.contains("127.0.0.1:1 can't be used: Connection refused"),
        "{closed}"
    );
    // A file that is not a database.
    let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("notes.txt");
    std::fs::write(&path, "notes ".repeat(100)).unwrap();
    let error = refused(&format!("sqlite:{}", path.display())).await;
    assert!(
        error.contains("notes.txt") && error.contains("not a database"),
        "{error}"
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("notes notes"), "it is left as it was");
    std::fs::remove_dir_all(&folder).unwrap();

    // Errors of a settings file name the file.
    let variables = |name: &str| {
        let url = "mysql://root:hunter2@localhost/x".to_owned();
        Ok((name == "AGENTGEN_STORE_URL").then_some(url))
    };
    let error = Settings::from_variables(variables).unwrap_err().to_string();
    assert!(error.starts_with("AGENTGEN_STORE_URL: "), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let file = "[store]\nurl = \"sqlite:\"\n";
    let error = Settings::from_text("service.toml", file, |_| Ok(None));
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("service.toml") && error.contains("store.url"),
        "{error}"
    );
}

#[tokio::test]
async fn a_program_whose_store_fails_to_open_exits_with_an_error() {
    let child = start(
        &std::env::temp_dir(),
        Some("postgres://u:hunter2@127.0.0.1:1/x"),
    );
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    assert!(!status.success());
    let error = String::from_utf8_lossy(&stderr);
    assert!(error.contains("store.url: "), "{error}");
    assert!(!error.contains("hunter2"));
    assert!(!String::from_utf8_lossy(&stdout).contains("listening"));
}

#[test]
fn a_router_requires_an_opened_store_for_a_store_url() {
    let settings = || Settings {
        store: Secret::new("sqlite:never.db"),
        ..Settings::default()
    };
    let error = registry().into_router(settings()).unwrap_err().to_string();
    assert!(
        error.contains("store.url") && error.contains("Registry::store"),
        "{error}"
    );
    let given = registry().store(Store::memory());
    assert!(given.into_router(settings()).is_ok());
    assert!(!Path::new("never.db").exists());
}
