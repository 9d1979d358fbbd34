//! A windlass provider for clusters that exist: any kubeconfig.
