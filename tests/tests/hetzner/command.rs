//! `windlass emulate hetzner`, as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use windlass_tests::world::windlass;

/// The command, killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_says_where_it_is_and_ends_when_it_is_told() {
    let mut command = Command::new(windlass());
    command.args(["emulate", "hetzner", "--token", "secret"]).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let endpoint = lines.next().unwrap();
    let address =
        endpoint.strip_prefix("HCLOUD_ENDPOINT=http://").and_then(|rest| rest.strip_suffix("/v1")).unwrap();
    assert_eq!(lines.next().as_deref(), Some("HCLOUD_TOKEN=secret"));

    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        "GET /v1/locations HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("fsn1"), "{answer}");

    let process = running.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}
