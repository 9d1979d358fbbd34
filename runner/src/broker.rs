//! The broker: where events come from beside the embedded queue, if one is configured, and where `events send --queue` puts one.
//!
//! What people decide stays local: a broker says that somebody may publish, not who it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use windlass_amqp::{Address, AddressError, AmqpError, AmqpQueue, QueueName, QueueNameError, Settings};
use windlass_core::queue::{Delivery, Queue as _};

use crate::credential::Credential;
use crate::engine::Engine;
use crate::intake;
use crate::metrics;
use crate::pause::Pause;
use crate::stop::{Cause, chain};
use crate::variables::Variables;

/// The variable that holds the password, where no file does.
pub const PASSWORD_VARIABLE: &str = "WINDLASS_QUEUE_PASSWORD";

/// The broker's password.
const PASSWORD: Credential =
    Credential { variable: PASSWORD_VARIABLE, name: "queue-password", key: "queue.password_file" };

/// Deliveries taken over in one transaction: as many as the broker sends ahead.
const BATCH: usize = 64;

/// How long one call waits for a delivery. Each ends sooner when something comes; nothing is decided by it.
const WAIT: Duration = Duration::from_secs(30);

/// How long an empty queue is believed to stay empty, by a runner that stops when nothing is left.
const QUIET: Duration = Duration::from_secs(2);

/// How old the broker's numbers may be.
const MEASURE: Duration = Duration::from_secs(10);

/// The broker to receive from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// Its address, without a password; none where no broker is used.
    pub url: Option<String>,
    /// The queue's name.
    pub name: String,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
}

/// Why the section cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueConfigError {
    #[error("is not the address of a broker: {0}")]
    Address(AddressError),
    #[error("holds a password, which belongs into `queue.password_file` or {PASSWORD_VARIABLE}")]
    Password,
    #[error("is no name: {0}")]
    Name(QueueNameError),
}

impl QueueConfig {
    /// The key that is wrong, if one is.
    pub(crate) fn check(&self) -> Result<(), (&'static str, QueueConfigError)> {
        self.queue_name().map_err(|error| ("queue.name", error))?;
        self.url.as_deref().map_or(Ok(()), |url| address(url).map(drop)).map_err(|error| ("queue.url", error))
    }

    fn queue_name(&self) -> Result<QueueName, QueueConfigError> {
        self.name.parse().map_err(QueueConfigError::Name)
    }

    /// A queue at an address, with the configured name and password.
    pub fn open(&self, url: &str, client: &str, variables: &Variables) -> Result<AmqpQueue, Cause> {
        let wrong =
            |what: &str, error: &QueueConfigError| Cause::new("config_invalid", format!("{what} {error}"));
        let address = address(url).map_err(|error| wrong("the broker's address", &error))?;
        let name = self.queue_name().map_err(|error| wrong("`queue.name`", &error))?;
        // RabbitMQ's own first user needs none; everybody else's is asked for.
        let address = match PASSWORD.read(self.password_file.as_deref(), variables)? {
            Some(password) => address.with_password(password),
            None => address,
        };
        Ok(AmqpQueue::new(Settings::new(address, name, client)))
    }
}

/// An address as it may be written into a file or a command line, where everybody can read it.
fn address(url: &str) -> Result<Address, QueueConfigError> {
    let address = Address::parse(url).map_err(QueueConfigError::Address)?;
    let is_written =
        url.split_once("://").is_some_and(|(_, rest)| rest.contains('@')) && address.has_password();
    if is_written { Err(QueueConfigError::Password) } else { Ok(address) }
}

/// Why a broker cannot be used.
pub fn amqp_cause(error: &AmqpError) -> Cause {
    let mut cause = if error.is_permanent() {
        Cause::new("queue_refused", chain(error))
    } else {
        Cause::new("queue_unreachable", chain(error))
    };
    cause.hints.extend(error.hint());
    cause
}

