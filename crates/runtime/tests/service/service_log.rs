//! The log of a service: it records requests and runs, but no content and no credentials.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};

use agentgen_runtime::serve_args;
use serde_json::Value;

use crate::desk_service::registry;

/// When this variable is set, this test program runs as a service.
const SERVE: &str = "TEST_LOG";
/// A text that must not appear in the log.
const MARK: &str = "xyzzy-secret";

#[expect(clippy::zombie_processes, reason = "whoever gets it waits for it")]
fn service(variables: &[(&str, &str)]) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "service_log::the_log_records_runs_but_no_content",
            "--exact",
            "--nocapture",
        ])
        .env(SERVE, "1")
        .env("AGENTGEN_STORE_URL", "memory:")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "it never listened");
        if let Some((_, address)) = line.split_once("listening on http://") {
            // Drain the pipe, so that writes of the service do not block.
            let address = address.trim().to_owned();
            std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
            return (child, address);
        }
    }
}

fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: request-7\r\nAuthorization: Bearer {MARK}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Calls every kind of endpoint and returns the log.
fn logged(variables: &[(&str, &str)]) -> String {
    let (mut child, address) = service(variables);
    let body = format!(r#"{{"input":"{MARK}"}}"#);
    let answer = ask(&address, "POST /v1/agents/desk/invoke", &body);
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(MARK),
        "{answer}"
    );
    ask(
        &address,
        "POST /chat",
        &format!(r#"{{"message":"{MARK}"}}"#),
    );
    ask(
        &address,
        &format!("GET /shelves/{MARK}/search?query={MARK}"),
        "",
    );
    ask(
        &address,
        &format!("GET /shelves/1/search?query=broken&x={MARK}"),
        "",
    );
    ask(
        &address,
        "POST /chat",
        &format!(r#"{{"message":7,"{MARK}":true}}"#),
    );
    ask(&address, &format!("GET /nowhere/{MARK}?q={MARK}"), "");
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(killed.success());
    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    log
}

#[test]
fn the_log_records_runs_but_no_content() {
    if std::env::var_os(SERVE).is_some() {
        let is_fine = serve_args(registry(), []) == ExitCode::SUCCESS;
        std::process::exit(i32::from(!is_fine));
    }
    let log = logged(&[("AGENTGEN_LOG_LEVEL", "trace")]);
    assert!(!log.contains(MARK), "{log}");
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect::<Vec<_>>();
    let ended = lines
        .iter()
        .find(|line| line["message"] == "run ended")
        .unwrap();
    assert_eq!(ended["outcome"], "completed");
    assert_eq!(ended["model"], "echo");
    assert!(ended["input_tokens"].as_u64().unwrap() > 0);
    assert!(ended["ms"].is_u64(), "{ended}");
    let span = &ended["span"];
    for (key, value) in [
        ("name", "run"),
        ("request_id", "request-7"),
        ("agent", "desk"),
        ("endpoint", "invoke"),
    ] {
        assert_eq!(span[key], value, "{span}");
    }
    assert_eq!(span["run_id"].as_str().unwrap().len(), 36);
    let answered = |route: &str, status: u16| {
        lines.iter().any(|line| {
            line["message"] == "answered"
                && line["route"] == route
                && line["status"] == status
                && line["request_id"] == "request-7"
                && line["ms"].is_u64()
        })
    };
    assert!(answered("/v1/agents/desk/invoke", 200));
    assert!(answered("/shelves/{shelf}/search", 422));
    assert!(answered("none", 404));
    // Internal errors are logged with their run.
    let failed = lines
        .iter()
        .find(|line| line["message"] == "run failed" && line["level"] == "ERROR")
        .unwrap();
    assert_eq!(failed["request_id"], "request-7");
    assert_eq!(failed["error"], "password=hunter2");
    assert_eq!(failed["span"]["endpoint"], "search");

    let quiet = logged(&[
        ("AGENTGEN_LOG_LEVEL", "error"),
        ("AGENTGEN_LOG_FORMAT", "text"),
    ]);
    assert!(
        !quiet.contains(MARK) && !quiet.contains("answered"),
        "{quiet}"
    );
    assert!(
        quiet.contains("run failed") && quiet.contains("request_id=\"request-7\""),
        "{quiet}"
    );
}

/// The pipe of standard error holds some hundred lines, and the service some thousand.
#[test]
fn a_log_that_nobody_reads_does_not_stop_the_service() {
    let (mut child, address) = service(&[]);
    let mut stream = TcpStream::connect(&address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..80 {
        let requests = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        stream.write_all(requests.as_bytes()).unwrap();
        let mut answered = 0;
        let mut line = String::new();
        while answered < 100 {
            line.clear();
            assert!(answers.read_line(&mut line).unwrap() > 0, "it stopped");
            answered += usize::from(line.contains("HTTP/1.1 200"));
        }
    }
    let metrics = ask(&address, "GET /metrics", "");
    let dropped = metrics.lines().find_map(|line| {
        let count = line.strip_prefix("agentgen_log_lines_dropped_total ")?;
        count.trim().parse::<f64>().ok()
    });
    assert!(
        dropped.is_some_and(|dropped| dropped > 100.0),
        "{dropped:?}"
    );
    drop((stream, answers));
    // Nor does it keep the process from ending.
    let began = std::time::Instant::now();
    let id = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(killed.success());
    child.wait().unwrap();
    assert!(began.elapsed().as_secs() < 3, "{:?}", began.elapsed());
}
