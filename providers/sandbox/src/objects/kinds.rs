//! The kinds that are served, from one table.

use std::borrow::Cow;
use std::fmt;

use windlass_core::object::Scope;

type Text = Cow<'static, str>;

/// A kind of object, and how it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: Text,
    /// The version it is served in and stored as.
    pub version: Text,
    /// `StatefulSet`.
    pub kind: Text,
    /// `statefulsets`: what paths call it.
    pub plural: Text,
    /// `sts` and whatever else `kubectl` may call it.
    pub short_names: Cow<'static, [Text]>,
    /// `all`, if `kubectl get all` lists it.
    pub categories: Cow<'static, [Text]>,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// What can be asked of an object beside the object itself.
    pub subresources: Cow<'static, [Subresource]>,
    /// Whether `metadata.generation` counts the changes of its wish.
    pub counts_generations: bool,
}

/// A part or an action of an object with a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subresource {
    /// `status`, which only writes the status, and is not written otherwise.
    Status,
    /// `scale`.
    Scale,
    /// `log` of a pod.
    Log,
    /// `binding` of a pod to a node.
    Binding,
    /// `eviction` of a pod.
    Eviction,
    /// `finalize` of a namespace: takes away `spec.finalizers`.
    Finalize,
    /// `token` of a service account.
    Token,
}

impl Subresource {
    /// The last part of its path.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Log => "log",
            Self::Binding => "binding",
            Self::Eviction => "eviction",
            Self::Finalize => "finalize",
            Self::Token => "token",
        }
    }
}

/// Whose name a message gives: `deployments.apps`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: Text,
    /// The plural.
    pub plural: Text,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_ref() {
            "" => f.write_str(&self.plural),
            group => write!(f, "{}.{group}", self.plural),
        }
    }
}

impl Kind {
    /// `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_ref() {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Group and plural, under which objects are kept.
    pub fn resource(&self) -> Resource {
        Resource { group: self.group.clone(), plural: self.plural.clone() }
    }

    /// `statefulset`.
    pub fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }

    /// Whether it has this subresource.
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Whether its objects are kept. Others are questions: they are answered, and nothing stays.
    pub fn is_kept(&self) -> bool {
        !["authentication.k8s.io", "authorization.k8s.io"].contains(&self.group.as_ref())
    }

    /// The built-in kind of this name.
    pub fn built_in(api_version: &str, kind: &str) -> Option<&'static Kind> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        KINDS.iter().copied().find(|one| one.kind == kind && one.group == group && one.version == version)
    }
}

/// The table: constant, group and version, kind and plural, scope, short names, categories, subresources, whether generations are counted.
macro_rules! kinds {
    ($($constant:ident: $group:literal $version:literal $kind:literal $plural:literal $scope:ident
        [$($short:literal),*] [$($category:literal),*] [$($subresource:ident),*] $counts:literal;)*) => {
        $(
            #[doc = concat!("`", $kind, "` of `", $group, "/", $version, "`.")]
            pub static $constant: Kind = Kind {
                group: Cow::Borrowed($group),
                version: Cow::Borrowed($version),
                kind: Cow::Borrowed($kind),
                plural: Cow::Borrowed($plural),
                short_names: Cow::Borrowed(&[$(Cow::Borrowed($short)),*]),
                categories: Cow::Borrowed(&[$(Cow::Borrowed($category)),*]),
                scope: Scope::$scope,
                subresources: Cow::Borrowed(&[$(Subresource::$subresource),*]),
                counts_generations: $counts,
            };
        )*
        /// Every built-in kind.
        pub static KINDS: &[&Kind] = &[$(&$constant),*];
    };
}

