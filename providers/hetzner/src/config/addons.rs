//! `addons`: what runs in the cluster beside k3s.

use windlass_core::document::{Node, Value};

use super::block::{Presence, block, preset, unset};
use super::scan::Scan;
use super::secret::Secret;

block! {
    /// What runs in the cluster beside k3s.
    pub struct Addons {
        /// The ingress controller that k3s brings.
        traefik: Toggle = Toggle::read, Presence::Block(Toggle::TABLE);
        /// The load balancer that k3s brings.
        servicelb: Toggle = Toggle::read, Presence::Block(Toggle::TABLE);
        /// The metrics server that k3s brings.
        metrics_server: Toggle = Toggle::read, Presence::Block(Toggle::TABLE);
        /// The storage class for local disks that k3s brings.
        local_path_storage_class: Toggle = Toggle::read, Presence::Block(Toggle::TABLE);
        /// What makes volumes.
        csi_driver: CsiDriver = CsiDriver::read, Presence::Block(CsiDriver::TABLE);
        /// What tells Kubernetes about the servers, and makes load balancers.
        cloud_controller_manager: CloudControllerManager = CloudControllerManager::read, Presence::Block(CloudControllerManager::TABLE);
        /// What makes and removes servers as pods need them.
        cluster_autoscaler: ClusterAutoscaler = ClusterAutoscaler::read, Presence::Block(ClusterAutoscaler::TABLE);
        /// What carries out upgrades for hetzner-k3s.
        system_upgrade_controller: SystemUpgradeController = SystemUpgradeController::read, Presence::Block(SystemUpgradeController::TABLE);
        /// Nodes take images from one another before they ask a registry.
        embedded_registry_mirror: EmbeddedRegistryMirror = EmbeddedRegistryMirror::read, Presence::Block(EmbeddedRegistryMirror::TABLE);
    }
}

block! {
    /// An addon that is on or off.
    pub struct Toggle {
        /// Whether it is on.
        enabled: bool = Scan::truth, preset("false", "true");
    }
}

block! {
    /// What makes volumes.
    pub struct CsiDriver {
        /// Whether it is on.
        enabled: bool = Scan::truth, preset("true", "false");
        /// Where to fetch another version from than the one that windlass brings.
        manifest_url: Option<String> = Scan::maybe_text, unset("https://example.com/hcloud-csi.yml");
    }
}

block! {
    /// What tells Kubernetes about the servers, and makes load balancers.
    pub struct CloudControllerManager {
        /// Whether it is on. Without it, nodes keep the taint that keeps pods away.
        enabled: bool = Scan::truth, preset("true", "false");
        /// Where to fetch another version from than the one that windlass brings.
        manifest_url: Option<String> = Scan::maybe_text, unset("https://example.com/ccm-networks.yaml");
    }
}

block! {
    /// What makes and removes servers as pods need them. It counts only for pools with `autoscaling`.
    pub struct ClusterAutoscaler {
        /// Whether it is on.
        enabled: bool = Scan::truth, preset("true", "false");
        /// How often it looks.
        scan_interval: String = Scan::text, preset("10s", "30s");
        /// How long it waits after it made a server.
        scale_down_delay_after_add: String = Scan::text, preset("10m", "20m");
        /// How long it waits after it removed a server.
        scale_down_delay_after_delete: String = Scan::text, preset("10s", "1m");
        /// How long it waits after it could not remove a server.
        scale_down_delay_after_failure: String = Scan::text, preset("3m", "5m");
        /// How long a server may take.
        max_node_provision_time: String = Scan::text, preset("15m", "20m");
        /// Where its manifest is fetched from.
        manifest_url: Option<String> = Scan::maybe_text, unset("https://example.com/autoscaler.yaml");
        /// A file with its manifest.
        local_manifest_path: Option<String> = Scan::maybe_text, preset("\"\"", "autoscaler.yaml");
        /// The tag of its image.
        container_image_tag: String = Scan::text, preset("v1.34.3", "v1.34.4");
    }
}

block! {
    /// What carries out upgrades for hetzner-k3s. windlass upgrades nodes itself, and does not install it.
    pub struct SystemUpgradeController {
        /// Whether it is on.
        enabled: bool = Scan::truth, preset("true", "false");
        /// Where its Deployment is fetched from.
        deployment_manifest_url: Option<String> = Scan::maybe_text, unset("https://example.com/suc.yaml");
        /// Where its definitions of resources are fetched from.
        crd_manifest_url: Option<String> = Scan::maybe_text, unset("https://example.com/crd.yaml");
    }
}

block! {
    /// Nodes take images from one another before they ask a registry: k3s' embedded registry.
    pub struct EmbeddedRegistryMirror {
        /// Whether it is on.
        enabled: bool = Scan::truth, preset("true", "false");
        /// The nodes' `registries.yaml`, as text or written out: which registries are mirrored, and credentials for them.
        private_registry_config: Secret = registries, preset("'mirrors: {\"*\": }'", "'mirrors: {docker.io: }'");
    }
}

/// `registries.yaml` as a text, which may hold credentials; one that is written out as a mapping becomes JSON, which is YAML too.
fn registries(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<Secret> {
    match &node.value {
        Value::Scalar { .. } => scan.command(node, what).map(Secret::new),
        Value::Mapping(_) => Some(Secret::new(flow(node))),
        Value::List(_) => scan.refuse(node, what, "a mapping", "write it as `mirrors: {\"*\": }`"),
    }
}

fn flow(node: &Node) -> String {
    let quoted =
        |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    match &node.value {
        _ if node.is_nothing() => "null".to_owned(),
        Value::Scalar { text, plain: true } if matches!(text.as_str(), "true" | "false") => text.clone(),
        Value::Scalar { text, .. } => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Mapping(entries) => {
            let entry = |entry: &windlass_core::document::Entry| {
                format!("{}: {}", quoted(&entry.key.value), flow(&entry.value))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}
