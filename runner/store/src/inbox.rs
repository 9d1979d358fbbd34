//! The inbox: every event that was taken over, once.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::cells::{Cells, integer, micros};
use crate::error::StoreError;
use crate::kill::Operation;
use crate::store::Store;

pub(crate) mod intake;

/// A duplicate is recognised for this long. Brokers remember for minutes; here it is a row.
pub const DEDUPLICATION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// An event's place in the inbox, `e-7` in text. A later event has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InboxId(pub u64);

impl fmt::Display for InboxId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "e-{}", self.0)
    }
}

/// An event to take over: the attributes of a `CloudEvent`, its body as received, and who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Where the event comes from; with `id` its identity.
    pub source: String,
    /// The event's id within its source.
    pub id: String,
    /// The event's type, such as `dev.windlass.push`.
    pub event_type: String,
    /// What the event is about.
    pub subject: Option<String>,
    /// The whole event as received.
    pub body: Vec<u8>,
    /// Who sent it, as verified and not as claimed.
    pub principal: Option<String>,
    /// W3C trace context of the sender.
    pub traceparent: Option<String>,
}

/// What taking over an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in the inbox now.
    New(InboxId),
    /// An event of the same identity was there already.
    Duplicate(InboxId),
}

impl Taken {
    /// Where the event is.
    pub fn id(self) -> InboxId {
        match self {
            Self::New(id) | Self::Duplicate(id) => id,
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxStatus {
    /// Not looked at yet.
    New,
    /// It has become runs.
    Planned,
    /// It asks for nothing here; the reason says why.
    Ignored,
    /// It could not be read; the reason says why.
    Dead,
}

impl InboxStatus {
    const ALL: [Self; 4] = [Self::New, Self::Planned, Self::Ignored, Self::Dead];

    /// The status's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Planned => "planned",
            Self::Ignored => "ignored",
            Self::Dead => "dead",
        }
    }
}

impl FromStr for InboxStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// An event in the inbox. Identity and type are absent where the input could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxEvent {
    /// Its place.
    pub inbox: InboxId,
    /// Where it comes from.
    pub source: Option<String>,
    /// Its id within the source.
    pub id: Option<String>,
    /// Its type.
    pub event_type: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// The whole event as received.
    pub body: Vec<u8>,
    /// Who sent it, as verified.
    pub principal: Option<String>,
    /// W3C trace context of the sender.
    pub traceparent: Option<String>,
    /// What became of it.
    pub status: InboxStatus,
    /// Why it was ignored or is dead.
    pub reason: Option<String>,
    /// When it was taken over.
    pub received_at: Timestamp,
}

