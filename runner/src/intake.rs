//! Intake: a message of the queue becomes a row of the inbox, exactly once. What cannot be read is kept as it is, among the dead.

use windlass_core::event::Event;
use windlass_store::{InboxId, Incoming, StoreError, Taken};

use crate::engine::Engine;
use crate::stop::chain;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// It is an event and in the inbox; new, or known already.
    Taken(Taken),
    /// It is no event; kept with the reason.
    Dead(InboxId, String),
}

/// Takes a message over. When this returns, the message is durable and may be settled.
pub async fn take_over(engine: &Engine, message: &[u8]) -> Result<Intake, StoreError> {
    let now = engine.now();
    match Event::parse(message) {
        Ok(event) => {
            let incoming = Incoming {
                source: event.identity.source.clone(),
                id: event.identity.id.clone(),
                event_type: event.event_type().to_string(),
                subject: event.subject.clone(),
                body: message.to_vec(),
                principal: None,
                traceparent: event.traceparent().map(str::to_owned),
            };
            let taken = engine.store.take_over(&[incoming], now).await?;
            Ok(Intake::Taken(*taken.first().expect("one event gives one answer")))
        }
        Err(error) => {
            let reason = chain(&error);
            let inbox = engine.store.record_dead(message, &reason, now).await?;
            tracing::warn!(%inbox, %reason, "a message of the queue is no event");
            Ok(Intake::Dead(inbox, reason))
        }
    }
}
