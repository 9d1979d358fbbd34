//! An API server that fails, by script: what a real one does not do when asked.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant};
use windlass_cluster::Cluster;
use windlass_core::diagnosis::{Change, Report};
use windlass_core::failure::{ClusterFailure, STAGE_RETRIES};
use windlass_core::object::ObjectRef;
use windlass_core::provider::Kubeconfig;

/// One answer of the script.
enum Answer {
    /// A status code, more headers, and a body.
    Says(u16, &'static str, String),
    /// The connection is closed without a word.
    HangsUp,
}

fn says(code: u16, body: &Value) -> Answer {
    Answer::Says(code, "", body.to_string())
}

/// Answers requests in the order of the script, and keeps what was asked. `/version` is always answered.
struct Server {
    address: String,
    script: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(script: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(VecDeque::from(script)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, questions) = (Arc::clone(&script), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), Arc::clone(&questions)));
            }
        });
        Server { address, script, asked }
    }

    async fn connect(&self) -> Cluster {
        let kubeconfig = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: '{}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n",
            self.address
        );
        Cluster::connect(&Kubeconfig::new(kubeconfig)).await.unwrap()
    }

    /// What was asked beside the version.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    #[track_caller]
    fn is_played_to_the_end(&self) {
        assert_eq!(
            self.script.lock().unwrap().len(),
            0,
            "answers were not asked for; asked: {:?}",
            self.asked()
        );
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<VecDeque<Answer>>>, asked: Arc<Mutex<Vec<String>>>) {
    while let Some(line) = read_request(&mut stream).await {
        let answer = if line.contains("/version") {
            Some(says(200, &json!({"gitVersion": "v1.34.4"})))
        } else {
            asked.lock().unwrap().push(line);
            script.lock().unwrap().pop_front()
        };
        let Some(Answer::Says(code, headers, body)) = answer else { return };
        let length = body.len();
        let text = format!("HTTP/1.1 {code} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The first line of the next request, once all of it is read.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    head.lines().next().map(str::to_owned)
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "Service".into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn service(name: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": version}})
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    let server = Server::start(vec![
        says(503, &json!({"kind": "Status", "message": "starting"})),
        Answer::HangsUp,
        Answer::Says(429, "Retry-After: 0\r\n", String::new()),
        says(200, &service("a", "1")),
    ])
    .await;
    let found = server.connect().await.get(&reference("a")).await.unwrap().unwrap();
    assert_eq!(found["metadata"]["name"], "a");
    server.is_played_to_the_end();
}

#[tokio::test]
async fn what_cannot_pass_is_asked_once() {
    for (code, failure) in [
        (401, ClusterFailure::Unauthorised),
        (403, ClusterFailure::Refused),
        (409, ClusterFailure::StaleWrite),
        (422, ClusterFailure::Invalid),
    ] {
        let server = Server::start(vec![says(code, &json!({"kind": "Status"}))]).await;
        let error = server.connect().await.get(&reference("a")).await.unwrap_err();
        assert_eq!((error.failure(), server.asked().len()), (failure, 1), "{code}");
    }
}

#[tokio::test]
async fn tries_end() {
    let tries = STAGE_RETRIES.tries as usize;
    let broken = || says(500, &json!({"kind": "Status", "message": "etcd is away"}));
    let server = Server::start((0..=tries).map(|_| broken()).collect()).await;
    let error = server.connect().await.get(&reference("a")).await.unwrap_err();
    assert_eq!((error.failure(), server.asked().len()), (ClusterFailure::ServerError, tries));
    assert_eq!(error.to_string(), "cannot read `Service shop/a`: etcd is away");
}

#[tokio::test]
async fn no_try_begins_after_the_deadline() {
    let broken = || says(500, &json!({"kind": "Status"}));
    let server = Server::start(vec![broken(), broken(), broken()]).await;
    let cluster = server.connect().await.until(Instant::now() + STAGE_RETRIES.first / 4);
    assert_eq!(cluster.get(&reference("a")).await.unwrap_err().failure(), ClusterFailure::ServerError);
    assert_eq!(server.asked().len(), 1, "the shortest wait would end after the deadline");
}

#[tokio::test]
async fn an_answer_that_is_no_api_is_an_error_without_its_text() {
    let server = Server::start(vec![Answer::Says(200, "", "<html>canary</html>".to_owned())]).await;
    let error = server.connect().await.get(&reference("a")).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    assert_eq!(error.failure(), ClusterFailure::ServerError);
}

fn list(version: &str, services: &[Value]) -> Answer {
    says(200, &json!({"metadata": {"resourceVersion": version}, "items": services}))
}

fn lines(lines: &[Value]) -> Answer {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    Answer::Says(200, "", lines.join("\n") + "\n")
}

/// The next reports as `ADDED a`.
async fn reports(watch: &mut windlass_cluster::Watch, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    while found.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
        match next.expect("a report comes").expect("the watch goes on") {
            Report::Object { change, object } => {
                let change = match change {
                    Change::Added => "added",
                    Change::Modified => "modified",
                    Change::Deleted => "deleted",
                };
                found.push(format!("{change} {}", object["metadata"]["name"].as_str().unwrap()));
            }
            Report::Event(_) => found.push("event".to_owned()),
        }
    }
    found
}

/// Plays a script to the watch of one cluster-wide kind.
async fn watched(script: Vec<Answer>, count: usize) -> (Server, Vec<String>) {
    let server = Server::start(script).await;
    let namespace =
        ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: None, name: "a".into() };
    let other = ObjectRef { name: "b".into(), ..namespace.clone() };
    let mut watch = server.connect().await.watch(&[namespace, other]);
    let found = reports(&mut watch, count).await;
    drop(watch);
    (server, found)
}

#[tokio::test]
async fn a_watch_that_is_too_old_lists_again_and_tells_what_went() {
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}});
    let (server, found) = watched(
        vec![
            list("5", &[service("a", "4"), service("b", "5")]),
            lines(&[json!({"type": "MODIFIED", "object": service("b", "6")}), gone]),
            list("9", &[service("b", "8")]),
            lines(&[json!({"type": "ADDED", "object": service("c", "10")})]),
        ],
        6,
    )
    .await;
    assert_eq!(found, ["added a", "added b", "modified b", "added b", "deleted a", "added c"]);
    assert!(server.asked()[3].contains("resourceVersion=9"), "{:?}", server.asked());
}

