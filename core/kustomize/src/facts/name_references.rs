//! Which fields name another object.
//!
//! Kustomize's list is fixed: a field that is not here keeps its name, whatever it seems to refer to.

use crate::field_spec::{FieldSpec, NameReference};
use crate::id::Gvk;

/// Where the pod is in each kind that makes pods, as kustomize lists them for config maps and secrets.
const PODS: [(&str, &str, &str); 8] = [
    ("v1", "Pod", "spec"),
    ("", "PodTemplate", "template/spec"),
    ("", "Deployment", "spec/template/spec"),
    ("", "ReplicaSet", "spec/template/spec"),
    ("", "DaemonSet", "spec/template/spec"),
    ("", "StatefulSet", "spec/template/spec"),
    ("", "Job", "spec/template/spec"),
    ("", "CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// The same for service accounts, claims and priority classes, where the list is another one.
const WORKLOADS: [(&str, &str); 7] = [
    ("Pod", "spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
];

const CONFIG_MAP_IN_POD: [&str; 6] = [
    "volumes/configMap/name",
    "containers/env/valueFrom/configMapKeyRef/name",
    "initContainers/env/valueFrom/configMapKeyRef/name",
    "containers/envFrom/configMapRef/name",
    "initContainers/envFrom/configMapRef/name",
    "volumes/projected/sources/configMap/name",
];

const CONFIG_MAP_ELSEWHERE: [(&str, &str); 4] = [
    ("Node", "spec/configSource/configMap"),
    ("Role", "rules/resourceNames"),
    ("ClusterRole", "rules/resourceNames"),
    ("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap"),
];

const SECRET_IN_POD: [&str; 7] = [
    "volumes/secret/secretName",
    "containers/env/valueFrom/secretKeyRef/name",
    "initContainers/env/valueFrom/secretKeyRef/name",
    "containers/envFrom/secretRef/name",
    "initContainers/envFrom/secretRef/name",
    "imagePullSecrets/name",
    "volumes/projected/sources/secret/name",
];

/// The first is there twice, which shows where a new name is the old one of another Secret.
const SECRET_ELSEWHERE: [(&str, &str); 13] = [
    ("Ingress", "spec/tls/secretName"),
    ("Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret"),
    ("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret"),
    ("Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret"),
    ("Ingress", "spec/tls/secretName"),
    ("ServiceAccount", "imagePullSecrets/name"),
    ("StorageClass", "parameters/secretName"),
    ("StorageClass", "parameters/adminSecretName"),
    ("StorageClass", "parameters/userSecretName"),
    ("StorageClass", "parameters/secretRef"),
    ("Role", "rules/resourceNames"),
    ("ClusterRole", "rules/resourceNames"),
    ("PersistentVolume", "spec/azureFile/secretName"),
];

const SERVICE: [(&str, &str, &str); 8] = [
    ("apps", "StatefulSet", "spec/serviceName"),
    ("", "Ingress", "spec/rules/http/paths/backend/serviceName"),
    ("", "Ingress", "spec/backend/serviceName"),
    ("", "Ingress", "spec/rules/http/paths/backend/service/name"),
    ("", "Ingress", "spec/defaultBackend/service/name"),
    ("apiregistration.k8s.io", "APIService", "spec/service/name"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "webhooks/clientConfig/service"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "webhooks/clientConfig/service"),
];

const RBAC: &str = "rbac.authorization.k8s.io";

/// The references of a plain kustomization.
pub(crate) fn defaults() -> Vec<NameReference> {
    let scale_target =
        || vec![FieldSpec::of("", "", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name", false)];
    let mut references: Vec<NameReference> =
        ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
            .map(|kind| reference("", "", kind, scale_target()))
            .into();
    references.extend([
        reference("", "v1", "ConfigMap", in_pods(&CONFIG_MAP_IN_POD, &CONFIG_MAP_ELSEWHERE)),
        reference("", "v1", "Secret", secrets()),
        reference(
            "",
            "v1",
            "Service",
            SERVICE.map(|(group, kind, path)| FieldSpec::of(group, "", kind, path, false)).into(),
        ),
        reference(RBAC, "", "Role", vec![FieldSpec::of(RBAC, "", "RoleBinding", "roleRef/name", false)]),
        reference(RBAC, "", "ClusterRole", bindings("roleRef/name")),
        reference("", "v1", "ServiceAccount", service_accounts()),
        reference("", "v1", "PersistentVolumeClaim", in_workloads("volumes/persistentVolumeClaim/claimName")),
        reference(
            "",
            "v1",
            "PersistentVolume",
            kinds(&[("PersistentVolumeClaim", "spec/volumeName"), ("ClusterRole", "rules/resourceNames")]),
        ),
        reference("storage.k8s.io", "v1", "StorageClass", storage_classes()),
        reference("scheduling.k8s.io", "v1", "PriorityClass", in_workloads("priorityClassName")),
        // The group is written with its version, so this never finds anything; it is so in kustomize.
        reference(
            "networking.k8s.io/v1",
            "v1",
            "IngressClass",
            kinds(&[("Ingress", "spec/ingressClassName")]),
        ),
        reference("admissionregistration.k8s.io", "", "ValidatingAdmissionPolicy", admission_policies()),
    ]);
    references
}

fn reference(group: &str, version: &str, kind: &str, referrers: Vec<FieldSpec>) -> NameReference {
    NameReference {
        target: Gvk { group: group.into(), version: version.into(), kind: kind.into() },
        referrers,
    }
}

fn kinds(fields: &[(&str, &str)]) -> Vec<FieldSpec> {
    fields.iter().map(|(kind, path)| FieldSpec::of("", "", kind, path, false)).collect()
}

fn in_pods(paths: &[&str], elsewhere: &[(&str, &str)]) -> Vec<FieldSpec> {
    let spec = |(version, kind, pod): (&str, &str, &str), path: &&str| {
        FieldSpec::of("", version, kind, &format!("{pod}/{path}"), false)
    };
    let mut specs: Vec<FieldSpec> =
        PODS.iter().flat_map(|pod| paths.iter().map(move |path| spec(*pod, path))).collect();
    specs.extend(kinds(elsewhere));
    specs
}

fn in_workloads(path: &str) -> Vec<FieldSpec> {
    WORKLOADS.iter().map(|(kind, pod)| FieldSpec::of("", "", kind, &format!("{pod}/{path}"), false)).collect()
}

fn secrets() -> Vec<FieldSpec> {
    let mut specs = in_pods(&SECRET_IN_POD, &SECRET_ELSEWHERE);
    let path = "spec/template/spec/containers/env/valueFrom/secretKeyRef/name";
    specs.push(FieldSpec::of("serving.knative.dev", "v1", "Service", path, false));
    specs
}

fn bindings(path: &str) -> Vec<FieldSpec> {
    ["RoleBinding", "ClusterRoleBinding"].map(|kind| FieldSpec::of(RBAC, "", kind, path, false)).into()
}

fn service_accounts() -> Vec<FieldSpec> {
    let mut specs = bindings("subjects");
    specs.extend(in_workloads("serviceAccountName"));
    specs
}

fn storage_classes() -> Vec<FieldSpec> {
    kinds(&[
        ("PersistentVolume", "spec/storageClassName"),
        ("PersistentVolumeClaim", "spec/storageClassName"),
        ("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
    ])
}

fn admission_policies() -> Vec<FieldSpec> {
    vec![FieldSpec::of(
        "admissionregistration.k8s.io",
        "",
        "ValidatingAdmissionPolicyBinding",
        "spec/policyName",
        false,
    )]
}
