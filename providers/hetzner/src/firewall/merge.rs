//! One form for every set of rules that means the same, in as few rules as it takes: a firewall has fifty.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::MOST_NETWORKS;
use super::rule::{Direction, Ports, Protocol, Rule};

/// The longest description that the API takes.
const LONGEST_DESCRIPTION: usize = 255;

/// The same filter: rules of the same ports are one, ranges that touch are one, networks within others are gone. Sorted, so that equal sets are
/// equal lists; a rule with more networks than one may have becomes several.
pub fn merged(rules: &[Rule]) -> Vec<Rule> {
    let mut rules = ports_joined(networks_joined(rules));
    rules.sort();
    rules.iter().flat_map(split).collect()
}

/// Descriptions of rules that became one.
#[derive(Debug, Default)]
struct Descriptions(Vec<String>);

impl Descriptions {
    fn add(&mut self, description: Option<&str>) {
        for part in description.unwrap_or_default().split("; ").filter(|part| !part.is_empty()) {
            if !self.0.iter().any(|known| known == part) {
                self.0.push(part.to_owned());
            }
        }
    }

    fn text(mut self) -> Option<String> {
        self.0.sort();
        let text: String = self.0.join("; ").chars().take(LONGEST_DESCRIPTION).collect();
        Some(text).filter(|text| !text.is_empty())
    }
}

fn networks_joined(rules: &[Rule]) -> Vec<Rule> {
    type Same = (Direction, Protocol, Option<Ports>);
    let mut joined: BTreeMap<Same, (Vec<IpNet>, Descriptions)> = BTreeMap::new();
    for rule in rules {
        let ports = rule.ports.filter(|_| rule.protocol.has_ports());
        let (networks, descriptions) = joined.entry((rule.direction, rule.protocol, ports)).or_default();
        networks.extend(rule.networks.iter().map(IpNet::trunc));
        descriptions.add(rule.description.as_deref());
    }
    let rule =
        |((direction, protocol, ports), (networks, descriptions)): (Same, (Vec<IpNet>, Descriptions))| {
            let mut networks = IpNet::aggregate(&networks);
            networks.sort_unstable();
            Rule { direction, protocol, ports, networks, description: descriptions.text() }
        };
    // A rule without networks lets nothing through, and the API refuses it.
    joined.into_iter().map(rule).filter(|rule| !rule.networks.is_empty()).collect()
}

fn ports_joined(rules: Vec<Rule>) -> Vec<Rule> {
    let mut joined: Vec<Rule> = Vec::new();
    let mut descriptions: Vec<Descriptions> = Vec::new();
    for rule in rules {
        let touching = |other: &Rule| {
            let same = (other.direction, other.protocol, &other.networks);
            same == (rule.direction, rule.protocol, &rule.networks)
                && other
                    .ports
                    .zip(rule.ports)
                    .is_some_and(|(one, two)| one.to().saturating_add(1) >= two.from())
        };
        // Rules come sorted by their first port, so the last one that is alike is the only one that can touch this.
        if let Some(at) = joined.iter().rposition(touching) {
            let ports = joined[at].ports.zip(rule.ports);
            joined[at].ports = ports.and_then(|(one, two)| Ports::range(one.from(), one.to().max(two.to())));
            descriptions[at].add(rule.description.as_deref());
        } else {
            let mut own = Descriptions::default();
            own.add(rule.description.as_deref());
            descriptions.push(own);
            joined.push(rule);
        }
    }
    for (rule, descriptions) in joined.iter_mut().zip(descriptions) {
        rule.description = descriptions.text();
    }
    joined
}

