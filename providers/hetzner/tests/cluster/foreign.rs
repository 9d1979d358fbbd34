//! What is not ours is not touched.

use serde_json::{Value, json};

use crate::world::{CLUSTER, World};

/// Plants a resource of someone else under each of our names, one after the other, and asks for a cluster.
#[tokio::test]
async fn a_name_of_ours_that_is_taken_stops_the_plan_before_any_write() {
    let ip_range = json!({"name": "shop", "ip_range": "10.9.0.0/16"});
    let key = json!({"name": "shop", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISEhI eve"});
    let server =
        json!({"name": "shop-master1", "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1"});
    let balancer = json!({"name": "shop-api", "load_balancer_type": "lb11", "location": "nbg1"});
    let taken: [(&str, &str, Value); 6] = [
        ("/networks", "network `shop`", ip_range),
        ("/ssh_keys", "SSH key `shop`", key),
        ("/firewalls", "firewall `shop`", json!({"name": "shop"})),
        (
            "/placement_groups",
            "placement group `shop-masters`",
            json!({"name": "shop-masters", "type": "spread"}),
        ),
        ("/servers", "server `shop-master1`", server),
        ("/load_balancers", "load balancer `shop-api`", balancer),
    ];
    for (path, name, body) in taken {
        let world = World::new().await;
        world.by_hand("POST", path, &body);
        world.clock.advance(std::time::Duration::from_mins(1));
        let before = (world.inventory(), world.emulator.resources(&path[1..]));
        world.emulator.forget_calls();
        let error = world
            .provider_error(&world.spec(3, 0, "create_load_balancer_for_the_kubernetes_api: true"))
            .await;
        assert!(error.contains(&format!("{name} is in the project already")), "{error}");
        assert!(world.calls().iter().all(|call| !call.is_write()), "{path}");
        assert_eq!(world.remove().await.removed, Vec::<String>::new());
        assert_eq!((world.inventory(), world.emulator.resources(&path[1..])), before);
    }
}

#[tokio::test]
async fn another_cluster_is_left_alone() {
    let world = World::new().await;
    let labels = json!({"windlass.dev/cluster": "other", "windlass.dev/role": "worker"});
    let body = json!({"name": "other-worker1", "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1", "labels": labels});
    world.by_hand("POST", "/servers", &body);
    world.clock.advance(std::time::Duration::from_mins(1));
    let before = world.server("other-worker1");
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    world.ensure(&world.spec(1, 0, "")).await.unwrap();
    world.remove().await;
    assert_eq!(world.inventory(), ["servers/other-worker1"]);
    assert_eq!(world.server("other-worker1"), before);
}

#[tokio::test]
async fn a_key_that_the_project_has_is_used_and_stays() {
    let world = World::new().await;
    let key = std::fs::read_to_string(world.folder.path().join("key.pub")).unwrap();
    world.by_hand("POST", "/ssh_keys", &json!({"name": "dana", "public_key": key.trim()}));
    let spec = world.spec(1, 0, "");
    world.ensure(&spec).await.unwrap();
    assert_eq!(world.plan(&spec).await.changes, []);
    world.remove().await;
    assert_eq!(world.inventory(), ["ssh_keys/dana"]);
}

#[tokio::test]
async fn a_label_alone_makes_nothing_ours_to_remove() {
    let world = World::new().await;
    // As somebody would who wants the cluster's firewall before a machine of their own.
    let labels = json!({"windlass.dev/cluster": CLUSTER});
    let body = json!({"name": "bastion", "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1", "labels": labels});
    world.by_hand("POST", "/servers", &body);
    world.clock.advance(std::time::Duration::from_mins(1));
    world.ensure(&world.spec(1, 1, "")).await.unwrap();
    assert_eq!(world.plan(&world.spec(1, 1, "")).await.changes, []);
    world.remove().await;
    assert_eq!(world.inventory(), ["servers/bastion"]);
}
