//! `networking`: the networks of a cluster, what comes in and what goes out.

use std::net::IpAddr;

use ipnet::IpNet;
use windlass_core::document::Node;

use super::block::{Presence, block, preset, unset};
use super::scan::{Scan, list, maybe, whole};
use crate::firewall::{Direction, Ports, Protocol};

/// What carries traffic between pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CniMode {
    /// The one that k3s brings.
    Flannel,
    /// Cilium.
    Cilium,
}

const MODES: [(&str, CniMode); 2] = [("flannel", CniMode::Flannel), ("cilium", CniMode::Cilium)];

block! {
    /// The networks of the cluster, and who may reach it.
    pub struct Networking {
        /// What carries traffic between pods.
        cni: Cni = Cni::read, Presence::Block(Cni::TABLE);
        /// The network between the servers, which Hetzner's firewall does not filter.
        private_network: PrivateNetwork = PrivateNetwork::read, Presence::Block(PrivateNetwork::TABLE);
        /// The servers' public addresses.
        public_network: PublicNetwork = PublicNetwork::read, Presence::Block(PublicNetwork::TABLE);
        /// Who may come in, and what may go out.
        allowed_networks: AllowedNetworks = AllowedNetworks::read, Presence::Block(AllowedNetworks::TABLE);
        /// How the servers are reached over SSH.
        ssh: Ssh = Ssh::read, Presence::Block(Ssh::TABLE);
        /// Whether the node ports are open to the internet.
        node_port_firewall_enabled: bool = Scan::truth, preset("true", "false");
        /// The ports of Services of type `NodePort`, as `first-last`.
        node_port_range: Ports = Scan::parsed, preset("30000-32767", "30000-31000");
        /// The pods' network.
        cluster_cidr: IpNet = Scan::network, preset("10.244.0.0/16", "10.245.0.0/16");
        /// The Services' network.
        service_cidr: IpNet = Scan::network, preset("10.43.0.0/16", "10.44.0.0/16");
        /// The address of the cluster's DNS, within `service_cidr`.
        cluster_dns: IpAddr = Scan::address, preset("10.43.0.10", "10.43.0.53");
        /// The domain of the cluster's names; `cluster.local` by k3s where it is left out.
        cluster_domain: Option<String> = Scan::maybe_text, unset("shop.internal");
    }
}

block! {
    /// What carries traffic between pods.
    pub struct Cni {
        /// Whether one is installed; without one, nodes become ready only after you installed your own.
        enabled: bool = Scan::truth, preset("true", "false");
        /// `flannel`, which k3s brings, or `cilium`.
        mode: CniMode = |scan, node, what| scan.choice(node, what, &MODES), preset("flannel", "cilium");
        /// Whether traffic between nodes is encrypted with WireGuard. It must be where there is no private network.
        encryption: bool = Scan::truth, preset("true", "false");
        /// Settings of Cilium.
        cilium: Cilium = Cilium::read, Presence::Block(Cilium::TABLE);
        /// Settings of flannel.
        flannel: Flannel = Flannel::read, Presence::Block(Flannel::TABLE);
        /// Whether Cilium's egress gateway is on.
        cilium_egress_gateway: bool = Scan::truth, preset("false", "true");
    }
}

block! {
    /// Settings of Cilium.
    pub struct Cilium {
        /// The version of its chart.
        chart_version: String = Scan::text, preset("v1.17.2", "v1.18.0");
        /// A file with values for its chart.
        helm_values_path: Option<String> = Scan::maybe_text, unset("cilium-values.yaml");
        /// `wireguard` or `ipsec`.
        encryption_type: String = Scan::text, preset("wireguard", "ipsec");
        /// `tunnel` or `native`.
        routing_mode: String = Scan::text, preset("tunnel", "native");
        /// `vxlan` or `geneve`.
        tunnel_protocol: String = Scan::text, preset("vxlan", "geneve");
        /// Whether Hubble is on.
        hubble_enabled: Option<bool> = maybe(Scan::truth), unset("true");
        /// The metrics that Hubble offers.
        hubble_metrics: Option<String> = Scan::maybe_text, unset("\"dns,drop\"");
        /// Whether Hubble's relay is on.
        hubble_relay_enabled: Option<bool> = maybe(Scan::truth), unset("true");
        /// Whether Hubble's pages are on.
        hubble_ui_enabled: Option<bool> = maybe(Scan::truth), unset("true");
        /// The host of the API server, as Cilium reaches it.
        k8s_service_host: String = Scan::text, preset("127.0.0.1", "10.0.0.2");
        /// The port of the API server, as Cilium reaches it.
        k8s_service_port: u16 = Scan::port, preset("6444", "6443");
        /// How many operators run.
        operator_replicas: u32 = whole(1, 100), preset("1", "2");
        /// The memory that the operator asks for.
        operator_memory_request: String = Scan::text, preset("128Mi", "256Mi");
        /// The memory that each agent asks for.
        agent_memory_request: String = Scan::text, preset("512Mi", "1Gi");
    }
}

