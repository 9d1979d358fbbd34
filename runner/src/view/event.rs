//! An event as people and programs see it.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use windlass_store::{InboxEvent, InboxStatus};

/// An event of the inbox, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its place in the inbox, such as `e-7`.
    pub inbox: String,
    /// Where it comes from; null where it could not be read.
    pub source: Option<String>,
    /// Its id within the source.
    pub id: Option<String>,
    /// Its type, such as `dev.windlass.push`.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Who sent it, as verified; null where nobody was asked for a token.
    pub sender: Option<String>,
    /// `new`, `planned`, `ignored` or `dead`.
    #[schema(value_type = String)]
    pub status: InboxStatus,
    /// Why it was ignored or is dead.
    pub reason: Option<String>,
    /// When it was taken over.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
}

impl EventView {
    /// Of a row of the inbox.
    pub fn of(event: InboxEvent) -> Self {
        Self {
            inbox: event.inbox.to_string(),
            source: event.source,
            id: event.id,
            event_type: event.event_type,
            sender: event.principal,
            status: event.status,
            reason: event.reason,
            received_at: event.received_at,
        }
    }

    /// One line for a list.
    pub fn line(&self) -> String {
        let (kind, why) = (self.event_type.as_deref().unwrap_or("-"), self.reason.as_deref().unwrap_or(""));
        let when = self.received_at.strftime("%Y-%m-%d %H:%M:%S");
        format!("{:<6} {:<8} {kind:<30} {when}  {why}", self.inbox, self.status.as_str())
            .trim_end()
            .to_owned()
    }
}
