//! An event-driven deployment runner for Kubernetes.
