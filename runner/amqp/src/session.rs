//! One connection to a broker, from its opening to its first error. Nothing is repaired: a session that has lost anything is over.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use lapin::auth::AuthProvider;
use lapin::message::Delivery as Arrival;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    BasicRejectOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::tcp::{AMQPUriTcpExt as _, TLSConfig};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Notify, OnceCell};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use windlass_core::queue::{Delivery, Depth, Settled, Token, Verdict};

use crate::error::{is_forbidden, lost, not_connected, not_declared};
use crate::hand::Hand;
use crate::queue::Settings;
use crate::topology::{Declared, queues};
use crate::{Address, AmqpError, trace};

/// How long a broker may take to open a connection. One that is away is tried again; one that hangs must not hang windlass.
const CONNECT: Duration = Duration::from_secs(10);

/// Both sides show a sign of life this often, in seconds; one that is silent for twice as long is given up.
const HEARTBEAT: u16 = 10;

/// Deliveries that a broker sends ahead: as many as are taken over in one transaction.
const PREFETCH: u16 = 64;

/// What the broker calls the consumer of a session.
const CONSUMER: &str = "windlass";

/// Persistent, in the protocol's number.
const PERSISTENT: u8 = 2;

/// Sessions of this process; tokens never leave it.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// A connection and what is open on it.
pub(crate) struct Session {
    number: u64,
    queue: [Declared; 2],
    connection: Connection,
    /// With publisher confirms. Used by one message at a time: a returned message belongs to the next confirm, whichever that is. Gone while it is
    /// used, so that a call that is given up half-way leaves none with an open confirm.
    publishing: tokio::sync::Mutex<Option<Channel>>,
    asking: tokio::sync::Mutex<Option<Channel>>,
    consuming: OnceCell<Consuming>,
}

/// A channel with a consumer.
struct Consuming {
    channel: Channel,
    arrived: Arc<Arrived>,
    hand: Arc<Mutex<Hand>>,
    /// Held while a verdict is told, because frames must leave in the order in which they were thought of.
    telling: Arc<tokio::sync::Mutex<()>>,
    pump: AbortHandle,
}

/// What came and was not handed out yet.
#[derive(Debug, Default)]
struct Arrived {
    waiting: Mutex<VecDeque<Arrival>>,
    news: Notify,
    ended: Mutex<Option<lapin::Error>>,
}

