//! Runs about clusters, from the event to the verified workload, on a provider that does as it is told.

mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use windlass_core::name::Commit;
use windlass_core::provider::ProviderError;
use windlass_core::run::{Outcome, RunState, Stage};
use windlass_store::{Decision, InboxStatus};

use self::world::{CONFIG, POLICY, Trouble, World, dev};
use crate::decide::{self, Said};
use crate::stop::Stop;

const BY_ITSELF: &str = "cluster_name: sandbox-dev-cluster\nauto_deploy: true\n";
const BY_HAND: &str = "cluster_name: sandbox-dev-cluster\n";

#[tokio::test]
async fn a_push_of_a_cluster_config_ends_in_a_verified_deploy() {
    let world = World::new().await;
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified"]);

    let run = world.run(1).await;
    let stages: Vec<_> = run.stages.iter().map(|stage| (stage.stage, stage.ok)).collect();
    let passed = [Stage::Gate, Stage::Plan, Stage::Ensure, Stage::Verify, Stage::Publish];
    assert_eq!(stages, passed.map(|stage| (stage, Some(true))));
    let told = run.explain();
    for words in ["+ create cluster `sandbox-dev-cluster` in memory", "network is there", "3 nodes are ready"]
    {
        assert!(told.contains(words) || run.stage_note(Stage::Verify).contains(words), "{words}: {told}");
    }
    let published = world.engine.store.cluster(&dev()).await.unwrap().expect("it is published");
    assert_eq!((published.name.as_str(), published.run), ("sandbox-dev-cluster", run.id));

    let ready = world.emitted().await.pop().expect("the run has sent an event");
    assert_eq!((ready.id.as_deref(), ready.status), (Some("r-1.cluster.ready"), InboxStatus::Planned));
    let deploy = world.run(2).await;
    assert_eq!(
        (deploy.subject.as_str(), deploy.commit),
        ("cluster sandbox-dev-cluster is ready", world.head())
    );
}

/// A broker tells of a push and proves no sender; what brings the commits may be slower.
#[tokio::test]
async fn where_a_broker_is_a_push_waits_for_its_commit() {
    for (url, waits) in [(Some("amqp://localhost"), true), (None, false)] {
        let mut world = World::new().await;
        let engine = Arc::get_mut(&mut world.engine).expect("nobody else has it yet");
        engine.config.queue.url = url.map(str::to_owned);
        let status = async |world: &World| {
            world.work().await;
            world.engine.store.events(1).await.unwrap()[0].status
        };
        world.clock.set("2026-03-02T10:00:00Z");
        world.push("1", &world.head(), &Commit::new("a".repeat(40))).await;
        let expected = if waits { InboxStatus::New } else { InboxStatus::Ignored };
        assert_eq!(status(&world).await, expected, "{url:?}");
        world.clock.set("2026-03-02T10:10:00Z");
        assert_eq!(status(&world).await, InboxStatus::Ignored, "not for ever");
    }
}

#[tokio::test]
async fn deploys_take_the_way_in_that_was_published() {
    let world = World::new().await;
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    assert_eq!(world.provider.connected.load(Ordering::SeqCst), 1, "only the cluster run asks the provider");
}

