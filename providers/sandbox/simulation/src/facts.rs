//! The objects a pod refers to, and what the kubelet says when one is not there.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, KeyToPath, Pod, Volume};

/// Kinds of objects whose values reach a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    ConfigMap,
    Secret,
}

impl ObjectKind {
    fn lower(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// A place in a pod that takes a whole object, or one key of it.
struct Reference<'p> {
    kind: ObjectKind,
    name: &'p str,
    key: Option<&'p str>,
    optional: bool,
}

/// Every ConfigMap and Secret that a pod's containers and volumes name.
pub fn references(pod: &Pod) -> BTreeSet<(ObjectKind, String)> {
    let Some(spec) = &pod.spec else { return BTreeSet::new() };
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let of_containers = containers.flat_map(container_references);
    let of_volumes =
        spec.volumes.iter().flatten().filter_map(volume_reference).map(|(reference, _)| reference);
    of_containers.chain(of_volumes).map(|reference| (reference.kind, reference.name.to_owned())).collect()
}

/// Which of the objects exist, and their keys.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    keys: BTreeMap<(ObjectKind, String), BTreeSet<String>>,
}

impl Facts {
    /// Notes that an object exists and has these keys.
    pub fn add(&mut self, kind: ObjectKind, name: String, keys: impl IntoIterator<Item = String>) {
        self.keys.insert((kind, name), keys.into_iter().collect());
    }

    fn keys(&self, kind: ObjectKind, name: &str) -> Option<&BTreeSet<String>> {
        self.keys.get(&(kind, name.to_owned()))
    }

    /// What a container's environment lacks, in the kubelet's words.
    pub(crate) fn environment_lacks(&self, container: &Container, namespace: &str) -> Option<String> {
        container_references(container).into_iter().filter(|reference| !reference.optional).find_map(
            |reference| {
                let Reference { kind, name, key, .. } = reference;
                let Some(keys) = self.keys(kind, name) else {
                    return Some(format!("{} \"{name}\" not found", kind.lower()));
                };
                let key = key.filter(|key| !keys.contains(*key))?;
                Some(format!("couldn't find key {key} in {kind:?} {namespace}/{name}"))
            },
        )
    }

    /// Why a volume cannot be mounted, in the kubelet's words.
    pub(crate) fn volumes_lack(&self, pod: &Pod) -> Option<String> {
        let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
        volumes.iter().find_map(|volume| {
            let cause = self.volume_lacks(volume)?;
            Some(format!("MountVolume.SetUp failed for volume \"{}\" : {cause}", volume.name))
        })
    }

    fn volume_lacks(&self, volume: &Volume) -> Option<String> {
        if let Some(host_path) = &volume.host_path {
            let must_exist = host_path.type_.as_deref() == Some("Directory");
            let is_absent = must_exist && host_path.path.starts_with("/absent");
            return is_absent
                .then(|| format!("hostPath type check failed: {} is not a directory", host_path.path));
        }
        let (Reference { kind, name, optional, .. }, items) = volume_reference(volume)?;
        match self.keys(kind, name) {
            None if optional => None,
            None => Some(format!("{} \"{name}\" not found", kind.lower())),
            Some(keys) => {
                let missing = items.iter().find(|item| !optional && !keys.contains(&item.key))?;
                Some(match kind {
                    ObjectKind::ConfigMap => {
                        format!("configmap references non-existent config key: {}", missing.key)
                    }
                    ObjectKind::Secret => format!("references non-existent secret key: {}", missing.key),
                })
            }
        }
    }
}

fn container_references(container: &Container) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    for source in container.env_from.iter().flatten() {
        if let Some(map) = &source.config_map_ref {
            found.push(whole(ObjectKind::ConfigMap, &map.name, map.optional));
        }
        if let Some(secret) = &source.secret_ref {
            found.push(whole(ObjectKind::Secret, &secret.name, secret.optional));
        }
    }
    for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(map) = &source.config_map_key_ref {
            found.push(Reference {
                key: Some(&map.key),
                ..whole(ObjectKind::ConfigMap, &map.name, map.optional)
            });
        }
        if let Some(secret) = &source.secret_key_ref {
            found.push(Reference {
                key: Some(&secret.key),
                ..whole(ObjectKind::Secret, &secret.name, secret.optional)
            });
        }
    }
    found
}

fn volume_reference(volume: &Volume) -> Option<(Reference<'_>, &[KeyToPath])> {
    if let Some(map) = &volume.config_map {
        let items = map.items.as_deref().unwrap_or_default();
        return Some((whole(ObjectKind::ConfigMap, &map.name, map.optional), items));
    }
    let secret = volume.secret.as_ref()?;
    let items = secret.items.as_deref().unwrap_or_default();
    Some((whole(ObjectKind::Secret, secret.secret_name.as_deref()?, secret.optional), items))
}

fn whole(kind: ObjectKind, name: &str, optional: Option<bool>) -> Reference<'_> {
    Reference { kind, name, key: None, optional: optional.unwrap_or(false) }
}