pub(crate) const TAKE: &str = "INSERT INTO inbox
    (source, event_id, event_type, subject, body, principal, traceparent, status, received_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'new', ?8 WHERE NOT EXISTS
        (SELECT 1 FROM inbox WHERE source = ?1 AND event_id = ?2 AND received_at > ?9)
    RETURNING id";
const FIND: &str =
    "SELECT id FROM inbox WHERE source = ?1 AND event_id = ?2 ORDER BY received_at DESC LIMIT 1";
const RECORD_DEAD: &str =
    "INSERT INTO inbox (body, status, reason, received_at) VALUES (?1, 'dead', ?2, ?3) RETURNING id";
const IGNORE: &str = "UPDATE inbox SET status = 'ignored', reason = ?2 WHERE id = ?1 AND status = 'new'";
const MARK_PLANNED: &str =
    "UPDATE inbox SET status = 'planned' WHERE id = ?1 AND status IN ('new', 'planned')";
const STATUS: &str = "SELECT status FROM inbox WHERE id = ?1";
const ONE: &str = "SELECT * FROM inbox WHERE id = ?1";
const OF_IDENTITY: &str =
    "SELECT * FROM inbox WHERE source = ?1 AND event_id = ?2 ORDER BY received_at DESC LIMIT 1";
pub(crate) const PENDING: &str = "SELECT * FROM inbox WHERE status = 'new' ORDER BY id LIMIT 1000";
const NEWEST: &str = "SELECT * FROM inbox ORDER BY id DESC LIMIT ?1";

impl Store {
    /// Takes events over: when this returns they are on disk, each once. Answers in the order of `events`.
    ///
    /// Callers that come together share a commit.
    pub async fn take_over(&self, events: &[Incoming], now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        intake::submit(self, events.to_vec(), now).await
    }

    /// Keeps input that was authenticated but cannot be read, for a person to look at.
    pub async fn record_dead(&self, raw: &[u8], reason: &str, now: Timestamp) -> Result<InboxId, StoreError> {
        let mut writing = self.write().await?;
        let query = sqlx::query_scalar(RECORD_DEAD).bind(raw).bind(reason).bind(micros(now));
        let id = query.fetch_one(&mut *writing).await?;
        self.commit(writing, &[Operation::RecordDead]).await?;
        Ok(InboxId(id))
    }

    /// Events that nobody has planned yet, oldest first; at most a thousand at a time.
    pub async fn pending_events(&self) -> Result<Vec<InboxEvent>, StoreError> {
        let rows = sqlx::query(PENDING).fetch_all(self.readers()).await?;
        rows.iter().map(read_event).collect()
    }

    /// The newest events, whatever became of them.
    pub async fn events(&self, limit: u32) -> Result<Vec<InboxEvent>, StoreError> {
        let rows = sqlx::query(NEWEST).bind(limit).fetch_all(self.readers()).await?;
        rows.iter().map(read_event).collect()
    }

    /// One event.
    pub async fn event(&self, id: InboxId) -> Result<InboxEvent, StoreError> {
        let row = sqlx::query(ONE).bind(integer(id.0)).fetch_optional(self.readers()).await?;
        read_event(&row.ok_or(StoreError::UnknownEvent(id))?)
    }

    /// The event of an identity, if it has arrived; the latest, where it came again after it was forgotten.
    pub async fn event_of(&self, source: &str, id: &str) -> Result<Option<InboxEvent>, StoreError> {
        let row = sqlx::query(OF_IDENTITY).bind(source).bind(id).fetch_optional(self.readers()).await?;
        row.as_ref().map(read_event).transpose()
    }

    /// Records that an event asks for nothing here. An event that has become runs stays planned.
    pub async fn ignore_event(&self, id: InboxId, reason: &str) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let ignored = sqlx::query(IGNORE).bind(integer(id.0)).bind(reason).execute(&mut *writing).await?;
        if ignored.rows_affected() == 0 {
            status(&mut writing, id).await?;
            return Ok(());
        }
        self.commit(writing, &[Operation::IgnoreEvent]).await
    }
}

/// Inserts one event unless it is there. Part of a larger write.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    event: &Incoming,
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let horizon = now.saturating_sub(DEDUPLICATION).unwrap_or(Timestamp::MIN);
    let inserted: Option<u64> = sqlx::query_scalar(TAKE)
        .bind(&event.source)
        .bind(&event.id)
        .bind(&event.event_type)
        .bind(&event.subject)
        .bind(&event.body)
        .bind(&event.principal)
        .bind(&event.traceparent)
        .bind(micros(now))
        .bind(micros(horizon))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(id) = inserted {
        return Ok(Taken::New(InboxId(id)));
    }
    let id = sqlx::query_scalar(FIND).bind(&event.source).bind(&event.id).fetch_one(connection).await?;
    Ok(Taken::Duplicate(InboxId(id)))
}

/// Records that an event has become runs. Part of a larger write.
pub(crate) async fn mark_planned(connection: &mut SqliteConnection, id: InboxId) -> Result<(), StoreError> {
    let marked = sqlx::query(MARK_PLANNED).bind(integer(id.0)).execute(&mut *connection).await?;
    if marked.rows_affected() == 0 {
        status(connection, id).await?;
    }
    Ok(())
}

async fn status(connection: &mut SqliteConnection, id: InboxId) -> Result<String, StoreError> {
    let found = sqlx::query_scalar(STATUS).bind(integer(id.0)).fetch_optional(connection).await?;
    found.ok_or(StoreError::UnknownEvent(id))
}

