//! A disk without room: what cannot be kept is refused, what was taken stays, and it goes on when there is room again.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use windlass_tests::world::fill;

use crate::server::{Answer, Server, nowhere, world};

fn serve_in_a_small_place() -> (Server, PathBuf) {
    let world = world(nowhere());
    world.configure_more("[http]\nanonymous = \"admin\"\n");
    let (program, state) = (world.program_in_a_small_place(), world.data_dir());
    let server = Server::start_as(world, program, |_| {});
    let state = server.sees(&state);
    (server, state)
}

fn send(server: &Server, id: usize) -> Answer {
    let event = json!({"specversion": "1.0", "id": id.to_string(), "source": "/full", "type": "dev.windlass.cluster.failed", "padding": "x".repeat(4000),
        "data": {"environment": "dev", "provider": "hetzner", "cluster": "hetzner-dev-cluster", "reason": "no quota"}});
    server.ask("POST", "/v1/events", "", "content-type: application/cloudevents+json\r\n", &event.to_string())
}

fn events(server: &Server) -> Vec<Value> {
    server.get("/v1/events?limit=200", "").json().as_array().unwrap().clone()
}

fn readiness(server: &Server) -> (u16, Value) {
    let answer = server.get("/readyz", "");
    (answer.status, answer.json()["store"].clone())
}

#[test]
fn a_full_disk_is_told_and_waited_for() {
    let (server, state) = serve_in_a_small_place();
    assert_eq!(readiness(&server), (200, Value::Bool(true)));
    let filler = fill(&state);
    // There may be room in files that are there already; it is used up by what is taken.
    let mut taken = BTreeSet::new();
    let refused = (0..).find_map(|id| match send(&server, id) {
        answer if answer.status == 202 => {
            taken.insert(id);
            None
        }
        answer => Some((id, answer)),
    });
    let (first_refused, answer) = refused.unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after"), "{answer:?}");
    assert_eq!(readiness(&server), (503, Value::Bool(false)));
    assert_eq!(server.get("/healthz", "").status, 200, "starting it anew would not make room");

    fs::remove_file(filler).unwrap();
    while send(&server, first_refused).status == 503 {}
    taken.insert(first_refused);
    while readiness(&server).0 != 200 {}
    let count = taken.len();
    while events(&server).iter().filter(|event| event["status"] == "ignored").count() < count {}
    let kept: BTreeSet<usize> =
        events(&server).iter().map(|event| event["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(kept, taken, "what was taken is there, each once, and nothing else");
    server.stop();
}
