//! The transport to Hetzner Cloud's API.
//!
//! Thin and tolerant: it knows how calls are made, repeated, counted and waited for, and nothing of clusters. The crate `hcloud` is not used: it
//! hides the headers that the rate limit is told in, and one unknown value makes it fail a whole list.

pub mod actions;
pub mod budget;
pub mod clock;
pub mod error;
pub mod model;
pub mod request;
pub mod retry;
pub mod transport;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use budget::Budget;
use clock::Clock;
use error::{ClientError, ErrorCode, Refusal};
use model::{Action, Labels, Resource};
use retry::Repeat;
use transport::{Answer, BadToken, Transport};

/// Where the API is when nothing else is said.
pub const ENDPOINT: &str = "https://api.hetzner.cloud/v1";
/// The largest page that the API gives.
const PAGE: u32 = 50;

/// What a client is made of.
#[derive(Clone)]
pub struct ClientConfig {
    /// Where the API is, version included.
    pub endpoint: String,
    /// The project's token, which may read and write.
    pub token: SecretString,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Calls of the API. Clones share the connection, the budget and the count.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    clock: Arc<dyn Clock>,
    budget: Arc<Mutex<Budget>>,
    count: Arc<Count>,
}

/// How many calls were made.
#[derive(Debug, Default)]
struct Count {
    calls: AtomicU64,
    writes: AtomicU64,
}

/// What a create answers with.
#[derive(Debug)]
pub struct Created<T> {
    pub resource: T,
    pub actions: Vec<Action>,
}

impl Client {
    /// A client for one project. Nothing is asked yet.
    pub fn new(config: &ClientConfig) -> Result<Self, BadToken> {
        let transport = Transport::new(&config.endpoint, &config.token, config.timeout)?;
        Ok(Self {
            transport,
            clock: Arc::clone(&config.clock),
            budget: Arc::default(),
            count: Arc::default(),
        })
    }

    /// The same client with a count that starts at zero.
    pub fn counted(&self) -> Self {
        Self { count: Arc::default(), ..self.clone() }
    }

    /// Calls that were made, tries included.
    pub fn calls(&self) -> u64 {
        self.count.calls.load(Ordering::Relaxed)
    }

    /// Of these, the calls that could change something.
    pub fn writes(&self) -> u64 {
        self.count.writes.load(Ordering::Relaxed)
    }

    /// Calls that the project has left, as far as the API has said.
    pub fn remaining(&self) -> Option<u32> {
        self.budget().remaining(self.clock.now())
    }

    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Every resource of a kind that a query, such as `label_selector=…`, lets through; all pages.
    pub async fn list<T: Resource>(&self, query: &str) -> Result<Vec<T>, ClientError> {
        self.list_at(T::MANY, query).await
    }

    /// The same for what is listed but is no resource of the project.
    pub async fn list_at<T: DeserializeOwned>(&self, many: &str, query: &str) -> Result<Vec<T>, ClientError> {
        let (mut found, mut page) = (Vec::new(), Some(1));
        while let Some(number) = page {
            let path = format!(
                "/{many}?page={number}&per_page={PAGE}{}{query}",
                if query.is_empty() { "" } else { "&" }
            );
            let mut body: Value = self.get(&path).await?;
            let items: Vec<T> = read(&format!("GET /{many}"), body[many].take())?;
            found.extend(items);
            // A page that names itself or an earlier one would be read for ever.
            page = body["meta"]["pagination"]["next_page"].as_u64().filter(|&next| next > number);
        }
        Ok(found)
    }

    /// The resource of this name.
    pub async fn find<T: Resource>(&self, name: &str) -> Result<Option<T>, ClientError> {
        let found: Vec<T> = self.list(&format!("name={name}")).await?;
        Ok(found.into_iter().find(|resource| resource.name() == name))
    }

