//! Group commit: callers that take events over at the same time share one transaction, and so one wait for the disk.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::inbox::{Incoming, Taken, insert};
use crate::kill::Operation;
use crate::store::Store;

/// Rows in one transaction. Beyond this the slowest caller waits longer and throughput falls again (measured, 2 KiB rows).
const GROUP: usize = 64;

type Answer = Result<Vec<Taken>, StoreError>;

/// The callers that wait for the next commit.
#[derive(Default)]
pub(crate) struct Intake {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// Whether a task is writing; it takes what has come meanwhile before it ends.
    draining: bool,
}

struct Request {
    events: Vec<Incoming>,
    now: Timestamp,
    answer: oneshot::Sender<Answer>,
}

/// Takes events over in the next group. The write is not tied to the caller: a caller that goes away loses only the answer.
pub(crate) async fn submit(store: &Store, events: Vec<Incoming>, now: Timestamp) -> Answer {
    let (answer, answered) = oneshot::channel();
    let starts = store.intake().push(Request { events, now, answer });
    if starts {
        tokio::spawn(drain(store.clone()));
    }
    answered.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
}

impl Intake {
    /// Adds a request; answers whether the caller must start the task that writes.
    fn push(&self, request: Request) -> bool {
        let mut waiting = self.lock();
        waiting.requests.push_back(request);
        !std::mem::replace(&mut waiting.draining, true)
    }

    /// The next requests that fit into a group, at least one; none when nobody waits, which ends the task.
    fn next_group(&self) -> Vec<Request> {
        let mut waiting = self.lock();
        let (mut group, mut rows) = (Vec::new(), 0);
        while let Some(request) = waiting.requests.front() {
            rows += request.events.len();
            if rows > GROUP && !group.is_empty() {
                break;
            }
            group.extend(waiting.requests.pop_front());
        }
        waiting.draining = !group.is_empty();
        group
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Nothing panics while holding the lock, and the list would still be whole if it did.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn drain(store: Store) {
    loop {
        let group = store.intake().next_group();
        if group.is_empty() {
            return;
        }
        match write(&store, &group).await {
            Ok(answers) => {
                for (request, taken) in group.into_iter().zip(answers) {
                    // A caller that went away has its events in the inbox all the same.
                    drop(request.answer.send(Ok(taken)));
                }
            }
            Err(error) => answer_one_by_one(&store, group, error).await,
        }
    }
}

/// One request that cannot be written must not fail the others of its group, and each caller gets its own error.
async fn answer_one_by_one(store: &Store, mut group: Vec<Request>, error: StoreError) {
    if group.len() == 1 {
        let alone = group.pop().map(|request| request.answer.send(Err(error)));
        return drop(alone);
    }
    for request in group {
        let alone = std::slice::from_ref(&request);
        let answer = write(store, alone).await.map(|mut answers| answers.pop().unwrap_or_default());
        drop(request.answer.send(answer));
    }
}

async fn write(store: &Store, group: &[Request]) -> Result<Vec<Vec<Taken>>, StoreError> {
    let mut writing = store.write().await?;
    let mut answers = Vec::with_capacity(group.len());
    for request in group {
        let mut taken = Vec::with_capacity(request.events.len());
        for event in &request.events {
            taken.push(insert(&mut writing, event, request.now).await?);
        }
        answers.push(taken);
    }
    store.commit(writing, &[Operation::TakeOver]).await?;
    Ok(answers)
}
