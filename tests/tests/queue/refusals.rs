//! A broker that says no, and one that says nothing: what is told, and that no password is in it.

use std::error::Error as _;
use std::net::TcpListener;

use windlass_amqp::{AmqpError, AmqpQueue, definitions};
use windlass_core::queue::Queue as _;
use windlass_tests::testbed::Broker;

use crate::broker::{fresh_name, queue, settings};

/// Connects, and shows what a person would read when that fails.
async fn refused(address: &str) -> (std::sync::Arc<AmqpError>, String) {
    refused_for(&AmqpQueue::new(settings(address, &fresh_name()))).await
}

async fn refused_for(queue: &AmqpQueue) -> (std::sync::Arc<AmqpError>, String) {
    let error = queue.connect().await.expect_err("this must not connect");
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let told = format!("{error}\n{cause}\n{}\n{error:?} {queue:?}", error.hint().unwrap_or_default());
    (error, told)
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told_at_once() {
    let port = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let (error, told) = refused(&format!("amqp://ada:canary@127.0.0.1:{port}/shop")).await;
    assert!(matches!(*error, AmqpError::Unreachable { .. }), "{told}");
    assert!(told.contains(&format!("`amqp://ada:***@127.0.0.1:{port}/shop` cannot be reached")), "{told}");
    assert!(told.contains("Connection refused") && told.contains("rabbitmq-diagnostics listeners"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (error, told) = refused(&format!("amqp://{}", silent.local_addr().unwrap())).await;
    assert!(matches!(*error, AmqpError::Silent { .. }), "{told}");
}

#[tokio::test]
async fn an_address_without_a_password_is_not_tried() {
    let (error, told) = refused("amqp://ada@127.0.0.1:1").await;
    assert!(matches!(*error, AmqpError::NoPassword { .. }), "{told}");
    assert!(told.contains("WINDLASS_QUEUE_PASSWORD") && error.is_permanent(), "{told}");
}

#[tokio::test]
async fn a_wrong_password_names_the_user() {
    let (error, told) = refused(&Broker::shared().address_of("guest", "canary", "%2f")).await;
    assert!(matches!(*error, AmqpError::Credentials { .. }) && error.is_permanent(), "{told}");
    assert!(told.contains("does not let `guest` in") && told.contains("ACCESS_REFUSED"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_named() {
    let (error, told) = refused(&Broker::shared().address_of("guest", "guest", "elsewhere")).await;
    assert!(matches!(*error, AmqpError::VirtualHost { .. }) && error.is_permanent(), "{told}");
    assert!(told.contains("does not open the virtual host `elsewhere`"), "{told}");
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_not_trusted() {
    let (error, told) = refused(&Broker::shared().amqps).await;
    assert!(matches!(*error, AmqpError::Unreachable { .. }), "{told}");
    assert!(told.contains("certificate"), "{told}");
}

#[tokio::test]
async fn a_queue_that_is_another_says_which_property_differs() {
    let (broker, name) = (Broker::shared(), fresh_name());
    let mut other = definitions(&name, "/");
    other["queues"][1]["arguments"]["x-delivery-limit"] = 3.into();
    import(broker, &other);
    let (error, told) = refused_for(&queue(broker, &name)).await;
    assert!(matches!(*error, AmqpError::Mismatch { .. }) && error.is_permanent(), "{told}");
    assert!(told.contains("x-delivery-limit"), "{told}");
    assert!(told.contains(&format!("rabbitmqctl delete_queue {name}")), "{told}");
}

#[tokio::test]
async fn a_user_who_may_not_declare_uses_what_is_declared() {
    let (broker, name) = (Broker::shared(), fresh_name());
    broker.ctl(&["add_user", "carrier", "secret"]).expect_success();
    let allow = |configure: &str, use_: &str| {
        broker.ctl(&["set_permissions", "carrier", configure, use_, use_]).expect_success();
    };
    allow("^$", ".*");
    let carrier = || AmqpQueue::new(settings(&broker.address_of("carrier", "secret", "%2f"), &name));
    let (error, told) = refused_for(&carrier()).await;
    assert!(matches!(*error, AmqpError::Forbidden { .. }) && error.is_permanent(), "{told}");
    assert!(told.contains("deploy/rabbitmq/definitions.json"), "{told}");
    import(broker, &definitions(&name, "/"));
    carrier().connect().await.unwrap();
    carrier().publish(b"allowed").await.unwrap();
}

#[tokio::test]
async fn the_committed_definitions_are_taken_and_fit() {
    let broker = Broker::shared();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/rabbitmq/definitions.json");
    broker.ctl(&["import_definitions", file]).expect_success();
    queue(broker, &windlass_amqp::QueueName::default()).connect().await.unwrap();
}

fn import(broker: &Broker, definitions: &serde_json::Value) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), definitions.to_string()).unwrap();
    broker.ctl(&["import_definitions", file.path().to_str().unwrap()]).expect_success();
}
