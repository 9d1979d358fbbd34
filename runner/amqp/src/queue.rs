//! The queue: a session as long as it lasts, and the next one after it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};
use windlass_core::queue::{Delivery, Depth, Queue, QueueError, Settled, Token, Verdict};

use crate::outage::Outage;
use crate::session::Session;
use crate::{Address, AmqpError, QueueName};

/// How long a look at the depth waits for a broker that is away.
const LOOK: Duration = Duration::from_secs(5);

/// Which queue of which broker, and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The broker.
    pub address: Address,
    /// The queue.
    pub queue: QueueName,
    /// What the broker calls the connection, for whoever looks at it.
    pub client: String,
    /// How long a message may take until it is confirmed, a broker that restarts meanwhile included.
    pub patience: Duration,
}

impl Settings {
    /// The usual patience of half a minute: a broker restarts in less.
    pub fn new(address: Address, queue: QueueName, client: impl Into<String>) -> Self {
        Self { address, queue, client: client.into(), patience: Duration::from_secs(30) }
    }
}

/// A queue of a RabbitMQ broker.
///
/// A connection that is lost is made again by the next call that needs one, with waits in between that grow to ten seconds; an outage is logged once
/// when it begins and once when it ends. Who receives should have a queue value of their own: a broker in need of memory or disk stops reading from
/// connections that publish, and then hears no verdicts on them either.
#[derive(Debug)]
pub struct AmqpQueue {
    settings: Settings,
    link: Mutex<Link>,
}

#[derive(Debug, Default)]
struct Link {
    session: Option<Arc<Session>>,
    outage: Option<Outage>,
}

/// What a try for a session came to.
enum Tried {
    Session(Arc<Session>),
    NotBefore(Instant, Arc<AmqpError>),
}

impl AmqpQueue {
    /// A queue that is not connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, link: Mutex::default() }
    }

    /// Connects and declares, tried once: for those who want to know at their start whether it can work.
    pub async fn connect(&self) -> Result<(), Arc<AmqpError>> {
        match self.link.lock().await.try_session(&self.settings).await {
            Tried::Session(_) => Ok(()),
            Tried::NotBefore(_, error) => Err(error),
        }
    }

    /// Ends the session; what is in hand returns to the queue. The next call would begin another.
    pub async fn close(&self) {
        if let Some(session) = self.link.lock().await.session.take() {
            session.close().await;
        }
    }

    /// A session, made if there is none. At least one try is made, or waited for, if its time comes before the deadline.
    async fn session(&self, deadline: Instant) -> Result<Arc<Session>, Arc<AmqpError>> {
        loop {
            let (next, error) = match self.link.lock().await.try_session(&self.settings).await {
                Tried::Session(session) => return Ok(session),
                Tried::NotBefore(next, error) => (next, error),
            };
            sleep_until(next.min(deadline)).await;
            if next > deadline {
                return Err(error);
            }
        }
    }

    /// The session if there is one, without trying for another.
    async fn present(&self) -> Option<Arc<Session>> {
        self.link.lock().await.session.clone()
    }

    async fn publish_by(&self, message: &[u8], deadline: Instant) -> Result<(), Arc<AmqpError>> {
        loop {
            let session = self.session(deadline).await?;
            match timeout_at(deadline, session.publish(message)).await {
                Ok(Ok(())) => return Ok(()),
                // Whether the broker has it is not known. If so it has it twice now, and whoever takes it over will see.
                Ok(Err(error)) if error.is_of_the_session() && Instant::now() < deadline => {
                    self.link.lock().await.give_up(&session, Arc::new(error));
                }
                Ok(Err(error)) => return Err(Arc::new(error)),
                Err(_) => {
                    let blocked = session.is_blocked();
                    let error = Arc::new(AmqpError::Unconfirmed {
                        seconds: self.settings.patience.as_secs(),
                        blocked,
                    });
                    self.link.lock().await.give_up(&session, Arc::clone(&error));
                    return Err(error);
                }
            }
        }
    }

    async fn receive_by(&self, max: usize, deadline: Instant) -> Result<Vec<Delivery>, Arc<AmqpError>> {
        loop {
            let session = self.session(deadline).await?;
            match session.receive(max, deadline).await {
                Ok(deliveries) => return Ok(deliveries),
                Err(error) => self.link.lock().await.give_up(&session, Arc::new(error)),
            }
        }
    }
}

impl Link {
    /// The session that there is, or a new one if it is time to try.
    async fn try_session(&mut self, settings: &Settings) -> Tried {
        if let Some(session) = self.session.take_if(|session| !session.is_alive()) {
            let ended = std::io::Error::other("the broker ended it");
            self.failed(Arc::new(AmqpError::Lost { source: Box::new(ended) }));
            drop(session);
        }
        if let Some(session) = &self.session {
            return Tried::Session(Arc::clone(session));
        }
        if let Some(outage) = self.outage.as_ref().filter(|outage| outage.next > Instant::now()) {
            return Tried::NotBefore(outage.next, Arc::clone(&outage.error));
        }
        match Session::open(settings).await {
            Ok(session) => {
                let session = Arc::new(session);
                self.session = Some(Arc::clone(&session));
                self.recovered(settings);
                Tried::Session(session)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.failed(Arc::clone(&error));
                let next = self.outage.as_ref().map_or_else(Instant::now, |outage| outage.next);
                Tried::NotBefore(next, error)
            }
        }
    }

    /// A call found the session unusable; another may have replaced it already.
    fn give_up(&mut self, session: &Arc<Session>, error: Arc<AmqpError>) {
        if self.session.take_if(|current| Arc::ptr_eq(current, session)).is_some() {
            self.failed(error);
        }
    }

    fn failed(&mut self, error: Arc<AmqpError>) {
        let now = Instant::now();
        match &mut self.outage {
            Some(outage) => outage.again(error, now),
            none => {
                tracing::warn!(error = %chain(&error), "there is no connection to the broker: trying again, quietly, until there is");
                *none = Some(Outage::begin(error, now));
            }
        }
    }

    fn recovered(&mut self, settings: &Settings) {
        if let Some(outage) = self.outage.take() {
            let (lasted, tries) = outage.lasted(Instant::now());
            tracing::info!(address = %settings.address, seconds = lasted.as_secs(), tries, "connected to the broker again");
        }
    }
}

#[async_trait]
impl Queue for AmqpQueue {
    async fn publish(&self, message: &[u8]) -> Result<(), QueueError> {
        let published = self.publish_by(message, Instant::now() + self.settings.patience).await;
        published.map_err(queue_error("publish a message"))
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.receive_by(max, Instant::now() + wait).await.map_err(queue_error("receive"))
    }

    async fn settle(&self, tokens: &[Token], verdict: &Verdict) -> Result<Vec<Settled>, QueueError> {
        match self.present().await {
            Some(session) => Ok(session.settle(tokens, verdict).await),
            None => Ok(vec![Settled::Stale; tokens.len()]),
        }
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let counted = async {
            let session = self.session(Instant::now() + LOOK).await?;
            session.depth().await.map_err(Arc::new)
        };
        counted.await.map_err(queue_error("count its messages"))
    }
}

fn queue_error(what: &'static str) -> impl FnOnce(Arc<AmqpError>) -> QueueError {
    move |error| QueueError { what, source: Box::new(error) }
}

/// An error and its causes in one line.
fn chain(error: &AmqpError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
