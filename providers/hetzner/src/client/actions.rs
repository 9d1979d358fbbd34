//! Waiting for what calls have set going.
//!
//! As hcloud-go does: all of them in batches of 25, and one that the API no longer knows is an error. Unlike it there is one that asks for all who
//! wait, and its pace slackens: most actions end within seconds, and what takes a minute need not be asked for every half second.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Notify, oneshot};

use crate::client::Client;
use crate::client::error::{ClientError, ErrorCode};
use crate::client::model::{Action, ActionStatus};

/// How many are asked for in one call.
const BATCH: usize = 25;

/// Asks for actions on behalf of all who wait for some.
#[derive(Debug)]
pub struct Poller {
    client: Client,
    open: Mutex<Vec<Open>>,
    news: Notify,
}

#[derive(Debug)]
struct Open {
    id: u64,
    since: Duration,
    until: Duration,
    tell: oneshot::Sender<Result<(), ClientError>>,
}

#[derive(Deserialize)]
struct Page {
    actions: Vec<Action>,
}

impl Poller {
    /// One that asks through this client, while [`run`](Self::run) is polled.
    pub fn new(client: Client) -> Self {
        Self { client, open: Mutex::default(), news: Notify::new() }
    }

    /// Waits until all have ended, and answers with the first failure. One that has not ended by `patience` is lost.
    pub async fn wait(&self, actions: &[Action], patience: Duration) -> Result<(), ClientError> {
        let mut result = Ok(());
        let mut ends = Vec::new();
        for action in actions {
            match ended(action) {
                Some(end) => result = result.and(end),
                None => ends.push((action.id, self.register(action.id, patience))),
            }
        }
        for (id, end) in ends {
            let end = end.await.unwrap_or(Err(ClientError::ActionLost { id }));
            result = result.and(end);
        }
        result
    }

    fn register(&self, id: u64, patience: Duration) -> oneshot::Receiver<Result<(), ClientError>> {
        let (tell, end) = oneshot::channel();
        let since = self.client.clock().now();
        self.open().push(Open { id, since, until: since + patience, tell });
        self.news.notify_one();
        end
    }

    /// Asks as long as somebody waits. It ends only when the API cannot be asked.
    pub async fn run(&self) -> ClientError {
        loop {
            let Some(waited) = self.youngest() else {
                self.news.notified().await;
                continue;
            };
            self.client.clock().sleep(pace(waited)).await;
            if let Err(error) = self.look().await {
                return error;
            }
        }
    }

    /// How long the one that came last has been waited for.
    fn youngest(&self) -> Option<Duration> {
        let now = self.client.clock().now();
        let mut open = self.open();
        open.retain(|open| !open.tell.is_closed());
        open.iter().map(|open| now.saturating_sub(open.since)).min()
    }

    /// Asks once for all that are open.
    async fn look(&self) -> Result<(), ClientError> {
        let mut ids: Vec<u64> = self.open().iter().map(|open| open.id).collect();
        ids.sort_unstable();
        ids.dedup();
        for batch in ids.chunks(BATCH) {
            let query: Vec<String> = batch.iter().map(|id| format!("id={id}")).collect();
            let page: Page = self.client.get(&format!("/actions?{}&per_page=50", query.join("&"))).await?;
            let mut known: BTreeMap<u64, Action> =
                page.actions.into_iter().map(|action| (action.id, action)).collect();
            for &id in batch {
                self.settle(id, known.remove(&id).as_ref());
            }
        }
        Ok(())
    }

    /// Tells those who wait for an action how it ended, if it did.
    fn settle(&self, id: u64, action: Option<&Action>) {
        let now = self.client.clock().now();
        let mut open = self.open();
        for waiting in open.extract_if(.., |open| {
            open.id == id && (action.is_none_or(|action| ended(action).is_some()) || now > open.until)
        }) {
            let end = action.and_then(ended).unwrap_or(Err(ClientError::ActionLost { id }));
            // Who waited may be gone.
            let _ = waiting.tell.send(end);
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an action ended; nothing while it goes on.
fn ended(action: &Action) -> Option<Result<(), ClientError>> {
    match action.status {
        ActionStatus::Running => None,
        ActionStatus::Success => Some(Ok(())),
        ActionStatus::Error => {
            let error = action.error.clone().unwrap_or_default();
            let (command, code) = (action.command.clone(), ErrorCode::from(error.code));
            Some(Err(ClientError::ActionFailed { command, code, message: error.message }))
        }
    }
}

/// How long to wait for the next look, after the youngest has been waited for so long.
fn pace(waited: Duration) -> Duration {
    match waited.as_secs() {
        0 => Duration::from_millis(500),
        1..10 => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    }
}
