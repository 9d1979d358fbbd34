//! The contract of a queue: how deployment events reach windlass and are settled.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// A source of deliveries that outlives processes.
///
/// # Contract
///
/// * `publish` answers when the message is durable: it survives the death of this process and of the broker.
/// * Deliveries may be repeated and reordered at any time; whoever takes them over recognises an event by its identity.
/// * `settle` with [`Verdict::Taken`] comes after the event was taken over durably, and never waits for the run.
/// * Settling twice, or with a token of an earlier session, answers [`Settled::Stale`]: the message is delivered again and recognised.
/// * A session may be given no more while it has 64 deliveries in hand: more come as it settles.
/// * A delivery that is not settled returns after the session that took it is gone.
///
/// `windlass_tests::conformance::queue` holds every backend to this.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Puts a message at the end of the queue.
    async fn publish(&self, message: &[u8]) -> Result<(), QueueError>;

    /// Takes up to `max` deliveries, waiting up to `wait` for the first.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Tells the queue what became of deliveries, which is one verdict for all that were taken over together. Answers in the order of `tokens`.
    async fn settle(&self, tokens: &[Token], verdict: &Verdict) -> Result<Vec<Settled>, QueueError>;

    /// What waits, for health and metrics.
    async fn depth(&self) -> Result<Depth, QueueError>;
}

/// A message in hand, to be settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Settles it.
    pub token: Token,
    /// The message as published.
    pub message: Vec<u8>,
    /// How often it was handed out, this time included; advisory, because brokers count differently.
    pub attempt: u32,
    /// W3C trace context that came beside the message, where the backend carries one.
    pub traceparent: Option<String>,
}

/// Names one delivery of one session. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// The session that took the delivery; a new connection is a new session.
    pub session: u64,
    /// The backend's own number.
    pub tag: u64,
}

/// What the queue is told about a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is ours now: forget it.
    Taken,
    /// Not the message's fault: deliver it again, after the delay if the backend can.
    Release(Duration),
    /// It can never be taken over; keep it among the dead, with the reason.
    Reject(String),
}

/// Whether a verdict reached its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It did.
    Done,
    /// The token is of an earlier session or was settled before.
    Stale,
}

/// What waits in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait to be received.
    pub waiting: u64,
    /// Messages in hand, not settled.
    pub unsettled: u64,
    /// Messages that were rejected.
    pub dead: u64,
}

/// The queue could not do it; the message is where it was.
#[derive(Debug, thiserror::Error)]
#[error("the queue could not {what}")]
pub struct QueueError {
    /// What was tried: `publish a message`, `receive`, …
    pub what: &'static str,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
