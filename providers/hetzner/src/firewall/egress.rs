//! What a cluster needs from outside, and whether its rules let it out.

use super::cluster_rules;
use super::rule::{Direction, Ports, Protocol, Rule};
use crate::config::ClusterConfig;

/// Something that nodes need from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its port.
    pub port: u16,
    /// What happens without it.
    pub harm: &'static str,
}

/// What every cluster needs while it is made and afterwards.
const NEEDS: [Need; 4] = [
    Need { protocol: Protocol::Tcp, port: 443, harm: "no image can be pulled" },
    Need { protocol: Protocol::Udp, port: 53, harm: "no name can be resolved" },
    Need { protocol: Protocol::Tcp, port: 53, harm: "long DNS answers are lost" },
    Need { protocol: Protocol::Udp, port: 123, harm: "clocks drift until certificates are refused" },
];

/// What is needed only where packages of the operating system are installed.
const PACKAGES: Need = Need { protocol: Protocol::Tcp, port: 80, harm: "no package can be installed" };

/// What the outbound rules of a cluster mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Egress {
    /// There is none: everything goes out. These would be the rules to begin with.
    Open(Vec<Need>),
    /// There are some, and these needs are not among them.
    Limited(Vec<Need>),
}

/// Judges the outbound rules of a cluster.
pub fn egress(config: &ClusterConfig) -> Egress {
    let rules = cluster_rules(config);
    let needs = needs(config);
    if rules.iter().all(|rule| rule.direction == Direction::In) {
        return Egress::Open(needs);
    }
    Egress::Limited(needs.into_iter().filter(|need| !is_met(&rules, *need)).collect())
}

fn needs(config: &ClusterConfig) -> Vec<Need> {
    let pools = std::iter::once(&config.masters_pool.nodes)
        .chain(config.worker_node_pools.iter().map(|pool| &pool.nodes))
        .any(|nodes| nodes.additional_packages.as_ref().is_some_and(|packages| !packages.is_empty()));
    let packages = (pools || !config.additional_packages.is_empty()).then_some(PACKAGES);
    NEEDS.into_iter().chain(packages).collect()
}

/// A rule meets a need if it lets it out to anywhere: names and time may come from servers of the user's own.
fn is_met(rules: &[Rule], need: Need) -> bool {
    rules.iter().any(|rule| {
        let covers = rule.ports.is_none_or(|ports| ports.covers(Ports::one(need.port)));
        rule.direction == Direction::Out
            && rule.protocol == need.protocol
            && covers
            && !rule.networks.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cluster;

    fn check(rules: &str, expected: &[&str]) {
        let config =
            cluster(&format!("networking: {{allowed_networks: {{custom_firewall_rules: [{rules}]}}}}"));
        let Egress::Limited(missing) = egress(&config) else { panic!("{rules} is open") };
        let missing: Vec<_> = missing.iter().map(|need| format!("{} {}", need.protocol, need.port)).collect();
        assert_eq!(missing, expected, "{rules}");
    }

    #[test]
    fn without_an_outbound_rule_everything_goes_out() {
        assert_eq!(egress(&cluster("")), Egress::Open(NEEDS.to_vec()));
    }

    #[test]
    fn one_rule_shuts_out_the_rest() {
        check("{direction: out, port: 443, destination_ips: [0.0.0.0/0]}", &["udp 53", "tcp 53", "udp 123"]);
    }

    #[test]
    fn a_rule_for_any_port_meets_all_of_its_protocol() {
        check(
            "{direction: out, destination_ips: [0.0.0.0/0]}, {direction: out, protocol: udp, port: 1-1000, destination_ips: [0.0.0.0/0]}",
            &[],
        );
    }

    #[test]
    fn own_servers_for_names_and_time_are_enough() {
        check(
            "{direction: out, destination_ips: [0.0.0.0/0]}, {direction: out, protocol: udp, port: any, destination_ips: [192.0.2.1/32]}",
            &[],
        );
    }

    #[test]
    fn packages_need_their_mirrors() {
        let rules = "networking: {allowed_networks: {custom_firewall_rules: [{direction: out, port: 443, destination_ips: [0.0.0.0/0]}]}}";
        let with = |lines: &str| match egress(&cluster(&format!("{rules}\n{lines}"))) {
            Egress::Limited(missing) => missing.contains(&PACKAGES),
            Egress::Open(_) => panic!("open"),
        };
        assert!(with("additional_packages: [htop]"));
        assert!(!with("additional_packages: []"));
    }
}
