//! A broker that dies, one that loses its queue, one that has no room: nothing that was confirmed is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use windlass_amqp::{AmqpError, AmqpQueue, Settings};
use windlass_core::queue::{Delivery, Depth, Queue, Settled, Verdict};
use windlass_tests::testbed::Broker;

use crate::broker::{fresh_name, queue, settings};

/// Longer than a broker takes to come back, on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// How many messages go through a broker that is killed.
const COUNT: usize = 600;

/// How many of them are on their way at most.
const AHEAD: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_through_a_broker_that_is_killed_twice_arrives() {
    let (broker, name) = (Arc::new(Broker::start()), fresh_name());
    let (progress, watched) = watch::channel(0);
    let (sender, receiver) = (queue(&broker, &name), queue(&broker, &name));
    let sending = tokio::spawn(publish_all(sender, watched.clone()));
    let receiving = tokio::spawn(receive_all(receiver, progress));
    for share in [3, 2] {
        let (broker, mut watched) = (Arc::clone(&broker), watched.clone());
        watched.wait_for(|received| *received >= COUNT / share).await.unwrap();
        tokio::task::spawn_blocking(move || {
            broker.kill();
            broker.revive();
        })
        .await
        .unwrap();
    }
    sending.await.unwrap();
    tokio::time::timeout(PATIENCE, receiving).await.expect("every message arrives").unwrap();
    // All were settled, the repeated ones too.
    let queue = queue(&broker, &name);
    assert_eq!(queue.receive(1, Duration::from_secs(1)).await.unwrap(), []);
    assert_eq!(queue.depth().await.unwrap(), Depth::default());
}

/// Publishes each message until it is confirmed, as whoever sends an event does; never so far ahead that nothing is left for an outage.
async fn publish_all(queue: AmqpQueue, mut received: watch::Receiver<usize>) {
    for index in 0..COUNT {
        received.wait_for(|received| index < received + AHEAD).await.unwrap();
        while queue.publish(format!("{index:04}").as_bytes()).await.is_err() {}
    }
}

/// Takes each message over once and recognises those that come again.
async fn receive_all(queue: AmqpQueue, progress: watch::Sender<usize>) {
    let mut taken = BTreeSet::new();
    while taken.len() < COUNT {
        let Ok(deliveries) = queue.receive(7, Duration::from_secs(5)).await else { continue };
        taken.extend(deliveries.iter().map(|delivery| delivery.message.clone()));
        let tokens: Vec<_> = deliveries.into_iter().map(|delivery| delivery.token).collect();
        queue.settle(&tokens, &Verdict::Taken).await.unwrap();
        progress.send_replace(taken.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_when_the_broker_dies_comes_again() {
    let (broker, name) = (Broker::start(), fresh_name());
    let queue = queue(&broker, &name);
    queue.publish(b"in hand").await.unwrap();
    let first = queue.receive(1, PATIENCE).await.unwrap().remove(0);
    tokio::task::block_in_place(|| wait_until_it_is_counted(&broker, name.as_str()));
    tokio::task::block_in_place(|| broker.kill());
    // Said into a connection that is about to fail, or to nobody: whichever it was, it has no effect.
    queue.settle(&[first.token.clone()], &Verdict::Taken).await.unwrap();
    let error = queue.receive(1, Duration::from_millis(300)).await.expect_err("nobody is there");
    assert!(error.source.to_string().contains("cannot be reached"), "{error:?}");
    tokio::task::block_in_place(|| broker.revive());
    let again = queue.receive(1, PATIENCE).await.unwrap().remove(0);
    assert_eq!(again.message, b"in hand");
    assert!(again.attempt > 1, "it was delivered before");
    let settled = queue.settle(&[first.token, again.token], &Verdict::Taken).await.unwrap();
    assert_eq!(settled, [Settled::Stale, Settled::Done]);
    a_broker_without_room_says_so(&broker).await;
}

/// RabbitMQ 3.10 writes the list of its queues half a second after one was declared, and its numbers later than that.
fn wait_until_it_is_counted(broker: &Broker, name: &str) {
    let count = ["list_queues", "--quiet", "--no-table-headers", "name", "messages_unacknowledged"];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counted = broker.ctl(&count).expect_success();
        if counted.lines().any(|line| line == format!("{name}\t1")) {
            return;
        }
        assert!(Instant::now() < deadline, "the broker counts {counted}");
    }
}

/// Here because it needs a broker of its own, and starting one takes its time.
async fn a_broker_without_room_says_so(broker: &Broker) {
    let name = fresh_name();
    let full = AmqpQueue::new(Settings { patience: Duration::from_secs(2), ..settings(&broker.amqp, &name) });
    full.connect().await.unwrap();
    tokio::task::block_in_place(|| broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]).expect_success());
    let error = full.publish(b"one too many").await.expect_err("the broker takes no messages");
    let error = error.source.downcast_ref::<Arc<AmqpError>>().expect("an error of the broker");
    assert!(matches!(**error, AmqpError::Unconfirmed { blocked: true, .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("rabbitmq-diagnostics alarms"), "{error:?}");
    tokio::task::block_in_place(|| broker.ctl(&["set_vm_memory_high_watermark", "0.4"]).expect_success());
    let patient = queue(broker, &name);
    patient.publish(b"room again").await.unwrap();
    // The one that was not confirmed may have come in too once there was room.
    let mut found = Vec::new();
    while !found.iter().any(|delivery: &Delivery| delivery.message == b"room again") {
        found.extend(patient.receive(1, PATIENCE).await.unwrap());
        assert!(found.len() <= 2, "{found:?}");
    }
}

#[tokio::test]
async fn a_queue_that_was_deleted_is_declared_again() {
    let (broker, name) = (Broker::shared(), fresh_name());
    let (sender, receiver) = (queue(broker, &name), queue(broker, &name));
    sender.publish(b"before").await.unwrap();
    assert_eq!(receiver.receive(1, PATIENCE).await.unwrap().len(), 1);
    broker.ctl(&["delete_queue", name.as_str()]).expect_success();
    sender.publish(b"after").await.unwrap();
    assert_eq!(receiver.receive(1, PATIENCE).await.unwrap()[0].message, b"after");
}

/// Connections that end with the message in hand count in every version of RabbitMQ.
#[tokio::test]
async fn a_message_that_ends_every_session_is_kept_among_the_dead() {
    let (broker, name) = (Broker::shared(), fresh_name());
    let sender = queue(broker, &name);
    sender.publish(b"deadly").await.unwrap();
    for attempt in 1..=21 {
        let victim = queue(broker, &name);
        let in_hand = victim.receive(1, PATIENCE).await.unwrap();
        assert_eq!(in_hand.first().map(|delivery| delivery.attempt), Some(attempt));
        victim.close().await;
    }
    let dead = async {
        while sender.depth().await.unwrap() != (Depth { dead: 1, ..Depth::default() }) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dead).await.expect("the message is among the dead");
}

#[tokio::test]
async fn a_trace_travels_beside_its_event() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let queue = queue(Broker::shared(), &fresh_name());
    queue.publish(format!(r#"{{"traceparent": "{PARENT}"}}"#).as_bytes()).await.unwrap();
    queue.publish(b"{}").await.unwrap();
    let mut found = Vec::new();
    while found.len() < 2 {
        found.extend(queue.receive(2, PATIENCE).await.unwrap());
    }
    let traces: Vec<_> = found.iter().map(|delivery| delivery.traceparent.as_deref()).collect();
    assert_eq!(traces, [Some(PARENT), None]);
}
