//! `namePrefix` and `nameSuffix`.

use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, Make};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::yaml::{Node, Scalar, Text};

/// Puts `prefix` before the names.
pub(crate) fn add_prefix(resources: &mut Resources, prefix: &Text, specs: &[FieldSpec]) -> Result<()> {
    let note = |resource: &mut Resource| resource.prefixes.push(prefix.clone());
    change_names(resources, specs, prefix.is_empty(), note, |name| format!("{prefix}{name}"))
}

/// Puts `suffix` after the names.
pub(crate) fn add_suffix(resources: &mut Resources, suffix: &Text, specs: &[FieldSpec]) -> Result<()> {
    let note = |resource: &mut Resource| resource.suffixes.push(suffix.clone());
    change_names(resources, specs, suffix.is_empty(), note, |name| format!("{name}{suffix}"))
}

fn change_names(
    resources: &mut Resources,
    specs: &[FieldSpec],
    is_empty: bool,
    note: impl Fn(&mut Resource),
    new_name: impl Fn(&str) -> String,
) -> Result<()> {
    for resource in resources.all_mut() {
        let original = resource.original_id();
        if keeps_its_name(original.group, original.kind) {
            continue;
        }
        let original = original.to_gvk();
        for spec in specs.iter().filter(|spec| spec.gvk.selects_gvk(&original)) {
            if spec.path == "metadata/name" && !is_empty {
                note(resource);
                resource.remember_id();
            }
            spec.visit(&mut resource.node, Make::Scalar, &mut |name| change_name(name, &new_name))?;
        }
    }
    Ok(())
}

/// Names that are derived from other things, or that other things are derived from.
fn keeps_its_name(group: &str, kind: &str) -> bool {
    match kind {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => group == "apiregistration.k8s.io",
        _ => false,
    }
}

fn change_name(node: &mut Node, new_name: &impl Fn(&str) -> String) -> Result<()> {
    match node {
        Node::Scalar(scalar) => {
            let name = new_name(&scalar.text);
            scalar.replace(Scalar::untagged(name));
            Ok(())
        }
        other => {
            let (field, found) = ("metadata.name".to_owned(), other.kind());
            Problem::WrongType { field, expected: "a string", found }.at_line(other.line())
        }
    }
}
