//! How k3s is set, as its configuration file says it (k3s docs, "Server CLI Help", "Agent CLI Help").
//!
//! The file is JSON, which is YAML: no value can be read as something else, whatever stands in it.

use std::net::{IpAddr, Ipv4Addr};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use crate::config::{ClusterConfig, CniMode, Nodes};

/// The port of the Kubernetes API.
pub(crate) const API_PORT: u16 = 6443;
/// Keeps all pods off masters but those of the system.
const MASTER_TAINT: &str = "CriticalAddonsOnly=true:NoExecute";

/// What a master is told.
#[derive(Debug)]
pub(crate) struct MasterSettings<'a> {
    pub(crate) config: &'a ClusterConfig,
    pub(crate) name: &'a str,
    pub(crate) token: &'a SecretString,
    pub(crate) agent_token: &'a SecretString,
    /// The master to join; the first one founds the control plane.
    pub(crate) join: Option<Ipv4Addr>,
    /// Every name and address at which the API is reached.
    pub(crate) names: &'a [String],
}

/// The configuration of a master, with tokens.
pub(crate) fn master(settings: &MasterSettings<'_>) -> SecretString {
    let config = settings.config;
    let mut file = common(&config.masters_pool.nodes, config, settings.name, settings.token);
    file.insert("agent-token".to_owned(), json!(settings.agent_token.expose_secret()));
    match settings.join {
        Some(address) => file.insert("server".to_owned(), json!(url(IpAddr::V4(address)))),
        None => file.insert("cluster-init".to_owned(), json!(true)),
    };
    file.insert("tls-san".to_owned(), json!(settings.names));
    file.insert("secrets-encryption".to_owned(), json!(true));
    file.insert("write-kubeconfig-mode".to_owned(), json!("0600"));
    file.insert("disable-cloud-controller".to_owned(), json!(true));
    file.insert("disable".to_owned(), json!(disabled(config)));
    if config.addons.embedded_registry_mirror.enabled {
        file.insert("embedded-registry".to_owned(), json!(true));
    }
    if !config.schedule_workloads_on_masters {
        push(&mut file, "node-taint", MASTER_TAINT.to_owned());
    }
    networks(&mut file, config);
    components(&mut file, config);
    snapshots(&mut file, config);
    SecretString::from(Value::Object(file).to_string())
}

/// The configuration of a worker, with the token by which workers join.
pub(crate) fn worker(
    config: &ClusterConfig,
    nodes: &Nodes,
    name: &str,
    join: Ipv4Addr,
    agent_token: &SecretString,
) -> SecretString {
    let mut file = common(nodes, config, name, agent_token);
    file.insert("server".to_owned(), json!(url(IpAddr::V4(join))));
    SecretString::from(Value::Object(file).to_string())
}

/// The address of the Kubernetes API there.
pub(crate) fn url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("https://{address}:{API_PORT}"),
        IpAddr::V6(address) => format!("https://[{address}]:{API_PORT}"),
    }
}

fn common(nodes: &Nodes, config: &ClusterConfig, name: &str, token: &SecretString) -> Map<String, Value> {
    // The node's name must be the server's: by it the cloud controller manager finds the one for the other.
    let mut file = Map::from_iter([
        ("token".to_owned(), json!(token.expose_secret())),
        ("node-name".to_owned(), json!(name)),
    ]);
    let kubelet =
        std::iter::once("cloud-provider=external".to_owned()).chain(config.kubelet_args.iter().cloned());
    file.insert("kubelet-arg".to_owned(), json!(kubelet.collect::<Vec<_>>()));
    list(&mut file, "kube-proxy-arg", &config.kube_proxy_args);
    let labels = nodes
        .labels
        .iter()
        .map(|label| format!("{}={}", label.key, label.value.as_deref().unwrap_or_default()));
    list(&mut file, "node-label", &labels.collect::<Vec<_>>());
    let taints: Vec<String> = nodes.taints.iter().map(ToString::to_string).collect();
    list(&mut file, "node-taint", &taints);
    file
}

/// What k3s brings and the file does not ask for.
fn disabled(config: &ClusterConfig) -> Vec<&'static str> {
    let addons = &config.addons;
    let brought = [
        ("traefik", addons.traefik.enabled),
        ("servicelb", addons.servicelb.enabled),
        ("metrics-server", addons.metrics_server.enabled),
        ("local-storage", addons.local_path_storage_class.enabled),
    ];
    brought.into_iter().filter(|(_, wanted)| !wanted).map(|(name, _)| name).collect()
}

fn networks(file: &mut Map<String, Value>, config: &ClusterConfig) {
    let networking = &config.networking;
    file.insert("cluster-cidr".to_owned(), json!(networking.cluster_cidr.to_string()));
    file.insert("service-cidr".to_owned(), json!(networking.service_cidr.to_string()));
    file.insert("cluster-dns".to_owned(), json!(networking.cluster_dns.to_string()));
    file.insert("service-node-port-range".to_owned(), json!(networking.node_port_range.to_string()));
    if let Some(domain) = &networking.cluster_domain {
        file.insert("cluster-domain".to_owned(), json!(domain));
    }
    let cni = &networking.cni;
    let backend = match (cni.enabled && cni.mode == CniMode::Flannel, cni.encryption) {
        (false, _) => "none",
        (true, true) => "wireguard-native",
        (true, false) => "vxlan",
    };
    file.insert("flannel-backend".to_owned(), json!(backend));
    if backend == "none" {
        // The controller of network policies needs the network that is not there.
        file.insert("disable-network-policy".to_owned(), json!(true));
    }
    if cni.flannel.disable_kube_proxy {
        file.insert("disable-kube-proxy".to_owned(), json!(true));
    }
}

fn components(file: &mut Map<String, Value>, config: &ClusterConfig) {
    list(file, "kube-apiserver-arg", &config.kube_api_server_args);
    list(file, "kube-scheduler-arg", &config.kube_scheduler_args);
    list(file, "kube-controller-manager-arg", &config.kube_controller_manager_args);
}

fn snapshots(file: &mut Map<String, Value>, config: &ClusterConfig) {
    let etcd = &config.datastore.etcd;
    file.insert("etcd-snapshot-retention".to_owned(), json!(etcd.snapshot_retention));
    file.insert("etcd-snapshot-schedule-cron".to_owned(), json!(etcd.snapshot_schedule_cron));
    if !etcd.s3_enabled {
        return;
    }
    file.insert("etcd-s3".to_owned(), json!(true));
    let texts = [
        ("etcd-s3-endpoint", &etcd.s3_endpoint),
        ("etcd-s3-region", &etcd.s3_region),
        ("etcd-s3-bucket", &etcd.s3_bucket),
        ("etcd-s3-folder", &etcd.s3_folder),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            file.insert(key.to_owned(), json!(value));
        }
    }
    for (key, value) in
        [("etcd-s3-access-key", &etcd.s3_access_key), ("etcd-s3-secret-key", &etcd.s3_secret_key)]
    {
        if let Some(value) = value {
            file.insert(key.to_owned(), json!(value.expose()));
        }
    }
    if etcd.s3_force_path_style {
        file.insert("etcd-s3-bucket-lookup-type".to_owned(), json!("path"));
    }
}

fn list(file: &mut Map<String, Value>, key: &str, values: &[String]) {
    if !values.is_empty() {
        file.insert(key.to_owned(), json!(values));
    }
}

fn push(file: &mut Map<String, Value>, key: &str, value: String) {
    let values = file.entry(key).or_insert_with(|| json!([]));
    values.as_array_mut().expect("it was made as a list").push(Value::String(value));
}
