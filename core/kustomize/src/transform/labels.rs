//! Labels and annotations.

use std::collections::BTreeMap;

use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, Make};
use crate::resources::Resources;
use crate::yaml::{Node, Scalar, Text};

/// What kustomize 5.8.1 says about itself in the label of `managedByLabel`.
const MANAGED_BY: &str = "kustomize-v5.8.1";

/// Sets the entries in every map the specs lead to.
pub(crate) fn set_entries(
    resources: &mut Resources,
    entries: &BTreeMap<Text, Text>,
    specs: &[FieldSpec],
) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    for resource in resources.all_mut() {
        for spec in specs {
            spec.visit(&mut resource.node, Make::Map, &mut |node| set_all(node, entries, spec))?;
        }
    }
    Ok(())
}

fn set_all(node: &mut Node, entries: &BTreeMap<Text, Text>, spec: &FieldSpec) -> Result<()> {
    match node {
        Node::Map(map) => {
            for (key, text) in entries {
                map.set(key, Scalar::string(text.clone()));
            }
            Ok(())
        }
        other if other.is_null() => Ok(()),
        other => {
            let (field, found) = (spec.path.to_string(), other.kind());
            Problem::WrongType { field, expected: "a map", found }.at_line(other.line())
        }
    }
}

/// Labels every resource as made by kustomize, as `buildMetadata: [managedByLabel]` asks.
pub(crate) fn add_managed_by(resources: &mut Resources) -> Result<()> {
    let entries = BTreeMap::from([("app.kubernetes.io/managed-by".into(), MANAGED_BY.into())]);
    set_entries(resources, &entries, &[FieldSpec::of("", "", "", "metadata/labels", true)])
}
