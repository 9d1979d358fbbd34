//! Ends the process at every kill point of the store, lets it start again, and looks whether anything was lost or doubled.
//!
//! The program plays two parts: without `WINDLASS_JOURNEY` it visits the kill points; with it, it carries six events as far as they go in
//! that directory, from wherever an earlier process was ended.

#![expect(clippy::unwrap_used, reason = "a test, though it has a `main` of its own")]

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId};
use windlass_core::policy::gate::HoldKind;
use windlass_core::provider::Kubeconfig;
use windlass_core::queue::{Depth, Queue as _, Verdict};
use windlass_core::run::{Outcome, RunKind, RunState, Stage, Step, Trigger};
use windlass_store::{
    Approval, Change, Claim, ClusterToPublish, Decision, EmbeddedQueue, Freeze, Hold, InboxStatus, Incoming,
    Leadership, NewRun, QueuedEvent, Reason, RunFilter, Store, StoreError, kill_points,
};

const TTL: Duration = Duration::from_secs(30);
const SIGKILL: i32 = 9;
/// `good` is verified after an approval, `bad` is rolled back, `unwanted` is cancelled, `ignored` becomes no run, `made` makes a cluster, which
/// asks for `emitted` by an event of its own, and `removed` removes it.
const EVENTS: [&str; 6] = ["good", "bad", "unwanted", "ignored", "made", "removed"];
const EMITTED: &str = "emitted";
/// Kill points that a journey does not pass: here events are taken over together with their deliveries.
const NOT_ON_THE_WAY: [&str; 2] = ["store.take_over.before", "store.take_over.after"];

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var_os("WINDLASS_JOURNEY") {
        Some(dir) => runtime.block_on(journey(Path::new(&dir))).unwrap(),
        None => runtime.block_on(visit_all()),
    }
}

async fn visit_all() {
    let mut unvisited = Vec::new();
    for point in kill_points() {
        for visit in [1, 2] {
            let dir = tempfile::tempdir().unwrap();
            let first = start(dir.path(), &format!("{point}:{visit}"));
            if first.signal() != Some(SIGKILL) {
                assert!(first.success(), "{point}:{visit} ended by itself: {first}");
                unvisited.extend((visit == 1).then(|| point.clone()));
                continue;
            }
            let second = start(dir.path(), "none");
            assert!(second.success(), "after {point}:{visit}: {second}");
            check(dir.path(), &point).await;
        }
    }
    assert_eq!(unvisited, NOT_ON_THE_WAY);
}

fn start(dir: &Path, kill_at: &str) -> ExitStatus {
    let own = std::env::current_exe().unwrap();
    Command::new(own).env("WINDLASS_JOURNEY", dir).env("WINDLASS_KILL_AT", kill_at).status().unwrap()
}

/// What must be there in the end, wherever the process was ended on the way.
async fn check(dir: &Path, point: &str) {
    let store = Store::open(dir).await.unwrap();
    let queue = EmbeddedQueue::new(store.clone()).unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth::default(), "{point}");
    let events = store.events(100).await.unwrap();
    let readable: Vec<_> = events.iter().filter(|event| event.status != InboxStatus::Dead).collect();
    assert_eq!(readable.len(), EVENTS.len() + 1, "{point}");
    let emitted = readable.iter().filter(|event| event.id.as_deref() == Some(EMITTED));
    assert_eq!(emitted.count(), 1, "{point}");
    assert!(store.pending_events().await.unwrap().is_empty(), "{point}");

    let runs = store.runs(&RunFilter::default()).await.unwrap();
    let mut ends: Vec<_> = runs.iter().map(|run| (run.subject.as_str(), run.state)).collect();
    ends.sort_by_key(|(subject, _)| *subject);
    let expected = [
        ("bad", RunState::Ended(Outcome::RolledBack)),
        ("good", RunState::Ended(Outcome::Verified)),
        ("made", RunState::Ended(Outcome::Verified)),
        ("removed", RunState::Ended(Outcome::Verified)),
        ("unwanted", RunState::Ended(Outcome::Cancelled)),
    ];
    assert_eq!(ends, expected, "{point}");
    for run in &runs {
        let journal = store.journal(run.id).await.unwrap();
        for stage in Stage::ALL {
            let results = journal.iter().filter(|record| record.stage == stage && record.result.is_some());
            assert!(results.count() <= 1 + run.round as usize, "{point}: {stage} of `{}` twice", run.subject);
        }
        let releases = store.releases(&run.environment).await.unwrap();
        let verified = releases.iter().filter(|release| release.verified).count();
        assert_eq!(verified, usize::from(run.subject == "good"), "{point}");
        let row = store.environment(&run.environment).await.unwrap();
        assert_eq!((row.lease_run, row.frozen), (None, None), "{point}");
        assert_eq!(store.audit_verify(&run.environment).await.unwrap().broken_at, None, "{point}");
    }
}

