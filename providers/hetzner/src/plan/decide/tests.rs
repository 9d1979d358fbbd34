//! Plans, from facts that are written down.

use serde_json::json;

use super::*;
use crate::client::model::Network;
use crate::layout::blueprint;
use crate::plan::facts::NodeFacts;
use crate::tests::cluster;

const KEY: &str = "ssh-ed25519 AAAA dana";

fn want(lines: &str) -> Blueprint {
    blueprint(&cluster(lines), KEY.to_owned())
}

/// A project with nothing in it.
fn empty() -> Facts {
    let kind = |name: &str| serde_json::from_value(json!({"name": name, "architecture": "x86"})).unwrap();
    let location =
        |name: &str, zone: &str| serde_json::from_value(json!({"name": name, "network_zone": zone})).unwrap();
    let price = json!([{"location": "fsn1", "price_monthly": {"net": "3.2900000000"}}]);
    let pricing = json!({
        "currency": "EUR",
        "server_types": [{"name": "cx23", "prices": price}],
        "primary_ips": [{"type": "ipv4", "prices": [{"location": "fsn1", "price_monthly": {"net": "0.5000"}}]}],
    });
    Facts {
        types: vec![kind("cx23"), kind("cx33")],
        locations: vec![
            location("fsn1", "eu-central"),
            location("nbg1", "eu-central"),
            location("ash", "us-east"),
        ],
        pricing: serde_json::from_value(pricing).unwrap(),
        ..Facts::default()
    }
}

fn refused(lines: &str, facts: &Facts) -> Vec<String> {
    decide(&want(lines), facts).unwrap_err().iter().map(ToString::to_string).collect()
}

/// Our one master, with a node of that release.
fn founded(release: &str) -> Facts {
    let server = json!({
        "id": 1, "name": "shop-master1", "status": "running", "labels": {"windlass.dev/cluster": "shop", "windlass.dev/role": "master"},
        "server_type": {"name": "cx23"}, "location": {"name": "fsn1"}, "private_net": [{"network": 2, "ip": "10.0.255.253"}],
    });
    let network: Network = serde_json::from_value(json!({"id": 2, "name": "shop", "ip_range": "10.0.0.0/16", "labels": {"windlass.dev/cluster": "shop"}})).unwrap();
    let node = NodeFacts { name: "shop-master1".into(), version: release.into(), ready: true };
    Facts {
        servers: vec![serde_json::from_value(server).unwrap()],
        networks: vec![network],
        nodes: Some(vec![node]),
        ..empty()
    }
}

#[test]
fn a_fresh_cluster_is_planned_with_its_price() {
    let plan = decide(&want(""), &empty()).unwrap();
    let words: Vec<String> = plan.steps.iter().map(|step| step.change().what).collect();
    assert_eq!(
        words,
        [
            "SSH key `shop`",
            "network `shop` of 10.0.0.0/16 in eu-central",
            "firewall `shop` with 5 rules",
            "placement group `shop-masters`",
            "server `shop-master1`, cx23 in fsn1",
            "network of server `shop-master1`",
            "power of server `shop-master1`: on",
            "control plane on `shop-master1`",
            "kubeconfig",
        ]
    );
    assert_eq!(plan.cost, Some(Money { cents: 379, currency: "EUR".to_owned() }));
}

#[test]
fn the_same_facts_give_the_same_plan() {
    assert_eq!(decide(&want(""), &empty()).unwrap(), decide(&want(""), &empty()).unwrap());
}

#[test]
fn what_does_not_exist_is_refused() {
    let facts = Facts { types: Vec::new(), ..empty() };
    assert_eq!(refused("", &facts), ["there is no server type `cx23`"]);
    let pool = "worker_node_pools: [{name: w, instance_type: cx33, location: mars1}]";
    assert_eq!(refused(pool, &empty()), ["there is no location `mars1`"]);
}

#[test]
fn no_network_spans_two_zones() {
    let pool = "worker_node_pools: [{name: w, instance_type: cx33, location: ash}]";
    assert_eq!(refused(pool, &empty()), ["`fsn1` and `ash` are in different network zones"]);
}

#[test]
fn a_type_that_is_no_longer_offered_stops_nothing_that_runs() {
    let facts = Facts { types: Vec::new(), ..founded("v1.34.4+k3s1") };
    assert!(decide(&want(""), &facts).is_ok());
}

#[test]
fn releases_go_up_one_minor_version_at_a_time() {
    let from = |release: &str| refused("", &founded(release));
    assert_eq!(from("v1.32.9+k3s1"), ["an upgrade from v1.32.9+k3s1 to v1.34.4+k3s1 skips a minor version"]);
    assert_eq!(
        from("v1.34.5+k3s1"),
        ["node `shop-master1` runs v1.34.5+k3s1, which is newer than v1.34.4+k3s1"]
    );
    let plan = decide(&want(""), &founded("v1.33.1+k3s1")).unwrap();
    assert!(plan.steps.iter().any(|step| matches!(step, Step::Upgrade { .. })), "{plan:?}");
}

#[test]
fn a_control_plane_that_is_published_is_not_founded_again() {
    let plan = decide(&want(""), &founded("v1.34.4+k3s1")).unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::Found { .. } | Step::Publish)), "{plan:?}");
}

#[test]
fn what_cannot_be_changed_is_said_field_by_field() {
    let mut facts = founded("v1.34.4+k3s1");
    facts.servers[0].server_type.name = "cx33".to_owned();
    facts.servers[0].location.name = "nbg1".to_owned();
    let drift: Vec<String> =
        decide(&want(""), &facts).unwrap().drift.iter().map(ToString::to_string).collect();
    assert_eq!(
        drift,
        [
            "server `shop-master1` has type cx33 where the file says cx23",
            "server `shop-master1` has location nbg1 where the file says fsn1",
        ]
    );
}

#[test]
fn a_network_with_other_addresses_is_refused() {
    let mut facts = founded("v1.34.4+k3s1");
    facts.networks[0].ip_range = "10.9.0.0/16".to_owned();
    assert_eq!(refused("", &facts), ["network `shop` is 10.9.0.0/16 and cannot become 10.0.0.0/16"]);
}

#[test]
fn a_budget_in_another_currency_says_nothing() {
    let lines = "budget: {monthly: 100, currency: USD}";
    assert_eq!(refused(lines, &empty()), ["prices are in EUR and the budget is in USD"]);
    assert!(decide(&want("budget: {monthly: 3.79}"), &empty()).is_ok());
    assert_eq!(
        refused("budget: {monthly: 3.78}", &empty()),
        ["the cluster would cost 3.79 EUR in a month, more than 3.78 EUR"]
    );
}
