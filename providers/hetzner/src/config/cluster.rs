//! The top of the file.

use windlass_core::document::Node;
use windlass_core::name::ClusterName;
use windlass_core::provider::Money;

use super::block::{Presence, block, preset, required, unset};
use super::scan::{Scan, list, maybe, whole};
use super::secret::Secret;
use super::{Addons, Datastore, MastersPool, Networking, WorkerPool};

/// The operating system in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOs {
    /// One with the tools of Debian, Ubuntu or Fedora.
    Default,
    /// openSUSE MicroOS.
    Microos,
}

const SNAPSHOT_OS: [(&str, SnapshotOs); 2] =
    [("default", SnapshotOs::Default), ("microos", SnapshotOs::Microos)];

block! {
    /// A cluster.
    pub struct ClusterConfig {
        /// The token for Hetzner's API. It belongs into the environment, as `HCLOUD_TOKEN`.
        hetzner_token: Option<Secret> = Scan::secret, unset("example");
        /// The cluster's name: lower-case letters, digits and `-`, beginning with a letter.
        cluster_name: ClusterName = cluster_name, required("shop");
        /// Where hetzner-k3s writes the kubeconfig. windlass keeps it in its own store, and reads the key only.
        kubeconfig_path: String = Scan::text, required("kubeconfig");
        /// The version of k3s.
        k3s_version: String = k3s_version, required("v1.34.4+k3s1");
        /// The version of this format: 1.
        config_format_version: Option<u32> = maybe(format_version), unset("1");
        /// A host name of the API, which the certificate then covers.
        api_server_hostname: Option<String> = Scan::maybe_text, unset("k8s.example.com");
        /// Whether masters run workloads too.
        schedule_workloads_on_masters: bool = Scan::truth, preset("false", "true");
        /// The servers that run the control plane.
        masters_pool: MastersPool = MastersPool::read, Presence::RequiredBlock(MastersPool::TABLE);
        /// The servers that run workloads: a pool or more, unless masters do.
        worker_node_pools: Vec<WorkerPool> = list(WorkerPool::read), Presence::Blocks(WorkerPool::TABLE);
        /// Commands before k3s is installed.
        additional_pre_k3s_commands: Vec<String> = list(Scan::command), preset("[]", "[modprobe nbd]");
        /// Commands after k3s was installed.
        additional_post_k3s_commands: Vec<String> = list(Scan::command), preset("[]", "[sysctl -p]");
        /// Packages of the operating system.
        additional_packages: Vec<String> = list(Scan::text), preset("[]", "[htop]");
        /// Arguments of the API server, without `--`.
        kube_api_server_args: Vec<String> = list(Scan::command), preset("[]", "[v=2]");
        /// Arguments of the scheduler.
        kube_scheduler_args: Vec<String> = list(Scan::command), preset("[]", "[v=2]");
        /// Arguments of the controller manager.
        kube_controller_manager_args: Vec<String> = list(Scan::command), preset("[]", "[v=2]");
        /// Arguments of k3s' own cloud controller manager.
        kube_cloud_controller_manager_args: Vec<String> = list(Scan::command), preset("[]", "[v=2]");
        /// Arguments of the cluster autoscaler.
        cluster_autoscaler_args: Vec<String> = list(Scan::command), preset("[]", "[v=2]");
        /// Arguments of the kubelet.
        kubelet_args: Vec<String> = list(Scan::command), preset("[]", "[max-pods=200]");
        /// Arguments of kube-proxy.
        kube_proxy_args: Vec<String> = list(Scan::command), preset("[]", "[v=2]");
        /// The image of the servers: a name, or the number of a snapshot.
        image: String = Scan::text, preset("ubuntu-24.04", "debian-13");
        /// The image of servers that the autoscaler makes.
        autoscaling_image: Option<String> = Scan::maybe_text, unset("\"103908130\"");
        /// The operating system in a snapshot: `default` or `microos`.
        snapshot_os: SnapshotOs = |scan, node, what| scan.choice(node, what, &SNAPSHOT_OS), preset("default", "microos");
        /// Whether names of servers contain the server type.
        include_instance_type_in_instance_name: bool = Scan::truth, preset("false", "true");
        /// Whether the cluster is refused to be removed.
        protect_against_deletion: bool = Scan::truth, preset("true", "false");
        /// Whether a load balancer stands before the API, where there are several masters. No firewall can be attached to it.
        create_load_balancer_for_the_kubernetes_api: bool = Scan::truth, preset("false", "true");
        /// How many workers are upgraded at a time.
        k3s_upgrade_concurrency: u32 = whole(1, 1_000), preset("1", "2");
        /// Whether the root partition grows with the disk.
        grow_root_partition_automatically: bool = Scan::truth, preset("true", "false");
        /// The networks of the cluster, and who may reach it.
        networking: Networking = Networking::read, Presence::Block(Networking::TABLE);
        /// Where the cluster keeps its state.
        datastore: Datastore = Datastore::read, Presence::Block(Datastore::TABLE);
        /// What runs in the cluster beside k3s.
        addons: Addons = Addons::read, Presence::Block(Addons::TABLE);
        /// Whether a change of this file is carried out without asking. A key of windlass.
        auto_deploy: bool = Scan::truth, preset("false", "true");
        /// What the cluster may cost. A key of windlass.
        budget: Option<Budget> = maybe(Budget::read), Presence::UnsetBlock(Budget::TABLE);
    }
}

block! {
    /// What the cluster may cost: a plan that costs more is refused. A key of windlass.
    pub struct Budget {
        /// The most in a month, without taxes, such as `40` or `39.90`.
        monthly: Cents = Scan::parsed, required("40");
        /// The currency of the project's prices.
        currency: String = Scan::text, preset("EUR", "USD");
    }
}

impl Budget {
    /// The most in a month.
    pub fn money(&self) -> Money {
        Money { cents: self.monthly.0, currency: self.currency.clone() }
    }
}

/// Hundredths of a currency's unit, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(pub i64);

impl std::str::FromStr for Cents {
    type Err = &'static str;

    /// Reads `40`, `39.9` and `39.90`.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        const WANTED: &str = "an amount is written as `40` or `39.90`";
        let (whole, part) = text.split_once('.').unwrap_or((text, "00"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || whole.len() > 9 || part.len() > 2 {
            return Err(WANTED);
        }
        format!("{whole}{part:0<2}").parse().map(Self).map_err(|_| WANTED)
    }
}

fn cluster_name(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<ClusterName> {
    let name: ClusterName = scan.parsed(node, what)?;
    if name.as_str().starts_with(|first: char| first.is_ascii_digit()) {
        return scan.refuse(node, what, "a name that begins with a letter", "put a letter before it");
    }
    Some(name)
}

fn k3s_version(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<String> {
    let text = scan.text(node, what)?;
    let release = text.strip_prefix('v').and_then(|rest| rest.split_once("+k3s"));
    let is_release = release.is_some_and(|(kubernetes, k3s)| {
        let (version, candidate) = kubernetes.split_once('-').unwrap_or((kubernetes, "rc1"));
        let number =
            |part: &str| !part.is_empty() && part.len() < 6 && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<_> = version.split('.').collect();
        parts.len() == 3
            && parts.iter().all(|part| number(part))
            && candidate.strip_prefix("rc").is_some_and(number)
            && number(k3s)
    });
    if is_release {
        Some(text)
    } else {
        scan.refuse(node, what, "a release of k3s", "write it as `v1.34.4+k3s1`; k3s lists its releases")
    }
}

fn format_version(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<u32> {
    whole(1, 1)(scan, node, what)
}
