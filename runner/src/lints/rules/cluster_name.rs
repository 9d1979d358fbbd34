//! `cluster-name`: a Hetzner cluster is named after its environment.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "cluster-name",
    level: Level::Error,
    summary: "a Hetzner cluster is not named `hetzner-<environment>-cluster`",
    page: include_str!("../../../../docs/reference/lints/cluster-name.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (environment, file, cluster) in context.files.hetzner_clusters() {
        let wanted = format!("hetzner-{environment}-cluster");
        let entry = cluster.entry("cluster_name");
        let name = entry.and_then(|entry| entry.value.text());
        if name == Some(wanted.as_str()) {
            continue;
        }
        let message = match name {
            Some(name) => format!("the cluster of `{environment}` is named `{name}`"),
            None => format!("the cluster of `{environment}` has no name"),
        };
        let hint = format!(
            "write `cluster_name: {wanted}`; a cluster that exists keeps its name: create one anew, then remove the old"
        );
        reporter.line(&file.path, entry.map_or(1, |entry| entry.line), message, hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::check;

    #[test]
    fn a_cluster_with_another_name_is_reported_in_its_line() {
        let path = "infra/k8s/hetzner/dev/cluster/cluster-config.yaml";
        let found = check("cluster-name", &[(path, "# why\ncluster_name: hetzner-test-cluster\n")]);
        assert_eq!(found, [format!("{path}:2: the cluster of `dev` is named `hetzner-test-cluster`")]);
        let found = check("cluster-name", &[(path, "k3s_version: v1\n")]);
        assert_eq!(found, [format!("{path}:1: the cluster of `dev` has no name")]);
    }
}
