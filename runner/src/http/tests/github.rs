//! What GitHub delivers, and what somebody does who is not GitHub.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures::stream;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::world::{Answer, GITHUB_SECRET, NOBODY, VIEWER, World, request};

const PUSH: &str = include_str!("../github/push.json");
const CONFIGURED: &str = "[http]\nanonymous = 'viewer'\n[http.github]\nrepository = 'acme/shop'\n";

fn signature(secret: &str, body: &str) -> String {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    code.update(body.as_bytes());
    code.finalize().into_bytes().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Delivers with these headers over the usual ones.
async fn deliver(world: &World, body: &str, headers: &[(&str, &str)]) -> Answer {
    let signature = signature(GITHUB_SECRET, body);
    let mut all = vec![
        ("content-type", "application/json"),
        ("x-github-event", "push"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    world.ask("POST", "/v1/hooks/github", NOBODY, &all, body).await
}

async fn events(world: &World) -> Value {
    world.get("/v1/events", NOBODY).await.json()
}

#[tokio::test]
async fn a_push_is_taken_once_whichever_delivery_brings_it() {
    let world = World::configured(CONFIGURED).await;
    let first = deliver(&world, PUSH, &[]).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{first:?}");
    assert_eq!(
        (&first.json()["event"]["inbox"], &first.json()["event"]["duplicate"]),
        (&"e-1".into(), &false.into())
    );
    for delivery in ["72d3162e-cc78-11e3-81ab-4c9367dc0958", "00000000-0000-0000-0000-000000000000"] {
        let again = deliver(&world, PUSH, &[("x-github-delivery", delivery)]).await;
        assert_eq!((again.status, &again.json()["event"]["duplicate"]), (StatusCode::OK, &true.into()));
    }
    let listed = events(&world).await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(
        (&listed[0]["type"], &listed[0]["sender"], &listed[0]["source"]),
        (&"dev.windlass.push".into(), &"ada".into(), &"https://github.com/acme/shop".into())
    );
}

#[tokio::test]
async fn what_is_not_signed_is_not_read() {
    let world = World::configured(CONFIGURED).await;
    let other = signature("It's a Secret to everybody", PUSH);
    let of_another_body = signature(GITHUB_SECRET, "{}");
    let sha1 = other.replace("sha256", "sha1");
    for wrong in ["", "sha256=", &other, &of_another_body, &sha1] {
        for body in [PUSH, "this is no JSON"] {
            let refused = deliver(&world, body, &[("x-hub-signature-256", wrong)]).await;
            assert_eq!(
                (refused.status, refused.code()),
                (StatusCode::UNAUTHORIZED, "signature_wrong"),
                "{wrong}"
            );
            assert_eq!(refused.header("www-authenticate"), "X-Hub-Signature-256 realm=\"windlass\"");
            assert!(!refused.text.contains(GITHUB_SECRET) && !refused.text.contains(&other[10..]));
        }
    }
    assert_eq!(events(&world).await.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_signature_that_is_there_twice_is_refused() {
    let world = World::configured(CONFIGURED).await;
    let right = signature(GITHUB_SECRET, PUSH);
    let twice = [("x-hub-signature-256", right.as_str()), ("x-hub-signature-256", right.as_str())];
    assert_eq!(deliver(&world, PUSH, &twice).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_asks_for_nothing_is_answered_and_not_kept() {
    let world = World::configured(CONFIGURED).await;
    let ping =
        deliver(&world, r#"{"zen": "Keep it logically awesome."}"#, &[("x-github-event", "ping")]).await;
    assert_eq!(ping.status, StatusCode::OK, "{ping:?}");
    for event in ["pull_request", "issues", "workflow_run"] {
        let nothing = deliver(&world, "{}", &[("x-github-event", event)]).await;
        assert_eq!(
            (nothing.status, &nothing.json()["event"]),
            (StatusCode::ACCEPTED, &Value::Null),
            "{event}"
        );
        assert!(nothing.text.contains("nothing is done"), "{nothing:?}");
    }
    let deleted = PUSH.replace("1481a2de7b2a7d02428ad93446ab166be7793fbb", &"0".repeat(40));
    let tag = PUSH.replace("refs/heads/main", "refs/tags/v1");
    for body in [deleted, tag] {
        let nothing = deliver(&world, &body, &[]).await;
        assert_eq!(
            (nothing.status, &nothing.json()["event"]),
            (StatusCode::ACCEPTED, &Value::Null),
            "{nothing:?}"
        );
    }
    assert_eq!(events(&world).await.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_signed_and_wrong_is_named() {
    let world = World::configured(CONFIGURED).await;
    let other = deliver(&world, &PUSH.replace("acme/shop\"", "acme/other\""), &[]).await;
    assert_eq!((other.status, other.code()), (StatusCode::FORBIDDEN, "repository_unknown"));
    let broken = deliver(&world, "{", &[]).await;
    assert_eq!((broken.status, broken.code()), (StatusCode::BAD_REQUEST, "usage"));
    let wrong = deliver(&world, &PUSH.replace("refs/heads/", ""), &[]).await;
    assert_eq!((wrong.status, &wrong.json()["path"]), (StatusCode::BAD_REQUEST, &"ref".into()));
    let form = deliver(&world, PUSH, &[("content-type", "application/x-www-form-urlencoded")]).await;
    assert_eq!((form.status, form.code()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"));
    for header in ["x-github-event", "x-github-delivery"] {
        let missing = deliver(&world, PUSH, &[(header, "")]).await;
        assert_eq!((missing.status, &missing.json()["path"]), (StatusCode::BAD_REQUEST, &header.into()));
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_before_it_is_judged() {
    let world = World::configured(CONFIGURED).await;
    let endless =
        Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65536]))));
    let signature = signature(GITHUB_SECRET, "");
    let headers = [("x-hub-signature-256", signature.as_str())];
    let answer =
        Answer::of(world.send(request("POST", "/v1/hooks/github", NOBODY, &headers, endless)).await).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    let announced = [headers[0], ("content-length", "52428800")];
    let unread = world.send(request("POST", "/v1/hooks/github", NOBODY, &announced, Body::empty())).await;
    assert_eq!(unread.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn without_a_repository_nothing_is_taken() {
    let world = World::new().await;
    let answer = deliver(&world, PUSH, &[]).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "hook_unknown"));
    assert_eq!(world.get("/v1/events", VIEWER).await.json().as_array().unwrap().len(), 0);
}
