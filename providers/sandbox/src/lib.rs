//! A windlass provider whose cluster is a Kubernetes API in this process.
//!
//! For trying windlass, and for tests, where no cluster is at hand. What a cluster holds is in memory and gone with the process. Nothing is
//! run: pods are simulated. What the sandbox does not do is answered with an API error, never with a success that is none.

mod api;
mod apply;
mod cluster;
mod config;
pub mod controllers;
mod error;
mod kubelet;
mod nodes;
pub mod objects;
mod provider;
mod quotas;
mod sandbox;
mod schema;
mod writing;

pub use cluster::{Cluster, ClusterOptions};
pub use config::SandboxConfig;
pub use error::SandboxError;
pub use kubelet::{Kubelet, LogError, LogRequest, LogText};
pub use nodes::{Faults, Nodes, UnknownFault};
pub use provider::SandboxProvider;
pub use sandbox::Sandbox;
