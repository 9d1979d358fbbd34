//! A server with its world, and a client for it that does exactly what a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use windlass_tests::world::World;

/// A server, asked to stop when it is dropped.
pub(crate) struct Server {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    process: Child,
    /// Collects what it says until it ends.
    talk: Option<JoinHandle<String>>,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Who asks in these tests. Their tokens are drawn by the program itself.
pub(crate) const ROLES: [(&str, &str); 4] =
    [("eve", "viewer"), ("ci", "deployer"), ("grace", "approver"), ("root", "admin")];

/// A world without a cluster: nothing listens where it should be, or whoever holds the listener.
pub(crate) fn world(cluster: SocketAddr) -> World {
    let world = World::new(Path::new("none"));
    let path = world.data_dir().with_file_name("kubeconfig");
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'https://{cluster}'}}}}]\nusers: [{{name: u, user: {{token: none}}}}]\n"
    );
    std::fs::write(&path, kubeconfig).unwrap();
    world.configure(&path);
    world
}

/// An address where nothing listens.
pub(crate) fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Draws a token for each role and configures it; answers with the tokens by name.
pub(crate) fn with_tokens(world: &World) -> Vec<(String, String)> {
    let draw = |(name, role): (&str, &str)| {
        let (code, drawn) = world.windlass_json(&["token", "new", name, "--role", role]);
        assert_eq!(code, 0, "{drawn}");
        let text = |key: &str| drawn[key].as_str().unwrap().to_owned();
        world.configure_more(&format!(
            "[http.tokens.{name}]\nrole = \"{role}\"\nsha256 = \"{}\"\n",
            text("sha256")
        ));
        (name.to_owned(), text("token"))
    };
    ROLES.into_iter().map(draw).collect()
}

impl Server {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(world: World) -> Self {
        Self::start_with(world, |_| {})
    }

    pub(crate) fn start_with(world: World, prepare: impl FnOnce(&mut Command)) -> Self {
        let program = world.program();
        Self::start_as(world, program, prepare)
    }

    /// Starts another program that becomes windlass.
    pub(crate) fn start_as(world: World, mut serve: Command, prepare: impl FnOnce(&mut Command)) -> Self {
        serve
            .args(["--log", "trace", "serve", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        prepare(&mut serve);
        let mut process = serve.stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let from = said.len();
            assert!(talk.read_line(&mut said).unwrap() > 0, "it ended before it listened:\n{said}");
            if let Some(address) = said[from..].trim_end().strip_prefix("windlass listens on http://") {
                break address.parse().unwrap();
            }
        };
        let talk = std::thread::spawn(move || {
            talk.read_to_string(&mut said).unwrap();
            said
        });
        Self { world, address, process, talk: Some(talk) }
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, headers: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{}connection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            authorization(token),
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token, "", "")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // What never comes must fail a test and not hold it up for ever.
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        stream
    }

    /// Follows runs: the connection, past its first words.
    pub(crate) fn follow(&self, path: &str, token: &str) -> BufReader<TcpStream> {
        let mut stream = self.connect();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{}\r\n", authorization(token));
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        stream
    }

    /// Sends a signal such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// A path as the server sees it, which may have mounted something there.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// The largest resident set so far, in MiB.
    pub(crate) fn largest_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Waits for the end: how it ended and everything that it said.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        let status = self.process.wait().unwrap();
        (status, self.talk.take().expect("waited for once").join().unwrap())
    }

    /// Asks it to stop and waits.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let (status, said) = self.wait();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }
}

fn authorization(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A server that closes while something is still sent resets the connection after its answer.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {text}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The runs that a stream tells, one after the other, until one is as asked.
pub(crate) fn follow_until(stream: &mut BufReader<TcpStream>, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let run: Value = serde_json::from_str(data).unwrap();
        if is_it(&run) {
            return run;
        }
    }
}
