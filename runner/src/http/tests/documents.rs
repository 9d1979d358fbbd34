//! The OpenAPI document is true: of every path, what it answers, and who may ask for it.

use axum::http::StatusCode;
use serde_json::Value;

use super::world::{ADMIN, APPROVER, Answer, DEPLOYER, NOBODY, VIEWER, World};

const ROLES: [&str; 4] = [VIEWER, DEPLOYER, APPROVER, ADMIN];

/// Every operation: its method, its path with names filled in, and its description.
async fn operations(world: &World) -> Vec<(String, String, Value)> {
    let document = world.get("/v1/openapi.json", NOBODY).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "r-1").replace("{env}", "dev");
        for (method, operation) in methods.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    assert!(operations.len() >= 16, "hardly any path is described: {operations:?}");
    operations
}

/// The role that an operation says it needs; none where anybody may.
fn needed(operation: &Value) -> Option<&str> {
    operation["security"].as_array()?.iter().find_map(|one| one["token"][0].as_str())
}

/// A request without a body, of which only the beginning of the answer is read: a stream has no end.
async fn status(world: &World, method: &str, path: &str, token: &str) -> (StatusCode, Option<Answer>) {
    let response =
        world.send(super::world::request(method, path, token, &[], axum::body::Body::empty())).await;
    let is_stream = response.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let status = response.status();
    (status, if is_stream { None } else { Some(Answer::of(response).await) })
}

#[tokio::test]
async fn every_path_of_the_document_answers_as_it_says() {
    let world = World::new().await;
    world.run("1").await;
    for (method, path, operation) in operations(&world).await {
        let (status, answer) = status(&world, &method, &path, ADMIN).await;
        let code = answer.filter(|_| status.is_client_error()).map(|answer| answer.code());
        assert!(!matches!(code, Some("path_unknown" | "method_unknown")), "{method} {path} leads nowhere");
        let described = operation["responses"].get(status.as_str()).is_some();
        assert!(described, "{method} {path} answers {status}, which is not described");
        assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{method} {path}");
    }
}

#[tokio::test]
async fn every_path_asks_for_the_role_that_it_says() {
    let world = World::new().await;
    world.run("1").await;
    for (method, path, operation) in operations(&world).await {
        let Some(needed) = needed(&operation) else {
            assert!(
                !matches!(status(&world, &method, &path, NOBODY).await.0.as_u16(), 401 | 403),
                "{method} {path}"
            );
            continue;
        };
        let (unknown, answer) = status(&world, &method, &path, NOBODY).await;
        assert_eq!(unknown, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_eq!(answer.unwrap().header("www-authenticate"), "Bearer realm=\"windlass\"");
        assert_eq!(
            status(&world, &method, &path, "somebody").await.0,
            StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
        let rank = ROLES.iter().position(|role| *role == needed).unwrap();
        for role in &ROLES[..rank] {
            let (refused, answer) = status(&world, &method, &path, role).await;
            assert_eq!(refused, StatusCode::FORBIDDEN, "{method} {path} for {role}");
            assert!(answer.unwrap().text.contains(&format!("needs the role `{needed}`")), "{method} {path}");
        }
        assert_ne!(status(&world, &method, &path, needed).await.0, StatusCode::FORBIDDEN, "{method} {path}");
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_to_a_schema() {
    let world = World::new().await;
    let document = world.get("/v1/openapi.json", NOBODY).await.json();
    let (mut waiting, mut found) = (vec![&document], 0);
    while let Some(value) = waiting.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            found += 1;
            assert!(
                document.pointer(reference.trim_start_matches('#')).is_some(),
                "`{reference}` leads nowhere"
            );
        }
        match value {
            Value::Object(members) => waiting.extend(members.values()),
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    assert!(found > 20, "hardly any schema is used: {found}");
}
