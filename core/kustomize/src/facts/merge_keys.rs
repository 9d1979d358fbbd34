//! How a strategic merge patch treats lists: the patch strategies of Kubernetes 1.21.
//!
//! Taken from `x-kubernetes-patch-strategy`, `x-kubernetes-patch-merge-key` and `x-kubernetes-list-map-keys` of its
//! OpenAPI document. Only lists with the strategy `merge` are here, and the fields that lead to them; every other
//! list is replaced as a whole.

/// A type of the schema, by its short name; fields that are not listed have nothing to merge below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type(&'static str);

/// How one field of a type is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// A map with something to merge below it.
    Map(Type),
    /// A list merged by keys; no keys for a list of scalars.
    List(&'static [&'static str], Option<Type>),
}

const CONDITIONS: (&str, Merge) = ("conditions", Merge::List(&["type"], None));
const METADATA: (&str, Merge) = ("metadata", Merge::Map(Type("ObjectMeta")));
const WITH_CONDITIONS: (&str, Merge) = ("status", Merge::Map(Type("Conditions")));

/// The type of a top-level object; nothing for kinds that Kubernetes 1.21 does not have.
pub(crate) fn type_of(api_version: &str, kind: &str) -> Option<Type> {
    let name = match (api_version, kind) {
        ("apps/v1", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
        | ("v1", "ReplicationController")
        | ("batch/v1", "Job") => "Workload",
        ("batch/v1" | "batch/v1beta1", "CronJob") => "CronJob",
        ("v1", "Pod") => "Pod",
        ("v1", "PodTemplate") => "PodTemplate",
        ("v1", "Service") => "Service",
        ("v1", "ServiceAccount") => "ServiceAccount",
        ("v1", "Node") => "Node",
        ("v1", "ComponentStatus") => "ComponentStatus",
        ("v1", "Namespace" | "PersistentVolumeClaim")
        | ("policy/v1" | "policy/v1beta1", "PodDisruptionBudget")
        | ("apiregistration.k8s.io/v1" | "apiregistration.k8s.io/v1beta1", "APIService") => "WithConditions",
        (
            "admissionregistration.k8s.io/v1" | "admissionregistration.k8s.io/v1beta1",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => "WebhookConfiguration",
        ("storage.k8s.io/v1" | "storage.k8s.io/v1beta1", "CSINode") => "CSINode",
        _ if has_only_metadata(api_version, kind) => "Object",
        _ => return None,
    };
    Some(Type(name))
}

/// Kinds of Kubernetes 1.21 that have nothing to merge but their metadata.
fn has_only_metadata(api_version: &str, kind: &str) -> bool {
    let kinds: &[&str] = match api_version {
        "v1" => &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolume",
            "ResourceQuota",
            "Secret",
        ],
        "apps/v1" => &["ControllerRevision"],
        "autoscaling/v1" => &["HorizontalPodAutoscaler", "Scale"],
        "autoscaling/v2beta1" | "autoscaling/v2beta2" => &["HorizontalPodAutoscaler"],
        "apiextensions.k8s.io/v1" | "apiextensions.k8s.io/v1beta1" => &["CustomResourceDefinition"],
        "certificates.k8s.io/v1" | "certificates.k8s.io/v1beta1" => &["CertificateSigningRequest"],
        "coordination.k8s.io/v1" | "coordination.k8s.io/v1beta1" => &["Lease"],
        "discovery.k8s.io/v1" | "discovery.k8s.io/v1beta1" => &["EndpointSlice"],
        "events.k8s.io/v1" | "events.k8s.io/v1beta1" => &["Event"],
        "extensions/v1beta1" => &["Ingress"],
        "flowcontrol.apiserver.k8s.io/v1beta1" => &["FlowSchema", "PriorityLevelConfiguration"],
        "networking.k8s.io/v1" => &["Ingress", "IngressClass", "NetworkPolicy"],
        "networking.k8s.io/v1beta1" => &["Ingress", "IngressClass"],
        "node.k8s.io/v1" | "node.k8s.io/v1beta1" => &["RuntimeClass"],
        "policy/v1beta1" => &["Eviction", "PodSecurityPolicy"],
        "rbac.authorization.k8s.io/v1" | "rbac.authorization.k8s.io/v1beta1" => {
            &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
        }
        "scheduling.k8s.io/v1" | "scheduling.k8s.io/v1beta1" => &["PriorityClass"],
        "storage.k8s.io/v1" | "storage.k8s.io/v1beta1" => {
            &["CSIDriver", "CSIStorageCapacity", "StorageClass", "VolumeAttachment"]
        }
        _ => &[],
    };
    kinds.contains(&kind)
}

impl Type {
    /// How `field` of this type is merged; nothing if it is replaced or merged without lists.
    pub(crate) fn field(self, field: &str) -> Option<Merge> {
        self.fields().iter().find(|(name, _)| *name == field).map(|(_, merge)| *merge)
    }

    fn fields(self) -> &'static [(&'static str, Merge)] {
        match self.0 {
            "ObjectMeta" => {
                &[("finalizers", Merge::List(&[], None)), ("ownerReferences", Merge::List(&["uid"], None))]
            }
            "Object" => &[METADATA],
            "Conditions" => &[CONDITIONS],
            "WithConditions" => &[METADATA, WITH_CONDITIONS],
            "ComponentStatus" => &[METADATA, CONDITIONS],
            "WebhookConfiguration" => &[METADATA, ("webhooks", Merge::List(&["name"], None))],
            "ServiceAccount" => &[METADATA, ("secrets", Merge::List(&["name"], None))],
            "Service" => &[METADATA, ("spec", Merge::Map(Type("ServiceSpec"))), WITH_CONDITIONS],
            "ServiceSpec" => &[("ports", Merge::List(&["port", "protocol"], None))],
            "Node" => &[
                METADATA,
                ("spec", Merge::Map(Type("NodeSpec"))),
                ("status", Merge::Map(Type("NodeStatus"))),
            ],
            "NodeSpec" => &[("podCIDRs", Merge::List(&[], None))],
            "NodeStatus" => &[CONDITIONS, ("addresses", Merge::List(&["type"], None))],
            "CSINode" => &[METADATA, ("spec", Merge::Map(Type("CSINodeSpec")))],
            "CSINodeSpec" => &[("drivers", Merge::List(&["name"], None))],
            _ => self.fields_of_pods(),
        }
    }

    fn fields_of_pods(self) -> &'static [(&'static str, Merge)] {
        match self.0 {
            "Workload" => &[METADATA, ("spec", Merge::Map(Type("WorkloadSpec"))), WITH_CONDITIONS],
            "WorkloadSpec" => &[("template", Merge::Map(Type("PodTemplateSpec")))],
            "CronJob" => &[METADATA, ("spec", Merge::Map(Type("CronJobSpec")))],
            "CronJobSpec" => &[("jobTemplate", Merge::Map(Type("JobTemplateSpec")))],
            "JobTemplateSpec" => &[METADATA, ("spec", Merge::Map(Type("WorkloadSpec")))],
            "PodTemplate" => &[METADATA, ("template", Merge::Map(Type("PodTemplateSpec")))],
            "PodTemplateSpec" => &[METADATA, ("spec", Merge::Map(Type("PodSpec")))],
            "Pod" => {
                &[METADATA, ("spec", Merge::Map(Type("PodSpec"))), ("status", Merge::Map(Type("PodStatus")))]
            }
            "PodStatus" => &[CONDITIONS, ("podIPs", Merge::List(&["ip"], None))],
            "PodSpec" => &[
                ("containers", Merge::List(&["name"], Some(Type("Container")))),
                ("initContainers", Merge::List(&["name"], Some(Type("Container")))),
                ("ephemeralContainers", Merge::List(&["name"], Some(Type("EphemeralContainer")))),
                ("hostAliases", Merge::List(&["ip"], None)),
                ("imagePullSecrets", Merge::List(&["name"], None)),
                ("topologySpreadConstraints", Merge::List(&["topologyKey", "whenUnsatisfiable"], None)),
                ("volumes", Merge::List(&["name"], Some(Type("Volume")))),
            ],
            "Container" => &[
                ("env", Merge::List(&["name"], None)),
                ("ports", Merge::List(&["containerPort", "protocol"], None)),
                ("volumeDevices", Merge::List(&["devicePath"], None)),
                ("volumeMounts", Merge::List(&["mountPath"], None)),
            ],
            "EphemeralContainer" => &[
                ("env", Merge::List(&["name"], None)),
                ("volumeDevices", Merge::List(&["devicePath"], None)),
                ("volumeMounts", Merge::List(&["mountPath"], None)),
            ],
            "Volume" => &[("ephemeral", Merge::Map(Type("EphemeralVolumeSource")))],
            "EphemeralVolumeSource" => &[("volumeClaimTemplate", Merge::Map(Type("Object")))],
            _ => &[],
        }
    }
}