block! {
    /// Settings of flannel.
    pub struct Flannel {
        /// Whether kube-proxy is left out.
        disable_kube_proxy: bool = Scan::truth, preset("false", "true");
    }
}

block! {
    /// The network between the servers.
    pub struct PrivateNetwork {
        /// Whether there is one. Without it, nodes speak over their public addresses.
        enabled: bool = Scan::truth, preset("true", "false");
        /// Its addresses; one subnet takes them all.
        subnet: IpNet = Scan::network, preset("10.0.0.0/16", "10.1.0.0/16");
        /// A network of the project to use instead of an own one.
        existing_network_name: Option<String> = Scan::maybe_text, preset("\"\"", "office");
    }
}

block! {
    /// The servers' public addresses.
    pub struct PublicNetwork {
        /// Whether servers have a public IPv4 address.
        ipv4: bool = Scan::truth, preset("true", "false");
        /// Whether servers have a public IPv6 network.
        ipv6: bool = Scan::truth, preset("true", "false");
        /// Where a local firewall asks for the addresses of the servers.
        hetzner_ips_query_server_url: Option<String> = Scan::maybe_text, unset("https://ips.example.com");
        /// Whether each server filters for itself, instead of Hetzner's firewall.
        use_local_firewall: bool = Scan::truth, preset("false", "true");
    }
}

block! {
    /// Who may come in, and what may go out.
    pub struct AllowedNetworks {
        /// From where SSH is open.
        ssh: Vec<IpNet> = list(Scan::network), preset("[\"0.0.0.0/0\"]", "[\"203.0.113.0/24\"]");
        /// From where the Kubernetes API is open.
        api: Vec<IpNet> = list(Scan::network), preset("[\"0.0.0.0/0\"]", "[\"203.0.113.0/24\"]");
        /// Further rules of the firewall. The first outbound rule shuts out everything that no outbound rule names.
        custom_firewall_rules: Vec<CustomRule> = list(CustomRule::read), Presence::Blocks(CustomRule::TABLE);
    }
}

block! {
    /// A further rule of the firewall.
    pub struct CustomRule {
        /// What people see.
        description: Option<String> = Scan::maybe_text, unset("DNS");
        /// `tcp`, `udp`, `icmp`, `esp` or `gre`.
        protocol: Protocol = protocol, preset("tcp", "udp");
        /// `in` or `out`.
        direction: Direction = direction, preset("in", "out");
        /// A port, a range `first-last`, or `any`. It counts for TCP and UDP only.
        port: Ports = Scan::parsed, preset("any", "\"53\"");
        /// From where, for an inbound rule; at most 100.
        source_ips: Vec<IpNet> = list(Scan::network), preset("[]", "[\"203.0.113.0/24\"]");
        /// Where to, for an outbound rule; at most 100.
        destination_ips: Vec<IpNet> = list(Scan::network), preset("[]", "[\"0.0.0.0/0\", \"::/0\"]");
    }
}

impl CustomRule {
    /// The networks of its direction.
    pub fn networks(&self) -> &[IpNet] {
        match self.direction {
            Direction::In => &self.source_ips,
            Direction::Out => &self.destination_ips,
        }
    }
}

block! {
    /// How the servers are reached over SSH.
    pub struct Ssh {
        /// The port that sshd listens on.
        port: u16 = Scan::port, preset("22", "2222");
        /// Whether the key is asked of an agent.
        use_agent: bool = Scan::truth, preset("false", "true");
        /// Whether servers are reached by their private addresses.
        use_private_ip: bool = Scan::truth, preset("false", "true");
        /// The private key's file.
        private_key_path: String = Scan::text, preset("~/.ssh/id_rsa", "~/.ssh/id_ed25519");
        /// The public key's file.
        public_key_path: String = Scan::text, preset("~/.ssh/id_rsa.pub", "~/.ssh/id_ed25519.pub");
        /// A key of the project to use instead of an own one.
        existing_ssh_key_name: Option<String> = Scan::maybe_text, preset("\"\"", "dana");
    }
}

fn protocol(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<Protocol> {
    let choices = Protocol::ALL.map(|protocol| (protocol.word(), protocol));
    scan.choice(node, what, &choices)
}

fn direction(scan: &mut Scan<'_>, node: &Node, what: &str) -> Option<Direction> {
    scan.choice(node, what, &[("in", Direction::In), ("out", Direction::Out)])
}
