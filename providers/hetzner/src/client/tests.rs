//! The client, against a server that answers as a test says.

use std::convert::Infallible;
use std::sync::Mutex;

use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use super::actions::Poller;
use super::clock::MachineClock;
use super::model::{Server, SshKey};
use super::request::CreateSshKey;
use super::*;

const TOKEN: &str = "canary-token";

/// What one call is answered with.
#[derive(Clone)]
enum Said {
    Json(u16, Value),
    /// The connection ends without an answer.
    Nothing,
}

/// A server that gives prepared answers in turn, and notes what it was asked.
struct Script {
    answers: Mutex<Vec<Said>>,
    asked: Mutex<Vec<String>>,
    headers: Vec<(&'static str, &'static str)>,
}

/// A clock on which waiting takes no time.
#[derive(Debug, Default)]
struct Swift(Mutex<Duration>);

#[async_trait::async_trait]
impl Clock for Swift {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
        tokio::task::yield_now().await;
    }
}

async fn serve(script: Arc<Script>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let script = Arc::clone(&script);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(Arc::clone(&script), request));
                // A connection that a script ends is an error of no one.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    format!("http://{address}/v1")
}

async fn answer(
    script: Arc<Script>,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, std::io::Error> {
    assert_eq!(request.headers()["authorization"], format!("Bearer {TOKEN}"));
    let line = format!("{} {}", request.method(), request.uri());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    script
        .asked
        .lock()
        .unwrap()
        .push(format!("{line} {}", String::from_utf8_lossy(&body)).trim_end().to_owned());
    let said = script.answers.lock().unwrap().remove(0);
    let Said::Json(status, value) = said else { return Err(std::io::Error::other("scripted end")) };
    let mut response = hyper::Response::builder().status(status).header("x-correlation-id", "c0ffee");
    for (name, value) in &script.headers {
        response = response.header(*name, *value);
    }
    Ok::<_, Infallible>(response.body(Full::from(value.to_string())).unwrap()).map_err(|never| match never {})
}

async fn client(answers: Vec<Said>) -> (Client, Arc<Script>) {
    scripted(Script { answers: Mutex::new(answers), asked: Mutex::default(), headers: Vec::new() }).await
}

async fn scripted(script: Script) -> (Client, Arc<Script>) {
    let script = Arc::new(script);
    let config = ClientConfig {
        endpoint: serve(Arc::clone(&script)).await,
        token: SecretString::from(TOKEN),
        timeout: Duration::from_secs(5),
        clock: Arc::new(Swift::default()),
    };
    (Client::new(&config).unwrap(), script)
}

fn asked(script: &Script) -> Vec<String> {
    script.asked.lock().unwrap().clone()
}

fn error(status: u16, code: &str) -> Said {
    Said::Json(status, json!({"error": {"code": code, "message": "scripted"}}))
}

fn key() -> CreateSshKey {
    CreateSshKey { name: "dev".to_owned(), public_key: "ssh-ed25519 AAAA".to_owned(), labels: Labels::new() }
}

#[tokio::test]
async fn every_page_is_read() {
    let page = |id: u64, next: Value| {
        Said::Json(
            200,
            json!({"servers": [{"id": id, "name": format!("s{id}")}], "meta": {"pagination": {"next_page": next}}}),
        )
    };
    let (client, script) = client(vec![page(1, json!(2)), page(2, json!(null))]).await;
    let servers: Vec<Server> = client.list("label_selector=a").await.unwrap();
    assert_eq!(servers.iter().map(|server| server.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        asked(&script),
        [
            "GET /v1/servers?page=1&per_page=50&label_selector=a",
            "GET /v1/servers?page=2&per_page=50&label_selector=a"
        ]
    );
    assert_eq!((client.calls(), client.writes()), (2, 0));
}

#[tokio::test]
async fn a_read_is_repeated_until_it_is_answered() {
    let whole = Said::Json(200, json!({"servers": []}));
    let (client, script) =
        client(vec![Said::Nothing, error(504, "timeout"), error(429, "rate_limit_exceeded"), whole]).await;
    assert_eq!(client.list::<Server>("").await.unwrap(), []);
    assert_eq!(asked(&script).len(), 4);
}

#[tokio::test]
async fn a_create_whose_outcome_is_unknown_is_sent_once() {
    for unknown in
        [Said::Nothing, error(504, "timeout"), error(502, "bad_gateway"), Said::Json(201, json!({}))]
    {
        let (client, script) = client(vec![unknown]).await;
        let error = client.create::<SshKey>(&key()).await.unwrap_err();
        assert!(!error.is_undone(), "{error}");
        assert_eq!(asked(&script).len(), 1);
    }
}

#[tokio::test]
async fn a_create_that_was_refused_for_the_moment_is_sent_again() {
    let made = Said::Json(201, json!({"ssh_key": {"id": 7, "name": "dev"}}));
    let (client, script) =
        client(vec![error(409, "conflict"), error(429, "rate_limit_exceeded"), made]).await;
    assert_eq!(client.create::<SshKey>(&key()).await.unwrap().resource.id, 7);
    assert_eq!(
        asked(&script)[2],
        r#"POST /v1/ssh_keys {"name":"dev","public_key":"ssh-ed25519 AAAA","labels":{}}"#
    );
    assert_eq!((client.calls(), client.writes()), (3, 3));
}

#[tokio::test]
async fn what_is_gone_is_deleted_already() {
    let (client, _) = client(vec![Said::Nothing, error(404, "not_found")]).await;
    assert_eq!(client.delete::<SshKey>(7).await.unwrap(), []);
}

#[tokio::test]
async fn an_error_names_its_correlation_and_not_the_token() {
    let (client, _) = client(vec![error(401, "unauthorized")]).await;
    let error = client.list::<Server>("name=x").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`GET /servers` was refused: scripted (unauthorized, 401); correlation id c0ffee"
    );
    assert!(!format!("{error:?} {client:?}").contains(TOKEN));
}

/// Waits while somebody asks.
async fn waited(client: &Client, actions: &[Action]) -> Result<(), ClientError> {
    let poller = Poller::new(client.clone());
    tokio::select! {
        result = poller.wait(actions, Duration::from_secs(6)) => result,
        error = poller.run() => Err(error),
    }
}

fn running(ids: impl IntoIterator<Item = u64>) -> Vec<Action> {
    ids.into_iter()
        .map(|id| serde_json::from_value(json!({"id": id, "status": "running"})).unwrap())
        .collect()
}

fn told(ids: impl IntoIterator<Item = u64>, status: &str) -> Said {
    let actions: Vec<Value> = ids.into_iter().map(|id| json!({"id": id, "status": status})).collect();
    Said::Json(200, json!({"actions": actions}))
}

#[tokio::test]
async fn actions_are_waited_for_in_batches() {
    let answers = vec![told(1..=25, "success"), told(26..=30, "running"), told(26..=30, "success")];
    let (client, script) = client(answers).await;
    waited(&client, &running(1..=30)).await.unwrap();
    assert_eq!(asked(&script).len(), 3);
    assert!(asked(&script)[2].starts_with("GET /v1/actions?id=26&id=27&"));
}

#[tokio::test]
async fn one_call_asks_for_all_who_wait() {
    let (client, script) = client(vec![told(1..=2, "success")]).await;
    let poller = Poller::new(client.clone());
    let (one, other) = (running([1]), running([2]));
    let patience = Duration::from_mins(1);
    tokio::select! {
        (one, other) = async { tokio::join!(poller.wait(&one, patience), poller.wait(&other, patience)) } => {
            assert!(one.is_ok() && other.is_ok());
        }
        error = poller.run() => panic!("{error}"),
    }
    assert_eq!(asked(&script).len(), 1);
}

#[tokio::test]
async fn an_action_that_is_not_known_is_an_error() {
    let (client, _) = client(vec![told([2], "success")]).await;
    let error = waited(&client, &running([1, 2])).await.unwrap_err();
    assert!(matches!(error, ClientError::ActionLost { id: 1 }));
}

#[tokio::test]
async fn an_action_that_failed_is_an_error() {
    let failed = json!({"id": 2, "command": "create_server", "status": "error", "error": {"code": "resource_unavailable", "message": "none left"}});
    let (client, _) = client(vec![Said::Json(200, json!({"actions": [failed]}))]).await;
    let error = waited(&client, &running([2])).await.unwrap_err();
    assert_eq!(error.to_string(), "`create_server` failed: none left (resource_unavailable)");
}

#[tokio::test]
async fn an_action_that_does_not_end_is_given_up() {
    let (client, script) = client(vec![told([1], "running"); 8]).await;
    let error = waited(&client, &running([1])).await.unwrap_err();
    assert!(matches!(error, ClientError::ActionLost { id: 1 }));
    assert_eq!(asked(&script).len(), 8, "two in the first second, then one each second");
}

#[tokio::test]
async fn the_part_of_the_rate_limit_that_controllers_need_is_left() {
    let answers = vec![Said::Json(200, json!({"servers": []})); 2];
    let headers = vec![("ratelimit-limit", "3600"), ("ratelimit-remaining", "10")];
    let (client, _) =
        scripted(Script { answers: Mutex::new(answers), asked: Mutex::default(), headers }).await;
    client.list::<Server>("").await.unwrap();
    assert_eq!(client.remaining(), Some(10));
    client.list::<Server>("").await.unwrap();
    assert_eq!(client.clock().now(), Duration::from_secs(51), "it waited for the floor");
}

#[tokio::test]
async fn the_clock_of_the_machine_goes_on() {
    let clock = MachineClock::default();
    let before = clock.now();
    clock.sleep(Duration::from_millis(1)).await;
    assert!(clock.now() > before);
}