/// Carries the events from wherever they are to the end.
async fn journey(dir: &Path) -> Result<(), StoreError> {
    let store = Store::open(dir).await?;
    let now = Timestamp::now();
    let leadership = store.try_lead(now).await?.expect("the process before is dead");
    let queue = EmbeddedQueue::new(store.clone())?;
    publish_what_is_missing(&store, &queue).await?;
    take_over_all(&store, &queue).await?;
    plan_all(&store).await?;
    for run in store.active_runs().await? {
        if run.subject == "unwanted" {
            store.cancel(run.id, "ada", now).await?;
        }
    }
    loop {
        store.wake_due(Timestamp::now() + SignedDuration::from_hours(1)).await?;
        let Some(claim) = store.claim(&leadership, now, TTL).await? else { break };
        carry(&store, &leadership, claim).await?;
    }
    plan_all(&store).await?;
    let good = environment("good");
    let freeze =
        Freeze { kind: HoldKind::Pause, by: "ada".to_owned(), reason: "done".to_owned(), until: None };
    store.freeze(&good, &freeze, now).await?;
    store.unfreeze(&good, "ada", now).await?;
    store.raise_epoch(&good, 10).await?;
    store.record_dead(b"{", "cannot be read", now).await?;
    Ok(())
}

async fn publish_what_is_missing(store: &Store, queue: &EmbeddedQueue) -> Result<(), StoreError> {
    let known = store.events(100).await?;
    for name in EVENTS {
        if !known.iter().any(|event| event.id.as_deref() == Some(name)) {
            // A message that is still in the queue is published again, and recognised as a duplicate.
            queue.publish(name.as_bytes()).await.expect("the queue is in the store");
        }
    }
    Ok(())
}

/// Each message is handed back once before it is taken over.
async fn take_over_all(store: &Store, queue: &EmbeddedQueue) -> Result<(), StoreError> {
    loop {
        let deliveries = queue.receive(2, Duration::ZERO).await.expect("the queue is in the store");
        if deliveries.is_empty() {
            return Ok(());
        }
        for delivery in deliveries {
            if delivery.attempt == 1 {
                let back = Verdict::Release(Duration::ZERO);
                queue.settle(&[delivery.token], &back).await.expect("the queue is in the store");
                continue;
            }
            let incoming = incoming(delivery.message);
            let event = QueuedEvent { token: delivery.token, incoming };
            store.take_over_from_queue(&[event], Timestamp::now()).await?;
        }
    }
}

fn incoming(message: Vec<u8>) -> Incoming {
    Incoming {
        source: "test".to_owned(),
        id: String::from_utf8_lossy(&message).into_owned(),
        event_type: "dev.windlass.push".to_owned(),
        subject: None,
        body: message,
        principal: None,
        traceparent: None,
    }
}

async fn plan_all(store: &Store) -> Result<(), StoreError> {
    for event in store.pending_events().await? {
        let name = event.id.expect("every event was readable");
        if name == "ignored" || name == EMITTED {
            store.ignore_event(event.inbox, "asks for nothing").await?;
            continue;
        }
        let kind = match name.as_str() {
            "made" => RunKind::Cluster,
            "removed" => RunKind::Removal,
            _ => RunKind::Deploy,
        };
        let run = NewRun {
            kind,
            environment: environment(&name),
            replay: 0,
            trigger: Trigger::Automatic,
            commit: Commit::new(name.clone()),
            lane: "main".to_owned(),
            requester: "ada".to_owned(),
            services: Vec::new(),
            rollback_to: None,
            window_override: None,
            subject: name,
            traceparent: None,
        };
        store.plan(event.inbox, &[run], Timestamp::now()).await?;
    }
    Ok(())
}

fn environment(name: &str) -> EnvironmentName {
    name.parse().expect("the names here are names")
}

/// One claim of a run: as far as it goes.
async fn carry(store: &Store, leadership: &Leadership, mut claim: Claim) -> Result<(), StoreError> {
    let (run, now) = (claim.run.id, Timestamp::now());
    store.renew(&mut claim, now, TTL).await?;
    pass(store, &mut claim, Stage::Gate).await?;
    if store.approvals(run).await?.is_empty() {
        return wait_for_approval(store, claim).await;
    }
    let second = claim.run.kind.stages()[1];
    pass(store, &mut claim, second).await?;
    if claim.run.state == RunState::At(second) {
        store.advance(&mut claim, Step::Prepared, now).await?;
    }
    // Handed back and taken again, as at a change of guard.
    store.release(claim).await?;
    let Some(mut claim) = store.claim_run(leadership, run, now, TTL).await? else { return Ok(()) };
    let Some(mut lease) = store.acquire_lease(&mut claim, 0, now, TTL).await? else { return Ok(()) };
    store.renew_lease(&mut lease, now, TTL).await?;
    match claim.run.kind {
        RunKind::Deploy => execute(store, &mut claim).await?,
        RunKind::Cluster => make(store, &mut claim).await?,
        RunKind::Removal => remove(store, &mut claim).await?,
    }
    // The end of the run has given it back already, which is allowed.
    store.release_lease(lease).await
}

