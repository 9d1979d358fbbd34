//! Marks on objects by which later runs see what changed, without seeing a value.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::zeroize::Zeroize as _;
use serde_json::{Map, Value};
use windlass_core::name::Digest;

use super::seal::{entries, identity, is_secret, wipe};
use super::{DigestKey, SecretValue};

/// On every object: the digest of the object as it was rendered and sealed, without this mark. For a Secret it is keyed.
pub const DIGEST_ANNOTATION: &str = "windlass.dev/digest";

/// On the pod template of a workload that takes environment variables from a Secret into which values were filled: the keyed digest of the
/// values that it takes. A new value so makes new pods, and only where it is used; a container would keep the old one until it is restarted
/// by chance. Files in volumes are not counted: the kubelet replaces them in place.
pub const SECRETS_ANNOTATION: &str = "windlass.dev/secrets";

/// Workloads that replace their pods when the template changes. Not a Job, whose template cannot change, and not a CronJob, whose next run
/// takes the new value anyway.
const ROLLING: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// Secrets into which values were filled, with all of their values.
pub(super) struct Contents(BTreeMap<(Option<String>, String), BTreeMap<String, SecretValue>>);

impl Contents {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn add(&mut self, secret: &Value, is_filled: impl Fn(Option<&str>, &str) -> bool) {
        let (namespace, name) = identity(secret);
        if is_filled(namespace.as_deref(), &name) {
            self.0.insert((namespace, name), entries(secret));
        }
    }
}

/// Marks pod templates first: their mark is part of what the digest of their object covers.
pub(super) fn stamp(objects: &mut [Value], contents: &Contents, key: &DigestKey) {
    for object in objects.iter_mut().filter(|object| object.is_object()) {
        if let Some(digest) = values_taken(object, contents, key) {
            annotate(&mut object["spec"]["template"], SECRETS_ANNOTATION, &digest);
        }
        let digest = object_digest(object, key);
        annotate(object, DIGEST_ANNOTATION, &digest);
    }
}

/// The digest of the values that a workload takes, if it takes any that were filled in.
fn values_taken(object: &Value, contents: &Contents, key: &DigestKey) -> Option<Digest> {
    let is_apps = object["apiVersion"].as_str().is_some_and(|version| version.starts_with("apps/"));
    if !is_apps || !ROLLING.iter().any(|kind| object["kind"] == *kind) {
        return None;
    }
    let (namespace, _) = identity(object);
    let mut taken = BTreeMap::new();
    for (secret, wanted) in references(&object["spec"]["template"]["spec"]) {
        let Some(values) = contents.0.get(&(namespace.clone(), secret.to_owned())) else { continue };
        let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
        taken.extend(
            values
                .iter()
                .filter(|(name, _)| is_wanted(name))
                .map(|(name, value)| ((secret, name.as_str()), value)),
        );
    }
    let parts =
        taken.iter().flat_map(|((secret, name), value)| [secret.as_bytes(), name.as_bytes(), value.expose()]);
    (!taken.is_empty()).then(|| key.digest("environment", parts))
}

/// The Secrets that containers take variables from: by one key, or whole.
fn references(pod: &Value) -> BTreeSet<(&str, Option<&str>)> {
    let containers = ["initContainers", "containers"].into_iter().flat_map(|field| items(pod, field));
    let mut references = BTreeSet::new();
    for container in containers {
        let keys = items(container, "env").map(|variable| &variable["valueFrom"]["secretKeyRef"]);
        references.extend(
            keys.filter_map(|source| Some((source["name"].as_str()?, Some(source["key"].as_str()?)))),
        );
        let whole = items(container, "envFrom").map(|source| &source["secretRef"]);
        references.extend(whole.filter_map(|source| Some((source["name"].as_str()?, None))));
    }
    references
}

fn items<'a>(owner: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    owner[field].as_array().into_iter().flatten()
}

/// The digest of an object without its own mark. The order of keys says nothing in Kubernetes, and does not count.
fn object_digest(object: &Value, key: &DigestKey) -> Digest {
    let mut unmarked = object.clone();
    if let Some(metadata) = unmarked.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
        let is_empty = annotations.is_some_and(|annotations| {
            annotations.remove(DIGEST_ANNOTATION).is_some() && annotations.is_empty()
        });
        if is_empty {
            metadata.remove("annotations");
        }
    }
    unmarked.sort_all_objects();
    let mut text = unmarked.to_string();
    if !is_secret(object) {
        return Digest::of(text.as_bytes());
    }
    // A digest that everybody can compute would let everybody try guesses; of a Secret that came whole from the repository, too.
    let digest = key.digest("object", [text.as_bytes()]);
    text.zeroize();
    wipe(&mut unmarked);
    digest
}

fn annotate(owner: &mut Value, name: &str, digest: &Digest) {
    let annotations = section(section(owner, "metadata"), "annotations");
    annotations[name] = Value::from(digest.as_str());
}

/// The map under `name`, made where there is none.
fn section<'a>(owner: &'a mut Value, name: &str) -> &'a mut Value {
    if !owner[name].is_object() {
        owner[name] = Value::Object(Map::new());
    }
    &mut owner[name]
}
