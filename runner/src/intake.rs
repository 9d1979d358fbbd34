//! Intake: what the queue delivers becomes rows of the inbox, exactly once. What cannot be read is kept as it is, among the dead.

use windlass_core::event::Event;
use windlass_core::queue::{Delivery, Queue as _, Verdict};
use windlass_store::{Incoming, QueuedEvent, StoreError};

use crate::engine::Engine;
use crate::stop::chain;

/// Takes deliveries over. When this returns they are durable and settled: events in one transaction, whatever is no event with its reason.
pub async fn take_over(engine: &Engine, deliveries: Vec<Delivery>) -> Result<(), StoreError> {
    let now = engine.now();
    let mut events = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        match Event::parse(&delivery.message) {
            Ok(event) => events
                .push(QueuedEvent { incoming: incoming(&event, delivery.message), token: delivery.token }),
            Err(error) => {
                let reason = chain(&error);
                let inbox = engine.store.record_dead(&delivery.message, &reason, now).await?;
                tracing::warn!(%inbox, %reason, "a message of the queue is no event");
                if let Err(error) = engine.queue.settle(&delivery.token, Verdict::Taken).await {
                    // It is kept already; it comes again and is kept twice, which is better than lost.
                    tracing::warn!(error = %chain(&error), "a delivery could not be settled");
                }
            }
        }
    }
    if !events.is_empty() {
        engine.store.take_over_from_queue(&events, now).await?;
    }
    Ok(())
}

fn incoming(event: &Event, body: Vec<u8>) -> Incoming {
    Incoming {
        source: event.identity.source.clone(),
        id: event.identity.id.clone(),
        event_type: event.event_type().to_string(),
        subject: event.subject.clone(),
        body,
        principal: None,
        traceparent: event.traceparent().map(str::to_owned),
    }
}
