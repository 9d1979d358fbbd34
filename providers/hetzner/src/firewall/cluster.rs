//! The rules of a cluster: what every cluster needs, and the user's own.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::merge::merged;
use super::rule::{Direction, Ports, Protocol, Rule};
use super::{MOST_NETWORKS, MOST_RULES};
use crate::config::{ClusterConfig, CustomRule};

/// Where k3s serves the Kubernetes API.
const API_PORT: u16 = 6443;

/// All rules of the cluster's firewall, in the one form that is compared and sent.
///
/// hetzner-k3s writes two more, for the private network, which no firewall filters.
pub fn cluster_rules(config: &ClusterConfig) -> Vec<Rule> {
    let networking = &config.networking;
    let allowed = &networking.allowed_networks;
    let mut rules = vec![
        inbound("SSH", Protocol::Tcp, Some(Ports::one(networking.ssh.port)), allowed.ssh.clone()),
        inbound("Kubernetes API", Protocol::Tcp, Some(Ports::one(API_PORT)), allowed.api.clone()),
        inbound("ICMP", Protocol::Icmp, None, everywhere()),
    ];
    if networking.node_port_firewall_enabled {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            rules.push(inbound("Node ports", protocol, Some(networking.node_port_range), everywhere()));
        }
    }
    rules.extend(allowed.custom_firewall_rules.iter().map(custom));
    merged(&rules)
}

/// More rules, or networks in one rule of the file, than a firewall takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleExcess {
    /// This many rules, merged as far as they go.
    Rules(usize),
    /// A rule of the file, by its place in the list, has this many networks.
    Networks {
        /// Its place in `custom_firewall_rules`, from 0.
        rule: usize,
        /// How many there are.
        count: usize,
    },
}

/// Where the file asks for more than a firewall takes.
pub fn excess(config: &ClusterConfig) -> Vec<RuleExcess> {
    let rules = cluster_rules(config).len();
    let custom = config.networking.allowed_networks.custom_firewall_rules.iter().enumerate();
    let networks = custom
        .map(|(rule, written)| RuleExcess::Networks { rule, count: written.networks().len() })
        .filter(|excess| matches!(excess, RuleExcess::Networks { count, .. } if *count > MOST_NETWORKS));
    (rules > MOST_RULES).then_some(RuleExcess::Rules(rules)).into_iter().chain(networks).collect()
}

pub(super) fn custom(rule: &CustomRule) -> Rule {
    let CustomRule { protocol, direction, port, .. } = *rule;
    let ports = protocol.has_ports().then_some(port);
    let about = match ports {
        Some(ports) => format!("Allow {protocol} {ports}"),
        None => format!("Allow {protocol}"),
    };
    let description = Some(rule.description.clone().unwrap_or(about));
    Rule { direction, protocol, ports, networks: rule.networks().to_vec(), description }
}

fn inbound(about: &str, protocol: Protocol, ports: Option<Ports>, networks: Vec<IpNet>) -> Rule {
    Rule { direction: Direction::In, protocol, ports, networks, description: Some(about.to_owned()) }
}

/// Every address there is.
fn everywhere() -> Vec<IpNet> {
    vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::allowed;
    use crate::firewall::merge::tests::rule;
    use crate::tests::cluster;

    #[test]
    fn a_cluster_is_reached_over_ssh_its_api_and_node_ports() {
        let rules = cluster_rules(&cluster(
            "networking: {allowed_networks: {ssh: [203.0.113.0/24], api: [198.51.100.0/24]}}",
        ));
        let expected = [
            "in tcp 22 203.0.113.0/24 SSH",
            "in tcp 6443 198.51.100.0/24 Kubernetes API",
            "in tcp 30000-32767 0.0.0.0/0,::/0 Node ports",
            "in udp 30000-32767 0.0.0.0/0,::/0 Node ports",
            "in icmp - 0.0.0.0/0,::/0 ICMP",
        ];
        assert_eq!(rules, expected.map(rule));
    }

    #[test]
    fn node_ports_can_be_shut() {
        let rules = cluster_rules(&cluster("networking: {node_port_firewall_enabled: false}"));
        assert!(!allowed(&rules, Direction::In, Protocol::Tcp, 30_000, "203.0.113.1".parse().unwrap()));
    }

    #[test]
    fn custom_rules_join_the_built_in_ones() {
        let config = cluster(
            "networking: {allowed_networks: {ssh: [203.0.113.0/24], custom_firewall_rules: [{port: 22, source_ips: [203.0.113.7/32]}, {protocol: esp, port: 7, source_ips: [\"::/0\"]}]}}",
        );
        let rules = cluster_rules(&config);
        assert!(rules.contains(&rule("in tcp 22 203.0.113.0/24 Allow tcp 22; SSH")), "{rules:?}");
        assert!(rules.contains(&rule("in esp - ::/0 Allow esp")), "{rules:?}");
    }

    #[test]
    fn more_than_a_firewall_takes_is_counted() {
        let many: Vec<_> =
            (0..60).map(|port| format!("{{port: {}, source_ips: [10.0.0.0/8]}}", 2 * port + 1)).collect();
        let networks: Vec<_> = (0..101).map(|byte| format!("10.{byte}.0.0/24")).collect();
        let lines =
            |rules: &str| format!("networking: {{allowed_networks: {{custom_firewall_rules: [{rules}]}}}}");
        assert_eq!(excess(&cluster(&lines(&many.join(", ")))), [RuleExcess::Rules(65)]);
        let wide = format!("{{port: 80, source_ips: [{}]}}", networks.join(", "));
        assert_eq!(excess(&cluster(&lines(&wide))), [RuleExcess::Networks { rule: 0, count: 101 }]);
        assert_eq!(excess(&cluster("")), []);
    }
}
