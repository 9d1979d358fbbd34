//! What hetzner-k3s does and windlass does not: said, never passed over.

use super::Lints;
use crate::config::{ClusterConfig, CniMode, DatastoreMode, SnapshotOs};

/// A value of the file that is understood and cannot be honoured.
#[derive(Debug)]
pub struct Unsupported {
    /// The key; that of a pool begins with `worker_node_pools[].`.
    pub path: &'static str,
    /// What is not done, as the end of "windlass does not …".
    pub what: &'static str,
    /// What to write instead.
    pub hint: &'static str,
    /// Whether the file asks for it.
    asks: fn(&ClusterConfig) -> bool,
}

const AUTOSCALING: &str = "worker_node_pools[].autoscaling";
const EXTERNAL: &str = "worker_node_pools[].external";

/// All of it.
pub const UNSUPPORTED: &[Unsupported] = &[
    Unsupported {
        path: "networking.cni.enabled",
        what: "wait for a pod network that you install yourself",
        hint: "write `enabled: true`, with `mode: flannel`",
        asks: |config| !config.networking.cni.enabled,
    },
    Unsupported {
        path: "networking.cni.mode",
        what: "install Cilium",
        hint: "write `mode: flannel`",
        asks: |config| config.networking.cni.enabled && config.networking.cni.mode == CniMode::Cilium,
    },
    Unsupported {
        path: "networking.private_network.enabled",
        what: "make clusters without a private network",
        hint: "write `enabled: true`: without it, nodes find each other over the internet",
        asks: |config| !config.networking.private_network.enabled,
    },
    Unsupported {
        path: "networking.public_network",
        what: "make servers without any public address, which could fetch nothing",
        hint: "write `ipv4: true` or `ipv6: true`",
        asks: |config| !config.networking.public_network.ipv4 && !config.networking.public_network.ipv6,
    },
    Unsupported {
        path: "networking.public_network.use_local_firewall",
        what: "set up a firewall on each server",
        hint: "write `use_local_firewall: false`: Hetzner's firewall is there before a server is",
        asks: |config| config.networking.public_network.use_local_firewall,
    },
    Unsupported {
        path: "networking.public_network.hetzner_ips_query_server_url",
        what: "ask a service for the addresses of servers",
        hint: "take the key out",
        asks: |config| config.networking.public_network.hetzner_ips_query_server_url.is_some(),
    },
    Unsupported {
        path: "networking.ssh.use_agent",
        what: "ask an agent for the key",
        hint: "write `use_agent: false`, and name a key without a passphrase as `private_key_path`",
        asks: |config| config.networking.ssh.use_agent,
    },
    Unsupported {
        path: "datastore.mode",
        what: "keep a cluster's state in an external database",
        hint: "write `mode: etcd`",
        asks: |config| config.datastore.mode == DatastoreMode::External,
    },
    Unsupported {
        path: "snapshot_os",
        what: "set up openSUSE MicroOS",
        hint: "write `snapshot_os: default`, and take an image of Debian or Ubuntu",
        asks: |config| config.snapshot_os == SnapshotOs::Microos,
    },
    Unsupported {
        path: "addons.cloud_controller_manager.enabled",
        what: "make clusters without the cloud controller manager: their nodes never become ready",
        hint: "write `enabled: true`",
        asks: |config| !config.addons.cloud_controller_manager.enabled,
    },
    Unsupported {
        path: "addons.system_upgrade_controller.deployment_manifest_url",
        what: "install the system upgrade controller: it upgrades nodes itself",
        hint: "take the key out",
        asks: |config| config.addons.system_upgrade_controller.deployment_manifest_url.is_some(),
    },
    Unsupported {
        path: "addons.system_upgrade_controller.crd_manifest_url",
        what: "install the system upgrade controller: it upgrades nodes itself",
        hint: "take the key out",
        asks: |config| config.addons.system_upgrade_controller.crd_manifest_url.is_some(),
    },
    Unsupported {
        path: "cluster_autoscaler_args",
        what: "install the cluster autoscaler",
        hint: "write `cluster_autoscaler_args: []`",
        asks: |config| !config.cluster_autoscaler_args.is_empty(),
    },
    Unsupported {
        path: AUTOSCALING,
        what: "install the cluster autoscaler",
        hint: "write `enabled: false`, and the number of servers as `instance_count`",
        asks: |config| (0..config.worker_node_pools.len()).any(|at| scales(config, at)),
    },
    Unsupported {
        path: EXTERNAL,
        what: "take in servers that exist already",
        hint: "make a pool with a server type of Hetzner's",
        asks: |config| (0..config.worker_node_pools.len()).any(|at| is_external(config, at)),
    },
];

pub(super) fn check(lints: &mut Lints<'_>) {
    let file = lints.file;
    for unsupported in UNSUPPORTED.iter().filter(|unsupported| (unsupported.asks)(&file.config)) {
        for path in paths(&file.config, unsupported.path) {
            let message = format!("windlass does not {}", unsupported.what);
            lints.add("cluster-unsupported", &path, message, unsupported.hint);
        }
    }
}

fn scales(config: &ClusterConfig, at: usize) -> bool {
    config.worker_node_pools[at].autoscaling.as_ref().is_some_and(|scaling| scaling.enabled)
}

fn is_external(config: &ClusterConfig, at: usize) -> bool {
    config.worker_node_pools[at].external.is_some()
}

/// The path itself; for one of pools, that of each pool that asks for it.
fn paths(config: &ClusterConfig, path: &str) -> Vec<String> {
    let asks = match path {
        AUTOSCALING => scales,
        EXTERNAL => is_external,
        _ => return vec![path.to_owned()],
    };
    let pools = (0..config.worker_node_pools.len()).filter(|at| asks(config, *at));
    pools.map(|at| path.replace("[]", &format!("[{at}]"))).collect()
}
