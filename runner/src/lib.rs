//! An event-driven deployment runner for Kubernetes.

pub mod config;
pub mod lints;
pub mod secrets;
pub mod sources;
pub mod variables;