    /// The resource of this number; none if it is gone.
    pub async fn read<T: Resource>(&self, id: u64) -> Result<Option<T>, ClientError> {
        let path = format!("/{}/{id}", T::MANY);
        match self.get::<Value>(&path).await {
            Ok(mut body) => read(&format!("GET {path}"), body[T::ONE].take()).map(Some),
            Err(error) if error.code() == Some(&ErrorCode::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a resource. It is not repeated where that could make two: see [`ClientError::is_undone`].
    pub async fn create<T: Resource>(
        &self,
        request: &(impl Serialize + Sync),
    ) -> Result<Created<T>, ClientError> {
        let path = format!("/{}", T::MANY);
        let answer = self.call(Method::POST, &path, Some(body(request)), Repeat::Doubles).await?;
        let mut body: Value = parse(&format!("POST {path}"), &answer)?;
        let actions = actions(&body);
        Ok(Created { resource: read(&format!("POST {path}"), body[T::ONE].take())?, actions })
    }

    /// Deletes a resource, and answers with what that sets going. One that is gone is deleted already.
    pub async fn delete<T: Resource>(&self, id: u64) -> Result<Vec<Action>, ClientError> {
        let path = format!("/{}/{id}", T::MANY);
        match self.call(Method::DELETE, &path, None, Repeat::Safe).await {
            Ok(answer) if answer.body.is_empty() => Ok(Vec::new()),
            Ok(answer) => Ok(actions(&parse(&format!("DELETE {path}"), &answer)?)),
            Err(error) if error.code() == Some(&ErrorCode::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces all labels of a resource.
    pub async fn label<T: Resource>(&self, id: u64, labels: &Labels) -> Result<(), ClientError> {
        let request = Map::from_iter([("labels".to_owned(), serde_json::json!(labels))]);
        self.call(Method::PUT, &format!("/{}/{id}", T::MANY), Some(body(&request)), Repeat::Safe)
            .await
            .map(drop)
    }

    /// Sets an action of a resource going. What it asks for may be so already: then `done` names the code that says so.
    pub async fn act<T: Resource>(
        &self,
        id: u64,
        action: &str,
        request: &(impl Serialize + Sync),
        done: &[ErrorCode],
    ) -> Result<Vec<Action>, ClientError> {
        let path = format!("/{}/{id}/actions/{action}", T::MANY);
        match self.call(Method::POST, &path, Some(body(request)), Repeat::Safe).await {
            Ok(answer) => Ok(actions(&parse(&format!("POST {path}"), &answer)?)),
            Err(error) if error.code().is_some_and(|code| done.contains(code)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let answer = self.call(Method::GET, path, None, Repeat::Safe).await?;
        parse(&transport::call(&Method::GET, path), &answer)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        repeat: Repeat,
    ) -> Result<Answer, ClientError> {
        let mut tries = 0;
        loop {
            self.admission().await;
            tries += 1;
            let error = match self.once(&method, path, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(wait) = retry::wait(&error, repeat, tries, retry::random()) else { return Err(error) };
            tracing::debug!(%error, tries, wait = wait.as_secs_f64(), "a call is made again");
            self.clock.sleep(wait).await;
        }
    }

    /// Waits until the budget has a call to give.
    async fn admission(&self) {
        loop {
            let taken = self.budget().take(self.clock.now());
            let Err(wait) = taken else { return };
            tracing::debug!(
                wait = wait.as_secs_f64(),
                "the rest of the rate limit is left to the cluster's controllers"
            );
            self.clock.sleep(wait).await;
        }
    }

    async fn once(&self, method: &Method, path: &str, body: Option<Bytes>) -> Result<Answer, ClientError> {
        self.count.calls.fetch_add(1, Ordering::Relaxed);
        if method != Method::GET {
            self.count.writes.fetch_add(1, Ordering::Relaxed);
        }
        let answer = self.transport.send(method.clone(), path, body).await?;
        if let (Some(limit), Some(remaining)) =
            (answer.number("ratelimit-limit"), answer.number("ratelimit-remaining"))
        {
            self.budget().hear(limit, remaining, self.clock.now());
        }
        match answer.status {
            status if status.is_success() => Ok(answer),
            status => Err(refusal(&transport::call(method, path), status, &answer)),
        }
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(call: &str, status: StatusCode, answer: &Answer) -> ClientError {
    let correlation = answer.text("x-correlation-id");
    ClientError::Refused(Box::new(Refusal::read(call, status.as_u16(), &answer.body, correlation)))
}

fn body(request: &impl Serialize) -> Bytes {
    serde_json::to_vec(request).expect("requests are made of texts, numbers and lists").into()
}

fn parse<T: DeserializeOwned>(call: &str, answer: &Answer) -> Result<T, ClientError> {
    serde_json::from_slice(&answer.body).map_err(|error| garbled(call, error))
}

fn read<T: DeserializeOwned>(call: &str, value: Value) -> Result<T, ClientError> {
    serde_json::from_value(value).map_err(|error| garbled(call, error))
}

fn garbled(call: &str, source: serde_json::Error) -> ClientError {
    ClientError::Garbled { call: call.to_owned(), source: source.into() }
}

/// What a call set going: the API says it as `action`, `actions` or `next_actions`, and not all are always there.
fn actions(body: &Value) -> Vec<Action> {
    let many = ["actions", "next_actions"].into_iter().filter_map(|key| body[key].as_array()).flatten();
    body.get("action")
        .into_iter()
        .chain(many)
        .filter_map(|action| serde_json::from_value(action.clone()).ok())
        .collect()
}

#[cfg(test)]
mod tests;
