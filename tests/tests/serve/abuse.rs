//! What nobody should send, in quantities that nobody should.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::server::{Answer, Server, nowhere, with_tokens, world};

/// Far more than a server needs that has answered all of this, and far less than what was sent, in MiB.
const MEMORY: u64 = 100;

#[test]
fn fifty_megabytes_are_refused_and_not_kept() {
    let world = world(nowhere());
    let tokens = with_tokens(&world);
    let server = Server::start(world);
    let ci = &tokens[1].1;
    for framing in ["content-length: 52428800", "transfer-encoding: chunked"] {
        let mut stream = server.connect();
        let head = format!(
            "POST /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ci}\r\ncontent-type: application/cloudevents+json\r\n{framing}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let is_chunked = framing.ends_with("chunked");
        // The server closes before all is sent, which ends the sending.
        let sender = std::thread::spawn(move || {
            let piece = [b' '; 65536];
            for _ in 0..800 {
                if is_chunked && sending.write_all(b"10000\r\n").is_err() {
                    return;
                }
                if sending.write_all(&piece).is_err() || (is_chunked && sending.write_all(b"\r\n").is_err()) {
                    return;
                }
            }
        });
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.status, 413, "{framing}: {answer:?}");
        sender.join().unwrap();
    }
    assert_eq!(server.get("/readyz", "").status, 200);
    assert!(server.largest_memory() < MEMORY, "{} MiB", server.largest_memory());
}

#[test]
fn thousands_who_want_to_follow_are_refused_beyond_the_bound() {
    let server = Server::start(world(nowhere()));
    let following: Vec<_> = (0..64).map(|_| server.follow("/v1/runs/events", "")).collect();
    for _ in 0..2_000 {
        let refused = server.get("/v1/runs/events", "");
        assert_eq!((refused.status, &refused.json()["code"]), (503, &"too_many_streams".into()));
        assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    }
    assert_eq!(server.get("/v1/runs", "").status, 200, "everything else is answered meanwhile");
    assert!(server.largest_memory() < MEMORY, "{} MiB", server.largest_memory());
    drop(following);
    while !try_to_follow(server.address).starts_with("HTTP/1.1 200") {}
}

#[test]
fn ten_thousand_connections_are_refused_beyond_the_bound() {
    let world = world(nowhere());
    world.configure_more("[http]\nconnections = 200\nstreams = 200\n");
    let server = Server::start(world);
    let following: Vec<_> = (0..200).map(|_| server.follow("/v1/runs/events", "")).collect();
    let mut told = 0;
    for _ in 0..10_000 {
        let answer = try_to_follow(server.address);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 503"), "{answer}");
        told += usize::from(answer.contains("too_many_connections"));
    }
    // Whoever comes while many are being told is only closed.
    assert!(told > 5_000, "hardly anybody was told why: {told}");
    assert!(server.largest_memory() < MEMORY, "{} MiB", server.largest_memory());
    drop(following);
    while !try_to_follow(server.address).starts_with("HTTP/1.1 200") {}
    server.stop();
}

/// The first of what is answered to whoever wants to follow.
fn try_to_follow(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(b"GET /v1/runs/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut answer = [0; 512];
    let mut length = 0;
    // An answer comes in one piece, or in a head and a body.
    while let Ok(more @ 1..) = stream.read(&mut answer[length..]) {
        length += more;
        if answer[..length].ends_with(b"}") || answer.starts_with(b"HTTP/1.1 200") {
            break;
        }
    }
    String::from_utf8_lossy(&answer[..length]).into_owned()
}
