//! An API over a repository and a store of its own.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;
use windlass_core::name::{Digest, RunId};
use windlass_core::queue::Queue as _;
use windlass_core::run::{Outcome, RunKind, Stage, Trigger};
use windlass_store::{Claim, Hold, Incoming, Leadership, NewRun, Reason};

use crate::config::Config;
use crate::engine::{Clock, Engine};
use crate::http::access::Access;
use crate::http::github::{GithubHook, SECRET_VARIABLE};
use crate::http::token::TokenDigest;
use crate::http::{Api, router};
use crate::variables::Variables;

/// Tokens, each named after its role.
pub(super) const VIEWER: &str = "viewer";
pub(super) const DEPLOYER: &str = "deployer";
pub(super) const APPROVER: &str = "approver";
pub(super) const ADMIN: &str = "admin";
/// What GitHub signs with, where a repository is configured.
pub(super) const GITHUB_SECRET: &str = "It's a Secret to Everybody";
/// No token.
pub(super) const NOBODY: &str = "";

/// An API with its engine. Events are taken over; no run is carried unless a test does it.
#[derive(Debug)]
pub(super) struct World {
    _folder: TempDir,
    pub(super) engine: Arc<Engine>,
    pub(super) router: Router,
    pub(super) stop: watch::Sender<bool>,
    pub(super) clock: ForwardClock,
    leadership: Leadership,
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) text: String,
}

/// The machine's clock, put forward.
#[derive(Debug, Clone, Default)]
pub(super) struct ForwardClock(Arc<Mutex<SignedDuration>>);

impl ForwardClock {
    pub(super) fn forward(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ForwardClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap()
    }
}

impl World {
    /// With a token for each role.
    pub(super) async fn new() -> Self {
        let token = |role: &str| {
            format!("[http.tokens.{role}]\nrole = '{role}'\nsha256 = '{}'\n", TokenDigest::of(&secret(role)))
        };
        Self::configured(&[VIEWER, DEPLOYER, APPROVER, ADMIN].map(token).concat()).await
    }

    /// With these sections of the configuration.
    pub(super) async fn configured(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("windlass.toml");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let top = format!("repository = '{}'\ndata_dir = 'state'\n", repository.display());
        std::fs::write(&file, format!("{top}{sections}")).unwrap();
        let config = Config::load(Some(&file), &Variables::fixed([])).unwrap();
        let access = Access::new(&config.http, "127.0.0.1:1".parse().unwrap()).unwrap();
        let clock = ForwardClock::default();
        let engine = Arc::new(Engine::open(config, Vec::new(), Arc::new(clock.clone())).await.unwrap());
        let (stop, stopped) = watch::channel(false);
        let secret = Variables::fixed([(SECRET_VARIABLE, GITHUB_SECRET)]);
        let github = GithubHook::open(&engine.config.http.github, &secret).unwrap();
        let api = Api::new(Arc::clone(&engine), access, github, None, stopped);
        let leadership = engine.store.try_lead(engine.now()).await.unwrap().unwrap();
        tokio::spawn(take_over(Arc::clone(&engine)));
        Self { _folder: folder, router: router(&api), engine, stop, clock, leadership }
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token, &[], "").await
    }

    /// Sends JSON.
    pub(super) async fn post(&self, path: &str, token: &str, json: &str) -> Answer {
        self.ask("POST", path, token, &[("content-type", "application/json")], json).await
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        Answer::of(self.send(request(method, path, token, headers, Body::from(body.to_owned()))).await).await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A run of `dev`, as a push would make it.
    pub(super) async fn run(&self, event: &str) -> RunId {
        let incoming = Incoming {
            source: "/test".to_owned(),
            id: event.to_owned(),
            event_type: "dev.windlass.push".to_owned(),
            subject: None,
            body: b"{}".to_vec(),
            principal: None,
            traceparent: None,
        };
        let (store, now) = (&self.engine.store, self.engine.now());
        let inbox = store.take_over(&[incoming], now).await.unwrap()[0].id();
        store.plan(inbox, &[new_run(event)], now).await.unwrap()[0].id
    }

    /// Claims the next run and begins its gate.
    pub(super) async fn begin(&self) -> Claim {
        let (store, now) = (&self.engine.store, self.engine.now());
        let mut claim = store.claim(&self.leadership, now, crate::worker::CLAIM_TTL).await.unwrap().unwrap();
        store.begin_stage(&mut claim, Stage::Gate, &Value::Null, now).await.unwrap();
        claim
    }

    /// Holds a run for an approval of a render.
    pub(super) async fn hold(&self, claim: &mut Claim, rendered: &Digest) {
        let hold = Hold {
            code: "approval_missing".to_owned(),
            text: "an approval is missing".to_owned(),
            due: None,
            expires: None,
            digest: Some(rendered.clone()),
        };
        self.engine.store.hold(claim, hold, self.engine.now()).await.unwrap();
    }

    /// Ends a run.
    pub(super) async fn end(&self, mut claim: Claim) {
        let reason = Reason::new("test", "it is over");
        self.engine.store.end(&mut claim, Outcome::Refused, reason, self.engine.now()).await.unwrap();
    }
}

impl Answer {
    pub(super) async fn of(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A header's value; empty where it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The word for programs of a problem.
    #[track_caller]
    pub(super) fn code(&self) -> &'static str {
        self.json()["code"].as_str().unwrap().to_owned().leak()
    }
}

/// The token of a role.
pub(super) fn secret(role: &str) -> String {
    format!("token-of-the-{role}")
}

pub(super) fn request(
    method: &str,
    path: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {}", secret(token)));
    }
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(body).unwrap()
}

fn new_run(lane: &str) -> NewRun {
    NewRun {
        kind: RunKind::Deploy,
        environment: "dev".parse().unwrap(),
        replay: 0,
        trigger: Trigger::Manual,
        commit: windlass_core::name::Commit::new("c0ffee"),
        lane: lane.to_owned(),
        requester: "kim".to_owned(),
        services: Vec::new(),
        rollback_to: None,
        window_override: None,
        subject: "Say hello".to_owned(),
        traceparent: None,
    }
}

/// What a worker does with the queue.
async fn take_over(engine: Arc<Engine>) {
    loop {
        let deliveries = engine.queue.receive(16, std::time::Duration::from_mins(1)).await.unwrap();
        crate::intake::take_over(&engine, deliveries).await.unwrap();
    }
}
