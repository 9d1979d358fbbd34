//! `registry-mirror`: nodes take images from one another before they ask a registry.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::yaml::Node;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "registry-mirror",
    level: Level::Warning,
    summary: "a Hetzner cluster does not switch on the embedded registry mirror",
    page: include_str!("../../../../docs/reference/lints/registry-mirror.md"),
    check,
};

const PATH: [&str; 3] = ["addons", "embedded_registry_mirror", "enabled"];

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (_, file, cluster) in context.files.hetzner_clusters() {
        if cluster.text_at(&PATH) == Some("true") {
            continue;
        }
        let message = match cluster.text_at(&PATH) {
            Some(_) => "the embedded registry mirror is switched off",
            None => "the cluster does not say whether it has an embedded registry mirror",
        };
        let hint = "write `embedded_registry_mirror: {enabled: true}` under `addons`";
        reporter.line(&file.path, nearest_line(cluster), message, hint);
    }
}

/// The line of the deepest key on the way to the switch.
fn nearest_line(cluster: &Node) -> usize {
    let (mut node, mut line) = (cluster, 1);
    for key in PATH {
        let Some(entry) = node.entry(key) else { break };
        (node, line) = (&entry.value, entry.line);
    }
    line
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::check;

    #[test]
    fn a_cluster_without_the_mirror_is_reported() {
        let path = "infra/k8s/hetzner/dev/cluster/cluster-config.yaml";
        let off = "addons:\n  embedded_registry_mirror:\n    enabled: false\n";
        let found = check("registry-mirror", &[(path, off)]);
        assert_eq!(found, [format!("{path}:3: the embedded registry mirror is switched off")]);
        let found = check("registry-mirror", &[(path, "# none\naddons: {}\n")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{path}:2: ")), "{found:?}");
        let on = off.replace("false", "true");
        assert!(check("registry-mirror", &[(path, &on)]).is_empty());
    }
}
