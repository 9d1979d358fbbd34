//! Annotations that say where a resource comes from and what changed it (`buildMetadata`).

use crate::kustomization::Kustomization;
use crate::resource::{Resource, map_of};
use crate::resources::Resources;
use crate::yaml::{Node, Scalar, Text, Value, emit_in_order};

/// Where a resource comes from.
pub(crate) const ANNOTATION: &str = "config.kubernetes.io/origin";
/// What changed it.
const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// The directory of a kustomization, as the paths on the way to it spell it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    path: String,
}

impl Origin {
    /// The origin of the kustomization named `path` from here.
    pub(crate) fn below(&self, path: &str) -> Self {
        Self { path: join(&self.path, path) }
    }

    /// The annotation of what stands in the file `path`.
    pub(crate) fn of_file(&self, path: &str) -> String {
        emit_in_order(&[("path", text(&join(&self.path, path)))])
    }

    /// The annotation of what a builtin transformer or generator of this kustomization made.
    pub(crate) fn of_builtin(&self, file_name: &str, kind: &str) -> String {
        configured(&join(&self.path, file_name), &[("apiVersion", text("builtin")), ("kind", text(kind))])
    }

    /// The annotation of what the plugin configured by `config` made.
    pub(crate) fn of_plugin(config: &Resource) -> Option<String> {
        let origin = config.annotation(ANNOTATION)?;
        let path = origin.lines().find_map(|line| line.strip_prefix("path: "))?;
        let mut by = vec![("apiVersion", text(config.api_version())), ("kind", text(config.kind()))];
        if !config.name().is_empty() {
            by.push(("name", text(config.name())));
        }
        if !config.namespace().is_empty() {
            by.push(("namespace", text(config.namespace())));
        }
        Some(configured(path, &by))
    }
}

fn configured(path: &str, by: &[(&str, Value)]) -> String {
    let by = by.iter().map(|(key, value)| (Text::from(*key), value.clone())).collect();
    emit_in_order(&[("configuredIn", text(path)), ("configuredBy", Value::Map(by))])
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

/// Joins and cleans two paths like Go's `filepath.Join`; `..` at the start stays.
fn join(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Sets the origin of a resource.
pub(crate) fn set(resource: &mut Resource, annotation: &str) {
    set_annotation(resource, ANNOTATION, annotation);
}

fn set_annotation(resource: &mut Resource, key: &str, value: &str) {
    let annotations = resource.metadata_mut().get_or_insert("annotations", Node::empty_map);
    map_of(annotations).set(key, Scalar::string(value));
}

/// Notes on every resource that a transformation ran; one that has no origin was made by it.
pub(crate) fn record_transformation(resources: &mut Resources, origin: &str) {
    for resource in resources.all_mut().iter_mut().filter(|resource| !resource.is_deleted()) {
        if resource.annotation(ANNOTATION).is_none() {
            set(resource, origin);
            continue;
        }
        let mut list = resource.annotation(TRANSFORMATIONS).unwrap_or_default().to_owned();
        list.push_str(&as_item(origin));
        set_annotation(resource, TRANSFORMATIONS, &list);
    }
}

/// The annotation as an element of a YAML list.
fn as_item(annotation: &str) -> String {
    let mut item = String::new();
    for (at, line) in annotation.lines().enumerate() {
        item.push_str(if at == 0 { "- " } else { "  " });
        item.push_str(line);
        item.push('\n');
    }
    item
}

/// Leaves the annotations that the root kustomization asks for; all that remain become strings.
pub(crate) fn finish(resources: &mut Resources, root: &Kustomization) {
    let origins = root.has_build_metadata("originAnnotations");
    let transformations = root.has_build_metadata("transformerAnnotations");
    for resource in resources.all_mut() {
        let mut annotations = resource.annotations();
        if annotations.is_empty() && resource.node.at(&["metadata", "annotations"]).is_none() {
            continue;
        }
        annotations.retain(|key, _| {
            !is_internal(key) && (origins || key != ANNOTATION) && (transformations || key != TRANSFORMATIONS)
        });
        resource.set_annotations(&annotations);
    }
}

/// Annotations that kustomize uses while it builds, and drops wherever they come from.
fn is_internal(key: &str) -> bool {
    const INTERNAL: [&str; 15] = [
        "internal.config.kubernetes.io/previousKinds",
        "internal.config.kubernetes.io/previousNames",
        "internal.config.kubernetes.io/prefixes",
        "internal.config.kubernetes.io/suffixes",
        "internal.config.kubernetes.io/previousNamespaces",
        "internal.config.kubernetes.io/allowNameChange",
        "internal.config.kubernetes.io/allowKindChange",
        "internal.config.kubernetes.io/refBy",
        "internal.config.kubernetes.io/generatorBehavior",
        "internal.config.kubernetes.io/needsHashSuffix",
        "internal.config.kubernetes.io/path",
        "internal.config.kubernetes.io/index",
        "internal.config.kubernetes.io/seqindent",
        "internal.config.kubernetes.io/id",
        "internal.config.kubernetes.io/annotations-migration-resource-id",
    ];
    const LEGACY: [&str; 3] = ["config.kubernetes.io/path", "config.kubernetes.io/index", "config.k8s.io/id"];
    INTERNAL.contains(&key) || LEGACY.contains(&key) || key == "internal.config.kubernetes.io/helm-generated"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_spell_the_way_to_the_file() {
        let base = Origin::default().below("../base");
        assert_eq!(base.of_file("sub/./a.yaml"), "path: ../base/sub/a.yaml\n");
        assert_eq!(base.below("../other").of_file("b.yaml"), "path: ../other/b.yaml\n");
    }

    #[test]
    fn transformations_are_a_list() {
        let builtin = Origin::default().of_builtin("kustomization.yaml", "PrefixTransformer");
        assert_eq!(
            as_item(&builtin),
            "- configuredIn: kustomization.yaml\n  configuredBy:\n    apiVersion: builtin\n    kind: PrefixTransformer\n"
        );
    }
}
