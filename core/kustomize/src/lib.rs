//! Renders what kustomize build renders, in process.
