//! Intake: what a queue delivers becomes rows of the inbox, exactly once. What cannot be read is kept as it is, among the dead.

use windlass_core::event::{ClusterWork, Event, EventData};
use windlass_core::queue::{Delivery, Queue, Token, Verdict};
use windlass_store::{Incoming, QueuedEvent, StoreError, Taken};

use crate::engine::Engine;
use crate::metrics::INTAKE;
use crate::stop::chain;

/// What deliveries are, once they were looked at.
#[derive(Debug, Default)]
struct Sorted {
    events: Vec<QueuedEvent>,
    dead: Vec<Dead>,
}

/// What can become no run, with the reason.
#[derive(Debug)]
struct Dead {
    token: Token,
    message: Vec<u8>,
    reason: String,
}

/// Takes deliveries of the embedded queue over. When this returns they are durable and settled, events in one transaction.
pub async fn take_over(engine: &Engine, deliveries: Vec<Delivery>) -> Result<(), StoreError> {
    let sorted = sort(deliveries, |_| None);
    if !sorted.events.is_empty() {
        count("windlass", &engine.store.take_over_from_queue(&sorted.events, engine.now()).await?);
    }
    keep_dead(engine, &engine.queue, "windlass", sorted.dead).await
}

/// Takes deliveries of another queue over: into the inbox first, settled then. What comes again because the queue was not told is recognised.
pub async fn take_over_from(
    engine: &Engine,
    queue: &dyn Queue,
    deliveries: Vec<Delivery>,
) -> Result<(), StoreError> {
    let sorted = sort(deliveries, asks_for_a_known_person);
    if !sorted.events.is_empty() {
        let (tokens, events): (Vec<_>, Vec<_>) =
            sorted.events.into_iter().map(|event| (event.token, without_proof(event.incoming))).unzip();
        count("rabbitmq", &engine.store.take_over(&events, engine.now()).await?);
        settle(queue, &tokens).await;
    }
    keep_dead(engine, queue, "rabbitmq", sorted.dead).await
}

fn sort(deliveries: Vec<Delivery>, refuse: impl Fn(&Event) -> Option<&'static str>) -> Sorted {
    let mut sorted = Sorted::default();
    for delivery in deliveries {
        let event = Event::parse(&delivery.message).map_err(|error| chain(&error));
        let event = event.and_then(|event| refuse(&event).map_or(Ok(event), |reason| Err(reason.to_owned())));
        let Delivery { token, message, traceparent, .. } = delivery;
        match event {
            Ok(event) => {
                sorted.events.push(QueuedEvent { incoming: incoming(&event, message, traceparent), token });
            }
            Err(reason) => sorted.dead.push(Dead { token, message, reason }),
        }
    }
    sorted
}

/// What only a person may do who has proved to be one. Who may publish to a broker may be any program.
fn asks_for_a_known_person(event: &Event) -> Option<&'static str> {
    match &event.data {
        EventData::ApprovalGiven(_) => {
            Some("an approval is not taken from a broker, which does not prove who gives it")
        }
        EventData::DeployRequested(request) if request.override_reason.is_some() => {
            Some("an override of a window is not taken from a broker, which does not prove who asks for it")
        }
        EventData::ClusterRequested(request) if request.work == ClusterWork::Remove => {
            Some("the removal of a cluster is not taken from a broker, which does not prove who asks for it")
        }
        _ => None,
    }
}

async fn keep_dead(
    engine: &Engine,
    queue: &dyn Queue,
    system: &str,
    dead: Vec<Dead>,
) -> Result<(), StoreError> {
    for Dead { token, message, reason } in dead {
        let inbox = engine.store.record_dead(&message, &reason, engine.now()).await?;
        tracing::warn!(%inbox, %reason, "a message of the queue becomes no run");
        INTAKE.add(1, &[system, "dead"]);
        settle(queue, &[token]).await;
    }
    Ok(())
}

async fn settle(queue: &dyn Queue, tokens: &[Token]) {
    if let Err(error) = queue.settle(tokens, &Verdict::Taken).await {
        // It is kept already; an event that comes again is recognised, and what is none is kept twice, which is better than lost.
        tracing::warn!(error = %chain(&error), "deliveries could not be settled");
    }
}

fn count(system: &str, taken: &[Taken]) {
    for taken in taken {
        let result = if matches!(taken, Taken::New(_)) { "new" } else { "duplicate" };
        INTAKE.add(1, &[system, result]);
    }
}

/// What a broker's message says of its sender is no proof: only the HTTP API has asked for one.
fn without_proof(incoming: Incoming) -> Incoming {
    Incoming { principal: None, ..incoming }
}

/// An event as the inbox takes it.
pub(crate) fn incoming(event: &Event, body: Vec<u8>, beside: Option<String>) -> Incoming {
    Incoming {
        source: event.identity.source.clone(),
        id: event.identity.id.clone(),
        event_type: event.event_type().to_string(),
        subject: event.subject.clone(),
        body,
        principal: event.sender().map(str::to_owned),
        // The event's own says where it began; what came beside it, who carried it.
        traceparent: event.traceparent().map(str::to_owned).or(beside),
    }
}
