//! `crossfold serve` as a process: what it listens on, what it leaves open, how it ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // A test may stop at the first surprise.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(directory: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_crossfold"))
            .arg("--data-dir")
            .arg(directory)
            .args(["serve", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
        let address = greeting.trim().rsplit_once("http://").unwrap().1.parse().unwrap();
        Self { process, address }
    }

    fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    fn call(&self, method: &str, path: &str, body: &str) -> String {
        let stream = self.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        until_closed(stream)
    }

    /// Tells the process to end, by the signal of that name, and waits until it has.
    fn end(mut self, signal: &str) -> (Option<i32>, Duration) {
        let told = Instant::now();
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), told.elapsed());
            }
            assert!(told.elapsed() < Duration::from_secs(60), "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn until_closed(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Ports that a process listens on.
fn ports(process: u32) -> Vec<u16> {
    let own: Vec<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_own = own.contains(&format!("socket:[{}]", columns[9]));
        let port = u16::from_str_radix(columns[1].split_once(':')?.1, 16).ok()?;
        (is_own && columns[3] == "0A").then_some(port)
    });
    listening.collect()
}

fn define(server: &Server) {
    let definition = r#"{"name": "K", "currency": "CNY", "event_types": {"view": {"weight": 1}}}"#;
    let answer = server.call("PUT", "/v1/domains/knowledge", definition);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn it_listens_on_its_port_alone_and_leaves_nothing_open_to_others() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(&data);
    define(&server);
    assert_eq!(ports(server.process.id()), [server.address.port()]);
    // Long enough for the streams' positions to be written.
    std::thread::sleep(Duration::from_secs(2));
    let mut paths = vec![data];
    while let Some(path) = paths.pop() {
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        let right = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, right, "{}", path.display());
        if metadata.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn told_to_end_it_ends_with_success_and_has_written_what_it_held_back() {
    let directory = tempfile::tempdir().unwrap();
    for (signal, events) in [("TERM", 1), ("INT", 2)] {
        let server = Server::start(directory.path());
        define(&server);
        let event = format!(
            r#"{{"domain": "knowledge", "events": [{{"event_id": "{signal}", "user_id": "u",
                "type": "view", "item_id": "i", "occurred_at": "2026-06-01T08:00:00Z"}}]}}"#
        );
        let answer = server.call("POST", "/v1/events", &event);
        assert!(answer.contains(r#""accepted":1"#), "{answer}");
        // Half a request: nobody waits for the other half for long.
        let _half = server.send("POST /v1/events HTTP/1.1\r\nHost: localhost\r\n");
        let (code, took) = server.end(signal);
        assert_eq!(code, Some(0), "{signal}");
        assert!(took < Duration::from_secs(40), "{signal}: {took:?}");

        let server = Server::start(directory.path());
        let status = server.call("GET", "/v1/status", "");
        assert!(status.contains(&format!(r#""accepted":{events}"#)), "{status}");
    }
}

#[test]
fn data_without_their_key_are_not_served_and_no_key_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _) = Server::start(directory.path()).end("TERM");
    assert_eq!(code, Some(0));
    let key = directory.path().join("pseudonym-key.json");
    std::fs::remove_file(&key).unwrap();
    let told = Command::new(env!("CARGO_BIN_EXE_crossfold"))
        .arg("--data-dir")
        .arg(directory.path())
        .args(["serve", "--port", "0"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{error}");
    assert!(error.contains("pseudonym-key.json") && error.contains("bring"), "{error}");
    assert!(!key.exists());
}
