//! Ctrl-C, of `agentgen chat` and `agentgen run`: real processes and signals, and a model that never answers.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::command_folder::Folder;
use crate::on_terminal::on_terminal;
use crate::serve::{DESK, agentgen, serve};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that `answer`s a request by its first line, or else leaves it open. It tells the first line of each request that is
/// left open, and `gone` when its client gives that up.
fn server(answer: fn(&str) -> Option<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let tell = tell.clone();
            std::thread::spawn(move || handle(connection, answer, &tell));
        }
    });
    (address, told)
}

fn handle(mut connection: TcpStream, answer: fn(&str) -> Option<String>, tell: &Sender<String>) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    if let Some(body) = answer(&first) {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
        let _ = write!(connection, "{head}{}\r\n\r\n{body}", body.len());
        return;
    }
    tell.send(first).unwrap();
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest);
    let _ = tell.send("gone".to_owned());
}

/// A folder whose model never answers, and what its server tells.
fn folder() -> (Folder, Receiver<String>) {
    let (address, told) = server(|_| None);
    let settings = format!(
        "[models]\ndefault = \"silent:model\"\n[providers.silent]\ndialect = \"llama.cpp\"\nbase_url = \"http://{address}/v1\"\n"
    );
    let folder = Folder::new(&[("agents/desk.md", DESK), ("service.toml", &settings)]);
    (folder, told)
}

fn interrupt(process: &Child) {
    let signal = Command::new("kill")
        .args(["-INT", &process.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
}

/// The exit status, and what was told on stderr.
fn end(mut process: Child) -> (Option<i32>, String) {
    let began = Instant::now();
    while process.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut told = String::new();
    process
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    (process.wait().unwrap().code(), told)
}

#[test]
fn it_cancels_a_run_of_the_folder_and_of_a_service() {
    let (folder, model) = folder();
    let service = serve(&folder);
    let next = || model.recv_timeout(PATIENCE).unwrap();
    for target in [&["--service", &service.url][..], &["--agents", "agents"]] {
        let arguments = [&["run", "twice", "--input", "Go"][..], target].concat();
        let process = agentgen(&folder, &arguments).spawn().unwrap();
        assert!(next().starts_with("POST "));
        interrupt(&process);
        let (status, told) = end(process);
        assert_eq!(status, Some(130), "{told}");
        assert!(
            told.contains("cancelling") && told.contains("cancelled"),
            "{told}"
        );
        // The model is not asked any longer.
        assert_eq!(next(), "gone");
        if target[0] == "--service" {
            let id = told
                .lines()
                .find_map(|line| line.strip_prefix("run "))
                .unwrap();
            let (_, report) = service.get(&format!("/v1/runs/{id}"));
            assert_eq!(report["status"], "cancelled", "{report}");
        }
    }
}

#[test]
fn it_ends_the_answer_of_an_agent() {
    let (folder, model) = folder();
    let service = serve(&folder);
    let next = || model.recv_timeout(PATIENCE).unwrap();
    for target in [&["--service", &service.url][..], &["--agents", "agents"]] {
        let arguments = [&["chat", "desk"][..], target].concat();
        let mut command = agentgen(&folder, &arguments);
        let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(b"Hi\n").unwrap();
        assert!(next().starts_with("POST "));
        interrupt(&process);
        let (status, told) = end(process);
        assert_eq!(status, Some(130), "{told}");
        // The service stopped to ask the model.
        assert_eq!(next(), "gone");
        drop(stdin);
    }
}

#[test]
fn in_a_conversation_it_stops_the_answer_and_then_the_conversation() {
    let (folder, model) = folder();
    let next = || model.recv_timeout(PATIENCE).unwrap();
    let mut process = on_terminal(&folder, "chat desk").spawn().unwrap();
    let mut keys = process.stdin.take().unwrap();
    let mut screen = process.stdout.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut shown = String::new();
        let _ = screen.read_to_string(&mut shown);
        shown
    });
    for _ in 0..2 {
        keys.write_all(b"Hi\n").unwrap();
        assert!(next().starts_with("POST "));
        keys.write_all(b"\x03").unwrap();
        assert_eq!(next(), "gone");
    }
    std::thread::sleep(Duration::from_millis(200));
    keys.write_all(b"\x03").unwrap();
    let (status, _) = end(process);
    let shown = reading.join().unwrap();
    assert_eq!(status, Some(130), "{shown}");
    assert_eq!(shown.matches("stopped").count(), 2, "{shown}");
    assert!(shown.contains("desk answers (model: "), "{shown}");
}

#[test]
fn a_second_one_does_not_wait_for_the_service() {
    // A service that takes the run and never cancels it.
    let (address, service) = server(|line| {
        let is_start = line.starts_with("POST /v1/workflows/twice/runs ");
        is_start.then(|| "{\"run_id\": \"r1\"}".to_owned())
    });
    let folder = Folder::new(&[]);
    let url = format!("http://{address}");
    let arguments = ["run", "twice", "--service", &url];
    let process = agentgen(&folder, &arguments).spawn().unwrap();
    let next = || service.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), "GET /v1/runs/r1/events HTTP/1.1");
    interrupt(&process);
    assert_eq!(next(), "POST /v1/runs/r1/cancel HTTP/1.1");
    let began = Instant::now();
    interrupt(&process);
    let (status, told) = end(process);
    assert_eq!(status, Some(130), "{told}");
    assert!(began.elapsed() < Duration::from_secs(5));
}
