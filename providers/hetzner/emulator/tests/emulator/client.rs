//! A client that sees what others hide: headers, and connections that end without an answer.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use windlass_hetzner_emulator::Emulator;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// Asks with the emulator's token, on a connection of its own. Nothing comes back if the connection ends before.
pub(crate) async fn ask(emulator: &Emulator, method: &str, path: &str, body: &Value) -> Option<Reply> {
    ask_as(emulator, emulator.token(), method, path, body).await
}

pub(crate) async fn ask_as(
    emulator: &Emulator,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<Reply> {
    let mut stream = send(emulator, token, method, path, body).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() })
}

/// Sends a request, and leaves what comes back to the caller.
pub(crate) async fn send(
    emulator: &Emulator,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> TcpStream {
    let endpoint = emulator.endpoint();
    let address = endpoint.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/v1")).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}
