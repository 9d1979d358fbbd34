//! What the tests of this crate begin with.

use crate::config::{ClusterConfig, ClusterFile};

/// The text of a small cluster with further lines.
pub(crate) fn text(lines: &str) -> String {
    let least = "cluster_name: shop\nkubeconfig_path: kubeconfig\nk3s_version: v1.34.4+k3s1\nschedule_workloads_on_masters: true\nmasters_pool: {instance_type: cx23}\n";
    format!("{least}{lines}\n")
}

/// A small cluster with further lines in its file.
pub(crate) fn cluster(lines: &str) -> ClusterConfig {
    file(lines).config
}

/// The same, with the places of its file.
pub(crate) fn file(lines: &str) -> ClusterFile {
    ClusterFile::parse("cluster-config.yaml", &text(lines))
        .unwrap_or_else(|problems| panic!("{}", problems.render()))
}
