//! `ValueAddTransformer`: sets a field, or one part of a path in it.

use std::sync::Arc;

use super::namespace::{Namespace, Subjects};
use crate::error::{Problem, Result};
use crate::kustomization::parts::Selector;
use crate::resource::{Resource, map_of};
use crate::resources::Resources;
use crate::selector::Matcher;
use crate::yaml::{Node, Scalar, Text, split_path};

/// The transformation.
#[derive(Debug)]
pub(crate) struct ValueAdd {
    pub(crate) value: Text,
    pub(crate) targets: Vec<Target>,
}

/// Where the value goes.
#[derive(Debug)]
pub(crate) struct Target {
    selector: Option<Matcher>,
    field_path: Text,
    /// 1-based position of the part of a path that is replaced by the value; 0 replaces everything.
    position: usize,
}

impl Target {
    pub(crate) fn new(selector: Option<&Selector>, field_path: Text, position: i64) -> Result<Self> {
        let fail = |field: &str, reason: &str| {
            Problem::InvalidField { field: field.to_owned(), reason: reason.to_owned() }.fail()
        };
        if field_path.is_empty() {
            return fail("targets.fieldPath", "must not be empty");
        }
        let Ok(position) = usize::try_from(position) else {
            return fail("targets.filePathPosition", "must not be negative");
        };
        Ok(Self { selector: selector.map(Matcher::new).transpose()?, field_path, position })
    }
}

impl ValueAdd {
    pub(crate) fn apply(&self, resources: &mut Resources) -> Result<()> {
        for target in &self.targets {
            for resource in resources.all_mut() {
                if target.selector.as_ref().is_none_or(|selector| selector.selects(resource)) {
                    self.set(resource, target)?;
                }
            }
        }
        Ok(())
    }

    fn set(&self, resource: &mut Resource, target: &Target) -> Result<()> {
        if target.field_path == "metadata/namespace" {
            let namespace = Namespace {
                name: self.value.clone(),
                specs: Arc::default(),
                unset_only: false,
                subjects: Subjects::Default,
            };
            return namespace.change(resource);
        }
        let path = split_path(&target.field_path, '/');
        let Some((last, above)) = path.split_last() else { return Ok(()) };
        let mut node = &mut resource.node;
        for part in above {
            node = map_of(node).get_or_insert(part, Node::empty_map);
        }
        let field = map_of(node).get_or_insert(last, || Scalar::untagged("").into());
        let Node::Scalar(scalar) = field else {
            let (path, found) = (target.field_path.to_string(), field.kind());
            return Problem::WrongType { field: path, expected: "a scalar", found }.at_line(field.line());
        };
        let value = match target.position.checked_sub(1) {
            None => self.value.to_string(),
            Some(position) => with_part(&scalar.text, position, &self.value),
        };
        scalar.replace(Scalar::untagged(value));
        Ok(())
    }
}

/// Inserts `part` into a path at `position`; behind the end it is appended. A leading slash stays.
fn with_part(path: &str, position: usize, part: &str) -> String {
    let (root, relative) = path.strip_prefix('/').map_or(("", path), |relative| ("/", relative));
    let mut parts: Vec<&str> = relative.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{root}{}", parts.join("/"))
}
