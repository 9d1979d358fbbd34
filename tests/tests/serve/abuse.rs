//! What nobody should send, in quantities that nobody should.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::json;

use crate::server::{Answer, Server, follow_until, nowhere, with_tokens, world};

/// Far more than a server needs that has answered all of this, and far less than what was sent, in MiB.
const MEMORY: u64 = 100;

/// The same beside what it had before, in MiB.
const GROWTH: u64 = 40;

const EVENT: &str = "content-type: application/cloudevents+json\r\n";

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

/// Each keeps its connection open, whatever it is answered.
#[test]
fn ten_thousand_who_stay_are_refused_beyond_the_bound() {
    allow_files(12_000);
    let server = Server::start(world(nowhere()));
    assert_eq!(server.get("/readyz", "").status, 200);
    let before = server.largest_memory();
    let mut open: Vec<_> = (0..10_000).map(|_| ask_to_follow(server.address)).collect();
    let (mut following, mut told) = (0, 0);
    for stream in &mut open {
        let answer = first_words(stream);
        following += usize::from(answer.starts_with("HTTP/1.1 200"));
        told += usize::from(answer.starts_with("HTTP/1.1 503"));
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"),
            "{answer}"
        );
    }
    // Whoever comes while many are being told is only closed; the bounds are those of the default configuration.
    assert!(following == 64 && told > 400, "{following} follow, {told} were told why not");
    let growth = server.largest_memory() - before;
    assert!(growth < GROWTH, "{growth} MiB more for ten thousand connections");
    drop(open);
    while !try_to_follow(server.address).starts_with("HTTP/1.1 200") {}
    server.stop();
}

#[test]
fn a_follower_who_reads_nothing_costs_nothing() {
    let world = world(nowhere());
    world.configure_more("[http]\nanonymous = \"admin\"\n");
    let server = Server::start(world);
    let silent: Vec<_> = (0..40).map(|_| server.follow("/v1/runs/events", "")).collect();
    let mut reading = server.follow("/v1/runs/events", "");
    let before = server.largest_memory();
    for id in 0..150 {
        let deploy = json!({"specversion": "1.0", "id": id.to_string(), "source": "/many", "type": "dev.windlass.deploy.requested",
            "data": {"environment": "dev", "requester": "ada"}});
        let sent = server.ask("POST", "/v1/events", "", EVENT, &deploy.to_string());
        assert_eq!(sent.status, 202, "{sent:?}");
    }
    follow_until(&mut reading, |run| run["id"] == "r-150");
    let growth = server.largest_memory() - before;
    assert!(growth < GROWTH, "{growth} MiB more while forty read nothing");
    drop(silent);
}

#[test]
fn what_is_refused_is_neither_logged_nor_kept() {
    let world = world(nowhere());
    let tokens = with_tokens(&world);
    let ci = tokens[1].1.clone();
    let server = Server::start(world);
    let event = json!({"specversion": "1.0", "id": "1", "source": "/canary-source", "type": "dev.windlass.push",
        "data": {"repository": "acme/shop", "ref": "refs/heads/main", "after": "c".repeat(40), "author": "canary-author"}});
    let asked = [
        (401, server.get("/v1/runs", "wlt_canary-of-a-wrong-token")),
        (401, server.ask("POST", "/v1/events", "wlt_canary-of-a-wrong-token", EVENT, &event.to_string())),
        (403, server.ask("POST", "/v1/events", &tokens[0].1, EVENT, &event.to_string())),
        (400, server.ask("POST", "/v1/events", &ci, EVENT, r#"{"canary-member": 1}"#)),
        (404, server.get("/v1/../canary-path", &ci)),
        (404, server.get("/v1/runs/..%2f..%2fcanary-path", &ci)),
        (404, server.get("/../../../../etc/passwd", &ci)),
        (
            404,
            server.ask(
                "POST",
                "/v1/hooks/github",
                "",
                "x-hub-signature-256: sha256=canary\r\n",
                "canary-body",
            ),
        ),
    ];
    for (status, answer) in asked {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.body.contains("root:") && !answer.body.contains("wlt_"), "{answer:?}");
    }
    assert_eq!(server.get("/v1/events", &ci).json(), json!([]), "nothing of it was taken");
    let replayed = event.to_string();
    let statuses: Vec<_> =
        (0..3).map(|_| server.ask("POST", "/v1/events", &ci, EVENT, &replayed).status).collect();
    assert_eq!(statuses, [202, 200, 200], "what is sent again is known");
    assert_eq!(server.get("/v1/events", &ci).json().as_array().unwrap().len(), 1);
    let said = server.stop();
    assert!(said.contains("/v1/events"), "the log tells of requests, or this test looks at nothing:\n{said}");
    for secret in
        ["canary-of-a-wrong-token", "canary-member", "canary-path", "canary-body", "sha256=canary", &ci]
    {
        assert!(!said.contains(secret), "`{secret}` was logged:\n{said}");
    }
}

/// Lets this process, and those that it starts, have so many files open.
fn allow_files(count: u32) {
    let id = std::process::id().to_string();
    let limit = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={count}:")]).status();
    assert!(limit.unwrap().success(), "this needs {count} open files: see `ulimit -Hn`");
}

/// The first of what is answered to whoever wants to follow.
fn try_to_follow(address: SocketAddr) -> String {
    first_words(&mut ask_to_follow(address))
}

fn ask_to_follow(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    // It may have been turned away by now.
    let _ = stream.write_all(b"GET /v1/runs/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream
}

fn first_words(stream: &mut TcpStream) -> String {
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