/// Woken by the clock the first time, by an approval the second.
async fn wait_for_approval(store: &Store, mut claim: Claim) -> Result<(), StoreError> {
    let (run, now) = (claim.run.id, Timestamp::now());
    let is_first = claim.run.round == 0;
    store.hold(&mut claim, hold(is_first.then_some(now)), now).await?;
    if is_first { Ok(()) } else { approve(store, run).await }
}

async fn approve(store: &Store, run: RunId) -> Result<(), StoreError> {
    let approval = Approval {
        approver: "bea".to_owned(),
        decision: Decision::Approved,
        digest: Digest::of(b"objects"),
        reason: None,
        at: Timestamp::now(),
    };
    store.approve(run, &approval).await.map(drop)
}

fn hold(due: Option<Timestamp>) -> Hold {
    let expires = Timestamp::now() + SignedDuration::from_mins(30);
    let (code, text) = ("approval".to_owned(), "waits for an approval".to_owned());
    Hold { code, text, due, expires: Some(expires), digest: None }
}

async fn execute(store: &Store, claim: &mut Claim) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let digest = store.put_artefact(claim.run.subject.as_bytes()).await?;
    pass(store, claim, Stage::Secrets).await?;
    store.write_run(claim, &[Change::Release(&digest)], now).await?;
    for stage in [Stage::Apply, Stage::Wait] {
        pass(store, claim, stage).await?;
    }
    if claim.run.subject == "bad" {
        pass(store, claim, Stage::Rollback).await?;
        return store.end(claim, Outcome::RolledBack, Reason::new("crashed", "it crashes"), now).await;
    }
    pass(store, claim, Stage::Verify).await?;
    store.mark_verified(claim.run.id).await?;
    store.end(claim, Outcome::Verified, Reason::new("verified", "all is ready"), now).await
}

/// Makes a cluster, publishes it, and asks for a deployment in the moment of its end.
async fn make(store: &Store, claim: &mut Claim) -> Result<(), StoreError> {
    let now = Timestamp::now();
    pass(store, claim, Stage::Ensure).await?;
    pass(store, claim, Stage::Verify).await?;
    pass(store, claim, Stage::Publish).await?;
    let cluster = ClusterToPublish {
        provider: "test".parse().expect("it is a name"),
        name: "made".parse().expect("it is a name"),
        version: None,
        kubeconfig: Kubeconfig::new("nowhere"),
    };
    store.write_run(claim, &[Change::PublishCluster(&cluster)], now).await?;
    let emitted = incoming(EMITTED.as_bytes().to_vec());
    let end = Change::End(Outcome::Verified, Reason::new("verified", "it takes work"));
    store.write_run(claim, &[end, Change::Emit(&emitted)], now).await
}

async fn remove(store: &Store, claim: &mut Claim) -> Result<(), StoreError> {
    let now = Timestamp::now();
    pass(store, claim, Stage::Remove).await?;
    let end = Change::End(Outcome::Verified, Reason::new("verified", "it is gone"));
    store.write_run(claim, &[Change::WithdrawCluster, end], now).await
}

/// A stage, unless its result is in the journal already. The first attempt at each fails.
async fn pass(store: &Store, claim: &mut Claim, stage: Stage) -> Result<(), StoreError> {
    let now = Timestamp::now();
    let journal = store.journal(claim.run.id).await?;
    let mut of_stage =
        journal.iter().filter(|record| record.stage == stage && record.round == claim.run.round);
    if of_stage.clone().any(|record| record.result.is_some()) {
        return Ok(());
    }
    if of_stage.all(|record| record.error.is_none()) {
        store.begin_stage(claim, stage, &json!({ "attempt": 1 }), now).await?;
        store.fail_stage(claim, stage, &json!("no luck"), now).await?;
    }
    store.begin_stage(claim, stage, &json!({ "attempt": 2 }), now).await?;
    if matches!(stage, Stage::Ensure | Stage::Remove) {
        store.write_run(claim, &[Change::Progress(stage, &["half-way".to_owned()])], now).await?;
    }
    store.finish_stage(claim, stage, &json!({ "done": true }), now).await
}