#[tokio::test]
async fn a_watch_goes_on_where_it_broke_off() {
    let (server, found) = watched(
        vec![
            list("5", &[]),
            lines(&[
                json!({"type": "ADDED", "object": service("a", "6")}),
                json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}),
            ]),
            Answer::HangsUp,
            says(503, &json!({"kind": "Status"})),
            lines(&[json!({"type": "DELETED", "object": service("a", "9")})]),
        ],
        2,
    )
    .await;
    assert_eq!(found, ["added a", "deleted a"]);
    let last = server.asked()[4].clone();
    assert!(last.contains("resourceVersion=8") && last.contains("watch=1"), "{last}");
}

#[tokio::test]
async fn a_watch_that_starts_too_old_lists_again() {
    let (_, found) = watched(
        vec![
            list("5", &[service("a", "5")]),
            says(410, &json!({"kind": "Status", "reason": "Expired"})),
            list("9", &[]),
        ],
        2,
    )
    .await;
    assert_eq!(found, ["added a", "deleted a"]);
}

#[tokio::test]
async fn what_may_not_be_watched_ends_the_watch() {
    let server = Server::start(vec![says(
        403,
        &json!({"kind": "Status", "message": "namespaces is forbidden: User \"u\" cannot list resource \"namespaces\""}),
    )])
    .await;
    let namespace =
        ObjectRef { api_version: "v1".into(), kind: "Namespace".into(), namespace: None, name: "a".into() };
    assert_eq!(server.connect().await.watch(&[namespace]).next().await, None);
}
