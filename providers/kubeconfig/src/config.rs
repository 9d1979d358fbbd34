//! Which kubeconfig leads to which cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_core::name::ClusterName;

/// The clusters that this provider knows the way to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeconfigConfig {
    /// By the name of the cluster, or of the environment where each has one of its own.
    #[serde(default)]
    pub clusters: BTreeMap<ClusterName, ClusterAccess>,
}

/// The way to a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterAccess {
    /// The kubeconfig file; without one, those of `$KUBECONFIG`, and without that `~/.kube/config`, as for `kubectl`.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; without one, its current context.
    pub context: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_errors() {
        let read = |text: &str| serde_json::from_str::<KubeconfigConfig>(text);
        let known =
            read(r#"{"clusters": {"prod": {"kubeconfig": "/etc/prod", "context": "admin"}, "dev": {}}}"#)
                .unwrap();
        assert_eq!(known.clusters.len(), 2);
        assert!(read(r#"{"clusters": {"prod": {"kubeconfg": "/etc/prod"}}}"#).is_err());
        assert!(read(r#"{"clusters": {"Not A Name": {}}}"#).is_err());
        assert!(read(r#"{"cluster": {}}"#).is_err());
    }
}
