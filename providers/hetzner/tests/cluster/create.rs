//! Making clusters, and making them again.

use std::time::Duration;

use serde_json::{Value, json};
use windlass_core::provider::{ClusterSpec, Provider as _, Removal};
use windlass_hetzner_emulator::{Limits, Shortage};

use crate::world::{CLUSTER, Heard, RELEASE, Setting, Silent, World, told};

/// Makes a cluster and makes it again. Answers with the calls of the first time.
async fn made_twice(world: &World, spec: &ClusterSpec) -> usize {
    let plan = world.plan(spec).await;
    assert!(plan.monthly_cost.as_ref().is_some_and(|cost| cost.cents > 0), "{plan:?}");
    world.emulator.forget_calls();
    let cluster = world.ensure(spec).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(cluster.version.as_deref(), Some(RELEASE));
    let calls = world.calls().len();
    world.emulator.forget_calls();
    let again = world.ensure(spec).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(again.writes, 0);
    assert!(world.calls().iter().all(|call| !call.is_write()), "a converged run writes nothing");
    assert_eq!(world.plan(spec).await.changes, []);
    calls
}

fn names(world: &World, kind: &str) -> Vec<String> {
    let prefix = format!("{kind}/");
    world.inventory().iter().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect()
}

#[tokio::test]
async fn one_server_is_a_cluster() {
    let world = World::new().await;
    let calls = made_twice(&world, &world.spec(1, 0, "")).await;
    println!("1+0: {calls} calls");
    assert_eq!(
        world.inventory(),
        [
            "firewalls/shop",
            "networks/shop",
            "placement_groups/shop-masters",
            "servers/shop-master1",
            "ssh_keys/shop"
        ]
    );
    let kubeconfig = world.provider.connect(&CLUSTER.parse().unwrap()).await.unwrap();
    let read: Value = serde_json::from_str(kubeconfig.expose()).unwrap();
    let address = world.server("shop-master1")["public_net"]["ipv4"]["ip"].as_str().unwrap().to_owned();
    assert_eq!(read["clusters"][0]["cluster"]["server"], format!("https://{address}:6443"));
}

#[tokio::test]
async fn three_masters_and_three_workers_take_no_more_than_sixty_calls() {
    let world = World::new().await;
    let calls =
        made_twice(&world, &world.spec(3, 3, "create_load_balancer_for_the_kubernetes_api: true")).await;
    println!("3+3: {calls} calls");
    assert!(calls <= 60, "{calls} calls");
    assert_eq!(names(&world, "servers").len(), 6);
    assert_eq!(names(&world, "load_balancers"), ["shop-api"]);
    let balancer = &world.emulator.resources("load_balancers")[0];
    assert_eq!(balancer["private_net"][0]["ip"], "10.0.255.252");
    let inside = world.fleet.cluster.lock().unwrap();
    assert_eq!(inside.founded, ["shop-master1"], "a control plane is founded once");
}

#[tokio::test]
async fn fifty_workers_are_made_within_the_rate_limit() {
    let world = World::with(Setting { driven: true, ..Setting::default() }).await;
    let spec = world.spec(3, 50, "");
    let started = world.clock.now();
    let calls = tokio::select! {
        calls = made_twice(&world, &spec) => calls,
        () = world.clock.drive(Duration::from_millis(40)) => unreachable!("it runs until it is dropped"),
    };
    let seconds = world.clock.now().duration_since(started).as_secs();
    println!("3+50: {calls} calls, {seconds} simulated seconds for making it and looking twice");
    assert_eq!(names(&world, "servers").len(), 53);
    assert_eq!(names(&world, "placement_groups").len(), 6, "ten servers to a group");
    for group in world.emulator.resources("placement_groups") {
        assert!(group["servers"].as_array().unwrap().len() <= 10, "{group}");
    }
}

#[tokio::test]
async fn a_small_rate_limit_is_lived_with() {
    let limits = Limits { servers: 100, requests: 40 };
    let world = World::with(Setting { limits, ..Setting::default() }).await;
    made_twice(&world, &world.spec(1, 1, "")).await;
    assert!(world.calls().iter().all(|call| call.status != Some(429)), "the limit is never run into");
}

#[tokio::test]
async fn every_server_has_the_firewall_from_its_first_moment() {
    let world = World::new().await;
    world.ensure(&world.spec(3, 2, "")).await.unwrap();
    let calls = world.calls();
    let at = |path: &str| calls.iter().position(|call| call.method == "POST" && call.path == path).unwrap();
    assert!(at("/firewalls") < at("/servers"));
    for call in calls.iter().filter(|call| call.method == "POST" && call.path == "/servers") {
        let request = call.request.as_ref().unwrap();
        assert!(request["firewalls"][0]["firewall"].is_u64(), "{request}");
        assert_eq!(request["labels"]["windlass.dev/cluster"], CLUSTER);
    }
}

#[tokio::test]
async fn what_masters_must_keep_is_not_in_their_user_data() {
    let world = World::new().await;
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    for call in world.calls().iter().filter(|call| call.path == "/servers" && call.is_write()) {
        let request = call.request.as_ref().unwrap();
        let data = request["user_data"].as_str().unwrap();
        assert!(data.starts_with("#cloud-config\n") && !data.contains(world.emulator.token()));
        let is_worker = request["labels"]["windlass.dev/role"] == "worker";
        assert_eq!(data.contains("\\\"token\\\""), is_worker, "only workers join by themselves");
    }
}

