//! The servers: how many, where, of which kind, and what they are told.

use std::fmt;

use windlass_core::name::ClusterName;

use super::Lints;
use crate::config::{ClusterConfig, DatastoreMode, Nodes};
use crate::{pools, user_data};

/// The network zones, by Hetzner's documentation. A location that is not among them is newer than this list; the API is asked when a plan is made.
const ZONES: [(&str, &str); 6] = [
    ("fsn1", "eu-central"),
    ("nbg1", "eu-central"),
    ("hel1", "eu-central"),
    ("ash", "us-east"),
    ("hil", "us-west"),
    ("sin", "ap-southeast"),
];

/// What windlass itself tells a server, at most, in bytes as they are sent.
const OWN_SHARE: usize = 12 * 1024;

pub(super) fn check(lints: &mut Lints<'_>) {
    masters(lints);
    zones(lints);
    architectures(lints);
    names(lints);
    groups(lints);
    first_boot(lints);
}

/// The API wants host names, and a node is known to Kubernetes by the same name, which has no capitals. hetzner-k3s takes `_` and capitals, and fails
/// when it makes the server.
fn names(lints: &mut Lints<'_>) {
    let file = lints.file;
    let servers = pools::servers(&file.config);
    for (path, nodes, _) in pools::pools(&file.config) {
        let mut of_pool = servers.iter().filter(|server| std::ptr::eq(server.nodes, nodes));
        let Some(server) = of_pool.find(|server| server.name.parse::<ClusterName>().is_err()) else {
            continue;
        };
        let message = format!("no server can be named `{}`", server.name);
        let hint = "take lower-case letters, digits and `-` for the names of cluster and pool; names of servers have at most 63";
        lints.add("cluster-config", &format!("{path}.name"), message, hint);
    }
}

fn groups(lints: &mut Lints<'_>) {
    let count = pools::groups(&lints.file.config).len();
    if count > pools::MOST_GROUPS {
        let most = pools::MOST_GROUPS;
        let message = format!("the servers need {count} placement groups, a project has at most {most}");
        lints.add(
            "cluster-config",
            "worker_node_pools",
            message,
            "join pools: ten servers of a pool share a group",
        );
    }
}

fn masters(lints: &mut Lints<'_>) {
    let config = &lints.file.config;
    let count = config.masters_pool.nodes.instance_count;
    if config.datastore.mode == DatastoreMode::Etcd && count > 0 && count.is_multiple_of(2) {
        let message = format!("{count} masters outlive no more losses than {}", count - 1);
        let hint = format!("write `instance_count: {}` or `instance_count: {}`", count - 1, count + 1);
        lints.add("even-masters", "masters_pool.instance_count", message, hint);
    }
}

fn zone(location: &str) -> Option<&'static str> {
    ZONES.iter().find(|(known, _)| *known == location).map(|(_, zone)| *zone)
}

fn zones(lints: &mut Lints<'_>) {
    let file = lints.file;
    let placed = pools::locations(&file.config);
    let mut known = placed.iter().filter_map(|(path, location)| Some((path, *location, zone(location)?)));
    let Some((_, first, first_zone)) = known.next() else { return };
    for (path, location, zone) in known.filter(|(_, _, zone)| *zone != first_zone) {
        let message =
            format!("`{location}` is in zone {zone}, and `{first}` in {first_zone}: no network spans both");
        let locations = ZONES.iter().filter(|(_, other)| *other == first_zone).map(|(name, _)| *name);
        let hint = format!("take a location of {first_zone}: {}", locations.collect::<Vec<_>>().join(", "));
        lints.add("network-zone", path, message, hint);
    }
}

/// What a server type's programs are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    Arm,
    X86,
}

impl Architecture {
    /// Hetzner's Arm servers are those whose type begins with `cax`.
    fn of(kind: &str) -> Self {
        if kind.starts_with("cax") { Self::Arm } else { Self::X86 }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Arm => "Arm",
            Self::X86 => "x86",
        })
    }
}

fn architectures(lints: &mut Lints<'_>) {
    let file = lints.file;
    let pools = pools::pools(&file.config);
    for (path, nodes, _) in &pools {
        let wanted = Architecture::of(&nodes.instance_type);
        for (at, kind) in nodes.fallback_instance_types.iter().enumerate() {
            let found = Architecture::of(kind);
            if found != wanted {
                let message = format!(
                    "`{kind}` is {found}, and `{}` {wanted}: images run on one of them",
                    nodes.instance_type
                );
                let hint = format!("fall back to a type that is {wanted}");
                lints.add("architecture", &format!("{path}.fallback_instance_types[{at}]"), message, hint);
            }
        }
    }
    snapshots(lints, &pools);
}

/// A snapshot was made on one architecture, and boots on no other. Images by name exist for both.
fn snapshots(lints: &mut Lints<'_>, pools: &[(String, &Nodes, Option<&str>)]) {
    let config = &lints.file.config;
    let image = |nodes: &Nodes| nodes.image.clone().unwrap_or_else(|| config.image.clone());
    let mut seen: Vec<(String, Architecture, &str)> = Vec::new();
    for (path, nodes, _) in pools {
        let (image, architecture) = (image(nodes), Architecture::of(&nodes.instance_type));
        if image.is_empty() || !image.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        match seen.iter().find(|(other, ..)| *other == image) {
            Some((_, first, kind)) if *first != architecture => {
                let message = format!(
                    "snapshot {image} boots `{kind}`, which is {first}, or `{}`, which is {architecture}, not both",
                    nodes.instance_type
                );
                lints.add(
                    "architecture",
                    &format!("{path}.instance_type"),
                    message,
                    "give each architecture an `image` of its own",
                );
            }
            Some(_) => {}
            None => seen.push((image, architecture, &nodes.instance_type)),
        }
    }
}

fn first_boot(lints: &mut Lints<'_>) {
    let file = lints.file;
    for (path, nodes, _) in pools::pools(&file.config) {
        let told = commands(&file.config, nodes);
        let size = user_data::size(&told, user_data::MOST_BYTES - OWN_SHARE);
        if size + OWN_SHARE > user_data::MOST_BYTES {
            let message = format!(
                "commands and packages have {} bytes, {size} when compressed; {} are left for them",
                told.len(),
                user_data::MOST_BYTES - OWN_SHARE
            );
            let stated = ["additional_post_k3s_commands", "additional_pre_k3s_commands"];
            let path = stated.iter().map(|key| format!("{path}.{key}")).find(|path| file.places.states(path));
            let path = path.unwrap_or_else(|| "additional_pre_k3s_commands".to_owned());
            lints.add(
                "cluster-config",
                &path,
                message,
                "keep the script elsewhere, and write the command that fetches and runs it",
            );
        }
    }
}

/// What the user has a server do at its first boot.
fn commands(config: &ClusterConfig, nodes: &Nodes) -> String {
    let own = |own: &Option<Vec<String>>, all: &[String]| own.clone().unwrap_or_else(|| all.to_vec());
    let before = own(&nodes.additional_pre_k3s_commands, &config.additional_pre_k3s_commands);
    let after = own(&nodes.additional_post_k3s_commands, &config.additional_post_k3s_commands);
    let packages = own(&nodes.additional_packages, &config.additional_packages);
    [before, after, packages].concat().join("\n")
}
