//! The broker: where events come from beside the embedded queue, if one is configured, and where `events send --queue` puts one.
//!
//! What people decide stays local: a broker says that somebody may publish, not who it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use windlass_amqp::{Address, AddressError, AmqpError, AmqpQueue, QueueName, QueueNameError, Settings};
use windlass_core::queue::{Delivery, Queue as _};

use crate::engine::Engine;
use crate::intake;
use crate::metrics;
use crate::stop::{Cause, chain};
use crate::variables::Variables;

/// The variable that holds the password, where no file does.
pub const PASSWORD_VARIABLE: &str = "WINDLASS_QUEUE_PASSWORD";

/// The name of the password among systemd's credentials.
const CREDENTIAL: &str = "queue-password";

/// Deliveries taken over in one transaction: as many as the broker sends ahead.
const BATCH: usize = 64;

/// How long one call waits for a delivery. Each ends sooner when something comes; nothing is decided by it.
const WAIT: Duration = Duration::from_secs(30);

/// How long an empty queue is believed to stay empty, by a runner that stops when nothing is left.
const QUIET: Duration = Duration::from_secs(2);

/// How old the broker's numbers may be.
const MEASURE: Duration = Duration::from_secs(10);

/// The waits between tries of a store that fails, from the first to the longest.
const STORE_WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

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

    /// The password: of the variable, of the configured file, or of systemd's credential `queue-password`.
    fn password(&self, variables: &Variables) -> Result<Option<SecretString>, Cause> {
        if let Some(password) = variables.text(PASSWORD_VARIABLE) {
            return Ok(Some(password.into()));
        }
        let credential =
            || variables.text("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(CREDENTIAL));
        let Some(file) = self.password_file.clone().or_else(|| credential().filter(|file| file.is_file()))
        else {
            return Ok(None);
        };
        let password = std::fs::read_to_string(&file).map_err(|error| {
            Cause::new("file_unreadable", format!("`{}` cannot be read: {error}", file.display()))
                .with_hint("it holds the broker's password: `queue.password_file` in windlass.toml")
        })?;
        Ok(Some(password.trim_end_matches(['\r', '\n']).into()))
    }

    /// A queue at an address, with the configured name and password.
    pub fn open(&self, url: &str, client: &str, variables: &Variables) -> Result<AmqpQueue, Cause> {
        let wrong =
            |what: &str, error: &QueueConfigError| Cause::new("config_invalid", format!("{what} {error}"));
        let address = address(url).map_err(|error| wrong("the broker's address", &error))?;
        let name = self.queue_name().map_err(|error| wrong("`queue.name`", &error))?;
        // RabbitMQ's own first user needs none; everybody else's is asked for.
        let address = match self.password(variables)? {
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
    task: JoinHandle<()>,
}

impl Intake {
    /// Begins, if a broker is configured. One that is away is waited for; one that will never let windlass in ends the start.
    pub async fn start(engine: &Arc<Engine>, stop: watch::Receiver<bool>) -> Result<Option<Self>, Cause> {
        let Some(queue) = Self::connect(engine).await? else { return Ok(None) };
        tokio::spawn(measure(Arc::clone(&queue), stop.clone()));
        let task = tokio::spawn(receive(Arc::clone(engine), Arc::clone(&queue), stop));
        Ok(Some(Self { queue, task }))
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
async fn measure(queue: Arc<AmqpQueue>, mut stop: watch::Receiver<bool>) {
    loop {
        if let Ok(depth) = queue.depth().await {
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
    let [mut wait, longest] = STORE_WAITS;
    while let Err(error) = intake::take_over_from(engine, queue, deliveries.clone()).await {
        if wait == STORE_WAITS[0] {
            tracing::error!(error = %chain(&error), "the store fails: nothing is taken from the broker until it works again");
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
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

    #[test]
    fn the_password_is_taken_from_the_variable_the_file_or_the_credentials() {
        use secrecy::ExposeSecret as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CREDENTIAL), "of systemd\n").unwrap();
        std::fs::write(folder.path().join("file"), "of the file\r\n").unwrap();
        let directory = folder.path().to_str().unwrap();
        let (variable, credentials) =
            ((PASSWORD_VARIABLE, "of the variable"), ("CREDENTIALS_DIRECTORY", directory));
        let found = |config: &QueueConfig, variables: &[(&str, &str)]| {
            let password = config.password(&Variables::fixed(variables.iter().copied())).unwrap();
            password.map(|password| password.expose_secret().to_owned())
        };
        let plain = config("amqp://ada@host");
        let with_file = QueueConfig { password_file: Some(folder.path().join("file")), ..plain.clone() };
        assert_eq!(found(&with_file, &[variable, credentials]).as_deref(), Some("of the variable"));
        assert_eq!(found(&with_file, &[credentials]).as_deref(), Some("of the file"));
        assert_eq!(found(&plain, &[credentials]).as_deref(), Some("of systemd"));
        assert_eq!(found(&plain, &[]), None);
        let missing = QueueConfig { password_file: Some(folder.path().join("none")), ..plain };
        assert!(missing.password(&Variables::fixed([])).unwrap_err().text.contains("none"));
    }
}
