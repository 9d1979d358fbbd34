//! What is known of kinds without asking a cluster: the order of apply and the scope.

use serde::{Deserialize, Serialize};

/// The place of a kind in the order of apply. Objects of one stage may be applied in parallel.
///
/// The order follows who needs whom: a definition before its resources, an account before the pod that runs as it, and a
/// webhook last, because it may answer for everything before it and its backend is a workload of the same set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyStage {
    /// `CustomResourceDefinition` and `Namespace`: must be established before anything that lives in them.
    Definitions,
    /// Classes that others name: storage, priority, ingress, runtime.
    Classes,
    /// Limits of a namespace: quota, limit range, network policy.
    Limits,
    /// Service accounts.
    Accounts,
    /// Roles and their bindings.
    Access,
    /// `ConfigMap` and `Secret`.
    Configuration,
    /// Volumes and claims.
    Storage,
    /// Kinds that windlass does not know: operators often make a Secret or a database of them that workloads wait for.
    Custom,
    /// Services, before the workloads whose environment names them.
    Services,
    /// Everything that runs pods.
    Workloads,
    /// What leads to workloads or governs them: ingress, autoscaler, disruption budget, aggregated API.
    Exposure,
    /// Admission webhooks and policies.
    Admission,
}

/// Whether objects of a kind live in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One per cluster and name.
    Cluster,
    /// One per namespace and name.
    Namespaced,
}

impl ApplyStage {
    /// The stage of a kind.
    pub fn of(group: &str, kind: &str) -> ApplyStage {
        BUILT_IN
            .iter()
            .find(|built_in| built_in.group == group && built_in.kinds.contains(&kind))
            .map_or(ApplyStage::Custom, |built_in| built_in.stage)
    }
}

/// The scope of a built-in kind. `None` for kinds that only the cluster (or a definition in the same set) knows.
pub fn scope(group: &str, kind: &str) -> Option<Scope> {
    BUILT_IN
        .iter()
        .find(|built_in| built_in.group == group && built_in.kinds.contains(&kind))
        .map(|built_in| built_in.scope)
}

struct BuiltIn {
    group: &'static str,
    stage: ApplyStage,
    scope: Scope,
    kinds: &'static [&'static str],
}

const fn of(group: &'static str, stage: ApplyStage, scope: Scope, kinds: &'static [&'static str]) -> BuiltIn {
    BuiltIn { group, stage, scope, kinds }
}

/// The kinds of the Kubernetes API reference that a release can hold, by group.
const BUILT_IN: &[BuiltIn] = {
    use ApplyStage::{
        Access, Accounts, Admission, Classes, Configuration, Custom, Definitions, Exposure, Limits, Services,
        Storage, Workloads,
    };
    use Scope::{Cluster, Namespaced};
    &[
        of("apiextensions.k8s.io", Definitions, Cluster, &["CustomResourceDefinition"]),
        of("", Definitions, Cluster, &["Namespace"]),
        of("storage.k8s.io", Classes, Cluster, &["StorageClass", "CSIDriver", "VolumeAttributesClass"]),
        of("scheduling.k8s.io", Classes, Cluster, &["PriorityClass"]),
        of("node.k8s.io", Classes, Cluster, &["RuntimeClass"]),
        of("networking.k8s.io", Classes, Cluster, &["IngressClass"]),
        of("resource.k8s.io", Classes, Cluster, &["DeviceClass"]),
        of("", Limits, Namespaced, &["ResourceQuota", "LimitRange"]),
        of("networking.k8s.io", Limits, Namespaced, &["NetworkPolicy"]),
        of("", Accounts, Namespaced, &["ServiceAccount"]),
        of("rbac.authorization.k8s.io", Access, Cluster, &["ClusterRole", "ClusterRoleBinding"]),
        of("rbac.authorization.k8s.io", Access, Namespaced, &["Role", "RoleBinding"]),
        of("", Configuration, Namespaced, &["ConfigMap", "Secret"]),
        of("", Storage, Cluster, &["PersistentVolume"]),
        of("", Storage, Namespaced, &["PersistentVolumeClaim"]),
        of("resource.k8s.io", Storage, Namespaced, &["ResourceClaim", "ResourceClaimTemplate"]),
        of("", Services, Namespaced, &["Service", "Endpoints"]),
        of("discovery.k8s.io", Services, Namespaced, &["EndpointSlice"]),
        of("", Workloads, Namespaced, &["Pod", "ReplicationController", "PodTemplate"]),
        of(
            "apps",
            Workloads,
            Namespaced,
            &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision"],
        ),
        of("batch", Workloads, Namespaced, &["Job", "CronJob"]),
        of("networking.k8s.io", Exposure, Namespaced, &["Ingress"]),
        of("autoscaling", Exposure, Namespaced, &["HorizontalPodAutoscaler"]),
        of("policy", Exposure, Namespaced, &["PodDisruptionBudget"]),
        of("apiregistration.k8s.io", Exposure, Cluster, &["APIService"]),
        of("coordination.k8s.io", Custom, Namespaced, &["Lease"]),
        of(
            "admissionregistration.k8s.io",
            Admission,
            Cluster,
            &[
                "MutatingWebhookConfiguration",
                "ValidatingWebhookConfiguration",
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
                "MutatingAdmissionPolicy",
                "MutatingAdmissionPolicyBinding",
            ],
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_known_for_built_in_kinds_only() {
        assert_eq!(scope("", "Namespace"), Some(Scope::Cluster));
        assert_eq!(scope("", "PersistentVolumeClaim"), Some(Scope::Namespaced));
        assert_eq!(scope("rbac.authorization.k8s.io", "ClusterRole"), Some(Scope::Cluster));
        assert_eq!(scope("example.com", "Namespace"), None, "a custom kind may bear a built-in name");
        assert_eq!(scope("cert-manager.io", "ClusterIssuer"), None);
    }

    #[test]
    fn every_kind_is_listed_once() {
        let mut listed: Vec<(&str, &str)> =
            BUILT_IN.iter().flat_map(|entry| entry.kinds.iter().map(|kind| (entry.group, *kind))).collect();
        let count = listed.len();
        listed.sort_unstable();
        listed.dedup();
        assert_eq!(listed.len(), count);
    }
}
