//! `egress-rules`: the firewall of a Hetzner cluster names what goes out, and forgets nothing that a node needs.
//!
//! Hetzner lets everything out until a firewall holds one outbound rule; from then on, only what the rules name. Traffic on the private
//! network is not filtered.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::yaml::{Entry, Node};
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "egress-rules",
    level: Level::Error,
    summary: "the outbound rules of a Hetzner cluster are missing, or shut out images, names or time",
    page: include_str!("../../../../docs/reference/lints/egress-rules.md"),
    check,
};

/// What a node needs from outside: protocol, port, and what fails without it.
const NEEDED: [(&str, u16, &str); 4] = [
    ("tcp", 443, "no image can be pulled"),
    ("udp", 53, "no name can be resolved"),
    ("tcp", 53, "long DNS answers are lost"),
    ("udp", 123, "clocks drift until certificates are refused"),
];

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (_, file, cluster) in context.files.hetzner_clusters() {
        let (entry, line) = rules(cluster);
        let outbound: Vec<&Node> =
            entry.iter().flat_map(|entry| entry.value.items()).filter(|rule| is_outbound(rule)).collect();
        if outbound.is_empty() {
            let message = "no outbound rule: nodes and pods reach every address there is";
            let hint = format!(
                "list what they need under `networking.allowed_networks.custom_firewall_rules`: {}",
                ports(&NEEDED)
            );
            reporter.line(&file.path, line, message, hint);
            continue;
        }
        for needed @ (protocol, port, harm) in NEEDED {
            if !outbound.iter().any(|rule| lets_out(rule, protocol, port)) {
                let message = format!("no outbound rule lets out {protocol} {port}: {harm}");
                let hint = format!(
                    "add `{{direction: out, protocol: {}, port: \"{}\", destination_ips: [\"0.0.0.0/0\", \"::/0\"]}}`",
                    needed.0, needed.1
                );
                reporter.line(&file.path, line, message, hint);
            }
        }
    }
}

/// The list of rules, and the line of the deepest key on the way to it.
fn rules(cluster: &Node) -> (Option<&Entry>, usize) {
    let (mut node, mut line, mut last) = (cluster, 1, None);
    for key in ["networking", "allowed_networks", "custom_firewall_rules"] {
        last = node.entry(key);
        let Some(entry) = last else { break };
        (node, line) = (&entry.value, entry.line);
    }
    (last, line)
}

/// `direction` is `in` where a rule does not say.
fn is_outbound(rule: &Node) -> bool {
    rule.text_at(&["direction"]) == Some("out")
}

/// A rule lets a port out if it has somewhere to let it to. `protocol` is `tcp` and `port` is `any` where a rule does not say.
fn lets_out(rule: &Node, protocol: &str, port: u16) -> bool {
    let has_destination = rule.get("destination_ips").is_some_and(|list| !list.items().is_empty());
    let is_protocol = rule.text_at(&["protocol"]).unwrap_or("tcp") == protocol;
    has_destination && is_protocol && covers(rule.text_at(&["port"]).unwrap_or("any"), port)
}

fn covers(ports: &str, port: u16) -> bool {
    let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
    let range = from.trim().parse().ok().zip(to.trim().parse().ok());
    ports == "any" || range.is_some_and(|(from, to): (u16, u16)| (from..=to).contains(&port))
}

fn ports(needed: &[(&str, u16, &str)]) -> String {
    needed.iter().map(|(protocol, port, _)| format!("{protocol} {port}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lints::tests::check;

    const PATH: &str = "infra/k8s/hetzner/dev/cluster/cluster-config.yaml";

    fn check_rules(rules: &str, expected: &[&str]) {
        let text = format!("networking:\n  allowed_networks:\n    custom_firewall_rules: [{rules}]\n");
        let expected: Vec<_> = expected.iter().map(|message| format!("{PATH}:3: {message}")).collect();
        assert_eq!(check("egress-rules", &[(PATH, &text)]), expected, "{rules}");
    }

    #[test]
    fn no_rule_at_all_is_reported() {
        check_rules("", &["no outbound rule: nodes and pods reach every address there is"]);
        assert_eq!(check("egress-rules", &[(PATH, "cluster_name: x\n")]).len(), 1);
    }

    #[test]
    fn one_rule_shuts_out_the_rest() {
        check_rules(
            "{direction: out, protocol: tcp, port: \"443\", destination_ips: [0.0.0.0/0]}",
            &[
                "no outbound rule lets out tcp 53: long DNS answers are lost",
                "no outbound rule lets out udp 123: clocks drift until certificates are refused",
                "no outbound rule lets out udp 53: no name can be resolved",
            ],
        );
    }

    #[test]
    fn a_rule_for_any_port_covers_all_of_its_protocol() {
        check_rules(
            "{direction: out, destination_ips: [0.0.0.0/0]}, {direction: out, protocol: udp, port: 1-65535, destination_ips: [0.0.0.0/0]}",
            &[],
        );
    }

    #[test]
    fn inbound_rules_and_rules_to_nowhere_let_nothing_out() {
        check_rules(
            "{protocol: tcp, port: any, source_ips: [0.0.0.0/0]}",
            &["no outbound rule: nodes and pods reach every address there is"],
        );
        let found = "no outbound rule lets out tcp 443: no image can be pulled";
        let text = "{direction: out, port: any}";
        let path = format!("networking: {{allowed_networks: {{custom_firewall_rules: [{text}]}}}}\n");
        assert!(check("egress-rules", &[(PATH, &path)]).iter().any(|line| line.ends_with(found)));
    }

    #[test]
    fn ports_are_one_a_range_or_any() {
        for (ports, expected) in
            [("53", true), ("50-60", true), ("any", true), ("54", false), ("60-50", false), ("dns", false)]
        {
            assert_eq!(covers(ports, 53), expected, "{ports}");
        }
    }
}
