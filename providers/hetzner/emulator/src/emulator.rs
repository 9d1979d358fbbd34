//! An emulator that is served on a socket.

use std::future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::actions::Latencies;
use crate::bucket::Bucket;
use crate::calls::Call;
use crate::clock::Clock;
use crate::faults::{Fault, Faults};
use crate::form::Strictness;
use crate::limits::{BODY, Limits};
use crate::machines::{MachineEvent, Machines, NoMachines};
use crate::project::{Project, Setting};
use crate::service::{Reply, Service, State};
use crate::stock::Shortage;

/// Characters of a token, as Hetzner's have them.
const TOKEN: usize = 64;

/// An emulator cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}`")]
pub struct ListenError {
    /// Where it was to listen.
    pub address: SocketAddr,
    source: io::Error,
}

/// What an emulator is started with.
#[derive(Debug)]
pub struct Builder {
    address: SocketAddr,
    token: Option<String>,
    clock: Clock,
    latencies: Latencies,
    limits: Limits,
    strictness: Strictness,
    machines: Arc<dyn Machines>,
}

impl Builder {
    /// Where it listens; a free port of 127.0.0.1 by default.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The token that clients must show; a random one by default.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// What time it is; that of the machine by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How long calls and actions take; nothing by default.
    pub fn latencies(mut self, latencies: Latencies) -> Self {
        self.latencies = latencies;
        self
    }

    /// How much there may be.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Takes fields and parameters that the API does not have, and ignores them, as the API does. By default they are refused, because they are
    /// mistakes of the client.
    pub fn lenient(mut self) -> Self {
        self.strictness = Strictness::Lenient;
        self
    }

    /// What stands behind servers; nothing by default.
    pub fn machines(mut self, machines: Arc<dyn Machines>) -> Self {
        self.machines = machines;
        self
    }

    /// Serves it until it is dropped.
    pub async fn start(self) -> Result<Emulator, ListenError> {
        let unavailable = |source| ListenError { address: self.address, source };
        let listener = TcpListener::bind(self.address).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let now = self.clock.now();
        let bucket = Bucket::new(self.limits.requests, now);
        let machines = Arc::clone(&self.machines);
        let setting = Setting {
            limits: self.limits,
            latencies: self.latencies,
            strictness: self.strictness,
            machines: self.machines,
        };
        let state = State { project: Project::new(setting, now), bucket, faults: Faults::default() };
        let token = self.token.unwrap_or_else(random_token);
        let service = Arc::new(Service::new(state, self.clock, token, sender));
        let tasks = [
            tokio::spawn(accept(listener, Arc::clone(&service))),
            tokio::spawn(tell(machines, receiver)),
            tokio::spawn({
                let service = Arc::clone(&service);
                async move { service.keep_time().await }
            }),
        ];
        Ok(Emulator { address, service, tasks })
    }
}

/// The API, served on a socket. It stops when it is dropped, and every connection with it.
pub struct Emulator {
    address: SocketAddr,
    service: Arc<Service>,
    tasks: [JoinHandle<()>; 3],
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Emulator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Emulator {
    /// An emulator on a free port of 127.0.0.1 whose actions take no time.
    pub async fn start() -> Result<Self, ListenError> {
        Self::builder().start().await
    }

    /// An emulator that is not started yet.
    pub fn builder() -> Builder {
        Builder {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            token: None,
            clock: Clock::Real,
            latencies: Latencies::none(),
            limits: Limits::default(),
            strictness: Strictness::Strict,
            machines: Arc::new(NoMachines),
        }
    }

    /// Where the API is, for `HCLOUD_ENDPOINT`: `http://127.0.0.1:41234/v1`
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What clients must show, for `HCLOUD_TOKEN`.
    pub fn token(&self) -> &str {
        &self.service.token
    }

    /// What time it is.
    pub fn clock(&self) -> &Clock {
        &self.service.clock
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.service.state().faults.add(fault);
    }

    /// Lets nothing go wrong any more.
    pub fn clear_faults(&self) {
        self.service.state().faults.clear();
    }

    /// Sells out a server type in a location.
    pub fn sell_out(&self, shortage: Shortage) {
        self.service.state().project.stock.sell_out(shortage);
    }

    /// Ends all shortages.
    pub fn refill(&self) {
        self.service.state().project.stock.refill();
    }

    /// Leaves so many requests until the bucket fills up again.
    pub fn drain_bucket_to(&self, left: u32) {
        self.service.state().bucket.drain_to(left, self.service.clock.now());
    }

    /// Everything that was called, in the order in which it came.
    pub fn calls(&self) -> Vec<Call> {
        self.service.calls.all()
    }

    /// Forgets what was called.
    pub fn forget_calls(&self) {
        self.service.calls.forget();
    }

    /// Waits until so many calls came, since they were last forgotten, and were done or refused.
    pub async fn called(&self, count: usize) {
        self.service.calls.reached(count).await;
    }

    /// Asks the API past the network: nothing is noted, counted, delayed, nor befallen by a fault. For what a test plants and looks at.
    ///
    /// `path` is what follows `/v1`. Returns status and body.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let Ok(method) = Method::from_bytes(method.as_bytes()) else { return (405, Value::Null) };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.service.ask_directly(&method, path, body.as_bytes());
        (answer.status, answer.body.unwrap_or_default())
    }

    /// Everything of a kind, by the word of its path: `servers`. Past the network, as [`Self::ask`], and past pages.
    pub fn resources(&self, kind: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let (_, mut answer) = self.ask("GET", &format!("/{kind}?per_page=50&page={page}"), &Value::Null);
            let entries = answer[kind].as_array_mut().map(std::mem::take).unwrap_or_default();
            all.extend(entries);
            if answer["meta"]["pagination"]["next_page"].is_null() {
                break;
            }
        }
        all
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Tells machines what happens, one thing after the other.
async fn tell(machines: Arc<dyn Machines>, mut events: mpsc::UnboundedReceiver<MachineEvent>) {
    while let Some(event) = events.recv().await {
        machines.follow(event).await;
    }
}

async fn accept(listener: TcpListener, service: Arc<Service>) {
    // Connections end with the server, because the set is dropped with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&service)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection. How it ends is the client's matter.
async fn serve(stream: TcpStream, service: Arc<Service>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(request, Arc::clone(&service)));
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct Lost;

async fn respond(request: Request<Incoming>, service: Arc<Service>) -> Result<Response<Full<Bytes>>, Lost> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY).collect().await.map_err(|_| Lost)?.to_bytes();
    // A task of its own: what a client asked for is done also if it goes away meanwhile.
    let reply = tokio::spawn(async move { service.respond(&parts, body).await }).await;
    match reply {
        Ok(Reply::Answer(response)) => Ok(response),
        Ok(Reply::Hanging) => future::pending().await,
        Ok(Reply::Lost) | Err(_) => Err(Lost),
    }
}

fn random_token() -> String {
    let mut random = [0; TOKEN];
    getrandom::fill(&mut random).expect("the operating system has random numbers");
    random.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}
