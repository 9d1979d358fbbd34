//! An event-driven deployment runner for Kubernetes.

pub mod config;
pub mod secrets;
pub mod sources;
pub mod variables;
