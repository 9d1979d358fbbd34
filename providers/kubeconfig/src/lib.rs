//! A windlass provider for clusters that exist: any kubeconfig.
//!
//! For clusters that somebody else makes: kind, EKS, GKE, AKS, k3s set up by hand. The provider only knows the way in. It reads one context
//! of a kubeconfig file, and hands out what it needs to connect and nothing else. What would run a program or read another file is refused,
//! because the kubeconfig is used by a service with rights of its own; the error says how to get one that stands for itself.
//!
//! It creates, changes and removes nothing: a plan has no changes, `ensure` checks that the kubeconfig can be used, `remove` leaves the
//! cluster and says so.

mod client;
mod config;
mod error;
mod provider;

pub use config::{ClusterAccess, KubeconfigConfig};
pub use provider::KubeconfigProvider;
