//! What was called: every request, and what it was answered with.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;

/// One request to the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// `POST`
    pub method: String,
    /// Below `/v1`, with its query: `/servers?name=a`
    pub path: String,
    /// When it came, by the emulator's clock.
    pub at: Timestamp,
    /// The status of the answer; nothing if there was none, or none yet.
    pub status: Option<u16>,
    /// Whether the call did what it asked for, also if nobody was told.
    pub done: bool,
    /// The body of the request, if it is JSON.
    pub request: Option<Value>,
    /// The body of the answer.
    pub answer: Option<Value>,
    /// What the header `X-Correlation-Id` of the answer says.
    pub correlation: String,
}

impl Call {
    /// Whether it asked to change something.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

/// All requests, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Calls {
    all: Mutex<Vec<Call>>,
    /// How many came, and how many have ended.
    count: watch::Sender<(usize, usize)>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self { all: Mutex::default(), count: watch::Sender::new((0, 0)) }
    }

    /// Notes a call that comes in, and returns its place.
    pub(crate) fn begin(&self, call: Call) -> usize {
        let mut all = self.lock();
        all.push(call);
        self.count.send_modify(|(came, _)| *came += 1);
        all.len() - 1
    }

    /// Notes how a call ended, unless it was forgotten meanwhile.
    pub(crate) fn end(&self, place: usize, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.lock().get_mut(place) {
            change(call);
        }
        self.count.send_modify(|(_, ended)| *ended += 1);
    }

    pub(crate) fn all(&self) -> Vec<Call> {
        self.lock().clone()
    }

    pub(crate) fn forget(&self) {
        self.lock().clear();
        self.count.send_replace((0, 0));
    }

    /// Waits until so many calls have come and done what they will do.
    pub(crate) async fn reached(&self, count: usize) {
        // The sender lives in `self`, so the channel cannot be closed.
        let _ = self.count.subscribe().wait_for(|(_, ended)| *ended >= count).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
