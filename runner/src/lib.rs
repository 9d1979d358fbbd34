//! An event-driven deployment runner for Kubernetes.

pub mod sources;
