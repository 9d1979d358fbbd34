//! Queues of a broker, each its own.

use std::sync::atomic::{AtomicU32, Ordering};

use windlass_amqp::{Address, AmqpQueue, QueueName, Settings};
use windlass_tests::testbed::Broker;

/// A name that no other test uses.
pub(crate) fn fresh_name() -> QueueName {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

pub(crate) fn settings(address: &str, name: &QueueName) -> Settings {
    Settings::new(Address::parse(address).unwrap(), name.clone(), "a test")
}

pub(crate) fn queue(broker: &Broker, name: &QueueName) -> AmqpQueue {
    AmqpQueue::new(settings(&broker.amqp, name))
}
