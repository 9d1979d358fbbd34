//! Services and their addresses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{items, set};
use crate::objects::Objects;
use crate::objects::kinds::SERVICE;

/// The range of cluster addresses, 10.96.0.0/16, of which the first belongs to the API server.
const FIRST_ADDRESS: u32 = 2;
const LAST_ADDRESS: u32 = 0xfffe;

/// The range of node ports.
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

pub(super) fn fill(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP");
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
    if spec["sessionAffinity"] == "ClientIP" {
        set(&mut spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds", 10_800);
    }
    if spec["type"] == "ExternalName" {
        return;
    }
    set(spec, "internalTrafficPolicy", "Cluster");
    set(spec, "ipFamilies", json!(["IPv4"]));
    set(spec, "ipFamilyPolicy", "SingleStack");
    if spec["type"] != "ClusterIP" {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if spec["type"] == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
    if let Some(address) = spec.get("clusterIP").filter(|address| *address != "").cloned() {
        set(spec, "clusterIPs", json!([address]));
    }
}

/// Gives a service an address, and node ports where its type has them.
pub(super) fn give_address(objects: &Objects, object: &mut Value) {
    let spec = &mut object["spec"];
    if spec["type"] == "ExternalName" {
        return;
    }
    let others = objects.list(&SERVICE, None).items;
    if spec["clusterIP"].as_str().unwrap_or_default().is_empty() {
        let taken: BTreeSet<&str> =
            others.iter().filter_map(|service| service["spec"]["clusterIP"].as_str()).collect();
        let address = |number: u32| format!("10.96.{}.{}", number >> 8, number & 0xff);
        let free = (FIRST_ADDRESS..LAST_ADDRESS).map(address).find(|one| !taken.contains(one.as_str()));
        let free = free.expect("no sandbox has tens of thousands of services");
        spec["clusterIP"] = free.as_str().into();
        spec["clusterIPs"] = json!([free]);
    }
    if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
        let ports =
            others.iter().flat_map(|service| service["spec"]["ports"].as_array().into_iter().flatten());
        let mut taken: BTreeSet<u64> = ports.filter_map(|port| port["nodePort"].as_u64()).collect();
        for port in items(spec, "ports").filter(|port| port.get("nodePort").is_none()) {
            let Some(free) = NODE_PORTS.into_iter().find(|one| !taken.contains(one)) else { return };
            taken.insert(free);
            port["nodePort"] = free.into();
        }
    }
}

/// Addresses and node ports stay where a later write leaves them out.
pub(super) fn keep(live: &Value, object: &mut Value) {
    let (live, spec) = (&live["spec"], &mut object["spec"]);
    if spec["type"] == "ExternalName" {
        return;
    }
    for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
        let is_absent = spec.get(field).is_none_or(|value| value == "");
        if let Some(value) = live.get(field).filter(|_| is_absent) {
            spec[field] = value.clone();
        }
    }
    let live_ports = live["ports"].as_array().cloned().unwrap_or_default();
    if spec["type"] == "ClusterIP" || spec.get("type").is_none() {
        return;
    }
    for port in items(spec, "ports").filter(|port| port.get("nodePort").is_none()) {
        let same = live_ports.iter().find(|one| one["port"] == port["port"]);
        if let Some(number) = same.and_then(|one| one.get("nodePort")) {
            port["nodePort"] = number.clone();
        }
    }
}
