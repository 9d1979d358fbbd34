//! What a set of rules lets through.

use std::net::IpAddr;

use super::rule::{Direction, Protocol, Rule};

/// Whether the first packet of a connection passes. `address` is that of the other side; `port` counts for TCP and UDP only.
pub fn allowed(rules: &[Rule], direction: Direction, protocol: Protocol, port: u16, address: IpAddr) -> bool {
    let mut same_way = rules.iter().filter(|rule| rule.direction == direction).peekable();
    if direction == Direction::Out && same_way.peek().is_none() {
        return true;
    }
    same_way.any(|rule| {
        rule.protocol == protocol
            && rule.ports.is_none_or(|ports| !protocol.has_ports() || ports.contains(port))
            && rule.networks.iter().any(|network| network.contains(&address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(direction: Direction, protocol: Protocol, ports: &str, network: &str) -> Rule {
        let ports = protocol.has_ports().then(|| ports.parse().unwrap());
        Rule { direction, protocol, ports, networks: vec![network.parse().unwrap()], description: None }
    }

    fn check(
        rules: &[Rule],
        (direction, protocol, port, address): (Direction, Protocol, u16, &str),
        expected: bool,
    ) {
        let address = address.parse().unwrap();
        assert_eq!(
            allowed(rules, direction, protocol, port, address),
            expected,
            "{rules:?} {port} {address}"
        );
    }

    #[test]
    fn without_rules_nothing_comes_in_and_everything_goes_out() {
        check(&[], (Direction::In, Protocol::Tcp, 22, "203.0.113.1"), false);
        check(&[], (Direction::Out, Protocol::Tcp, 443, "203.0.113.1"), true);
        check(&[], (Direction::Out, Protocol::Gre, 0, "2001:db8::1"), true);
    }

    #[test]
    fn an_inbound_rule_lets_in_what_it_names() {
        let rules = [rule(Direction::In, Protocol::Tcp, "22", "203.0.113.0/24")];
        check(&rules, (Direction::In, Protocol::Tcp, 22, "203.0.113.9"), true);
        check(&rules, (Direction::In, Protocol::Tcp, 23, "203.0.113.9"), false);
        check(&rules, (Direction::In, Protocol::Udp, 22, "203.0.113.9"), false);
        check(&rules, (Direction::In, Protocol::Tcp, 22, "198.51.100.9"), false);
        check(&rules, (Direction::Out, Protocol::Tcp, 443, "198.51.100.9"), true);
    }

    #[test]
    fn the_first_outbound_rule_shuts_out_the_rest() {
        let rules = [rule(Direction::Out, Protocol::Tcp, "587", "0.0.0.0/0")];
        check(&rules, (Direction::Out, Protocol::Tcp, 587, "203.0.113.9"), true);
        check(&rules, (Direction::Out, Protocol::Tcp, 587, "2001:db8::1"), false);
        check(&rules, (Direction::Out, Protocol::Udp, 53, "203.0.113.9"), false);
        check(&rules, (Direction::In, Protocol::Tcp, 587, "203.0.113.9"), false);
    }

    #[test]
    fn protocols_without_ports_ask_for_none() {
        let rules = [rule(Direction::In, Protocol::Icmp, "", "0.0.0.0/0")];
        check(&rules, (Direction::In, Protocol::Icmp, 0, "203.0.113.9"), true);
        check(&rules, (Direction::In, Protocol::Esp, 0, "203.0.113.9"), false);
    }
}
