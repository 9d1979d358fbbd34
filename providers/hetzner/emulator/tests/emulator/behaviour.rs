//! What the API does, asked past the network.

use serde_json::{Value, json};
use windlass_hetzner_emulator::{Limits, Shortage};

use super::bench::{Bench, PUBLIC_KEY, id};

#[tokio::test]
async fn a_server_is_created_then_attached_and_started() {
    let bench = Bench::new().await;
    let network = bench.network();
    let made = bench.server("web", json!({"networks": [network]}));
    let path = format!("/servers/{}", id(&made["server"]));
    assert_eq!(made["server"]["status"], "initializing");
    assert_eq!(made["server"]["private_net"], json!([]));
    assert_eq!(made["server"]["locked"], true);
    let commands: Vec<&Value> =
        made["next_actions"].as_array().unwrap().iter().map(|action| &action["command"]).collect();
    assert_eq!(commands, ["start_server", "attach_to_network"]);
    assert_eq!(made["root_password"].as_str().unwrap().len(), 20);

    bench.pass(6);
    assert_eq!(bench.ok("GET", &path, Value::Null)["server"]["status"], "starting");
    bench.pass(5);
    let server = &bench.ok("GET", &path, Value::Null)["server"];
    assert_eq!(server["status"], "running");
    assert_eq!(server["locked"], false);
    assert_eq!(server["private_net"][0]["ip"], "10.0.0.2");
    let ids = made["next_actions"].as_array().unwrap().iter().map(|action| format!("id={}", id(action)));
    let actions = bench.ok("GET", &format!("/actions?{}", ids.collect::<Vec<_>>().join("&")), Value::Null);
    assert!(actions["actions"].as_array().unwrap().iter().all(|action| action["status"] == "success"));
}

#[tokio::test]
async fn a_locked_server_refuses_commands_until_its_action_ends() {
    let bench = Bench::new().await;
    let path = format!("/servers/{}", id(&bench.server("web", json!({}))["server"]));
    assert_eq!(bench.refused("POST", &format!("{path}/actions/reboot"), Value::Null), "423 locked");
    assert_eq!(bench.refused("DELETE", &path, Value::Null), "423 locked");
    bench.pass(20);
    bench.ok("POST", &format!("{path}/actions/reboot"), Value::Null);
}

#[tokio::test]
async fn a_deleted_server_leaves_what_was_only_attached() {
    let bench = Bench::new().await;
    let volume = bench.ok("POST", "/volumes", json!({"name": "data", "size": 10, "location": "fsn1"}));
    let kept = json!({"name": "kept", "type": "ipv4", "location": "fsn1"});
    let kept = bench.ok("POST", "/primary_ips", kept);
    bench.pass(5);
    let volume = id(&volume["volume"]);
    let public = json!({"ipv4": id(&kept["primary_ip"])});
    let made = bench.server("web", json!({"volumes": [volume], "public_net": public}));
    bench.pass(30);
    let path = format!("/servers/{}", id(&made["server"]));
    assert_eq!(bench.ok("GET", &path, Value::Null)["server"]["volumes"], json!([volume]));
    assert_eq!(bench.emulator.resources("primary_ips").len(), 2);

    bench.ok("DELETE", &path, Value::Null);
    assert_eq!(bench.ok("GET", &path, Value::Null)["server"]["status"], "deleting");
    bench.pass(5);
    assert_eq!(bench.refused("GET", &path, Value::Null), "404 not_found");
    let volume = bench.ok("GET", &format!("/volumes/{volume}"), Value::Null);
    assert_eq!(volume["volume"]["server"], Value::Null);
    let addresses = bench.emulator.resources("primary_ips");
    assert_eq!(addresses.len(), 1, "the address of its own goes with the server");
    assert_eq!(addresses[0]["assignee_type"], "unassigned");
}

#[tokio::test]
async fn names_are_unique_and_protected_things_stay() {
    let bench = Bench::new().await;
    let path = format!("/servers/{}", id(&bench.server("web", json!({}))["server"]));
    let again = json!({"name": "web", "server_type": "cx23", "image": "debian-12"});
    assert_eq!(bench.refused("POST", "/servers", again), "409 uniqueness_error name");
    bench.pass(20);
    let protection = json!({"delete": true, "rebuild": true});
    bench.ok("POST", &format!("{path}/actions/change_protection"), protection);
    bench.pass(2);
    assert_eq!(bench.refused("DELETE", &path, Value::Null), "423 protected");
    let rebuild = json!({"image": "debian-12"});
    assert_eq!(bench.refused("POST", &format!("{path}/actions/rebuild"), rebuild), "423 protected");
}

