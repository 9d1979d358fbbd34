//! Against a server that has the private key, as GitHub does.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use crypto_box::SecretKey;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = "canary-github-token";
const WAY_IN: &str = "users: [{user: {token: canary-way-in}}]";

/// What GitHub has of an environment.
#[derive(Debug)]
struct Github {
    key: SecretKey,
    /// Requests as `METHOD path`, with the token that they bear.
    asked: Mutex<Vec<String>>,
    /// Secrets, opened.
    secrets: Mutex<Vec<String>>,
    /// References that a workflow was dispatched on.
    dispatched: Mutex<Vec<String>>,
    /// Answers to give before any other.
    trouble: Mutex<Vec<u16>>,
}

impl Github {
    async fn start(trouble: &[u16]) -> (Arc<Self>, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let github = Arc::new(Self {
            key: SecretKey::generate(&mut OsRng),
            asked: Mutex::default(),
            secrets: Mutex::default(),
            dispatched: Mutex::default(),
            trouble: Mutex::new(trouble.to_vec()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(serve(Arc::clone(&github), listener));
        (github, address)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let bearer = parts.headers["authorization"].to_str().unwrap().to_owned();
        self.asked.lock().unwrap().push(format!("{} {} {bearer}", parts.method, parts.uri.path()));
        if let Some(status) = self.trouble.lock().unwrap().pop() {
            return respond(status, &json!({ "message": "Resource not accessible" }));
        }
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match parts.method {
            Method::GET => {
                let key = STANDARD.encode(self.key.public_key().as_bytes());
                respond(200, &json!({ "key_id": "7", "key": key }))
            }
            Method::PUT => {
                assert_eq!(body["key_id"], "7");
                let sealed = STANDARD.decode(body["encrypted_value"].as_str().unwrap()).unwrap();
                let opened = self.key.unseal(&sealed).expect("it was sealed for this key");
                self.secrets.lock().unwrap().push(String::from_utf8(opened).unwrap());
                respond(201, &Value::Null)
            }
            _ => {
                self.dispatched.lock().unwrap().push(body["ref"].as_str().unwrap().to_owned());
                respond(204, &Value::Null)
            }
        }
    }
}

fn respond(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap()
}

async fn serve(github: Arc<Github>, listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let github = Arc::clone(&github);
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let github = Arc::clone(&github);
                async move { Ok::<_, Infallible>(github.answer(request).await) }
            });
            // A client that goes away in the middle is no matter here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

fn config(api: &str, workflow: Option<&str>) -> GithubConfig {
    let publication = Publication {
        repository: "acme/shop".to_owned(),
        environment: Some("dev stage".to_owned()),
        secret_name: None,
        workflow: workflow.map(str::to_owned),
        reference: None,
    };
    let environments = [("dev".parse().unwrap(), publication)].into();
    GithubConfig { api: api.to_owned(), token_file: None, environments }
}

async fn publish(config: &GithubConfig, environment: &str) -> Result<Option<String>, Cause> {
    let variables = Variables::fixed([(TOKEN_VARIABLE, TOKEN)]);
    config.publish(&environment.parse().unwrap(), &Kubeconfig::new(WAY_IN), &variables).await
}

#[tokio::test]
async fn the_way_in_arrives_sealed_for_the_environment_and_the_workflow_is_told() {
    let (github, api) = Github::start(&[]).await;
    let done = publish(&config(&api, Some("deploy.yml")), "dev").await.unwrap();
    let words = "secret `KUBECONFIG` of `acme/shop`, environment `dev stage`; workflow `deploy.yml` is told";
    assert_eq!(done.as_deref(), Some(words));
    assert_eq!(*github.secrets.lock().unwrap(), [WAY_IN]);
    assert_eq!(*github.dispatched.lock().unwrap(), ["main"]);
    let secrets = "/repos/acme/shop/environments/dev%20stage/secrets";
    let expected = [
        format!("GET {secrets}/public-key Bearer {TOKEN}"),
        format!("PUT {secrets}/KUBECONFIG Bearer {TOKEN}"),
        format!("POST /repos/acme/shop/actions/workflows/deploy%2Eyml/dispatches Bearer {TOKEN}"),
    ];
    assert_eq!(*github.asked.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_environment_that_is_not_named_is_published_nowhere() {
    let (github, api) = Github::start(&[]).await;
    assert_eq!(publish(&config(&api, None), "prod").await.unwrap(), None);
    assert!(github.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_is_in_trouble_is_asked_again_and_a_refusal_is_told() {
    let (github, api) = Github::start(&[503]).await;
    publish(&config(&api, None), "dev").await.unwrap();
    assert_eq!(github.secrets.lock().unwrap().len(), 1);
    assert!(github.dispatched.lock().unwrap().is_empty(), "nobody is to be told");

    let (github, api) = Github::start(&[403]).await;
    let cause = publish(&config(&api, None), "dev").await.unwrap_err();
    assert_eq!(cause.code, "github_refused");
    assert!(cause.text.contains("403") && cause.text.contains("Resource not accessible"), "{}", cause.text);
    assert_eq!(github.asked.lock().unwrap().len(), 1, "a refusal is not asked for twice");
    let told = format!("{cause:?}");
    assert!(!told.contains(TOKEN) && !told.contains("canary-way-in"), "{told}");
}

#[tokio::test]
async fn without_a_token_nothing_is_asked() {
    let cause = config("http://127.0.0.1:1", None)
        .publish(&"dev".parse().unwrap(), &Kubeconfig::new(WAY_IN), &Variables::fixed([]))
        .await
        .unwrap_err();
    assert_eq!(cause.code, "github_token_missing");
    assert!(cause.hints[0].contains(TOKEN_VARIABLE), "{cause:?}");
}