fn split(rule: &Rule) -> Vec<Rule> {
    let chunks = rule.networks.chunks(MOST_NETWORKS);
    chunks.map(|networks| Rule { networks: networks.to_vec(), ..rule.clone() }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::firewall::allowed;

    /// Reads `in tcp 22 10.0.0.0/8,::/0 words`.
    pub(crate) fn rule(text: &str) -> Rule {
        let mut words = text.splitn(5, ' ');
        let mut word = || words.next().unwrap();
        let direction = if word() == "in" { Direction::In } else { Direction::Out };
        let protocol = word();
        let protocol = Protocol::ALL.into_iter().find(|known| known.word() == protocol).unwrap();
        let ports = word().parse().ok();
        let networks = word().split(',').map(|network| network.parse().unwrap()).collect();
        Rule { direction, protocol, ports, networks, description: words.next().map(str::to_owned) }
    }

    fn check(rules: &[&str], expected: &[&str]) {
        let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
        let expected: Vec<_> = expected.iter().map(|text| rule(text)).collect();
        assert_eq!(merged(&rules), expected, "{rules:?}");
    }

    #[test]
    fn rules_of_the_same_ports_are_one() {
        check(
            &["in tcp 22 203.0.113.0/24 a", "in tcp 22 198.51.100.0/24 b"],
            &["in tcp 22 198.51.100.0/24,203.0.113.0/24 a; b"],
        );
    }

    #[test]
    fn networks_within_others_are_gone() {
        check(&["in tcp 22 10.1.0.0/16,10.0.0.0/8,10.2.3.4/32"], &["in tcp 22 10.0.0.0/8"]);
        check(&["in tcp 22 10.0.0.0/9,10.128.0.0/9"], &["in tcp 22 10.0.0.0/8"]);
    }

    #[test]
    fn ranges_that_touch_are_one() {
        check(&["in tcp 2380 10.0.0.0/8", "in tcp 2379 10.0.0.0/8"], &["in tcp 2379-2380 10.0.0.0/8"]);
        check(&["out tcp any 0.0.0.0/0", "out tcp 443 0.0.0.0/0 x"], &["out tcp any 0.0.0.0/0 x"]);
        check(
            &["in tcp 22 10.0.0.0/8", "in tcp 24 10.0.0.0/8"],
            &["in tcp 22 10.0.0.0/8", "in tcp 24 10.0.0.0/8"],
        );
    }

    #[test]
    fn ports_of_what_has_none_are_dropped() {
        check(&["in icmp any 0.0.0.0/0", "in icmp - ::/0"], &["in icmp - 0.0.0.0/0,::/0"]);
    }

    #[test]
    fn more_networks_than_fit_become_several_rules() {
        let networks: Vec<_> = (0..=255).map(|third| format!("10.{third}.0.0/24")).collect();
        let rules = merged(&[rule(&format!("in tcp 22 {}", networks.join(",")))]);
        assert_eq!(rules.iter().map(|rule| rule.networks.len()).collect::<Vec<_>>(), [100, 100, 56]);
    }

    pub(crate) fn some_rule() -> impl Strategy<Value = Rule> {
        let network = (any::<u8>(), 0..=8_u8).prop_map(|(byte, bits)| {
            let network = ipnet::Ipv4Net::new(std::net::Ipv4Addr::new(byte, 0, 0, 0), bits).unwrap();
            IpNet::V4(network.trunc())
        });
        let ports = (1..40_u16, 0..4_u16).prop_map(|(from, more)| Ports::range(from, from + more));
        let protocol = prop::sample::select(Protocol::ALL.to_vec());
        (any::<bool>(), protocol, ports, prop::collection::vec(network, 1..4)).prop_map(
            |(is_in, protocol, ports, networks)| Rule {
                direction: if is_in { Direction::In } else { Direction::Out },
                protocol,
                ports,
                networks,
                description: None,
            },
        )
    }

    proptest! {
        #[test]
        fn merging_lets_the_same_through(rules in prop::collection::vec(some_rule(), 0..12), byte: u8, port in 1..45_u16) {
            let address = std::net::IpAddr::from([byte, 0, 0, 1]);
            let merged = merged(&rules);
            for direction in [Direction::In, Direction::Out] {
                for protocol in Protocol::ALL {
                    let before = allowed(&rules, direction, protocol, port, address);
                    prop_assert_eq!(allowed(&merged, direction, protocol, port, address), before);
                }
            }
        }

        #[test]
        fn merging_twice_is_merging_once_in_any_order(rules in prop::collection::vec(some_rule(), 0..12)) {
            let once = merged(&rules);
            prop_assert!(once.len() <= rules.len());
            prop_assert_eq!(&merged(&once), &once);
            let backwards: Vec<_> = rules.into_iter().rev().collect();
            prop_assert_eq!(merged(&backwards), once);
        }
    }
}
