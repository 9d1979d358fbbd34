//! What becomes of a request: faults, who asks, how often, and what the project says.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, header};
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::actions::Mood;
use crate::admin;
use crate::bucket::{Bucket, Standing};
use crate::calls::{Call, Calls};
use crate::clock::Clock;
use crate::faults::{Effect, Faults, duration};
use crate::machines::MachineEvent;
use crate::problem::Problem;
use crate::project::{Answer, Project};
use crate::query::Query;
use crate::route::Route;

/// Where the API begins.
const BASE: &str = "/v1";

/// What an emulator is made of.
pub(crate) struct Service {
    pub(crate) state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) calls: Calls,
    pub(crate) token: String,
    /// Something changed: the next action may end earlier than was thought.
    changed: Notify,
    machines: mpsc::UnboundedSender<MachineEvent>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) project: Project,
    pub(crate) bucket: Bucket,
    pub(crate) faults: Faults,
}

/// What a client gets.
pub(crate) enum Reply {
    Answer(Response<Full<Bytes>>),
    /// The connection ends.
    Lost,
    /// The connection stays, and says nothing.
    Hanging,
}

impl Service {
    pub(crate) fn new(
        state: State,
        clock: Clock,
        token: String,
        machines: mpsc::UnboundedSender<MachineEvent>,
    ) -> Self {
        let (calls, changed) = (Calls::new(), Notify::new());
        Self { state: Mutex::new(state), clock, calls, token, changed, machines }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A request that panicked is answered by nobody; the next finds what it left.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets actions end when their time has come, also when nobody calls. Never ends.
    pub(crate) async fn keep_time(&self) {
        loop {
            let changed = self.changed.notified();
            let next = {
                let mut state = self.state();
                self.settle(&mut state);
                state.project.actions.next_end()
            };
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    /// Lets everything happen that is due, and tells machines of it.
    pub(crate) fn settle(&self, state: &mut State) {
        state.project.settle(self.clock.now());
        for event in state.project.take_events() {
            // Nobody listens any more when the emulator stops.
            let _ = self.machines.send(event);
        }
    }

    pub(crate) async fn respond(&self, parts: &Parts, body: Bytes) -> Reply {
        self.clock.stir();
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let reply = match (path.strip_prefix(BASE), path.strip_prefix(admin::BASE)) {
            (Some(path), _) if path.starts_with('/') => self.call(parts, path, query, &body).await,
            (_, Some(path)) => Reply::Answer(response(&self.administer(parts, path, &body))),
            _ => Reply::Answer(response(&refusal(&Problem::no_such_path()))),
        };
        self.clock.stir();
        reply
    }

    fn administer(&self, parts: &Parts, path: &str, body: &[u8]) -> Answer {
        if !self.is_known(parts) {
            return refusal(&Problem::unauthorised());
        }
        let answer = admin::answer(self, &parts.method, path, body);
        self.changed.notify_one();
        answer.unwrap_or_else(|problem| refusal(&problem))
    }

    /// A request to the API, with everything that may go wrong on its way.
    async fn call(&self, parts: &Parts, path: &str, query: &str, body: &Bytes) -> Reply {
        let correlation = correlation();
        let place = self.calls.begin(self.noted(parts, path, query, body, &correlation));
        let effect = self.state().faults.befalling(parts.method.as_str(), path);
        let late = effect.as_ref().map(Effect::delay).unwrap_or_default();
        let usual = self.state().project.setting.latencies.of_a_call();
        self.clock.sleep(usual + late).await;
        let (answer, done) = match &effect {
            Some(Effect::LoseRequest | Effect::HangBefore) => (None, false),
            Some(Effect::Refuse { status, code }) => (Some(self.refuse(*status, code)), false),
            _ => self.perform(parts, path, query, body, effect.as_ref()),
        };
        let silent = matches!(effect, Some(Effect::LoseAnswer | Effect::HangAfter));
        let answer = answer.filter(|_| !silent);
        let standing = self.state().bucket.standing();
        self.calls.end(place, |call| {
            call.status = answer.as_ref().map(|answer| answer.status);
            call.done = done;
            call.answer = answer.as_ref().and_then(|answer| answer.body.clone());
        });
        match (answer, effect) {
            (Some(answer), _) => Reply::Answer(with_headers(response(&answer), standing, &correlation)),
            (None, Some(Effect::HangBefore | Effect::HangAfter)) => Reply::Hanging,
            (None, _) => Reply::Lost,
        }
    }

    fn noted(&self, parts: &Parts, path: &str, query: &str, body: &[u8], correlation: &str) -> Call {
        let mark = if query.is_empty() { "" } else { "?" };
        Call {
            method: parts.method.to_string(),
            path: format!("{path}{mark}{query}"),
            at: self.clock.now(),
            status: None,
            done: false,
            request: serde_json::from_slice(body).ok(),
            answer: None,
            correlation: correlation.to_owned(),
        }
    }

    /// Does what is asked for. Says what is answered, and whether it was done.
    fn perform(
        &self,
        parts: &Parts,
        path: &str,
        query: &str,
        body: &[u8],
        effect: Option<&Effect>,
    ) -> (Option<Answer>, bool) {
        let mut state = self.state();
        self.settle(&mut state);
        let now = self.clock.now();
        if !self.is_known(parts) {
            return (Some(refusal(&Problem::unauthorised())), false);
        }
        if effect == Some(&Effect::DrainBucket) {
            state.bucket.drain_to(0, now);
        }
        if !state.bucket.take(now) {
            let limit = state.project.setting.limits.requests;
            return (Some(refusal(&Problem::rate_limited(limit))), false);
        }
        state.project.actions.mood = effect.and_then(mood);
        let result = ask(&mut state.project, &parts.method, path, query, body);
        state.project.actions.mood = None;
        self.settle(&mut state);
        drop(state);
        self.changed.notify_one();
        let done = result.is_ok();
        match effect {
            Some(Effect::RefuseAfter { status, code }) => (Some(self.refuse(*status, code)), done),
            _ => (Some(result.unwrap_or_else(|problem| refusal(&problem))), done),
        }
    }

    /// Asks the project without a call: nothing is noted, counted or refused on the way.
    pub(crate) fn ask_directly(&self, method: &Method, path: &str, body: &[u8]) -> Answer {
        let mut state = self.state();
        self.settle(&mut state);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let result = ask(&mut state.project, method, path, query, body);
        self.settle(&mut state);
        drop(state);
        self.changed.notify_one();
        result.unwrap_or_else(|problem| refusal(&problem))
    }

    fn refuse(&self, status: u16, code: &str) -> Answer {
        if status == 429 {
            self.state().bucket.drain_to(0, self.clock.now());
        }
        refusal(&Problem::new(status, code.to_owned(), format!("fault: {code}"), Value::Null))
    }

    fn is_known(&self, parts: &Parts) -> bool {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|given| given.strip_prefix("Bearer ")) == Some(&*self.token)
    }
}

fn ask(
    project: &mut Project,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Result<Answer, Problem> {
    let route = Route::of(method, path.trim_start_matches('/'))?;
    project.answer(&route, &Query::parse(query), body)
}

/// What a fault does to the actions of the call that it befalls.
fn mood(effect: &Effect) -> Option<Mood> {
    match effect {
        Effect::SlowActions { seconds, command } => {
            Some(Mood::Slow { by: duration(*seconds), command: command.clone() })
        }
        Effect::FailActions { code, command } => {
            Some(Mood::Failing { code: code.clone(), command: command.clone() })
        }
        _ => None,
    }
}

pub(crate) fn refusal(problem: &Problem) -> Answer {
    Answer { status: problem.status, body: Some(problem.body()) }
}

fn response(answer: &Answer) -> Response<Full<Bytes>> {
    let body = answer.body.as_ref().map(Value::to_string).unwrap_or_default();
    let has_body = !body.is_empty();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    if has_body {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

fn with_headers(
    mut response: Response<Full<Bytes>>,
    standing: Standing,
    correlation: &str,
) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.insert("ratelimit-limit", standing.limit.into());
    headers.insert("ratelimit-remaining", standing.remaining.into());
    headers.insert("ratelimit-reset", standing.reset.into());
    if let Ok(value) = HeaderValue::from_str(correlation) {
        headers.insert("x-correlation-id", value);
    }
    response
}

/// By which a call is found again in logs.
fn correlation() -> String {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the operating system has random numbers");
    format!("{:016x}", u64::from_be_bytes(random))
}
