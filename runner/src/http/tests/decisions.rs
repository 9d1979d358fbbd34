//! What people decide over HTTP.

use axum::http::StatusCode;
use serde_json::{Value, json};
use windlass_core::name::Digest;

use super::world::{ADMIN, APPROVER, DEPLOYER, VIEWER, World};

#[tokio::test]
async fn an_approval_wakes_its_run_and_saying_it_again_answers_the_same() {
    let world = World::new().await;
    let run = world.run("1").await;
    let mut claim = world.begin().await;
    world.hold(&mut claim, &Digest::of(b"objects")).await;
    let path = format!("/v1/runs/{run}/approve");
    for _ in 0..2 {
        let approved = world.post(&path, APPROVER, r#"{"reason": "read the plan"}"#).await;
        assert_eq!(
            (approved.status, &approved.json()["state"]),
            (StatusCode::OK, &json!("queued")),
            "{}",
            approved.text
        );
        let approvals = approved.json()["approvals"].clone();
        assert_eq!(approvals.as_array().unwrap().len(), 1);
        assert_eq!(
            (&approvals[0]["approver"], &approvals[0]["reason"]),
            (&json!("approver"), &json!("read the plan"))
        );
    }
    let late = world.post(&path, ADMIN, "").await;
    assert_eq!((late.status, late.code()), (StatusCode::CONFLICT, "not_waiting"));
    let other = world.post(&format!("/v1/runs/{run}/reject"), APPROVER, "").await;
    assert_eq!(other.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_decision_about_another_render_is_refused() {
    let world = World::new().await;
    let run = world.run("1").await;
    let mut claim = world.begin().await;
    world.hold(&mut claim, &Digest::of(b"new")).await;
    let about = |bytes: &[u8]| json!({"digest": Digest::of(bytes)}).to_string();
    let stale = world.post(&format!("/v1/runs/{run}/approve"), APPROVER, &about(b"old")).await;
    assert_eq!((stale.status, stale.code()), (StatusCode::CONFLICT, "stale_approval"));
    let rejected = world.post(&format!("/v1/runs/{run}/reject"), APPROVER, &about(b"new")).await;
    assert_eq!(
        (rejected.status, &rejected.json()["approvals"][0]["decision"]),
        (StatusCode::OK, &json!("rejected"))
    );
}

#[tokio::test]
async fn a_body_that_is_not_what_is_asked_for_is_refused() {
    let world = World::new().await;
    let run = world.run("1").await;
    let path = format!("/v1/runs/{run}/approve");
    for (body, status, found) in
        [("{\"reson\": \"x\"}", 400, "reson"), ("{\"reason\": 1}", 400, "reason"), ("{", 400, "EOF")]
    {
        let refused = world.post(&path, APPROVER, body).await;
        assert!(refused.status.as_u16() == status && refused.text.contains(found), "{body}: {refused:?}");
    }
    let text = world.ask("POST", &path, APPROVER, &[("content-type", "text/plain")], "yes").await;
    assert_eq!(text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = world.post(&path, APPROVER, &format!("{{\"reason\": \"{}\"}}", "x".repeat(20_000))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let waiting = world.post(&path, APPROVER, "").await;
    assert_eq!((waiting.status, waiting.code()), (StatusCode::CONFLICT, "not_waiting"));
}

#[tokio::test]
async fn a_run_is_cancelled_and_stays_so() {
    let world = World::new().await;
    let run = world.run("1").await;
    for _ in 0..2 {
        let cancelled = world.post(&format!("/v1/runs/{run}/cancel"), DEPLOYER, "").await;
        assert_eq!((cancelled.status, &cancelled.json()["state"]), (StatusCode::OK, &json!("cancelled")));
        assert_eq!(cancelled.json()["reason"]["text"], "cancelled by deployer");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    for name in ["r-9", "9", "nonsense", "r-99999999999999999999", "r-18446744073709551615"] {
        for (method, path) in [("GET", ""), ("GET", "/events"), ("POST", "/approve"), ("POST", "/cancel")] {
            let missing = world.ask(method, &format!("/v1/runs/{name}{path}"), ADMIN, &[], "").await;
            assert_eq!(
                (missing.status, missing.code()),
                (StatusCode::NOT_FOUND, "run_unknown"),
                "{method} {name}{path}"
            );
        }
    }
    for path in ["rollback", "pause", "resume"] {
        let missing =
            world.post(&format!("/v1/environments/nowhere/{path}"), ADMIN, r#"{"reason": "x"}"#).await;
        assert_eq!(
            (missing.status, missing.code()),
            (StatusCode::NOT_FOUND, "environment_unknown"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_environment_is_paused_and_goes_on() {
    let world = World::new().await;
    let reasonless = world.post("/v1/environments/dev/pause", ADMIN, r#"{"reason": " "}"#).await;
    assert_eq!((reasonless.status, &reasonless.json()["path"]), (StatusCode::BAD_REQUEST, &json!("reason")));
    let body = json!({"reason": "audit week", "until": "2100-01-01T00:00:00Z"}).to_string();
    let paused = world.post("/v1/environments/dev/pause", ADMIN, &body).await;
    let expected =
        json!({"kind": "pause", "by": "admin", "reason": "audit week", "until": "2100-01-01T00:00:00Z"});
    assert_eq!((paused.status, &paused.json()["paused"]), (StatusCode::OK, &expected));
    let listed = world.get("/v1/environments", VIEWER).await.json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dev", "local", "prod", "test"]);
    assert_eq!(listed[0]["paused"], expected);
    let past = json!({"reason": "late", "until": "2000-01-01T00:00:00Z"}).to_string();
    assert_eq!(world.post("/v1/environments/dev/freeze", ADMIN, &past).await.status, StatusCode::BAD_REQUEST);
    let frozen = world.post("/v1/environments/dev/freeze", ADMIN, &body).await;
    assert_eq!((frozen.status, &frozen.json()["paused"]["kind"]), (StatusCode::OK, &json!("freeze")));
    let less = world.post("/v1/environments/dev/pause", ADMIN, &body).await;
    assert_eq!((less.status, less.code()), (StatusCode::CONFLICT, "frozen"));
    let resumed = world.post("/v1/environments/dev/resume", ADMIN, "").await;
    assert_eq!((resumed.status, &resumed.json()["paused"]), (StatusCode::OK, &Value::Null));
}

#[tokio::test]
async fn going_back_is_asked_for_once_under_one_key() {
    let world = World::new().await;
    let ask = async |token: &str, key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        world
            .ask("POST", "/v1/environments/dev/rollback", token, &headers, r#"{"reason": "it is slow"}"#)
            .await
    };
    let first = ask(DEPLOYER, "a").await;
    assert_eq!((first.status, &first.json()["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    let again = ask(DEPLOYER, "a").await;
    assert_eq!(
        (again.status, &again.json()["inbox"], &again.json()["duplicate"]),
        (StatusCode::ACCEPTED, &first.json()["inbox"], &json!(true))
    );
    assert_eq!(ask(ADMIN, "a").await.json()["duplicate"], false, "the key of another token is another key");
    assert_eq!(ask(DEPLOYER, "b").await.json()["duplicate"], false);
    assert_eq!(ask(DEPLOYER, "").await.status, StatusCode::BAD_REQUEST);
    let stored = &world.engine.store.events(9).await.unwrap()[0];
    let body: Value = serde_json::from_slice(&stored.body).unwrap();
    assert_eq!(
        (&body["data"]["requester"], stored.principal.as_deref()),
        (&json!("deployer"), Some("deployer"))
    );
}
