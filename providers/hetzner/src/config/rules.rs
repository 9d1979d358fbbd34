//! What several keys must be together, before the file means anything. hetzner-k3s refuses all of it too.

use std::collections::BTreeSet;

use super::scan::Scan;
use super::{ClusterConfig, CustomRule, DatastoreMode, Places, WorkerPool};
use crate::firewall::Direction;

pub(super) fn check(scan: &mut Scan<'_>, config: &ClusterConfig, places: &Places) {
    let mut report = |path: &str, message: String, hint: &str| scan.object(places, path, message, hint);
    masters(config, &mut report);
    workers(config, &mut report);
    networks(config, &mut report);
    datastore(config, &mut report);
}

type Report<'a> = dyn FnMut(&str, String, &str) + 'a;

fn masters(config: &ClusterConfig, report: &mut Report<'_>) {
    let (places, count) = (config.masters_pool.locations.len(), config.masters_pool.nodes.instance_count);
    if count == 0 {
        let message = "a cluster has a master or more, found 0".to_owned();
        report(
            "masters_pool.instance_count",
            message,
            "write `1`, or `3` for a control plane that outlives one",
        );
    } else if usize::try_from(count) != Ok(places) {
        let message = format!("`masters_pool` has {count} masters in {places} locations");
        report(
            "masters_pool.locations",
            message,
            "write one location for each master, as in `[fsn1, nbg1, hel1]`",
        );
    }
}

fn workers(config: &ClusterConfig, report: &mut Report<'_>) {
    if config.worker_node_pools.is_empty() && !config.schedule_workloads_on_masters {
        let message = "nothing runs workloads: there is no worker pool, and masters take none".to_owned();
        report("worker_node_pools", message, "add a pool, or write `schedule_workloads_on_masters: true`");
    }
    let mut names = BTreeSet::new();
    for (at, pool) in config.worker_node_pools.iter().enumerate() {
        let path = format!("worker_node_pools[{at}]");
        if !names.insert(pool.name.as_str()) {
            report(
                &format!("{path}.name"),
                format!("two worker pools are named `{}`", pool.name),
                "rename one",
            );
        }
        autoscaling(pool, &path, report);
        external(config, pool, &path, report);
    }
}

fn autoscaling(pool: &WorkerPool, path: &str, report: &mut Report<'_>) {
    let Some(scaling) = pool.autoscaling.as_ref().filter(|scaling| scaling.enabled) else { return };
    if scaling.max_instances <= scaling.min_instances {
        let message = format!(
            "pool `{}` scales from {} to {}",
            pool.name, scaling.min_instances, scaling.max_instances
        );
        report(
            &format!("{path}.autoscaling.max_instances"),
            message,
            "write a greater number than `min_instances`",
        );
    }
}

fn external(config: &ClusterConfig, pool: &WorkerPool, path: &str, report: &mut Report<'_>) {
    let is_external = pool.nodes.instance_type == "external";
    let Some(external) = &pool.external else {
        if is_external {
            let message = format!("pool `{}` is external and names no servers", pool.name);
            report(&format!("{path}.instance_type"), message, "list them under `external.nodes`");
        }
        return;
    };
    if !is_external {
        let message =
            format!("pool `{}` lists servers that exist, and asks for others to be made", pool.name);
        report(
            &format!("{path}.external"),
            message,
            "write `instance_type: external`, or take `external` out",
        );
    }
    let networking = &config.networking;
    if networking.private_network.enabled || !networking.public_network.use_local_firewall {
        let message =
            format!("pool `{}` is external, which needs public networking and local firewalls", pool.name);
        let hint =
            "write `private_network: {enabled: false}` and `public_network: {use_local_firewall: true}`";
        report(&format!("{path}.external"), message, hint);
    }
    let mut indices: Vec<_> = external.nodes.iter().map(|node| node.index).collect();
    indices.sort_unstable();
    if !indices.iter().copied().eq((1u32..).take(indices.len())) {
        let message = format!("the servers of pool `{}` are not numbered from 1 without gaps", pool.name);
        report(&format!("{path}.external.nodes"), message, "number them `index: 1`, `index: 2` and so on");
    }
}

fn networks(config: &ClusterConfig, report: &mut Report<'_>) {
    let networking = &config.networking;
    if networking.cni.enabled && !networking.cni.encryption && !networking.private_network.enabled {
        let message = "traffic between nodes would cross the internet in clear".to_owned();
        report(
            "networking.cni.encryption",
            message,
            "write `encryption: true`, or enable the private network",
        );
    }
    for (at, rule) in networking.allowed_networks.custom_firewall_rules.iter().enumerate() {
        custom_rule(rule, &format!("networking.allowed_networks.custom_firewall_rules[{at}]"), report);
    }
}

fn custom_rule(rule: &CustomRule, path: &str, report: &mut Report<'_>) {
    let (needed, other, unused) = match rule.direction {
        Direction::In => ("source_ips", "destination_ips", &rule.destination_ips),
        Direction::Out => ("destination_ips", "source_ips", &rule.source_ips),
    };
    if rule.networks().is_empty() {
        let message = format!("a rule with `direction: {}` needs `{needed}`", rule.direction);
        report(path, message, &format!("write `{needed}: [\"0.0.0.0/0\", \"::/0\"]` for every address"));
    }
    if !unused.is_empty() {
        let message = format!("a rule with `direction: {}` has no use for `{other}`", rule.direction);
        report(&format!("{path}.{other}"), message, "take it out, or turn the direction round");
    }
}

fn datastore(config: &ClusterConfig, report: &mut Report<'_>) {
    let datastore = &config.datastore;
    if datastore.mode == DatastoreMode::External && datastore.external_datastore_endpoint.is_none() {
        let message = "an external datastore has no address".to_owned();
        report("datastore.mode", message, "write `external_datastore_endpoint`");
    }
    let schedule = &datastore.etcd.snapshot_schedule_cron;
    if schedule.contains(' ') && schedule.split(' ').count() != 5 {
        let message = format!("`{schedule}` is no schedule");
        report(
            "datastore.etcd.snapshot_schedule_cron",
            message,
            "write five fields: minute, hour, day, month, weekday",
        );
    }
}
