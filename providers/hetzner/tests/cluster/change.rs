//! Clusters that change: by their file, or by hand.

use serde_json::json;
use windlass_core::provider::{ChangeVerb, Provider as _};

use crate::world::{RELEASE, World, told};

#[tokio::test]
async fn workers_come_and_go() {
    let world = World::new().await;
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    world.ensure(&world.spec(1, 3, "")).await.unwrap();
    assert_eq!(world.emulator.resources("servers").len(), 4);
    let plan = world.plan(&world.spec(1, 1, "")).await;
    assert!(plan.changes.iter().all(|change| change.verb == ChangeVerb::Remove), "{plan:?}");
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    assert_eq!(world.emulator.resources("servers").len(), 2);
    let inside = world.fleet.cluster.lock().unwrap();
    assert_eq!(
        inside.done,
        ["retire worker shop-pool-w-worker3 InOrder", "retire worker shop-pool-w-worker2 InOrder"]
    );
}

#[tokio::test]
async fn masters_join_and_leave_one_by_one() {
    let world = World::new().await;
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    world.ensure(&world.spec(3, 1, "")).await.unwrap();
    assert_eq!(world.fleet.cluster.lock().unwrap().founded, ["shop-master1"]);
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    let inside = world.fleet.cluster.lock().unwrap();
    assert_eq!(inside.done, ["retire master shop-master3 InOrder", "retire master shop-master2 InOrder"]);
    assert_eq!(inside.nodes.keys().collect::<Vec<_>>(), ["shop-master1", "shop-pool-w-worker1"]);
}

#[tokio::test]
async fn no_master_is_taken_away_while_another_is_ill() {
    let world = World::new().await;
    world.ensure(&world.spec(3, 0, "")).await.unwrap();
    world.fleet.cluster.lock().unwrap().ill.push("shop-master1".to_owned());
    world.emulator.forget_calls();
    let error = world.ensure(&world.spec(1, 0, "")).await.unwrap_err();
    assert!(told(&error).contains("only 0 of 1 masters are ready"), "{}", told(&error));
    assert!(world.calls().iter().all(|call| !call.is_write()));
}

#[tokio::test]
async fn a_master_whose_server_was_lost_is_made_anew() {
    let world = World::new().await;
    let spec = world.spec(3, 0, "");
    world.ensure(&spec).await.unwrap();
    let id = world.server("shop-master2")["id"].as_u64().unwrap();
    world.by_hand("DELETE", &format!("/servers/{id}"), &json!({}));
    world.clock.advance(std::time::Duration::from_secs(30));
    world.ensure(&spec).await.unwrap();
    assert_eq!(world.plan(&spec).await.changes, []);
    let inside = world.fleet.cluster.lock().unwrap();
    assert_eq!(inside.founded, ["shop-master1"], "it joined and did not found another");
    assert_eq!(inside.done, ["retire master shop-master2 Dead"], "its old member left etcd first");
}

#[tokio::test]
async fn a_new_release_goes_to_masters_first() {
    let world = World::new().await;
    world.ensure(&world.spec(3, 2, "")).await.unwrap();
    let mut spec = world.spec(3, 2, "");
    spec.config = spec.config.map(|text| text.replace(RELEASE, "v1.34.5+k3s1"));
    world.emulator.forget_calls();
    let cluster = world.ensure(&spec).await.unwrap();
    assert_eq!((cluster.version.as_deref(), cluster.writes), (Some("v1.34.5+k3s1"), 5));
    let done = world.fleet.cluster.lock().unwrap().done.clone();
    let names = ["master1", "master2", "master3", "pool-w-worker1", "pool-w-worker2"];
    assert_eq!(done, names.map(|name| format!("upgrade shop-{name}")));
    assert_eq!(world.plan(&spec).await.changes, []);
    let back = world.provider_error(&world.spec(3, 2, "")).await;
    assert!(back.contains("which is newer than v1.34.4+k3s1"), "{back}");
}

#[tokio::test]
async fn rules_of_the_firewall_follow_the_file() {
    let world = World::new().await;
    world.ensure(&world.spec(1, 0, "")).await.unwrap();
    let spec = world.spec(1, 0, "networking: {node_port_firewall_enabled: false}");
    let spec = windlass_core::provider::ClusterSpec {
        config: spec.config.map(|text| {
            let text = text.replace("networking: {node_port_firewall_enabled: false}\n", "");
            text.replace("networking: {", "networking: {node_port_firewall_enabled: false, ")
        }),
        ..spec
    };
    let plan = world.plan(&spec).await;
    assert_eq!(plan.changes.len(), 1, "{plan:?}");
    assert_eq!(plan.changes[0].what, "rules of firewall `shop`: 0 new, 2 gone");
    assert_eq!(world.ensure(&spec).await.unwrap().writes, 1);
    assert_eq!(world.plan(&spec).await.changes, []);
}

#[tokio::test]
async fn rules_that_somebody_added_go() {
    let world = World::new().await;
    let spec = world.spec(1, 0, "");
    world.ensure(&spec).await.unwrap();
    let firewall = &world.emulator.resources("firewalls")[0];
    let mut rules = firewall["rules"].as_array().unwrap().clone();
    rules.push(json!({"direction": "in", "protocol": "tcp", "port": "8080", "source_ips": ["0.0.0.0/0"]}));
    let path = format!("/firewalls/{}/actions/set_rules", firewall["id"]);
    world.by_hand("POST", &path, &json!({"rules": rules}));
    assert_eq!(world.plan(&spec).await.changes[0].what, "rules of firewall `shop`: 0 new, 1 gone");
    world.ensure(&spec).await.unwrap();
    assert_eq!(world.plan(&spec).await.changes, []);
}

#[tokio::test]
async fn a_server_that_was_switched_off_is_started() {
    let world = World::new().await;
    let spec = world.spec(1, 1, "");
    world.ensure(&spec).await.unwrap();
    let id = world.server("shop-pool-w-worker1")["id"].as_u64().unwrap();
    world.by_hand("POST", &format!("/servers/{id}/actions/poweroff"), &json!({}));
    world.clock.advance(std::time::Duration::from_secs(30));
    world.ensure(&spec).await.unwrap();
    assert_eq!(world.server("shop-pool-w-worker1")["status"], "running");
}

#[tokio::test]
async fn a_cluster_whose_first_master_is_lost_is_reached_through_another() {
    let world = World::new().await;
    let spec = world.spec(3, 0, "");
    world.ensure(&spec).await.unwrap();
    let first = world.server("shop-master1");
    let path = format!("/servers/{}", first["id"]);
    world.by_hand("DELETE", &path, &json!({}));
    world.clock.advance(std::time::Duration::from_secs(30));
    let address = first["public_net"]["ipv4"]["ip"].as_str().unwrap();
    world.fleet.cluster.lock().unwrap().silent.push(format!("https://{address}:6443"));
    world.ensure(&spec).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    let way = world.provider.connect(&crate::world::CLUSTER.parse().unwrap()).await.unwrap();
    assert!(!way.expose().contains(&format!("{address}:6443")), "the way in leads to one that answers");
    assert_eq!(world.fleet.cluster.lock().unwrap().founded, ["shop-master1"], "founded once, joined since");
}
