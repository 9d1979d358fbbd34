//! Real sockets: what a client may take, and how it all ends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::world::World;
use crate::http::listen::{self, Limits};

/// A world that listens.
struct Server {
    world: World,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

const LIMITS: Limits =
    Limits { connections: 3, head: Duration::from_millis(200), stall: Duration::from_millis(200) };

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::configured("", limits).await
    }

    async fn configured(configuration: &str, limits: Limits) -> Self {
        let world = World::configured(configuration).await;
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let serving =
            tokio::spawn(listen::serve(listener, world.router.clone(), limits, world.stop.subscribe()));
        Self { world, address, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of its own and reads until the server closes.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }
}

/// Everything until the end of the connection, however it ends.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until this was said.
async fn read_until(stream: &mut TcpStream, words: &str) {
    let (mut text, mut piece) = (String::new(), [0; 1024]);
    while !text.contains(words) {
        let length = stream.read(&mut piece).await.unwrap();
        assert!(length > 0, "the connection ended before `{words}`: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
}

const LIVES: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_head_that_does_not_come_or_has_no_end_costs_the_connection() {
    let server = Server::start(LIMITS).await;
    assert!(server.talk(LIVES).await.starts_with("HTTP/1.1 200"));
    // Slow: the first byte, half a line, half a header, and then nothing.
    for begun in [&b""[..], b"G", b"GET /healthz HTTP/1.1\r\nhost: loc"] {
        let answer = server.talk(begun).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    let long = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x-many: 1\r\n".repeat(500));
    let path = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(200_000));
    for endless in [long, many, path] {
        let answer = server.talk(endless.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414"),
            "{answer}"
        );
    }
    for nonsense in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01",
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ] {
        let answer = server.talk(nonsense.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
            "{answer}"
        );
    }
    assert!(server.talk(LIVES).await.starts_with("HTTP/1.1 200"), "everybody else is answered as ever");
}

#[tokio::test]
async fn connections_beyond_the_bound_are_told_to_come_back() {
    let server = Server::start(Limits { head: Duration::from_mins(1), ..LIMITS }).await;
    let mut following = Vec::new();
    for _ in 0..LIMITS.connections {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /v1/runs/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        read_until(&mut stream, "retry: 2000").await;
        following.push(stream);
    }
    for _ in 0..300 {
        let answer = server.talk(b"").await;
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: 5"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head} {}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "too_many_connections");
    }
    following.pop();
    // The place is free as soon as the server has seen the end; until then it says that there is none.
    while !server.talk(LIVES).await.starts_with("HTTP/1.1 200") {}
}

#[tokio::test]
async fn a_reader_who_takes_nothing_loses_the_connection() {
    let server = Server::start(LIMITS).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    // Answers of tens of kilobytes, of which not a byte is read: more than the buffers of both sides hold.
    let request = b"GET /v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(50);
    stream.write_all(&request).await.unwrap();
    let mut others = Vec::new();
    for _ in 1..LIMITS.connections {
        others.push(server.connect().await);
    }
    drop(others);
    // It ends by itself, without anybody reading: then there is room for as many as there were.
    let mut room = Vec::new();
    while room.len() < LIMITS.connections {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /v1/runs/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        if stream.read_exact(&mut first).await.is_ok() && &first == b"HTTP/1.1 200" {
            room.push(stream);
        } else {
            room.clear();
        }
    }
    drop(stream);
}

#[tokio::test]
async fn a_stop_answers_what_is_in_hand_and_nobody_new() {
    let patient = Limits { head: Duration::from_mins(1), stall: Duration::from_mins(1), ..LIMITS };
    let server = Server::configured("[http]\nanonymous = 'admin'\n", patient).await;
    let mut following = server.connect().await;
    following.write_all(b"GET /v1/runs/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut following, "retry: 2000").await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut idle, "ok\n").await;
    let mut sending = server.connect().await;
    let head = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\n\
                content-length: 2\r\nexpect: 100-continue\r\n\r\n";
    sending.write_all(head.as_bytes()).await.unwrap();
    // Whoever is asked to go on is in hand.
    read_until(&mut sending, "100 Continue").await;
    server.world.stop();
    assert!(read_all(&mut following).await.contains(": windlass stops"));
    assert_eq!(read_all(&mut idle).await, "");
    sending.write_all(b"{}").await.unwrap();
    let answer = read_all(&mut sending).await;
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    server.serving.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
