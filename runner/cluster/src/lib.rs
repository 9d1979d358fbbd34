//! Access to a Kubernetes cluster: apply, watch, read back, delete.
