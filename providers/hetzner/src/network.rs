//! The cluster's networks: what must not overlap, and what must fit.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::config::ClusterConfig;
use crate::pools;

/// The most servers in a private network, by Hetzner's documentation.
pub const MOST_ATTACHED: usize = 100;

/// The addresses that a private network may have (RFC 1918): the API refuses others.
const PRIVATE: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// The bits that k3s gives each node of the pods' network.
const NODE_BITS: u8 = 24;

/// Something that cannot work about the networks of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkFault {
    /// Two networks share addresses: a packet to one of them could mean either.
    Overlap {
        /// The key of one.
        one: &'static str,
        /// The key of the other.
        other: &'static str,
        /// The smaller of the two.
        shared: IpNet,
    },
    /// The DNS is not in the Services' network, or is the address that the Kubernetes API has there.
    Dns {
        /// The address.
        address: IpAddr,
        /// The Services' network.
        services: IpNet,
    },
    /// Hetzner has no private networks with these addresses.
    NotPrivate(IpNet),
    /// The network has too few addresses for the servers.
    Full {
        /// The key of the network.
        key: &'static str,
        /// The servers.
        servers: usize,
        /// What it has room for.
        room: usize,
    },
}

const PRIVATE_KEY: &str = "networking.private_network.subnet";
const PODS_KEY: &str = "networking.cluster_cidr";
const SERVICES_KEY: &str = "networking.service_cidr";

/// Everything that cannot work about the networks of a cluster.
pub fn faults(config: &ClusterConfig) -> Vec<NetworkFault> {
    let networking = &config.networking;
    let private = networking.private_network.enabled.then_some(networking.private_network.subnet);
    let named = [
        (PRIVATE_KEY, private),
        (PODS_KEY, Some(networking.cluster_cidr)),
        (SERVICES_KEY, Some(networking.service_cidr)),
    ];
    let named: Vec<_> = named.into_iter().filter_map(|(key, network)| Some((key, network?))).collect();
    let mut faults = overlaps(&named);
    faults.extend(dns(networking.cluster_dns, networking.service_cidr));
    faults.extend(private.filter(|network| !is_private(*network)).map(NetworkFault::NotPrivate));
    let servers = pools::count(config);
    let attached = private.map(|network| (PRIVATE_KEY, room(network).min(MOST_ATTACHED)));
    let pods = Some((PODS_KEY, nodes(networking.cluster_cidr)));
    let full = [attached, pods].into_iter().flatten().filter(|(_, room)| servers > *room);
    faults.extend(full.map(|(key, room)| NetworkFault::Full { key, servers, room }));
    faults
}

/// Pairs that share addresses, each once.
pub(crate) fn overlaps(named: &[(&'static str, IpNet)]) -> Vec<NetworkFault> {
    let mut faults = Vec::new();
    for (at, (one, network)) in named.iter().enumerate() {
        for (other, another) in &named[at + 1..] {
            if network.contains(another) || another.contains(network) {
                let shared = if network.contains(another) { *another } else { *network };
                faults.push(NetworkFault::Overlap { one, other, shared });
            }
        }
    }
    faults
}

/// k3s gives the first address of the Services' network to the Kubernetes API.
fn dns(address: IpAddr, services: IpNet) -> Option<NetworkFault> {
    let is_taken = services.hosts().next() == Some(address) || services.network() == address;
    (!services.contains(&address) || is_taken).then_some(NetworkFault::Dns { address, services })
}

fn is_private(network: IpNet) -> bool {
    matches!(network, IpNet::V4(network) if PRIVATE.iter().any(|private| private.contains(&network)))
}

/// The servers that a private network has addresses for: the first is the gateway's, and the last reaches everyone.
fn room(network: IpNet) -> usize {
    let bits = u32::from(network.max_prefix_len() - network.prefix_len());
    2_usize.checked_pow(bits.min(20)).unwrap_or(usize::MAX).saturating_sub(3)
}

/// The nodes that a pods' network has a network for.
fn nodes(network: IpNet) -> usize {
    let bits = if network.max_prefix_len() == 128 { 64 } else { NODE_BITS };
    2_usize.pow(u32::from(bits.saturating_sub(network.prefix_len())).min(20))
        * usize::from(network.prefix_len() <= bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::cluster;

    fn check(lines: &str, expected: &[NetworkFault]) {
        assert_eq!(faults(&cluster(&format!("networking: {{{lines}}}"))), expected, "{lines}");
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn the_defaults_work() {
        check("", &[]);
    }

    #[test]
    fn networks_must_not_share_addresses() {
        let overlap = |one, other, shared| NetworkFault::Overlap { one, other, shared: net(shared) };
        check("cluster_cidr: 10.0.0.0/16", &[overlap(PRIVATE_KEY, PODS_KEY, "10.0.0.0/16")]);
        check(
            "private_network: {subnet: 10.0.0.0/8}",
            &[
                overlap(PRIVATE_KEY, PODS_KEY, "10.244.0.0/16"),
                overlap(PRIVATE_KEY, SERVICES_KEY, "10.43.0.0/16"),
            ],
        );
        check("private_network: {subnet: 10.244.0.0/16, enabled: false}", &[]);
    }

    #[test]
    fn dns_is_among_the_services_and_not_the_first() {
        for address in ["10.44.0.10", "10.43.0.1", "10.43.0.0"] {
            let fault =
                NetworkFault::Dns { address: address.parse().unwrap(), services: net("10.43.0.0/16") };
            check(&format!("cluster_dns: {address}"), &[fault]);
        }
        check("cluster_dns: 10.43.255.10", &[]);
    }

    #[test]
    fn a_private_network_has_private_addresses() {
        check(
            "private_network: {subnet: 203.0.113.0/24}",
            &[NetworkFault::NotPrivate(net("203.0.113.0/24"))],
        );
        check("private_network: {subnet: \"fd00::/64\"}", &[NetworkFault::NotPrivate(net("fd00::/64"))]);
    }

    #[test]
    fn every_server_needs_room() {
        let pools = "\nworker_node_pools: [{name: w, instance_type: cx23, instance_count: 100}]";
        let config = cluster(pools);
        assert_eq!(faults(&config), [NetworkFault::Full { key: PRIVATE_KEY, servers: 101, room: 100 }]);
        let config = cluster(
            "networking: {cluster_cidr: 10.244.0.0/24}\nworker_node_pools: [{name: w, instance_type: cx23}]",
        );
        assert_eq!(faults(&config), [NetworkFault::Full { key: PODS_KEY, servers: 2, room: 1 }]);
    }

    proptest! {
        #[test]
        fn networks_overlap_if_an_address_is_in_both(one: u32, two: u32, bits in 8..=32_u8, more in 8..=32_u8) {
            let network = |address: u32, bits| Ipv4Net::new(Ipv4Addr::from(address), bits).unwrap().trunc();
            let (one, two) = (network(one, bits), network(two, more));
            let shares = one.contains(&two.addr()) || two.contains(&one.addr());
            prop_assert_eq!(!overlaps(&[("one", one.into()), ("two", two.into())]).is_empty(), shares);
        }
    }
}
