//! What to watch of a release: the objects that can become ready, and what tells why they do not.

use std::collections::{BTreeMap, BTreeSet};

use windlass_core::object::{ObjectRef, scope};

use crate::read::Selector;

/// Objects of one kind in one place that are listed and then watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watched {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    /// The only object of interest, where it is one: then the server sends nothing about its siblings.
    pub(crate) name: Option<String>,
}

/// Built-in kinds that are ready once they are stored; watching them would tell nothing.
const READY_AT_ONCE: [(&str, &[&str]); 13] = [
    (
        "",
        &["ConfigMap", "Secret", "ServiceAccount", "ResourceQuota", "LimitRange", "Endpoints", "PodTemplate"],
    ),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("storage.k8s.io", &["StorageClass", "CSIDriver", "VolumeAttributesClass"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("networking.k8s.io", &["IngressClass", "NetworkPolicy"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceClaimTemplate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("apps", &["ControllerRevision"]),
    ("coordination.k8s.io", &["Lease"]),
    ("admissionregistration.k8s.io", &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]),
    ("admissionregistration.k8s.io", &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]),
    ("admissionregistration.k8s.io", &["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"]),
];

/// What is watched beside the objects of a kind, in their namespace: what their controllers make.
const MADE_BY: [(&str, &[(&str, &str)]); 8] = [
    ("Deployment", &[("apps/v1", "ReplicaSet"), ("v1", "Pod")]),
    ("ReplicaSet", &[("v1", "Pod")]),
    ("ReplicationController", &[("v1", "Pod")]),
    ("StatefulSet", &[("v1", "Pod"), ("v1", "PersistentVolumeClaim")]),
    // Which pods of a DaemonSet are new is written in its revisions only.
    ("DaemonSet", &[("apps/v1", "ControllerRevision"), ("v1", "Pod")]),
    ("Job", &[("v1", "Pod")]),
    ("CronJob", &[("batch/v1", "Job"), ("v1", "Pod")]),
    // A claim without a pod waits for good under a class that binds late, and that is no failure.
    ("PersistentVolumeClaim", &[("v1", "Pod")]),
];

impl Watched {
    pub(crate) fn selector(&self) -> Selector {
        self.name.as_deref().map_or_else(Selector::all, Selector::name)
    }
}

/// What to watch for the objects of a release, whose references name the namespaces they live in.
///
/// Custom resources may run pods through operators, so pods are watched wherever they are.
pub(crate) fn watched(release: &[ObjectRef], default_namespace: &str) -> BTreeSet<Watched> {
    let mut names: BTreeMap<(String, String, Option<String>), Vec<&str>> = BTreeMap::new();
    let mut around = BTreeSet::new();
    for object in release.iter().filter(|object| !is_ready_at_once(object)) {
        let namespace = namespace_of(object, default_namespace);
        let key = (object.api_version.clone(), object.kind.clone(), namespace.clone());
        names.entry(key).or_default().push(&object.name);
        if let Some(namespace) = namespace {
            around.insert(Watched::all("v1", "Event", &namespace));
            let made =
                made_by(object).iter().map(|(api_version, kind)| Watched::all(api_version, kind, &namespace));
            around.extend(made);
        }
    }
    let objects = names.into_iter().map(|((api_version, kind, namespace), names)| {
        let name = (names.len() == 1).then(|| names[0].to_owned());
        Watched { api_version, kind, namespace, name }
    });
    let mut watched: BTreeSet<Watched> = objects.filter(|one| !around.contains(&one.whole())).collect();
    watched.extend(around);
    watched
}

impl Watched {
    fn all(api_version: &str, kind: &str, namespace: &str) -> Watched {
        Watched {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name: None,
        }
    }

    fn whole(&self) -> Watched {
        Watched { name: None, ..self.clone() }
    }
}

fn is_ready_at_once(object: &ObjectRef) -> bool {
    READY_AT_ONCE
        .iter()
        .any(|(group, kinds)| *group == object.group() && kinds.contains(&object.kind.as_str()))
}

fn namespace_of(object: &ObjectRef, default_namespace: &str) -> Option<String> {
    let is_namespaced = object.scope() == Some(windlass_core::object::Scope::Namespaced);
    object.namespace.clone().or_else(|| is_namespaced.then(|| default_namespace.to_owned()))
}

fn made_by(object: &ObjectRef) -> &'static [(&'static str, &'static str)] {
    if scope(object.group(), &object.kind).is_none() {
        return &[("v1", "Pod")];
    }
    MADE_BY.iter().find(|(kind, _)| *kind == object.kind).map_or(&[], |(_, made)| made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares what is watched for `api_version/kind namespace/name` lines.
    #[track_caller]
    fn check(release: &[(&str, &str, Option<&str>, &str)], expected: &[&str]) {
        let release: Vec<ObjectRef> = release
            .iter()
            .map(|(api_version, kind, namespace, name)| ObjectRef {
                api_version: (*api_version).into(),
                kind: (*kind).into(),
                namespace: namespace.map(Into::into),
                name: (*name).into(),
            })
            .collect();
        let lines: Vec<String> = watched(&release, "default")
            .iter()
            .map(|one| {
                let (namespace, name) =
                    (one.namespace.as_deref().unwrap_or("-"), one.name.as_deref().unwrap_or("*"));
                format!("{} {namespace}/{name}", one.kind)
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_stateful_set_is_watched_with_its_pods_claims_and_events() {
        check(
            &[
                ("apps/v1", "StatefulSet", Some("shop"), "postgres"),
                ("v1", "ConfigMap", Some("shop"), "init"),
            ],
            &["StatefulSet shop/postgres", "Event shop/*", "PersistentVolumeClaim shop/*", "Pod shop/*"],
        );
    }

    #[test]
    fn two_objects_of_a_kind_are_one_watch() {
        check(
            &[
                ("v1", "Service", Some("shop"), "a"),
                ("v1", "Service", None, "b"),
                ("v1", "Service", Some("shop"), "c"),
            ],
            &["Event default/*", "Event shop/*", "Service default/b", "Service shop/*"],
        );
    }

    #[test]
    fn a_bare_pod_is_not_watched_twice() {
        check(
            &[("v1", "Pod", Some("shop"), "a"), ("batch/v1", "Job", Some("shop"), "b")],
            &["Job shop/b", "Event shop/*", "Pod shop/*"],
        );
    }

    #[test]
    fn definitions_and_custom_resources_are_watched_where_they_live() {
        check(
            &[
                ("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "cups.example.com"),
                ("example.com/v1", "Cup", Some("shop"), "c"),
                ("rbac.authorization.k8s.io/v1", "ClusterRole", None, "r"),
            ],
            &["CustomResourceDefinition -/cups.example.com", "Cup shop/c", "Event shop/*", "Pod shop/*"],
        );
    }

    #[test]
    fn nothing_to_wait_for_is_nothing_to_watch() {
        check(&[("v1", "ConfigMap", Some("shop"), "a")], &[]);
    }
}