impl Drop for Consuming {
    fn drop(&mut self) {
        // It holds the consumer, and with that the connection.
        self.pump.abort();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and declares.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, AmqpError> {
        let address = &settings.address;
        let opening = async {
            let connection = connect(settings).await?;
            let queue = queues(&settings.queue);
            declare(&connection, &queue).await?;
            Ok(Self {
                number: SESSIONS.fetch_add(1, Ordering::Relaxed),
                queue,
                connection,
                publishing: tokio::sync::Mutex::default(),
                asking: tokio::sync::Mutex::default(),
                consuming: OnceCell::new(),
            })
        };
        timeout(CONNECT, opening).await.unwrap_or_else(|_| {
            Err(AmqpError::Silent { address: address.to_string(), seconds: CONNECT.as_secs() })
        })
    }

    /// Whether it can go on. A channel that the broker closed ends the session as a lost connection does.
    pub(crate) fn is_alive(&self) -> bool {
        let consumes = |consuming: &Consuming| {
            consuming.channel.status().connected() && consuming.arrived.error().is_none()
        };
        self.connection.status().connected() && self.consuming.get().is_none_or(consumes)
    }

    /// Whether the broker said that it takes no messages now.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Says good-bye, so that the broker need not find out.
    pub(crate) async fn close(&self) {
        // What cannot be said to a broker that is gone need not be.
        let _ = timeout(CONNECT, self.connection.close(200, "done".into())).await;
    }

    /// Puts a message into the queue; it is on the broker's disk when this answers.
    pub(crate) async fn publish(&self, message: &[u8]) -> Result<(), AmqpError> {
        let mut kept = self.publishing.lock().await;
        let channel = match kept.take() {
            Some(channel) => channel,
            None => self.confirming_channel().await.map_err(|error| lost(&error))?,
        };
        let confirmed = self.publish_on(&channel, message).await.map_err(|error| lost(&error))?;
        *kept = Some(channel);
        let queue = || self.queue[1].name.clone();
        match confirmed {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(AmqpError::Returned { queue: queue() }),
            _ => Err(AmqpError::Refused { queue: queue() }),
        }
    }

    async fn confirming_channel(&self) -> lapin::Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    async fn publish_on(&self, channel: &Channel, message: &[u8]) -> lapin::Result<Confirmation> {
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(trace::headers_of(message));
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        channel.basic_publish("".into(), self.name(), options, message, properties).await?.await
    }

    fn name(&self) -> ShortString {
        self.queue[1].name.as_str().into()
    }

    /// Takes up to `max` deliveries, waiting for the first until `deadline`. Nothing is lost when it is given up.
    pub(crate) async fn receive(&self, max: usize, deadline: Instant) -> Result<Vec<Delivery>, AmqpError> {
        let consuming =
            self.consuming.get_or_try_init(|| self.consume()).await.map_err(|error| lost(&error))?;
        loop {
            let news = consuming.arrived.news.notified();
            let deliveries = self.hand_out(consuming, max);
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            if let Some(error) = consuming.arrived.error() {
                return Err(lost(&error));
            }
            if timeout_at(deadline, news).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    async fn consume(&self) -> lapin::Result<Consuming> {
        let channel = self.connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(self.name(), CONSUMER.into(), options, FieldTable::default()).await?;
        let arrived = Arc::new(Arrived::default());
        let pump = tokio::spawn(pump(consumer, Arc::clone(&arrived))).abort_handle();
        Ok(Consuming { channel, arrived, hand: Arc::default(), telling: Arc::default(), pump })
    }

    /// From what arrived to what is in hand, at once: between the two, a delivery would be nobody's.
    fn hand_out(&self, consuming: &Consuming, max: usize) -> Vec<Delivery> {
        let (mut waiting, mut hand) = (lock(&consuming.arrived.waiting), lock(&consuming.hand));
        let count = max.min(waiting.len());
        let deliveries = waiting.drain(..count).map(|arrival| {
            hand.insert(arrival.delivery_tag);
            let headers = arrival.properties.headers().as_ref();
            Delivery {
                token: Token { session: self.number, tag: arrival.delivery_tag },
                attempt: 1 + headers.map_or(0, returns),
                traceparent: trace::of_headers(headers),
                message: arrival.data,
            }
        });
        deliveries.collect()
    }

    /// Tells the broker what became of deliveries. A broker that cannot be told delivers them again: that is an answer, not an error.
    pub(crate) async fn settle(&self, tokens: &[Token], verdict: &Verdict) -> Vec<Settled> {
        let Some(consuming) = self.consuming.get() else { return vec![Settled::Stale; tokens.len()] };
        let _turn = consuming.telling.lock().await;
        let (tags, settled) = self.in_hand(consuming, tokens);
        if !self.is_alive() || consuming.tell(&tags, verdict).await.is_err() {
            return vec![Settled::Stale; tokens.len()];
        }
        settled
    }

    /// Which of these are in hand, each once, and what that means for each token.
    fn in_hand(&self, consuming: &Consuming, tokens: &[Token]) -> (Vec<u64>, Vec<Settled>) {
        let hand = lock(&consuming.hand);
        let mut tags = Vec::with_capacity(tokens.len());
        let settled = tokens.iter().map(|token| {
            if token.session != self.number || !hand.holds(token.tag) || tags.contains(&token.tag) {
                return Settled::Stale;
            }
            tags.push(token.tag);
            Settled::Done
        });
        let settled = settled.collect();
        (tags, settled)
    }

    /// What waits at the broker and here, as it says.
    pub(crate) async fn depth(&self) -> Result<Depth, AmqpError> {
        let mut kept = self.asking.lock().await;
        let channel = match kept.take() {
            Some(channel) => channel,
            None => self.connection.create_channel().await.map_err(|error| lost(&error))?,
        };
        let [dead, waiting] =
            [count(&channel, &self.queue[0]).await?, count(&channel, &self.queue[1]).await?];
        *kept = Some(channel);
        let here = self
            .consuming
            .get()
            .map(|consuming| (lock(&consuming.arrived.waiting).len(), lock(&consuming.hand).len()));
        let (sent_ahead, in_hand) = here.unwrap_or_default();
        Ok(Depth { waiting: waiting + sent_ahead as u64, unsettled: in_hand as u64, dead })
    }
}

impl Consuming {
    /// Sends the frames of a verdict. What was sent is no longer in hand; what could not be sent still is.
    async fn tell(&self, tags: &[u64], verdict: &Verdict) -> lapin::Result<()> {
        match verdict {
            Verdict::Taken => {
                let acks = lock(&self.hand).acks(tags.to_vec());
                for ack in acks {
                    self.channel.basic_ack(ack.tag, BasicAckOptions { multiple: ack.multiple }).await?;
                }
                for tag in tags {
                    lock(&self.hand).remove(*tag);
                }
            }
            Verdict::Release(delay) if delay.is_zero() => {
                for tag in tags {
                    requeue(&self.channel, &self.hand, *tag).await?;
                }
            }
            Verdict::Release(delay) => self.release_later(tags, *delay),
            Verdict::Reject(reason) => {
                for tag in tags {
                    tracing::warn!(%reason, "a message is rejected; the broker keeps it among the dead");
                    self.channel.basic_reject(*tag, BasicRejectOptions { requeue: false }).await?;
                    lock(&self.hand).remove(*tag);
                }
            }
        }
        Ok(())
    }

    /// Keeps what was released until its delay is over. A session that ends earlier returns it earlier.
    fn release_later(&self, tags: &[u64], delay: Duration) {
        for tag in tags {
            lock(&self.hand).leave(*tag);
        }
        let (channel, hand, telling) =
            (self.channel.clone(), Arc::clone(&self.hand), Arc::clone(&self.telling));
        let tags = tags.to_vec();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _turn = telling.lock().await;
            for tag in tags {
                if requeue(&channel, &hand, tag).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl Arrived {
    fn error(&self) -> Option<lapin::Error> {
        lock(&self.ended).clone()
    }
}

/// Moves what arrives to where it is handed out, until the consumer ends: with its channel, its connection or its queue.
async fn pump(mut consumer: Consumer, arrived: Arc<Arrived>) {
    let error = loop {
        match consumer.next().await {
            Some(Ok(arrival)) => {
                lock(&arrived.waiting).push_back(arrival);
                arrived.news.notify_waiters();
            }
            Some(Err(error)) => break error,
            None => break std::io::Error::other("the broker cancelled the consumer").into(),
        }
    };
    *lock(&arrived.ended) = Some(error);
    arrived.news.notify_waiters();
}

/// `basic.nack`: since 4.3 it is not counted against the message, as `basic.reject` is; before, both are.
async fn requeue(channel: &Channel, hand: &Mutex<Hand>, tag: u64) -> lapin::Result<()> {
    channel.basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }).await?;
    lock(hand).remove(tag);
    Ok(())
}

async fn connect(settings: &Settings) -> Result<Connection, AmqpError> {
    let address = &settings.address;
    let Some(password) = &address.password else {
        return Err(AmqpError::NoPassword { address: address.to_string() });
    };
    let login = Login { user: address.user.clone(), password: password.clone() };
    let properties = ConnectionProperties::default()
        .with_connection_name(settings.client.clone().into())
        .with_auth_provider(login);
    let runtime = lapin::runtime::default_runtime().map_err(|error| not_connected(address, &error))?;
    let connecting = Connection::connector(
        uri(address),
        runtime,
        // On a thread of lapin's own, which would wait for the operating system's patience where nobody answers.
        async |uri: AMQPUri, runtime| {
            let connecting = uri.connect_with_config_async(TLSConfig::default(), &runtime);
            let stream = timeout(CONNECT, connecting)
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
            Ok(stream?)
        },
        properties,
    );
    connecting.await.map_err(|error| not_connected(address, &error))
}

/// The address as lapin wants it; the password goes another way.
fn uri(address: &Address) -> AMQPUri {
    AMQPUri {
        scheme: if address.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: address.user.clone(), password: String::new() },
            host: address.host.clone(),
            port: address.port,
        },
        vhost: address.vhost.clone(),
        query: AMQPQueryString { heartbeat: Some(HEARTBEAT), ..AMQPQueryString::default() },
    }
}

/// Proves the user when asked, by the mechanism PLAIN.
struct Login {
    user: String,
    password: SecretString,
}

impl AuthProvider for Login {
    fn mechanism(&self) -> ShortString {
        "PLAIN".into()
    }

    fn auth_starter(&self) -> Result<LongString, String> {
        Ok(format!("\0{}\0{}", self.user, self.password.expose_secret()).into())
    }
}

/// Declares the queues, which does nothing where they are there already. A user who may not declare can still use what is there.
async fn declare(connection: &Connection, queues: &[Declared]) -> Result<(), AmqpError> {
    for queue in queues {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let Err(error) = declare_one(connection, queue, durable, queue.arguments()).await else { continue };
        if !is_forbidden(&error) {
            return Err(not_declared(&queue.name, &error));
        }
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let looked = declare_one(connection, queue, look, FieldTable::default()).await;
        looked.map_err(|_| not_declared(&queue.name, &error))?;
    }
    Ok(())
}

/// On a channel of its own: a broker that says no closes it.
async fn declare_one(
    connection: &Connection,
    queue: &Declared,
    options: QueueDeclareOptions,
    arguments: FieldTable,
) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    channel.queue_declare(queue.name.as_str().into(), options, arguments).await?;
    channel.close(200, "done".into()).await
}

async fn count(channel: &Channel, queue: &Declared) -> Result<u64, AmqpError> {
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.name.as_str().into(), look, FieldTable::default()).await;
    found.map(|found| u64::from(found.message_count())).map_err(|error| lost(&error))
}

/// How often a quorum queue has taken a message back.
fn returns(headers: &FieldTable) -> u32 {
    let count = match headers.inner().get("x-delivery-count") {
        Some(AMQPValue::LongLongInt(count)) => *count,
        Some(AMQPValue::LongInt(count)) => i64::from(*count),
        Some(AMQPValue::LongUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortUInt(count)) => i64::from(*count),
        _ => 0,
    };
    u32::try_from(count).unwrap_or(0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds one of these can stop half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
