//! What a provider finds in the file that describes a cluster: it alone knows what the file means, and judges it.
//!
//! Each of its lints is listed here by name, with its level and page, as the others are.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const ARCHITECTURE: Lint = Lint {
    name: "architecture",
    level: Level::Error,
    summary: "servers of one pool or one snapshot would be of different architectures",
    page: include_str!("../../../../docs/reference/lints/architecture.md"),
    check,
};

pub(super) const CONFIG: Lint = Lint {
    name: "cluster-config",
    level: Level::Error,
    summary: "a cluster-config file has unknown, missing or repeated keys, or values that cannot be",
    page: include_str!("../../../../docs/reference/lints/cluster-config.md"),
    check,
};

pub(super) const NETWORKS: Lint = Lint {
    name: "cluster-networks",
    level: Level::Error,
    summary: "the networks of a cluster overlap, hold no room for its servers, or lack its DNS",
    page: include_str!("../../../../docs/reference/lints/cluster-networks.md"),
    check,
};

pub(super) const TOKEN: Lint = Lint {
    name: "cluster-token",
    level: Level::Error,
    summary: "a cluster-config file holds a credential",
    page: include_str!("../../../../docs/reference/lints/cluster-token.md"),
    check,
};

pub(super) const UNSUPPORTED: Lint = Lint {
    name: "cluster-unsupported",
    level: Level::Error,
    summary: "a cluster-config file asks for something that windlass does not do",
    page: include_str!("../../../../docs/reference/lints/cluster-unsupported.md"),
    check,
};

pub(super) const EGRESS_RULES: Lint = Lint {
    name: "egress-rules",
    level: Level::Error,
    summary: "the outbound rules of a Hetzner cluster are missing, or shut out images, names or time",
    page: include_str!("../../../../docs/reference/lints/egress-rules.md"),
    check,
};

pub(super) const EVEN_MASTERS: Lint = Lint {
    name: "even-masters",
    level: Level::Error,
    summary: "a control plane has an even number of masters",
    page: include_str!("../../../../docs/reference/lints/even-masters.md"),
    check,
};

pub(super) const FIREWALL_SLOTS: Lint = Lint {
    name: "firewall-slots",
    level: Level::Error,
    summary: "a firewall would have more rules, or a rule more networks, than Hetzner takes",
    page: include_str!("../../../../docs/reference/lints/firewall-slots.md"),
    check,
};

pub(super) const NETWORK_ZONE: Lint = Lint {
    name: "network-zone",
    level: Level::Error,
    summary: "servers of a cluster would be in different network zones",
    page: include_str!("../../../../docs/reference/lints/network-zone.md"),
    check,
};

pub(super) const OPEN_ACCESS: Lint = Lint {
    name: "open-access",
    level: Level::Warning,
    summary: "SSH or the Kubernetes API is open to the internet without a decision, or in a protected cluster",
    page: include_str!("../../../../docs/reference/lints/open-access.md"),
    check,
};

pub(super) const REGISTRY_MIRROR: Lint = Lint {
    name: "registry-mirror",
    level: Level::Warning,
    summary: "a Hetzner cluster does not switch on the embedded registry mirror",
    page: include_str!("../../../../docs/reference/lints/registry-mirror.md"),
    check,
};

pub(super) const WIREGUARD_TCP: Lint = Lint {
    name: "wireguard-tcp",
    level: Level::Warning,
    summary: "a firewall opens the port of WireGuard for TCP, which WireGuard does not speak",
    page: include_str!("../../../../docs/reference/lints/wireguard-tcp.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let lint = reporter.lint();
    for (file, finding) in context.clusters.iter().filter(|(_, finding)| finding.lint == lint) {
        let place = (finding.place.line, finding.place.column);
        reporter.place(file, place, &finding.message, &finding.hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::LINTS;
    use crate::lints::tests::{SMALL, check};
    use crate::plugins;

    const PATH: &str = "infra/k8s/hetzner/dev/cluster/cluster-config.yaml";

    #[test]
    fn a_finding_has_the_line_and_column_of_the_file() {
        let text = SMALL.text(PATH).replace("cluster_name:", "networkin: {}\ncluster_name:");
        assert_eq!(
            check("cluster-config", &[(PATH, &text)]),
            [format!("{PATH}:1: unknown key `networkin` in the file")]
        );
        let report = SMALL.with(&[(PATH, &text)]).report();
        assert_eq!(report.findings[0].column, Some(1));
    }

    #[test]
    fn a_file_that_is_no_yaml_is_reported_once() {
        let report = SMALL.with(&[(PATH, "cluster_name: [\n")]).report();
        let lints: Vec<_> = report.findings.iter().map(|finding| finding.lint).collect();
        assert_eq!(lints, ["not-yaml"]);
    }

    #[test]
    fn clusters_of_providers_without_such_a_file_are_passed_over() {
        assert!(
            check("cluster-config", &[("infra/k8s/kubeconfig/dev/cluster/cluster-config.yaml", "a: 1\n")])
                .is_empty()
        );
    }

    #[test]
    fn every_lint_that_a_provider_names_is_listed() {
        for name in plugins::CLUSTER_LINTS {
            assert!(LINTS.iter().any(|lint| lint.name == *name), "{name} is not listed");
        }
    }
}
