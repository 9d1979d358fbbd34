//! Where things stand in an object: its pods, containers, claims; in a source file and in a rendered object.

use serde_json::Value;

use super::yaml::{Entry, Node};

/// The keys that lead to a pod's spec, by the kind of object.
pub(super) fn pod_path(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Pod" => Some(&["spec"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            Some(&["spec", "template", "spec"])
        }
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// The lists of a pod's spec that hold containers.
pub(super) const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The kind of a document, if it is an object.
pub(super) fn kind(document: &Node) -> Option<&str> {
    document.text_at(&["kind"])
}

/// The spec of the pods that a document makes.
pub(super) fn pod(document: &Node) -> Option<&Node> {
    document.at(pod_path(kind(document)?)?)
}

/// The containers of a pod's spec, init containers included.
pub(super) fn containers(pod: &Node) -> impl Iterator<Item = &Node> {
    CONTAINER_LISTS.iter().filter_map(|list| pod.get(list)).flat_map(Node::items)
}

/// The specs of the claims that a document makes or is.
pub(super) fn claims(document: &Node) -> Vec<&Node> {
    let own = document.get("spec").filter(|_| kind(document) == Some("PersistentVolumeClaim"));
    let templates = document.at(&["spec", "volumeClaimTemplates"]).map(Node::items).unwrap_or_default();
    own.into_iter().chain(templates.iter().filter_map(|template| template.get("spec"))).collect()
}

/// The operations of a patch after RFC 6902, if the document is one.
pub(super) fn json_patch(document: &Node) -> Option<&[Node]> {
    let operations = document.items();
    let is_patch = !operations.is_empty() && operations.iter().all(|operation| operation.get("op").is_some());
    is_patch.then_some(operations)
}

/// The entries under `data` and `stringData` of a Secret; none of any other document.
pub(super) fn secret_entries(document: &Node) -> impl Iterator<Item = (SecretField, &Entry)> {
    let is_secret = kind(document) == Some("Secret");
    SecretField::ALL.into_iter().filter(move |_| is_secret).flat_map(|field| {
        let entries = document.get(field.key()).map(Node::entries).unwrap_or_default();
        entries.iter().map(move |entry| (field, entry))
    })
}

/// The fields of a Secret that hold values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretField {
    /// Base64.
    Data,
    /// As it is.
    StringData,
}

impl SecretField {
    pub(super) const ALL: [Self; 2] = [Self::Data, Self::StringData];

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::StringData => "stringData",
        }
    }
}

/// A rendered container with the path that leads to it.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) value: &'a Value,
    pub(super) path: Vec<Step<'a>>,
}

/// A step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Into a mapping.
    Key(&'a str),
    /// Into a list, to the item with this `name`.
    Named(&'a str),
}

/// The containers of a rendered object, init containers included.
pub(super) fn rendered_containers(object: &Value) -> Vec<Container<'_>> {
    let Some(path) = object["kind"].as_str().and_then(pod_path) else { return Vec::new() };
    let pod = path.iter().fold(object, |value, key| &value[key]);
    let mut found = Vec::new();
    for list in CONTAINER_LISTS {
        for container in pod[list].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            let steps = path.iter().chain([&list]).map(|key| Step::Key(key)).chain([Step::Named(name)]);
            found.push(Container { value: container, path: steps.collect() });
        }
    }
    found
}

impl<'a> Container<'a> {
    /// The path to a key of the container.
    pub(super) fn path_to(&self, key: &'a str) -> Vec<Step<'a>> {
        self.path.iter().copied().chain([Step::Key(key)]).collect()
    }
}

/// The image of a container, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Image<'a> {
    /// Registry and repository.
    pub(super) repository: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Splits a reference; the port of a registry is no tag.
    pub(super) fn parse(reference: &'a str) -> Self {
        let (rest, digest) =
            reference.split_once('@').map_or((reference, None), |(rest, digest)| (rest, Some(digest)));
        let tag = rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let (repository, tag) = tag.map_or((rest, None), |(repository, tag)| (repository, Some(tag)));
        Self { repository, tag, digest }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lints::yaml::documents;

    fn check(reference: &str, repository: &str, tag: Option<&str>, digest: Option<&str>) {
        assert_eq!(Image::parse(reference), Image { repository, tag, digest }, "{reference}");
    }

    #[test]
    fn an_image_has_a_tag_a_digest_or_neither() {
        check("postgis/postgis", "postgis/postgis", None, None);
        check("postgis/postgis:18-3.4", "postgis/postgis", Some("18-3.4"), None);
        check("localhost:5000/shop", "localhost:5000/shop", None, None);
        check("localhost:5000/shop:1", "localhost:5000/shop", Some("1"), None);
        check("shop@sha256:ab", "shop", None, Some("sha256:ab"));
        check("shop:1@sha256:ab", "shop", Some("1"), Some("sha256:ab"));
    }

    #[test]
    fn containers_are_found_wherever_pods_are_made() {
        let job = json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": {
            "initContainers": [{"name": "first"}], "containers": [{"name": "main"}]}}}}}});
        let names: Vec<_> =
            rendered_containers(&job).iter().map(|found| found.value["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["first", "main"]);
        assert!(rendered_containers(&json!({"kind": "Service", "spec": {}})).is_empty());
    }

    #[test]
    fn a_list_of_operations_is_a_patch() {
        let patch = documents("- op: add\n  path: /spec/replicas\n  value: 1\n").unwrap();
        assert_eq!(json_patch(&patch[0]).map(<[Node]>::len), Some(1));
        assert!(json_patch(&documents("- name: x\n").unwrap()[0]).is_none());
        assert!(json_patch(&documents("kind: Service\n").unwrap()[0]).is_none());
    }
}
