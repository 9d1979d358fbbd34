//! Lists, and streams of runs.

use std::pin::Pin;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::world::{Answer, VIEWER, World, request};

/// A stream that is read event by event.
struct Reading {
    body: Pin<Box<BodyDataStream>>,
    text: String,
}

/// What one event said: its fields by name; comments are under the empty name.
type Said = Vec<(String, String)>;

impl Reading {
    async fn open(world: &World, path: &str, last: Option<&str>) -> Self {
        let headers: Vec<_> = last.map(|last| ("last-event-id", last)).into_iter().collect();
        let response = world.send(request("GET", path, VIEWER, &headers, Body::empty())).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reading =
            Self { body: Box::pin(response.into_body().into_data_stream()), text: String::new() };
        let hello = reading.next().await.unwrap();
        assert!(hello.contains(&("retry".to_owned(), "2000".to_owned())), "{hello:?}");
        reading
    }

    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<Said> {
        while !self.text.contains("\n\n") {
            self.text.push_str(std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim_start().to_owned())
        };
        let said = event.lines().map(field).collect();
        self.text = rest.to_owned();
        Some(said)
    }

    /// The next run that is told, with the event's id.
    async fn run(&mut self) -> Option<(String, Value)> {
        let said = self.next().await?;
        let field = |name: &str| said.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        assert_eq!(field("event").as_deref(), Some("run"), "{said:?}");
        Some((field("id").unwrap(), serde_json::from_str(&field("data").unwrap()).unwrap()))
    }
}

#[tokio::test]
async fn a_run_is_told_as_it_changes_and_the_stream_ends_with_it() {
    let world = World::new().await;
    let run = world.run("1").await;
    let path = format!("/v1/runs/{run}/events");
    let mut reading = Reading::open(&world, &path, None).await;
    assert_eq!(reading.run().await.unwrap().1["state"], "queued");
    let claim = world.begin().await;
    let (seen, told) = reading.run().await.unwrap();
    assert_eq!(told["state"], "gate");
    world.end(claim).await;
    let (last, told) = reading.run().await.unwrap();
    assert_eq!(told, world.get(&format!("/v1/runs/{run}"), VIEWER).await.json(), "the same value everywhere");
    assert_eq!(told["state"], "refused");
    assert!(reading.next().await.is_none());

    let mut resumed = Reading::open(&world, &path, Some(&seen)).await;
    assert_eq!(resumed.run().await.unwrap().0, last);
    let told = world.ask("GET", &path, VIEWER, &[("last-event-id", &last)], "").await;
    assert_eq!(told.status, StatusCode::NO_CONTENT);
    let foreign = world.ask("GET", &path, VIEWER, &[("last-event-id", "what")], "").await;
    assert_eq!(foreign.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn whoever_follows_all_is_told_what_came_after() {
    let world = World::new().await;
    world.run("1").await;
    let mut reading = Reading::open(&world, "/v1/runs/events", None).await;
    let second = world.run("2").await;
    let (mark, told) = reading.run().await.unwrap();
    assert_eq!(told["id"], second.to_string(), "what was before is no news");
    let (third, fourth) = (world.run("3").await, world.run("4").await);
    let mut resumed = Reading::open(&world, "/v1/runs/events", Some(&mark)).await;
    for expected in [third, fourth] {
        assert_eq!(resumed.run().await.unwrap().1["id"], expected.to_string());
    }
}

#[tokio::test]
async fn a_reader_who_was_away_sees_each_run_once_as_it_stands() {
    let world = World::new().await;
    let run = world.run("1").await;
    let mut reading = Reading::open(&world, &format!("/v1/runs/{run}/events"), None).await;
    // Nothing is made while nobody reads: all of this is one change.
    let claim = world.begin().await;
    world.end(claim).await;
    assert_eq!(reading.run().await.unwrap().1["state"], "refused");
    assert!(reading.next().await.is_none());
}

#[tokio::test]
async fn streams_end_when_the_server_is_asked_to_stop() {
    let world = World::new().await;
    let mut reading = Reading::open(&world, "/v1/runs/events", None).await;
    world.stop();
    let farewell = reading.next().await.unwrap();
    assert!(farewell[0].0.is_empty() && farewell[0].1.contains("windlass stops"), "{farewell:?}");
    assert!(reading.next().await.is_none());
}

#[tokio::test]
async fn as_many_follow_as_may_and_a_place_is_free_again_after_one_goes() {
    let world = World::configured("[http]\nstreams = 2\n").await;
    let open = || world.send(request("GET", "/v1/runs/events", "", &[], Body::empty()));
    let (first, _second) = (open().await, open().await);
    let refused = Answer::of(open().await).await;
    assert_eq!(
        (refused.status, refused.code(), refused.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", "5")
    );
    drop(first);
    assert_eq!(open().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn runs_are_listed_page_by_page() {
    let world = World::new().await;
    for event in ["1", "2", "3", "4", "5"] {
        world.run(event).await;
    }
    let (mut cursor, mut found) = (String::new(), Vec::new());
    loop {
        let page = world.get(&format!("/v1/runs?limit=2&env=dev{cursor}"), VIEWER).await.json();
        found.extend(
            page["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ["r-5", "r-4", "r-3", "r-2", "r-1"]);
    world.begin().await;
    let states = world.get("/v1/runs?state=gate", VIEWER).await.json();
    assert_eq!(states["runs"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/v1/runs?env=prod", VIEWER).await.json(), json!({"runs": [], "next": null}));
    for (query, path) in [("env=Prod", "env"), ("state=blocked", "state"), ("cursor=x", "cursor")] {
        let refused = world.get(&format!("/v1/runs?{query}"), VIEWER).await;
        assert_eq!(
            (refused.status, &refused.json()["path"]),
            (StatusCode::BAD_REQUEST, &json!(path)),
            "{query}"
        );
    }
    assert_eq!(world.get("/v1/runs?limt=2", VIEWER).await.status, StatusCode::BAD_REQUEST);
}