#[tokio::test]
async fn what_is_out_of_stock_is_taken_elsewhere() {
    let world = World::new().await;
    for kind in ["cx33", "cx43"] {
        world.emulator.sell_out(Shortage::new(kind, "nbg1").hidden());
    }
    let heard = Heard::default();
    world.provider.ensure(&world.spec(1, 1, ""), &heard).await.unwrap();
    let worker = world.server("shop-pool-w-worker1");
    assert_eq!(
        (&worker["server_type"]["name"], &worker["location"]["name"]),
        (&json!("cx33"), &json!("hel1"))
    );
    let heard = heard.0.into_inner().unwrap();
    assert!(heard.contains(&"there is no cx33 in nbg1 for `shop-pool-w-worker1`".to_owned()), "{heard:?}");
    assert_eq!(world.plan(&world.spec(1, 1, "")).await.changes, [], "a fallback is no drift");
}

#[tokio::test]
async fn what_is_said_to_be_out_of_stock_is_not_asked_for_first() {
    let world = World::new().await;
    world.emulator.sell_out(Shortage::new("cx33", "nbg1"));
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    assert_eq!(world.server("shop-pool-w-worker1")["server_type"]["name"], "cx43");
    let refused = world.calls().iter().filter(|call| call.status == Some(412)).count();
    assert_eq!(refused, 0);
}

#[tokio::test]
async fn where_nothing_is_to_be_had_the_error_says_what_was_tried() {
    let world = World::new().await;
    world.emulator.sell_out(Shortage::new("cx23", "nbg1"));
    let error = world.ensure(&world.spec(1, 0, "")).await.unwrap_err();
    assert!(told(&error).contains("tried cx23 in nbg1"), "{}", told(&error));
    assert!(matches!(error.retry, windlass_core::provider::Retry::Later(_)));
    world.emulator.refill();
    made_twice(&world, &world.spec(1, 0, "")).await;
}

#[tokio::test]
async fn a_budget_is_kept_before_anything_is_written() {
    let world = World::new().await;
    let spec = world.spec(1, 1, "budget: {monthly: 1}");
    let error = world.provider.ensure(&spec, &Silent).await.unwrap_err();
    assert!(told(&error).contains("more than 1.00 EUR"), "{}", told(&error));
    assert!(world.calls().iter().all(|call| !call.is_write()));
    assert_eq!(world.inventory(), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    let spec = world.spec(1, 0, "datastore: {mode: external, external_datastore_endpoint: x}");
    let error = world.provider.plan(&spec).await.unwrap_err();
    assert!(told(&error).contains("external database"), "{}", told(&error));
    assert_eq!(world.calls(), []);
}

#[tokio::test]
async fn a_process_that_starts_anew_finds_everything_made() {
    let mut world = World::new().await;
    let spec = world.spec(1, 1, "");
    world.ensure(&spec).await.unwrap();
    world.restart();
    assert_eq!(world.ensure(&spec).await.unwrap().writes, 0);
}

#[tokio::test]
async fn what_runs_is_not_taken_over_by_who_lacks_its_secret() {
    let mut world = World::new().await;
    let spec = world.spec(1, 0, "");
    world.ensure(&spec).await.unwrap();
    std::fs::remove_dir_all(world.folder.path().join("data")).unwrap();
    world.restart();
    world.emulator.forget_calls();
    // However often it is tried.
    for _ in 0..2 {
        let error = world.provider_error(&spec).await;
        assert!(error.contains("what they were made with is not kept here"), "{error}");
    }
    assert!(world.calls().iter().all(|call| !call.is_write()));
}

#[tokio::test]
async fn a_budget_holds_for_what_is_fallen_back_to() {
    let world = World::new().await;
    let price =
        |cents: i64| format!("budget: {{monthly: {}.{:02}, currency: EUR}}", cents / 100, cents % 100);
    let first = world.plan(&world.spec(1, 1, "")).await.monthly_cost.unwrap().cents;
    // The worker may become a cx43, which is dearer than the cx33 that is taken first.
    let error = world.provider_error(&world.spec(1, 1, &price(first))).await;
    assert!(error.contains("would cost"), "{error}");
    assert!(world.calls().iter().all(|call| !call.is_write()));
    world.ensure(&world.spec(1, 1, &price(first * 4))).await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_project_makes_nothing_and_forgets_nothing() {
    let made = World::new().await;
    let spec = made.spec(1, 0, "");
    made.ensure(&spec).await.unwrap();
    let mut other = World::new().await;
    std::fs::rename(made.folder.path().join("data"), other.folder.path().join("data")).unwrap();
    other.restart();
    let spec = other.spec(1, 0, "");
    for _ in 0..2 {
        let error = other.provider_error(&spec).await;
        assert!(error.contains("has no master of it") && error.contains("HCLOUD_TOKEN"), "{error}");
        let removed = other.provider.remove(&spec.name, Removal::Final, &Silent).await;
        let error = told(&removed.expect_err("nothing of it is there"));
        assert!(error.contains("has nothing of it"), "{error}");
    }
    assert!(other.calls().iter().all(|call| !call.is_write()));
    other.provider.connect(&spec.name).await.unwrap();
}
