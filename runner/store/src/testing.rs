//! What the tests of this crate share.

mod interleavings;
mod scans;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use windlass_core::name::{Commit, EnvironmentName};
use windlass_core::run::{RunKind, Stage, Step, Trigger};

use crate::{Change, Claim, Hold, Incoming, Leadership, NewRun, RunRow, Store};

pub(crate) const TTL: Duration = Duration::from_secs(30);

/// A second of the tests' own clock.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) async fn open() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    (dir, store)
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

pub(crate) fn event(id: &str) -> Incoming {
    Incoming {
        source: "https://forge.example/shop".to_owned(),
        id: id.to_owned(),
        event_type: "dev.windlass.push".to_owned(),
        subject: Some("refs/heads/main".to_owned()),
        body: format!("{{\"id\":\"{id}\"}}").into_bytes(),
        principal: Some("forge".to_owned()),
        traceparent: None,
    }
}

/// An automatic run of lane `main`.
pub(crate) fn new_run(name: &str) -> NewRun {
    NewRun {
        kind: RunKind::Deploy,
        environment: environment(name),
        replay: 0,
        trigger: Trigger::Automatic,
        commit: Commit::new("c0ffee0000000000000000000000000000000000"),
        lane: "main".to_owned(),
        requester: "ada".to_owned(),
        services: Vec::new(),
        rollback_to: None,
        window_override: None,
        subject: "Say hello".to_owned(),
        traceparent: None,
    }
}

/// Takes an event over and plans one run of it.
pub(crate) async fn planned(store: &Store, id: &str, run: NewRun, second: i64) -> RunRow {
    let taken = store.take_over(&[event(id)], at(second)).await.unwrap();
    store.plan(taken[0].id(), &[run], at(second)).await.unwrap().remove(0)
}

/// A store with a leader.
pub(crate) async fn open_leading() -> (TempDir, Store, Leadership) {
    let (dir, store) = open().await;
    let leadership = store.try_lead(at(0)).await.unwrap().expect("nobody else leads");
    (dir, store, leadership)
}

/// Brings a claimed run through gate and render, so that only the lease is missing.
pub(crate) async fn prepare(store: &Store, claim: &mut Claim, second: i64) {
    let nothing = json!({});
    let changes = [
        Change::Begin(Stage::Gate, &nothing),
        Change::Finish(Stage::Gate, &nothing),
        Change::Begin(Stage::Render, &nothing),
        Change::Finish(Stage::Render, &nothing),
        Change::Advance(Step::Prepared),
    ];
    store.write_run(claim, &changes, at(second)).await.unwrap();
}

/// A hold for an approval that lasts until `expires`.
pub(crate) fn hold(due: Option<i64>, expires: Option<i64>) -> Hold {
    Hold {
        code: "approval".to_owned(),
        text: "waits for an approval".to_owned(),
        due: due.map(at),
        expires: expires.map(at),
        digest: None,
    }
}
