//! `namespace`: puts every object that can have one into a namespace.

use std::sync::Arc;

use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, Make};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::yaml::{Node, Scalar, Text};

/// Which subjects of role bindings are moved to the namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    None,
}

/// The transformation.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    pub(crate) name: Text,
    pub(crate) specs: Arc<Vec<FieldSpec>>,
    /// Leaves namespaces that are set.
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

impl Namespace {
    pub(crate) fn new(namespace: &Text, specs: &Arc<Vec<FieldSpec>>) -> Self {
        Self {
            name: namespace.clone(),
            specs: Arc::clone(specs),
            unset_only: false,
            subjects: Subjects::Default,
        }
    }

    pub(crate) fn apply(&self, resources: &mut Resources) -> Result<()> {
        if self.name.is_empty() {
            return Ok(());
        }
        for resource in resources.all_mut().iter_mut().filter(|resource| !resource.is_deleted()) {
            resource.remember_id();
            self.change(resource)?;
        }
        resources.check_unique()
    }

    /// Changes one resource.
    pub(crate) fn change(&self, resource: &mut Resource) -> Result<()> {
        if !resource.id().cluster_scoped {
            let own = FieldSpec::of("", "", "", "metadata/namespace", true);
            own.visit(&mut resource.node, Make::Scalar, &mut |node| self.set(node))?;
        }
        let is_binding = matches!(resource.kind(), "RoleBinding" | "ClusterRoleBinding");
        if is_binding && let Some(Node::List(subjects)) = resource.node.get_mut("subjects") {
            subjects.iter_mut().try_for_each(|subject| self.change_subject(subject))?;
        }
        let is_core = resource.api_version() == "v1";
        for spec in self.specs.iter() {
            let handled = spec.path == "metadata/namespace"
                || (spec.path == "metadata/name" && !is_core)
                || (spec.path == "subjects/namespace" && is_binding);
            if !handled {
                spec.visit(&mut resource.node, Make::Scalar, &mut |node| self.set(node))?;
            }
        }
        Ok(())
    }

    fn change_subject(&self, subject: &mut Node) -> Result<()> {
        let text = |field| subject.get(field).map_or("", Node::text);
        let chosen = match self.subjects {
            Subjects::Default => text("name") == "default",
            Subjects::ServiceAccounts => text("kind") == "ServiceAccount",
            Subjects::None => false,
        };
        match subject {
            Node::Map(map) if chosen => {
                self.set(map.get_or_insert("namespace", || Scalar::untagged("").into()))
            }
            _ => Ok(()),
        }
    }

    fn set(&self, node: &mut Node) -> Result<()> {
        match node {
            Node::Scalar(scalar) => {
                if !self.unset_only || scalar.text.is_empty() {
                    scalar.replace(Scalar::string(self.name.clone()));
                }
                Ok(())
            }
            other => {
                let (field, found) = ("namespace".to_owned(), other.kind());
                Problem::WrongType { field, expected: "a string", found }.at_line(other.line())
            }
        }
    }
}
