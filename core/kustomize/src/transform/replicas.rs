//! `replicas`: counts of workloads.

use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, Make};
use crate::kustomization::parts::Replica;
use crate::resources::Resources;
use crate::yaml::{Node, Scalar, Tag, Text};

/// Sets the count of the workloads that have or had the name.
///
/// # Errors
///
/// If there is none.
pub(crate) fn set(resources: &mut Resources, replica: &Replica, specs: &[FieldSpec]) -> Result<()> {
    let mut found = false;
    for spec in specs {
        for resource in resources.all_mut().iter_mut().filter(|resource| !resource.is_deleted()) {
            if !resource.any_ids().any(|id| id.name == replica.name && id.is_selected_by(&spec.gvk)) {
                continue;
            }
            found = true;
            spec.visit(&mut resource.node, Make::Scalar, &mut |node| set_count(node, replica.count))?;
        }
    }
    if found {
        return Ok(());
    }
    let reason = format!("names `{}`, but no workload is called that", replica.name);
    Problem::InvalidField { field: "replicas".to_owned(), reason }.fail()
}

fn set_count(node: &mut Node, count: i64) -> Result<()> {
    match node {
        Node::Scalar(scalar) => {
            let text = Text::from(count.to_string());
            scalar.replace(Scalar { text, tag: Tag::Int, ..Scalar::default() });
            Ok(())
        }
        other => {
            let (field, found) = ("spec.replicas".to_owned(), other.kind());
            Problem::WrongType { field, expected: "a number", found }.at_line(other.line())
        }
    }
}
