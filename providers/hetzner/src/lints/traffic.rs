//! What goes in and out, and over which networks.

use super::Lints;
use crate::firewall::{self, Direction, Egress, Need, Ports, Protocol, RuleExcess};
use crate::network::{self, NetworkFault};

const RULES: &str = "networking.allowed_networks.custom_firewall_rules";

/// Where WireGuard listens: flannel's and Cilium's.
const WIREGUARD: [u16; 2] = [51820, 51871];

pub(super) fn check(lints: &mut Lints<'_>) {
    egress(lints);
    slots(lints);
    wireguard(lints);
    networks(lints);
    mirror(lints);
}

fn egress(lints: &mut Lints<'_>) {
    match firewall::egress(&lints.file.config) {
        Egress::Open(needs) => {
            let needs: Vec<_> = needs.iter().map(|need| format!("{} {}", need.protocol, need.port)).collect();
            let message = "no outbound rule: nodes and pods reach every address there is";
            let hint = format!("list what they need under `{RULES}`: {}", needs.join(", "));
            lints.add("egress-rules", RULES, message, hint);
        }
        Egress::Limited(missing) => {
            for Need { protocol, port, harm } in missing {
                let message = format!("no outbound rule lets out {protocol} {port}: {harm}");
                let hint = format!(
                    "add `{{direction: out, protocol: {protocol}, port: \"{port}\", destination_ips: [\"0.0.0.0/0\", \"::/0\"]}}`"
                );
                lints.add("egress-rules", RULES, message, hint);
            }
        }
    }
}

fn slots(lints: &mut Lints<'_>) {
    for excess in firewall::excess(&lints.file.config) {
        let (path, message) = match excess {
            RuleExcess::Rules(count) => {
                let most = firewall::MOST_RULES;
                (RULES.to_owned(), format!("the firewall would have {count} rules, at most {most} are taken"))
            }
            RuleExcess::Networks { rule, count } => {
                let most = firewall::MOST_NETWORKS;
                (
                    format!("{RULES}[{rule}]"),
                    format!("the rule has {count} networks, at most {most} are taken"),
                )
            }
        };
        lints.add(
            "firewall-slots",
            &path,
            message,
            "join rules of one network to a range of ports, and networks to larger ones",
        );
    }
}

fn wireguard(lints: &mut Lints<'_>) {
    let rules = &lints.file.config.networking.allowed_networks.custom_firewall_rules;
    let opens = |rule: &crate::config::CustomRule| {
        let is_port = WIREGUARD.iter().any(|port| rule.port == Ports::one(*port));
        rule.protocol == Protocol::Tcp && rule.direction == Direction::In && is_port
    };
    let found: Vec<_> =
        (0..rules.len()).filter(|at| opens(&rules[*at])).map(|at| (at, rules[at].port)).collect();
    for (at, port) in found {
        let message = format!("port {port} is open for TCP, and WireGuard speaks UDP");
        lints.add(
            "wireguard-tcp",
            &format!("{RULES}[{at}]"),
            message,
            "write `protocol: udp`, or take the rule out",
        );
    }
}

fn networks(lints: &mut Lints<'_>) {
    for fault in network::faults(&lints.file.config) {
        let (path, message, hint) = match fault {
            NetworkFault::Overlap { one, other, shared } => {
                // Of a network that is left out there is nothing to point at.
                let path = if lints.file.places.states(other) { other } else { one };
                (
                    path,
                    format!("`{one}` and `{other}` share {shared}"),
                    "give each network addresses of its own",
                )
            }
            NetworkFault::Dns { address, services } => (
                "networking.cluster_dns",
                format!(
                    "the cluster's DNS cannot be {address}: it has an address of {services}, not the first"
                ),
                "write the tenth address of `service_cidr`, as in `10.43.0.10`",
            ),
            NetworkFault::NotPrivate(network) => (
                "networking.private_network.subnet",
                format!("Hetzner has no private network {network}"),
                "take addresses of `10.0.0.0/8`, `172.16.0.0/12` or `192.168.0.0/16`",
            ),
            NetworkFault::Full { key, servers, room } => (
                key,
                format!("`{key}` has room for {room} servers, {servers} are asked for"),
                "ask for fewer, or take a larger network; Hetzner attaches at most 100 servers to one",
            ),
        };
        lints.add("cluster-networks", path, message, hint);
    }
}

fn mirror(lints: &mut Lints<'_>) {
    const PATH: &str = "addons.embedded_registry_mirror.enabled";
    let is_stated = lints.file.places.states(PATH);
    if is_stated && lints.file.config.addons.embedded_registry_mirror.enabled {
        return;
    }
    // What is left out is on in the code of hetzner-k3s, and off in its documentation.
    let message = if is_stated {
        "the embedded registry mirror is switched off"
    } else {
        "the cluster does not say whether it has an embedded registry mirror"
    };
    lints.add(
        "registry-mirror",
        PATH,
        message,
        "write `embedded_registry_mirror: {enabled: true}` under `addons`",
    );
}
