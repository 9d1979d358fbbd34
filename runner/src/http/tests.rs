//! The API as a client meets it, without sockets; connections are in `connections`.

mod connections;
mod decisions;
mod documents;
mod events;
mod following;
mod github;
mod world;

use axum::http::StatusCode;
use jiff::SignedDuration;

use self::world::{ADMIN, NOBODY, VIEWER, World};

#[tokio::test]
async fn a_path_that_leads_nowhere_is_not_found_whatever_it_looks_like() {
    let world = World::new().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/../healthz",
        "/v1/runs/../../healthz",
        "/v1/runs/..%2f..%2fhealthz",
        "/v1/runs/%2e%2e/events",
        "//healthz",
        "/v1/runs/r-1%00",
        "/v1/environments/..%2fdev/pause",
        "/v1/runs/r-1/approve/",
        "/V1/runs",
    ] {
        let answer = world.get(path, ADMIN).await;
        assert!(
            matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED),
            "{path}: {answer:?}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
    let environment = world.post("/v1/environments/%2e%2e/pause", ADMIN, r#"{"reason": "x"}"#).await;
    assert_eq!((environment.status, environment.code()), (StatusCode::NOT_FOUND, "environment_unknown"));
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let world = World::new().await;
    for origin in ["http://evil.example", "null"] {
        let answer = world.ask("GET", "/v1/runs", VIEWER, &[("origin", origin)], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
    }
    let own = world.ask("GET", "/v1/runs", VIEWER, &[("origin", "http://localhost")], "").await;
    assert_eq!(own.status, StatusCode::OK);
}

#[tokio::test]
async fn without_tokens_only_names_of_loopback_are_answered() {
    let world = World::configured("").await;
    assert_eq!(world.get("/v1/runs", NOBODY).await.status, StatusCode::OK);
    let rebound = world.ask("GET", "/v1/runs", NOBODY, &[("host", "rebound.example")], "").await;
    assert_eq!((rebound.status, rebound.code()), (StatusCode::MISDIRECTED_REQUEST, "host_unknown"));
    let writing = world.post("/v1/events", NOBODY, "{}").await;
    assert_eq!((writing.status, writing.code()), (StatusCode::FORBIDDEN, "role_missing"));
    assert!(writing.text.contains("needs the role `deployer`"), "{}", writing.text);
}

#[tokio::test]
async fn only_names_that_are_written_are_answered() {
    let world = World::configured("[http]\nhosts = ['windlass.example']\nanonymous = 'viewer'\n").await;
    for (host, expected) in [("windlass.example", 200), ("WINDLASS.example:8080", 200), ("localhost", 421)] {
        let answer = world.ask("GET", "/v1/runs", NOBODY, &[("host", host)], "").await;
        assert_eq!(answer.status.as_u16(), expected, "{host}");
    }
    assert_eq!(
        world.ask("GET", "/healthz", NOBODY, &[("host", "10.0.0.7")], "").await.status,
        StatusCode::OK,
        "probes name the address"
    );
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_out() {
    let world = World::new().await;
    for path in ["/healthz", "/v1/runs", "/nowhere"] {
        let answer = world.get(path, VIEWER).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn it_is_ready_until_it_is_asked_to_stop() {
    let world = World::new().await;
    assert_eq!(world.get("/healthz", NOBODY).await.text, "ok\n");
    let ready = world.get("/readyz", NOBODY).await;
    assert_eq!((ready.status, ready.json()["store"].as_bool()), (StatusCode::OK, Some(true)));
    world.stop();
    let stopping = world.get("/readyz", NOBODY).await;
    assert_eq!(
        (stopping.status, stopping.json()["taking"].as_bool()),
        (StatusCode::SERVICE_UNAVAILABLE, Some(false))
    );
    assert_eq!(world.get("/healthz", NOBODY).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_store_that_failed_is_tried_again_although_nobody_is_sent_here() {
    let world = World::new().await;
    let ready = async || world.get("/readyz", NOBODY).await.status;
    assert_eq!(ready().await, StatusCode::OK);
    world.engine.tell_store(false);
    world.clock.forward(SignedDuration::from_secs(50));
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
    world.clock.forward(SignedDuration::from_secs(10));
    assert_eq!(ready().await, StatusCode::OK);
    world.engine.tell_store(false);
    assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
    world.engine.tell_store(true);
    assert_eq!(ready().await, StatusCode::OK);
}