#[tokio::test]
async fn a_server_is_refused_for_what_it_names() {
    let bench = Bench::new().await;
    let check = |more: Value, expected: &str| {
        let mut body = json!({"name": "web", "server_type": "cx23", "image": "ubuntu-24.04"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert_eq!(bench.refused("POST", "/servers", body), expected, "{more}");
    };
    check(json!({"name": "a_b"}), "422 invalid_input name");
    check(json!({"server_type": "cx99"}), "422 invalid_input server_type");
    check(json!({"server_type": "cx22"}), "422 invalid_server_type");
    check(json!({"server_type": "cax11", "image": "rocky-9"}), "422 invalid_input image");
    check(json!({"image": "plan9"}), "422 invalid_input image");
    check(json!({"location": "ash"}), "422 invalid_input location");
    check(json!({"location": "moon"}), "422 invalid_input location");
    check(json!({"datacenter": "fsn1-dc14"}), "422 invalid_input datacenter");
    check(json!({"user_data": "x".repeat(32_769)}), "422 invalid_input user_data");
    check(json!({"labels": {"bad key": "x"}}), "422 invalid_input labels");
    check(json!({"ssh_keys": ["nobody"]}), "422 invalid_input ssh_keys");
    check(json!({"networks": [7]}), "404 not_found");
    check(json!({"firewalls": [{"firewall": 7}]}), "404 not_found");
    check(json!({"placement_group": 7}), "404 not_found");
    let none = json!({"enable_ipv4": false, "enable_ipv6": false});
    check(json!({"public_net": none}), "422 invalid_input networks");
    assert!(bench.emulator.resources("servers").is_empty());
    assert!(
        bench.emulator.resources("primary_ips").is_empty(),
        "nothing is made for a server that is refused"
    );
}

#[tokio::test]
async fn sold_out_server_types_are_shown_or_not_and_refused_either_way() {
    let bench = Bench::new().await;
    bench.emulator.sell_out(Shortage::new("cx23", "fsn1"));
    bench.emulator.sell_out(Shortage::new("cx23", "nbg1").hidden());
    let types = bench.ok("GET", "/server_types?name=cx23", Value::Null);
    let available: Vec<&Value> = types["server_types"][0]["locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|location| &location["available"])
        .collect();
    assert_eq!(available, [false, true, true]);
    for location in ["fsn1", "nbg1"] {
        let body = json!({"name": "a", "server_type": "cx23", "image": "debian-12", "location": location});
        assert_eq!(bench.refused("POST", "/servers", body), "412 resource_unavailable");
    }
    let anywhere = json!({"name": "a", "server_type": "cx23", "image": "debian-12"});
    assert_eq!(bench.refused("POST", "/servers", anywhere), "412 resource_unavailable");
    bench.emulator.refill();
    bench.server("a", json!({}));
}

#[tokio::test]
async fn limits_hold() {
    let bench = Bench::with(Limits { servers: 12, ..Limits::default() }).await;
    let group = bench.ok("POST", "/placement_groups", json!({"name": "spread", "type": "spread"}));
    let group = id(&group["placement_group"]);
    for index in 0..10 {
        bench.server(&format!("s{index}"), json!({"placement_group": group}));
    }
    let body = |name: &str| json!({"name": name, "server_type": "cx23", "image": "debian-12"});
    let mut eleventh = body("s10");
    eleventh["placement_group"] = group.into();
    assert_eq!(bench.refused("POST", "/servers", eleventh), "422 placement_group_member_limit_reached");
    bench.ok("POST", "/servers", body("s10"));
    bench.ok("POST", "/servers", body("s11"));
    assert_eq!(bench.refused("POST", "/servers", body("s12")), "403 resource_limit_exceeded");
    let path = format!("/placement_groups/{group}");
    assert_eq!(bench.refused("DELETE", &path, Value::Null), "422 resource_in_use");

    let rule = json!({"direction": "in", "protocol": "icmp", "source_ips": ["0.0.0.0/0"]});
    let rules = |count: usize| json!({"name": "wall", "rules": vec![rule.clone(); count]});
    assert_eq!(bench.refused("POST", "/firewalls", rules(51)), "422 invalid_input rules");
    bench.ok("POST", "/firewalls", rules(50));
}

#[tokio::test]
async fn firewall_rules_are_read_strictly() {
    let bench = Bench::new().await;
    let check = |rule: Value, expected: &str| {
        let body = json!({"name": "wall", "rules": [rule]});
        let fields: Vec<String> = expected.split(' ').map(|field| format!("rules.0.{field}")).collect();
        let expected = format!("422 invalid_input {}", fields.join(" "));
        assert_eq!(bench.refused("POST", "/firewalls", body), expected, "{rule}");
    };
    let any = ["0.0.0.0/0", "::/0"];
    check(json!({"direction": "in", "protocol": "icmp", "port": "any", "source_ips": any}), "port");
    check(json!({"direction": "in", "protocol": "tcp", "source_ips": any}), "port");
    check(json!({"direction": "in", "protocol": "tcp", "port": "90-80", "source_ips": any}), "port");
    check(json!({"direction": "in", "protocol": "tcp", "port": "80"}), "source_ips");
    check(
        json!({"direction": "out", "protocol": "gre", "destination_ips": any, "source_ips": any}),
        "source_ips",
    );
    check(json!({"direction": "in", "protocol": "gre", "source_ips": ["10.0.0.1/8"]}), "source_ips");
    check(json!({"direction": "up", "protocol": "ip", "source_ips": any}), "direction protocol port");
    check(json!({"direction": "in", "protocol": "gre", "source_ips": any, "ports": "80"}), "ports");
}

#[tokio::test]
async fn a_firewall_follows_labels() {
    let bench = Bench::new().await;
    let selector = json!([{"type": "label_selector", "label_selector": {"selector": "cluster=a"}}]);
    let made = bench.ok("POST", "/firewalls", json!({"name": "wall", "apply_to": selector}));
    let wall = id(&made["firewall"]);
    let server = bench.server("web", json!({"labels": {"cluster": "a"}}));
    let path = format!("/servers/{}", id(&server["server"]));
    assert_eq!(server["server"]["public_net"]["firewalls"], json!([{"id": wall, "status": "pending"}]));
    bench.pass(1);
    let firewalls = || bench.ok("GET", &path, Value::Null)["server"]["public_net"]["firewalls"].clone();
    assert_eq!(firewalls(), json!([{"id": wall, "status": "applied"}]));
    let wall = format!("/firewalls/{wall}");
    assert_eq!(bench.refused("DELETE", &wall, Value::Null), "422 resource_in_use");

    bench.ok("PUT", &path, json!({"labels": {"other": "b"}}));
    assert_eq!(firewalls(), json!([]));
    bench.ok("POST", &format!("{wall}/actions/remove_from_resources"), json!({"remove_from": selector}));
    bench.pass(1);
    assert_eq!(bench.emulator.ask("DELETE", &wall, &Value::Null).0, 204);
}

#[tokio::test]
async fn addresses_of_a_network_are_given_once() {
    let bench = Bench::new().await;
    let network = bench.network();
    let balancer =
        json!({"name": "lb", "load_balancer_type": "lb11", "location": "fsn1", "network": network});
    bench.ok("POST", "/load_balancers", balancer);
    let mut servers = Vec::new();
    for index in 0..3 {
        servers.push(id(&bench.server(&format!("s{index}"), json!({"networks": [network]}))["server"]));
    }
    bench.pass(30);
    let mut addresses: Vec<String> = Vec::new();
    for kind in ["load_balancers", "servers"] {
        for view in bench.emulator.resources(kind) {
            addresses.push(view["private_net"][0]["ip"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(addresses, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]);

    let detach = format!("/servers/{}/actions/detach_from_network", servers[1]);
    bench.ok("POST", &detach, json!({"network": network}));
    bench.pass(2);
    let attach = format!("/servers/{}/actions/attach_to_network", servers[1]);
    let wish = |ip: &str| json!({"network": network, "ip": ip});
    assert_eq!(bench.refused("POST", &attach, wish("10.0.0.3")), "422 ip_not_available");
    assert_eq!(bench.refused("POST", &attach, wish("10.0.0.1")), "422 ip_not_available");
    bench.ok("POST", &attach, wish("10.0.0.4"));
}

#[tokio::test]
async fn networks_stay_in_one_zone_and_do_not_overlap() {
    let bench = Bench::new().await;
    let network = bench.network();
    let path = format!("/networks/{network}/actions/add_subnet");
    let subnet = |zone: &str, range: &str| json!({"type": "cloud", "network_zone": zone, "ip_range": range});
    let refused = |body| bench.refused("POST", &path, body);
    assert_eq!(refused(subnet("us-east", "10.0.1.0/24")), "422 invalid_input network_zone");
    assert_eq!(refused(subnet("eu-central", "10.0.0.128/25")), "422 invalid_input ip_range");
    assert_eq!(refused(subnet("eu-central", "10.1.0.0/24")), "422 invalid_input ip_range");
    bench.ok("POST", &path, subnet("eu-central", "10.0.1.0/24"));
    assert_eq!(refused(subnet("eu-central", "10.0.2.0/24")), "409 conflict");
    let american = json!({
        "name": "far", "server_type": "cpx11", "image": "debian-12", "location": "ash", "networks": [network]
    });
    assert_eq!(bench.refused("POST", "/servers", american), "422 no_subnet_available");
}

#[tokio::test]
async fn a_load_balancer_reaches_servers_by_label() {
    let bench = Bench::new().await;
    let network = bench.network();
    let made = json!({"name": "api", "load_balancer_type": "lb11", "location": "fsn1"});
    let path = format!("/load_balancers/{}", id(&bench.ok("POST", "/load_balancers", made)["load_balancer"]));
    bench.pass(3);
    let target = json!({
        "type": "label_selector", "label_selector": {"selector": "role=master"}, "use_private_ip": true
    });
    let add = format!("{path}/actions/add_target");
    assert_eq!(bench.refused("POST", &add, target.clone()), "422 load_balancer_not_attached_to_network");
    let attach = json!({"network": network, "ip": "10.0.0.254"});
    bench.ok("POST", &format!("{path}/actions/attach_to_network"), attach);
    assert_eq!(bench.refused("POST", &add, target.clone()), "423 locked");
    bench.pass(2);
    bench.ok("POST", &add, target.clone());
    bench.pass(1);
    assert_eq!(bench.refused("POST", &add, target), "422 target_already_defined");
    let check = json!({"protocol": "tcp", "port": 6443, "interval": 15, "timeout": 10, "retries": 3});
    let service = json!({
        "protocol": "tcp", "listen_port": 6443, "destination_port": 6443, "proxyprotocol": false, "health_check": check
    });
    bench.ok("POST", &format!("{path}/actions/add_service"), service.clone());
    bench.pass(1);
    assert_eq!(
        bench.refused("POST", &format!("{path}/actions/add_service"), service),
        "412 source_port_already_used"
    );
    bench.server("master", json!({"labels": {"role": "master"}, "networks": [network]}));
    let health = || {
        let view = bench.ok("GET", &path, Value::Null);
        view["load_balancer"]["targets"][0]["targets"][0]["health_status"].clone()
    };
    assert_eq!(health(), json!([{"listen_port": 6443, "status": "unhealthy"}]));
    bench.pass(20);
    assert_eq!(health(), json!([{"listen_port": 6443, "status": "healthy"}]));
}

#[tokio::test]
async fn labels_are_replaced_as_a_whole_and_select() {
    let bench = Bench::new().await;
    let key = PUBLIC_KEY;
    let made = bench.ok(
        "POST",
        "/ssh_keys",
        json!({"name": "me", "public_key": key, "labels": {"a": "1", "b": "2"}}),
    );
    let path = format!("/ssh_keys/{}", id(&made["ssh_key"]));
    let again = json!({"name": "other", "public_key": key});
    assert_eq!(bench.refused("POST", "/ssh_keys", again), "409 uniqueness_error public_key");
    bench.ok("PUT", &path, json!({"labels": {"b": "3"}}));
    let count = |selector: &str| {
        let list = bench.ok("GET", &format!("/ssh_keys?label_selector={selector}"), Value::Null);
        list["ssh_keys"].as_array().unwrap().len()
    };
    assert_eq!((count("b=3"), count("a"), count("b"), count("b%3D2")), (1, 0, 1, 0));
}

#[tokio::test]
async fn what_was_removed_from_the_api_says_so() {
    let bench = Bench::new().await;
    assert_eq!(bench.refused("GET", "/datacenters", Value::Null), "410 deprecated_api_endpoint");
    assert_eq!(bench.refused("GET", "/actions", Value::Null), "410 deprecated_api_endpoint");
    let server = bench.server("web", json!({}));
    assert!(server["server"].get("datacenter").is_none());
}
