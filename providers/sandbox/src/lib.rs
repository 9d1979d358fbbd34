//! A windlass provider whose cluster is a Kubernetes API in this process.
//!
//! For trying windlass, and for tests, where no cluster is at hand. What a cluster holds is in memory and gone with the process. Nothing is
//! run: pods are simulated. What the sandbox does not do is answered with an API error, never with a success that is none:
//!
//! * no process runs, so that `exec`, `attach`, `port-forward` and the proxy are answered with 501;
//! * no admission webhooks, aggregated APIs, certificate requests, metrics or other versions than the ones in [`objects::kinds`]: these kinds
//!   are not served, and what cannot be configured is not passed over either;
//! * callers are known by token: client certificates are not asked for;
//! * answers are JSON (requests may be JSON, YAML or protobuf), and lists are answered whole, so that no `continue` is ever valid.
//!
//! It is held to what a real control plane does by the suites of `docs/reference/cluster-suite.md`, among them one of `kubectl` 1.34.

mod api;
mod apply;
mod cluster;
mod config;
pub mod controllers;
mod error;
mod kubelet;
mod nodes;
pub mod objects;
mod protobuf;
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
