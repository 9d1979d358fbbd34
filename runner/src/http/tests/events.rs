//! Events over HTTP.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use super::world::{ADMIN, APPROVER, Answer, DEPLOYER, VIEWER, World, request};

fn event(id: &str, kind: &str, data: &Value) -> String {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": format!("dev.windlass.{kind}"), "data": data}).to_string()
}

fn push(id: &str) -> String {
    event(
        id,
        "push",
        &json!({"repository": "acme/shop", "ref": "refs/heads/main", "after": "c".repeat(40), "author": "kim"}),
    )
}

async fn send(world: &World, token: &str, kind: &str, body: &str) -> Answer {
    world.ask("POST", "/v1/events", token, &[("content-type", kind)], body).await
}

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn an_event_is_taken_once_and_its_sender_is_recorded() {
    let world = World::new().await;
    let first = send(&world, DEPLOYER, ONE, &push("1")).await;
    assert_eq!((first.status, &first.json()["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    assert_eq!(first.json()["inbox"], "e-1");
    let again = send(&world, ADMIN, ONE, &push("1")).await;
    assert_eq!(
        (again.status, again.json()),
        (StatusCode::OK, json!({"source": "/test", "id": "1", "inbox": "e-1", "duplicate": true}))
    );
    let listed = world.get("/v1/events", VIEWER).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["sender"], &listed[0]["type"]), (&json!("deployer"), &json!("dev.windlass.push")));
}

#[tokio::test]
async fn an_event_in_binary_mode_is_the_same_event() {
    let world = World::new().await;
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/test"),
        ("ce-type", "dev.windlass.push"),
        ("ce-traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let data =
        json!({"repository": "acme/shop", "ref": "refs/heads/main", "after": "c".repeat(40)}).to_string();
    let binary = world.ask("POST", "/v1/events", DEPLOYER, &headers, &data).await;
    assert_eq!((binary.status, &binary.json()["inbox"]), (StatusCode::ACCEPTED, &json!("e-1")));
    assert!(world.engine.store.events(1).await.unwrap()[0].traceparent.is_some());
    assert_eq!(send(&world, DEPLOYER, ONE, &push("1")).await.json()["duplicate"], true);
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let world = World::new().await;
    let broken = format!("[{}, {}]", push("1"), push("2").replace("refs/heads", "heads"));
    let refused = send(&world, DEPLOYER, BATCH, &broken).await;
    assert_eq!((refused.status, &refused.json()["path"]), (StatusCode::BAD_REQUEST, &json!("[1].data.ref")));
    let taken = send(&world, DEPLOYER, BATCH, &format!("[{}, {}]", push("1"), push("2"))).await;
    assert_eq!(taken.status, StatusCode::ACCEPTED);
    let answers = taken.json();
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(send(&world, DEPLOYER, BATCH, &format!("[{}]", push("2"))).await.status, StatusCode::OK);
    assert_eq!(world.engine.store.events(9).await.unwrap().len(), 2, "nothing of the broken batch was taken");
}

#[tokio::test]
async fn a_wrong_event_is_answered_with_the_member_and_what_to_do() {
    let world = World::new().await;
    for (body, path, words) in [
        (push("1").replace("\"ref\"", "\"reff\""), json!("data.reff"), "unknown field"),
        (push("1").replace("windlass.push", "windlass.pull"), json!("type"), "is no type of event"),
        (push("1").replace("\"1.0\"", "1"), json!("specversion"), "expected `1.0`"),
        ("{\"id\": ".to_owned(), Value::Null, "not JSON"),
    ] {
        let refused = send(&world, DEPLOYER, ONE, &body).await;
        let problem = refused.json();
        assert_eq!(
            (refused.status, &problem["code"], &problem["path"]),
            (StatusCode::BAD_REQUEST, &json!("event_invalid"), &path)
        );
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        assert!(path == "specversion" || problem["hints"][0].as_str().unwrap().contains('`'), "{problem}");
    }
    assert!(world.engine.store.events(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read_whole() {
    let world = World::new().await;
    let announced = [("content-type", ONE), ("content-length", "52428800")];
    let refused = world.ask("POST", "/v1/events", DEPLOYER, &announced, "{").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));

    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    let asked_for = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&asked_for);
    let endless = stream::repeat_with(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok::<_, std::io::Error>(piece.clone())
    });
    let request =
        request("POST", "/v1/events", DEPLOYER, &[("content-type", ONE)], Body::from_stream(endless));
    let refused = Answer::of(world.send(request).await).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    let pieces = asked_for.load(std::sync::atomic::Ordering::Relaxed);
    assert!(pieces <= 18, "a mebibyte and no more was asked for: {pieces} pieces of 64 KiB");
}

#[tokio::test]
async fn nobody_decides_in_the_name_of_another_nor_passes_a_window_unasked() {
    let world = World::new().await;
    let approval = |approver: &str| {
        event(
            "1",
            "approval.given",
            &json!({"run": "r-1", "decision": "approved", "approver": approver, "digest": "0".repeat(64)}),
        )
    };
    let deployer = send(&world, DEPLOYER, ONE, &approval(DEPLOYER)).await;
    assert!(
        deployer.status == StatusCode::FORBIDDEN && deployer.text.contains("needs the role `approver`"),
        "{deployer:?}"
    );
    let other = send(&world, APPROVER, ONE, &approval("ada")).await;
    assert_eq!((other.status, &other.json()["path"]), (StatusCode::FORBIDDEN, &json!("data.approver")));
    let overriding = event(
        "2",
        "deploy.requested",
        &json!({"environment": "dev", "requester": "kim", "override_reason": "now"}),
    );
    let approver = send(&world, APPROVER, ONE, &overriding).await;
    assert_eq!(
        (approver.status, &approver.json()["path"]),
        (StatusCode::FORBIDDEN, &json!("data.override_reason"))
    );
    assert_eq!(send(&world, ADMIN, ONE, &overriding).await.status, StatusCode::ACCEPTED);
    assert_eq!(send(&world, APPROVER, ONE, &approval(APPROVER)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_kind_that_is_not_read_is_named() {
    let world = World::new().await;
    for kind in ["text/plain", "application/json", "application/cloudevents+xml"] {
        let refused = send(&world, DEPLOYER, kind, &push("1")).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            "{kind}"
        );
    }
}
