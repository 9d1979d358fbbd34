//! The program and a broker: what a person types and reads.

use std::path::Path;

use serde_json::json;
use windlass_core::queue::Queue as _;
use windlass_tests::testbed::Broker;
use windlass_tests::world::{Ran, World};

use crate::broker::{fresh_name, queue};

/// A world that has no cluster: nothing is deployed here.
fn world() -> World {
    World::new(Path::new("/nowhere"))
}

fn send(world: &World, address: &str, queue: &str, variables: &[(&str, &str)]) -> Ran {
    let event = world.event(
        "1",
        "dev.windlass.deploy.requested",
        &json!({"environment": "local", "requester": "ada"}),
    );
    let mut program = world.program();
    program.env("WINDLASS_QUEUE__NAME", queue).envs(variables.iter().copied());
    Ran::of(program.args(["events", "send", "--queue", address]).arg(event))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_over_tls_with_a_password_from_elsewhere() {
    let (broker, name, world) = (Broker::shared(), fresh_name(), world());
    let address = broker.amqps.replace("guest:guest@", "guest@");
    let (authority, password) = (broker.authority(), ("WINDLASS_QUEUE_PASSWORD", "guest"));
    let trusted = ("SSL_CERT_FILE", authority.to_str().unwrap());
    let told = send(&world, &address, name.as_str(), &[password]);
    told.expect(1).says("cannot be reached").says("certificate").says("SSL_CERT_FILE");
    send(&world, &address, name.as_str(), &[trusted])
        .expect(1)
        .says("no password is known")
        .says("queue.password_file");
    send(&world, &address, name.as_str(), &[trusted, password])
        .expect(0)
        .says(&format!("published to the queue `{name}`"));
    let queue = queue(broker, &name);
    let found = queue.receive(2, std::time::Duration::from_secs(30)).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(String::from_utf8_lossy(&found[0].message).contains("dev.windlass.deploy.requested"));
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let ran = send(&world(), "amqp://ada:canary-Ohp6ahqu@localhost", "windlass.events", &[]);
    ran.expect(2).says("holds a password").says("WINDLASS_QUEUE_PASSWORD");
    assert!(!ran.text().contains("canary-Ohp6ahqu"), "{}", ran.text());
}

#[test]
fn serving_does_not_start_with_a_broker_that_will_never_let_it_in() {
    let (broker, world) = (Broker::shared(), world());
    let mut program = world.program();
    program.env("WINDLASS_QUEUE__URL", broker.amqp.replace("guest:guest@", "guest@"));
    program.env("WINDLASS_QUEUE_PASSWORD", "canary-eeTh4oog");
    let ran = Ran::of(program.args(["serve", "--until-idle"]));
    ran.expect(1).says("does not let `guest` in");
    assert!(!ran.text().contains("canary-eeTh4oog"), "{}", ran.text());
}

/// What can be proved to nobody is not believed: the event is kept for a person to look at.
#[tokio::test(flavor = "multi_thread")]
async fn approvals_and_overrides_are_not_taken_from_a_broker() {
    let (broker, name, world) = (Broker::shared(), fresh_name(), world());
    let queue = queue(broker, &name);
    let event = |id: &str, kind: &str, data: serde_json::Value| {
        json!({"specversion": "1.0", "id": id, "source": "/test", "type": kind, "data": data}).to_string()
    };
    let digest = "0".repeat(64);
    let approval = json!({"run": "r-1", "digest": digest, "approver": "mallory", "decision": "approved"});
    let forced = json!({"environment": "local", "requester": "mallory", "override_reason": "trust me"});
    queue.publish(event("1", "dev.windlass.approval.given", approval).as_bytes()).await.unwrap();
    queue.publish(event("2", "dev.windlass.deploy.requested", forced).as_bytes()).await.unwrap();
    queue.publish(b"{nonsense").await.unwrap();
    let mut program = world.program();
    program.env("WINDLASS_QUEUE__URL", broker.amqp.replace("guest:guest@", "guest@"));
    program.env("WINDLASS_QUEUE__NAME", name.as_str()).env("WINDLASS_QUEUE_PASSWORD", "guest");
    Ran::of(program.args(["serve", "--until-idle"])).expect(0);
    let (_, events) = world.windlass_json(&["events", "list"]);
    let reasons: Vec<_> =
        events.as_array().unwrap().iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons.len(), 3, "{events:#}");
    assert!(events.as_array().unwrap().iter().all(|event| event["status"] == "dead"), "{events:#}");
    assert!(
        reasons.iter().any(|reason| reason.contains("an approval is not taken from a broker")),
        "{reasons:?}"
    );
    assert!(
        reasons.iter().any(|reason| reason.contains("an override of a window is not taken")),
        "{reasons:?}"
    );
    assert!(world.runs().is_empty());
}
