//! What a firewall has that it should not, and lacks that it should have.

use super::merge::merged;
use super::rule::{Direction, Protocol, Rule};
use crate::client::request;

/// How the rules that are there differ from those that are wanted. Descriptions count: people read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Wanted, and not there.
    pub missing: Vec<Rule>,
    /// There, and not wanted: what somebody added by hand, or an earlier version of the file. `set_rules` takes them away.
    pub foreign: Vec<Rule>,
    /// There, and in a form that is not known.
    pub unknown: Vec<request::Rule>,
}

impl Difference {
    /// Whether there is nothing to do.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.foreign.is_empty() && self.unknown.is_empty()
    }
}

/// Compares the rules of a firewall with those of [`super::cluster_rules`].
pub fn difference(there: &[request::Rule], wanted: &[Rule]) -> Difference {
    let (known, unknown): (Vec<_>, Vec<_>) =
        there.iter().map(|rule| (rule, read(rule))).partition(|(_, read)| read.is_some());
    let there = merged(&known.into_iter().filter_map(|(_, read)| read).collect::<Vec<_>>());
    let wanted = merged(wanted);
    Difference {
        missing: wanted.iter().filter(|rule| !there.contains(rule)).cloned().collect(),
        foreign: there.iter().filter(|rule| !wanted.contains(rule)).cloned().collect(),
        unknown: unknown.into_iter().map(|(rule, _)| rule.clone()).collect(),
    }
}

impl From<&Rule> for request::Rule {
    fn from(rule: &Rule) -> Self {
        let networks: Vec<_> = rule.networks.iter().map(ToString::to_string).collect();
        let (source_ips, destination_ips) = match rule.direction {
            Direction::In => (networks, Vec::new()),
            Direction::Out => (Vec::new(), networks),
        };
        Self {
            direction: rule.direction.word().to_owned(),
            protocol: rule.protocol.word().to_owned(),
            port: rule.ports.map(|ports| ports.to_string()),
            source_ips,
            destination_ips,
            description: rule.description.clone(),
        }
    }
}

fn read(rule: &request::Rule) -> Option<Rule> {
    let (direction, networks) = match rule.direction.as_str() {
        "in" => (Direction::In, &rule.source_ips),
        "out" => (Direction::Out, &rule.destination_ips),
        _ => return None,
    };
    let protocol = Protocol::ALL.into_iter().find(|known| known.word() == rule.protocol)?;
    let ports = match (protocol.has_ports(), rule.port.as_deref()) {
        (false, _) => None,
        (true, port) => Some(port?.parse().ok()?),
    };
    let networks = networks.iter().map(|network| network.parse().ok()).collect::<Option<_>>()?;
    Some(Rule { direction, protocol, ports, networks, description: rule.description.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::firewall::merge::tests::{rule, some_rule};

    fn sent(rules: &[Rule]) -> Vec<request::Rule> {
        rules.iter().map(request::Rule::from).collect()
    }

    #[test]
    fn a_rule_somebody_added_is_foreign() {
        let wanted = [rule("in tcp 22 203.0.113.0/24 SSH")];
        let added = rule("in tcp 8080 0.0.0.0/0 try");
        let there = sent(&[wanted[0].clone(), added.clone()]);
        let expected = Difference { foreign: vec![added], ..Difference::default() };
        assert_eq!(difference(&there, &wanted), expected);
    }

    #[test]
    fn a_form_that_is_not_known_is_kept_as_it_is() {
        let odd = request::Rule {
            protocol: "sctp".to_owned(),
            ..request::Rule::from(&rule("in tcp 22 10.0.0.0/8"))
        };
        assert_eq!(difference(std::slice::from_ref(&odd), &[]).unknown, [odd]);
    }

    #[test]
    fn addresses_have_one_form() {
        let there = request::Rule {
            source_ips: vec!["2001:DB8:0:0:0:0:0:0/32".to_owned()],
            ..request::Rule::from(&rule("in tcp 22 ::/0 SSH"))
        };
        assert!(difference(&[there], &[rule("in tcp 22 2001:db8::/32 SSH")]).is_none());
    }

    proptest! {
        #[test]
        fn what_was_sent_does_not_differ(rules in prop::collection::vec(some_rule(), 0..12)) {
            let wanted = merged(&rules);
            let mut there = sent(&wanted);
            there.reverse();
            prop_assert!(difference(&there, &wanted).is_none());
        }

        #[test]
        fn what_is_missing_and_foreign_is_all_that_differs(one in prop::collection::vec(some_rule(), 0..8), two in prop::collection::vec(some_rule(), 0..8)) {
            let (one, two) = (merged(&one), merged(&two));
            prop_assert_eq!(difference(&sent(&one), &two).is_none(), one == two);
        }
    }
}