fn read_event(row: &SqliteRow) -> Result<InboxEvent, StoreError> {
    let cells = Cells(row);
    Ok(InboxEvent {
        inbox: InboxId(cells.number("id")?),
        source: cells.maybe_text("source")?,
        id: cells.maybe_text("event_id")?,
        event_type: cells.maybe_text("event_type")?,
        subject: cells.maybe_text("subject")?,
        body: cells.bytes("body")?,
        principal: cells.maybe_text("principal")?,
        traceparent: cells.maybe_text("traceparent")?,
        status: cells.parsed("status")?,
        reason: cells.maybe_text("reason")?,
        received_at: cells.time("received_at")?,
    })
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::testing::{at, event, new_run, open, planned};

    #[tokio::test]
    async fn an_event_is_taken_over_once() {
        let (_dir, store) = open().await;
        let first = store.take_over(&[event("1"), event("2"), event("1")], at(0)).await.unwrap();
        assert_eq!(first, [Taken::New(InboxId(1)), Taken::New(InboxId(2)), Taken::Duplicate(InboxId(1))]);
        let other_source = Incoming { source: "elsewhere".to_owned(), ..event("1") };
        let second = store.take_over(&[event("2"), other_source], at(1)).await.unwrap();
        assert_eq!(second, [Taken::Duplicate(InboxId(2)), Taken::New(InboxId(3))]);
        assert_eq!(store.pending_events().await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_duplicate_is_recognised_for_thirty_days() {
        let (_dir, store) = open().await;
        let day = 24 * 60 * 60;
        for (second, expected) in [
            (0, Taken::New(InboxId(1))),
            (30 * day - 1, Taken::Duplicate(InboxId(1))),
            (30 * day, Taken::New(InboxId(2))),
            (31 * day, Taken::Duplicate(InboxId(2))),
        ] {
            assert_eq!(store.take_over(&[event("1")], at(second)).await.unwrap(), [expected]);
        }
    }

    #[tokio::test]
    async fn callers_that_come_together_each_get_their_own_answer() {
        let (_dir, store) = open().await;
        let ids: Vec<_> = (0..200).map(|index| (index % 150).to_string()).collect();
        let answers = join_all(ids.iter().map(async |id| {
            let taken = store.take_over(&[event(id)], at(0)).await.unwrap();
            (id, taken[0])
        }));
        let answers = answers.await;
        assert_eq!(answers.iter().filter(|(_, taken)| matches!(taken, Taken::New(_))).count(), 150);
        for (id, taken) in answers {
            assert_eq!(store.event(taken.id()).await.unwrap().id.as_ref(), Some(id));
        }
    }

    #[tokio::test]
    async fn an_event_is_read_as_it_came() {
        let (_dir, store) = open().await;
        let incoming = Incoming { body: vec![0, 159, 146, 150], ..event("1") };
        let id = store.take_over(std::slice::from_ref(&incoming), at(5)).await.unwrap()[0].id();
        let read = store.event(id).await.unwrap();
        assert_eq!(read.source, Some(incoming.source));
        assert_eq!(read.id, Some(incoming.id));
        assert_eq!(read.event_type, Some(incoming.event_type));
        assert_eq!((read.subject, read.principal), (incoming.subject, incoming.principal));
        assert_eq!((read.body, read.received_at), (incoming.body, at(5)));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_kept_with_the_reason() {
        let (_dir, store) = open().await;
        let id = store.record_dead(b"{not json", "expected a key", at(0)).await.unwrap();
        assert!(store.pending_events().await.unwrap().is_empty());
        let listed = store.events(10).await.unwrap().remove(0);
        assert_eq!((listed.inbox, listed.status, listed.id), (id, InboxStatus::Dead, None));
        assert_eq!(listed.reason.as_deref(), Some("expected a key"));
        assert_eq!(listed.body, b"{not json");
    }

    #[tokio::test]
    async fn an_event_is_ignored_with_a_reason_unless_it_became_runs() {
        let (_dir, store) = open().await;
        let run = planned(&store, "1", new_run("dev"), 0).await;
        let other = store.take_over(&[event("2")], at(0)).await.unwrap()[0].id();
        store.ignore_event(run.event, "late").await.unwrap();
        store.ignore_event(other, "touches no environment").await.unwrap();
        let listed: Vec<_> =
            store.events(10).await.unwrap().into_iter().map(|event| (event.status, event.reason)).collect();
        let reason = Some("touches no environment".to_owned());
        assert_eq!(listed, [(InboxStatus::Ignored, reason), (InboxStatus::Planned, None)]);
        let unknown = store.ignore_event(InboxId(9), "what").await;
        assert!(matches!(unknown, Err(StoreError::UnknownEvent(InboxId(9)))), "{unknown:?}");
    }
}