/// Intake from a broker, until it is told to stop.
#[derive(Debug)]
pub struct Intake {
    queue: Arc<AmqpQueue>,
    reached: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Intake {
    /// Begins, if a broker is configured. One that is away is waited for; one that will never let windlass in ends the start.
    pub async fn start(engine: &Arc<Engine>, stop: watch::Receiver<bool>) -> Result<Option<Self>, Cause> {
        let Some(queue) = Self::connect(engine).await? else { return Ok(None) };
        let (reaching, reached) = watch::channel(false);
        tokio::spawn(measure(Arc::clone(&queue), reaching, stop.clone()));
        let task = tokio::spawn(receive(Arc::clone(engine), Arc::clone(&queue), stop));
        Ok(Some(Self { queue, reached, task }))
    }

    /// Takes over what waits now, if a broker is configured.
    pub async fn drain(engine: &Arc<Engine>) -> Result<(), Cause> {
        let Some(queue) = Self::connect(engine).await? else { return Ok(()) };
        loop {
            let deliveries = queue.receive(BATCH, QUIET).await?;
            if deliveries.is_empty() {
                queue.close().await;
                return Ok(());
            }
            intake::take_over_from(engine, &*queue, deliveries).await?;
        }
    }

    async fn connect(engine: &Engine) -> Result<Option<Arc<AmqpQueue>>, Cause> {
        let config = &engine.config.queue;
        let Some(url) = &config.url else { return Ok(None) };
        let client = format!("windlass serve, process {}", std::process::id());
        let queue = config.open(url, &client, &Variables::Process)?;
        match queue.connect().await {
            Err(error) if error.is_permanent() => Err(amqp_cause(&error)),
            // Said in the log; the receiver goes on trying.
            _ => Ok(Some(Arc::new(queue))),
        }
    }

    /// Whether the broker was there when it was last looked for, at most ten seconds ago.
    pub fn reached(&self) -> watch::Receiver<bool> {
        self.reached.clone()
    }

    /// Waits until it has stopped and says good-bye to the broker.
    pub async fn finish(self) {
        // It ends by itself; if it panicked, what it had in hand comes again.
        let _ = self.task.await;
        self.queue.close().await;
    }
}

async fn receive(engine: Arc<Engine>, queue: Arc<AmqpQueue>, mut stop: watch::Receiver<bool>) {
    loop {
        let received = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            received = queue.receive(BATCH, WAIT) => received,
        };
        match received {
            Ok(deliveries) if deliveries.is_empty() => {}
            Ok(deliveries) => tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = take_over(&engine, &queue, deliveries) => {}
            },
            // The queue has waited for the broker already, and said so.
            Err(error) => tracing::debug!(error = %chain(&error), "nothing was received"),
        }
    }
}

/// Looks at what waits, for the metrics. A broker that does not answer has no depth that could be shown.
async fn measure(queue: Arc<AmqpQueue>, reaching: watch::Sender<bool>, mut stop: watch::Receiver<bool>) {
    loop {
        let is_there = queue.connect().await.is_ok();
        reaching.send_replace(is_there);
        if is_there && let Ok(depth) = queue.depth().await {
            metrics::measure_queue("rabbitmq", depth);
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(MEASURE) => {}
        }
    }
}

/// Takes deliveries over as soon as the store can. Meanwhile they stay in hand and no more are asked for: giving them back would count against them.
async fn take_over(engine: &Engine, queue: &AmqpQueue, deliveries: Vec<Delivery>) {
    let mut pause = Pause::default();
    while let Err(error) = intake::take_over_from(engine, queue, deliveries.clone()).await {
        pause.after(engine, &error).await;
    }
    pause.is_over(engine);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> QueueConfig {
        QueueConfig { url: Some(url.to_owned()), name: "windlass.events".to_owned(), password_file: None }
    }

    #[test]
    fn a_password_does_not_belong_into_the_configuration() {
        let refused = |url: &str| config(url).check().unwrap_err().1.to_string();
        let told = refused("amqps://ada:canary@broker.example.org");
        assert!(told.contains("queue.password_file") && !told.contains("canary"), "{told}");
        assert!(refused("https://broker").contains("`https:`"));
        assert!(config("amqps://ada@broker.example.org/shop").check().is_ok());
        assert!(config("amqp://localhost").check().is_ok());
        let named = QueueConfig { name: "no name".to_owned(), ..config("amqp://localhost") };
        assert_eq!(named.check().unwrap_err().0, "queue.name");
    }
}