#[tokio::test]
async fn what_does_not_touch_the_cluster_asks_for_no_cluster() {
    let world = World::new().await;
    world.push_config("1", BY_ITSELF).await;
    // The same once more is known, and the same files under another event change nothing.
    let data = json!({"repository": "acme/shop", "ref": "refs/heads/dev", "before": world.head(), "after": world.head()});
    world.send("1", "push", &data).await;
    world.send("2", "push", &data).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified"]);

    let (before, patch) = (world.head(), "infra/k8s/sandbox/dev/patches/postgres.statefulset.yaml");
    let text = world.text(patch);
    world.push("3", &before, &world.commit(patch, &format!("{text}# no change\n"))).await;
    let (before, beside) = (world.head(), "infra/k8s/sandbox/dev/cluster/notes.md");
    world.push("4", &before, &world.commit(beside, "nothing")).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified", "deploy verified"]);
    assert_eq!(world.provider.ensured.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_the_switch_a_person_asks() {
    let world = World::new().await;
    world.push_config("1", BY_HAND).await;
    world.work().await;
    let held = world.run(1).await;
    assert_eq!(held.held.as_ref().map(|held| held.code.as_str()), Some("cluster_auto_deploy_off"));
    assert!(held.to_text().contains("windlass cluster create dev"), "{}", held.to_text());
    assert_eq!(world.provider.ensured.load(Ordering::SeqCst), 0);

    let data = json!({"environment": "dev", "work": "ensure", "requester": "ada"});
    world.send("2", "cluster.requested", &data).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster held", "cluster verified", "deploy verified"]);
}

#[tokio::test]
async fn a_newer_configuration_takes_the_place_of_one_that_waits_and_a_deploy_does_not() {
    let world = World::new().await;
    world.push_config("1", BY_HAND).await;
    world.work().await;
    let before = world.head();
    world.push("2", &before, &world.commit("infra/k8s/base/configmaps/more.txt", "unread")).await;
    world.send("3", "schedule.fired", &json!({"schedule": "nightly", "environment": "dev"})).await;
    world.push_config("4", &format!("{BY_HAND}nodes: 3\n")).await;
    world.work().await;
    let runs = world.runs().await;
    assert_eq!((runs[0].as_str(), runs[2].as_str()), ("cluster superseded", "cluster held"), "{runs:?}");
    assert!(runs[1].starts_with("deploy "), "{runs:?}");
}

#[tokio::test]
async fn an_approval_is_of_the_plan() {
    let world = World::new().await;
    let policy =
        world.text(POLICY).replacen("require_manual_approval: false", "require_manual_approval: true", 1);
    world.commit(POLICY, &policy);
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    let held = world.run(1).await;
    assert_eq!(
        held.held.as_ref().map(|held| held.code.as_str()),
        Some("approval_missing"),
        "{}",
        held.to_text()
    );
    assert!(held.to_text().contains("1 to create"), "{}", held.to_text());
    assert_eq!(world.provider.ensured.load(Ordering::SeqCst), 0);

    let said = Said { by: "grace".to_owned(), decision: Decision::Approved, reason: None, about: None };
    decide::about_run(&world.engine, held.id, said).await.unwrap();
    world.work().await;
    // The deploy is asked about for itself.
    assert_eq!(world.runs().await, ["cluster verified", "deploy held"]);
}

#[tokio::test]
async fn a_closed_window_holds_a_cluster_until_it_opens() {
    let world = World::new().await;
    let policy = world.text(POLICY).replacen(
        "deployment_windows:\n      enabled: false",
        "deployment_windows:\n      enabled: true",
        1,
    );
    world.commit(POLICY, &policy);
    // A Friday; windows are from Monday to Thursday.
    world.clock.set("2026-11-20T10:00:00Z");
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    let held = world.run(1).await.held.expect("it is held");
    assert_eq!((held.code.as_str(), held.until), ("window_closed", "2026-11-23T08:00:00Z".parse().ok()));
    world.clock.set("2026-11-23T08:00:00Z");
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified"]);
}

#[tokio::test]
async fn a_cluster_that_cannot_be_made_is_explained_and_the_next_run_goes_on() {
    let world = World::new().await;
    let error = ProviderError::new("server type `cx99` does not exist").with_hint("take `cx23`");
    world.provider.troubled_by(Trouble::Fails(error));
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster failed"]);
    let told = world.run(1).await.explain();
    for words in ["`cx99` does not exist", "take `cx23`", "nothing is rolled back", "network is there"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(world.emitted_ids().await, ["r-1.cluster.failed"]);
    assert_eq!(world.engine.store.cluster(&dev()).await.unwrap(), None);
    assert_eq!(world.engine.store.environment(&dev()).await.unwrap().attention, None, "nobody has to look");

    let data = json!({"environment": "dev", "work": "ensure", "requester": "ada"});
    world.send("2", "cluster.requested", &data).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster failed", "cluster verified", "deploy verified"]);
}

#[tokio::test]
async fn what_may_mend_itself_is_tried_again_and_told() {
    let world = World::new().await;
    for _ in 0..2 {
        let later = ProviderError::new("the API asks to wait").retry_later(Some(Duration::from_millis(1)));
        world.provider.troubled_by(Trouble::Fails(later));
    }
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified"]);
    assert_eq!(world.provider.ensured.load(Ordering::SeqCst), 3);
    let run = world.run(1).await;
    let ensure: Vec<_> = run.stages.iter().filter(|stage| stage.stage == Stage::Ensure).collect();
    assert_eq!(ensure.len(), 1, "all tries are one attempt, which holds the lease");
    let again =
        ensure[0].progress.iter().filter(|line| line.starts_with("the API asks to wait: tried again"));
    assert_eq!(again.count(), 2, "{:?}", ensure[0].progress);
}

#[tokio::test]
async fn a_person_may_stop_a_cluster_that_is_being_made() {
    let world = World::new().await;
    world.provider.troubled_by(Trouble::Hangs);
    world.push_config("1", BY_ITSELF).await;
    let cancel = async {
        world.provider.until_it_hangs().await;
        let run = world.run(1).await;
        assert_eq!(run.state, RunState::At(Stage::Ensure));
        world.engine.store.cancel(run.id, "grace", world.engine.now()).await.unwrap();
    };
    tokio::join!(world.work(), cancel);
    let run = world.run(1).await;
    assert_eq!(run.outcome(), Some(Outcome::Cancelled), "{}", run.to_text());
    assert!(
        run.to_text().contains("cancelled by grace; what the provider has done stays"),
        "{}",
        run.to_text()
    );
    assert!(world.emitted_ids().await.is_empty(), "nothing failed and nothing is ready");
}

#[tokio::test]
async fn a_cluster_that_was_cut_off_is_finished_by_the_next_start() {
    let mut world = World::new().await;
    world.provider.troubled_by(Trouble::Hangs);
    world.push_config("1", BY_ITSELF).await;
    let halt = async {
        world.provider.until_it_hangs().await;
        world.engine.halt();
    };
    tokio::select! { () = world.work() => unreachable!("a run that was handed back is claimed again"), () = async { halt.await; until_given_back(&world).await } => {} }
    assert_eq!(world.run(1).await.state, RunState::At(Stage::Ensure));
    world.restart().await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified"]);
    assert_eq!(world.emitted_ids().await, ["r-1.cluster.ready"]);
    let run = world.run(1).await;
    assert_eq!(
        run.stages.iter().filter(|stage| stage.stage == Stage::Plan).count(),
        1,
        "what had ended is not repeated"
    );
}

/// Ends once nobody has the run any more.
async fn until_given_back(world: &World) {
    let mut seen = windlass_store::Seen::default();
    while world.engine.store.run(windlass_core::name::RunId(1)).await.unwrap().claimed_by.is_some() {
        world.engine.store.changed(&mut seen, Duration::from_secs(5)).await.unwrap();
    }
}

#[tokio::test]
async fn a_way_in_that_runs_programs_is_not_published() {
    let world = World::new().await;
    let hostile = "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {exec: {command: /bin/true, apiVersion: client.authentication.k8s.io/v1}}}]\n";
    *world.provider.way_in.lock().unwrap() = Some(hostile.to_owned());
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    let run = world.run(1).await;
    assert_eq!(run.outcome(), Some(Outcome::Failed), "{}", run.to_text());
    assert!(run.to_text().contains("exec"), "{}", run.to_text());
    assert_eq!(world.engine.store.cluster(&dev()).await.unwrap(), None);
}

#[tokio::test]
async fn a_removal_names_the_cluster_and_forgets_the_way_in() {
    let world = World::new().await;
    world.push_config("1", BY_ITSELF).await;
    world.work().await;
    let removal = |confirm: &str| json!({"environment": "dev", "work": "remove", "requester": "ada", "confirm": confirm});
    world.send("2", "cluster.requested", &removal("sandbox-prod-cluster")).await;
    world
        .send("3", "cluster.requested", &json!({"environment": "dev", "work": "remove", "requester": "ada"}))
        .await;
    world.work().await;
    assert_eq!(world.runs().await.len(), 2, "nothing is removed by a slip of the hand");

    world.send("4", "cluster.requested", &removal("sandbox-dev-cluster")).await;
    world.work().await;
    assert_eq!(world.runs().await, ["cluster verified", "deploy verified", "removal verified"]);
    assert_eq!(world.emitted_ids().await, ["r-1.cluster.ready", "r-3.cluster.deleted"]);
    assert_eq!(world.engine.store.cluster(&dev()).await.unwrap(), None);
    let gone = world.engine.connect(&dev(), &world.head()).await;
    assert!(matches!(&gone, Err(Stop::Refuse(cause)) if cause.code == "cluster_unknown"), "{gone:?}");
    let audit = world.engine.store.audit_verify(&dev()).await.unwrap();
    assert_eq!(audit.broken_at, None);
    let told = world.run(3).await.explain();
    assert!(told.contains("- remove cluster `sandbox-dev-cluster`"), "{told}");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_refused_with_its_line() {
    let world = World::new().await;
    world.push_config("1", "cluster_name: a\nauto_deploy: perhaps\n").await;
    world.work().await;
    let run = world.run(1).await;
    let reason = run.reason.as_ref().expect("it has ended");
    assert_eq!(
        (run.state, reason.code.as_str()),
        (RunState::Ended(Outcome::Refused), "cluster_config_invalid")
    );
    assert!(reason.text.contains(&format!("{CONFIG}:2:")), "{}", reason.text);
    assert_eq!(world.emitted_ids().await, ["r-1.cluster.failed"]);
}
