//! What kustomize knows about Kubernetes: facts, taken from Kubernetes 1.21 and the defaults of kustomize 5.8.

pub(crate) mod field_specs;
pub(crate) mod merge_keys;
pub(crate) mod name_references;
pub(crate) mod scope;
