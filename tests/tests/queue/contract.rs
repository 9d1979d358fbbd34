//! Every backend keeps the contract: the same cases by the same code.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use futures::FutureExt as _;
use tempfile::TempDir;
use windlass_amqp::QueueName;
use windlass_core::queue::Queue;
use windlass_store::{EmbeddedQueue, Store};
use windlass_tests::conformance::queue::{CASES, Place, run};
use windlass_tests::testbed::Broker;

use crate::broker::{fresh_name, queue};

/// The queue in the store, each session with connections of its own, as another process would have.
struct Embedded(TempDir);

#[async_trait]
impl Place for Embedded {
    async fn open(&self) -> Box<dyn Queue> {
        let store = Store::open(self.0.path()).await.unwrap();
        Box::new(EmbeddedQueue::new(store).unwrap())
    }
}

/// A queue of the broker.
struct RabbitMq(QueueName);

#[async_trait]
impl Place for RabbitMq {
    async fn open(&self) -> Box<dyn Queue> {
        Box::new(queue(Broker::shared(), &self.0))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the table is shown by `tests/run queue`")]
async fn every_backend_keeps_the_contract() {
    let (mut table, mut failed) = (String::new(), Vec::new());
    for case in CASES {
        let embedded = holds(case, &Embedded(tempfile::tempdir().unwrap())).await;
        let rabbitmq = holds(case, &RabbitMq(fresh_name())).await;
        writeln!(table, "| {case:<60} | {:<8} | {:<8} |", word(embedded), word(rabbitmq)).unwrap();
        if !(embedded && rabbitmq) {
            failed.push(*case);
        }
    }
    println!("| {:<60} | embedded | RabbitMQ |\n{table}", "case");
    assert!(failed.is_empty(), "{failed:?} failed: what they said is above the table");
}

async fn holds(case: &str, place: &dyn Place) -> bool {
    AssertUnwindSafe(run(case, place)).catch_unwind().await.is_ok()
}

fn word(holds: bool) -> &'static str {
    if holds { "ok" } else { "FAILED" }
}