kinds! {
    NAMESPACE: "" "v1" "Namespace" "namespaces" Cluster ["ns"] [] [Status, Finalize] false;
    NODE: "" "v1" "Node" "nodes" Cluster ["no"] [] [Status] false;
    POD: "" "v1" "Pod" "pods" Namespaced ["po"] ["all"] [Status, Log, Binding, Eviction] true;
    SERVICE: "" "v1" "Service" "services" Namespaced ["svc"] ["all"] [Status] false;
    ENDPOINTS: "" "v1" "Endpoints" "endpoints" Namespaced ["ep"] [] [] false;
    CONFIG_MAP: "" "v1" "ConfigMap" "configmaps" Namespaced ["cm"] [] [] false;
    SECRET: "" "v1" "Secret" "secrets" Namespaced [] [] [] false;
    SERVICE_ACCOUNT: "" "v1" "ServiceAccount" "serviceaccounts" Namespaced ["sa"] [] [Token] false;
    PERSISTENT_VOLUME: "" "v1" "PersistentVolume" "persistentvolumes" Cluster ["pv"] [] [Status] false;
    PERSISTENT_VOLUME_CLAIM: "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" Namespaced ["pvc"] [] [Status] false;
    LIMIT_RANGE: "" "v1" "LimitRange" "limitranges" Namespaced ["limits"] [] [] false;
    RESOURCE_QUOTA: "" "v1" "ResourceQuota" "resourcequotas" Namespaced ["quota"] [] [Status] false;
    EVENT: "" "v1" "Event" "events" Namespaced ["ev"] [] [] false;
    DEPLOYMENT: "apps" "v1" "Deployment" "deployments" Namespaced ["deploy"] ["all"] [Status, Scale] true;
    REPLICA_SET: "apps" "v1" "ReplicaSet" "replicasets" Namespaced ["rs"] ["all"] [Status, Scale] true;
    STATEFUL_SET: "apps" "v1" "StatefulSet" "statefulsets" Namespaced ["sts"] ["all"] [Status, Scale] true;
    DAEMON_SET: "apps" "v1" "DaemonSet" "daemonsets" Namespaced ["ds"] ["all"] [Status] true;
    CONTROLLER_REVISION: "apps" "v1" "ControllerRevision" "controllerrevisions" Namespaced [] [] [] false;
    JOB: "batch" "v1" "Job" "jobs" Namespaced [] ["all"] [Status] true;
    CRON_JOB: "batch" "v1" "CronJob" "cronjobs" Namespaced ["cj"] ["all"] [Status] true;
    HORIZONTAL_POD_AUTOSCALER: "autoscaling" "v2" "HorizontalPodAutoscaler" "horizontalpodautoscalers" Namespaced ["hpa"] ["all"] [Status] false;
    POD_DISRUPTION_BUDGET: "policy" "v1" "PodDisruptionBudget" "poddisruptionbudgets" Namespaced ["pdb"] [] [Status] true;
    STORAGE_CLASS: "storage.k8s.io" "v1" "StorageClass" "storageclasses" Cluster ["sc"] [] [] false;
    INGRESS: "networking.k8s.io" "v1" "Ingress" "ingresses" Namespaced ["ing"] [] [Status] true;
    INGRESS_CLASS: "networking.k8s.io" "v1" "IngressClass" "ingressclasses" Cluster [] [] [] true;
    NETWORK_POLICY: "networking.k8s.io" "v1" "NetworkPolicy" "networkpolicies" Namespaced ["netpol"] [] [] true;
    ROLE: "rbac.authorization.k8s.io" "v1" "Role" "roles" Namespaced [] [] [] false;
    ROLE_BINDING: "rbac.authorization.k8s.io" "v1" "RoleBinding" "rolebindings" Namespaced [] [] [] false;
    CLUSTER_ROLE: "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles" Cluster [] [] [] false;
    CLUSTER_ROLE_BINDING: "rbac.authorization.k8s.io" "v1" "ClusterRoleBinding" "clusterrolebindings" Cluster [] [] [] false;
    ENDPOINT_SLICE: "discovery.k8s.io" "v1" "EndpointSlice" "endpointslices" Namespaced [] [] [] true;
    LEASE: "coordination.k8s.io" "v1" "Lease" "leases" Namespaced [] [] [] false;
    PRIORITY_CLASS: "scheduling.k8s.io" "v1" "PriorityClass" "priorityclasses" Cluster ["pc"] [] [] true;
    CUSTOM_RESOURCE_DEFINITION: "apiextensions.k8s.io" "v1" "CustomResourceDefinition" "customresourcedefinitions" Cluster ["crd", "crds"] ["api-extensions"] [Status] true;
    SELF_SUBJECT_ACCESS_REVIEW: "authorization.k8s.io" "v1" "SelfSubjectAccessReview" "selfsubjectaccessreviews" Cluster [] [] [] false;
    SELF_SUBJECT_RULES_REVIEW: "authorization.k8s.io" "v1" "SelfSubjectRulesReview" "selfsubjectrulesreviews" Cluster [] [] [] false;
    SELF_SUBJECT_REVIEW: "authentication.k8s.io" "v1" "SelfSubjectReview" "selfsubjectreviews" Cluster [] [] [] false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_the_name_that_manifests_use() {
        assert_eq!(Kind::built_in("apps/v1", "StatefulSet"), Some(&STATEFUL_SET));
        assert_eq!(Kind::built_in("v1", "Pod"), Some(&POD));
        assert_eq!(Kind::built_in("v1", "StatefulSet"), None);
    }

    #[test]
    fn no_two_kinds_share_a_path() {
        let mut resources: Vec<Resource> = KINDS.iter().map(|kind| kind.resource()).collect();
        resources.sort();
        resources.dedup();
        assert_eq!(resources.len(), KINDS.len());
    }

    #[test]
    fn messages_name_the_group_unless_it_is_the_core_one() {
        assert_eq!(POD.resource().to_string(), "pods");
        assert_eq!(DEPLOYMENT.resource().to_string(), "deployments.apps");
    }
}
