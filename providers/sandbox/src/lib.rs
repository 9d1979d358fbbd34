//! A windlass provider whose cluster is a Kubernetes API in this process.
//!
//! For trying windlass, and for tests, where no cluster is at hand. What a cluster holds is in memory and gone with the process. Nothing is
//! run: pods are simulated. What the sandbox does not do is answered with an API error, never with a success that is none.

pub mod controllers;
mod kubelet;
pub mod objects;

pub use kubelet::{Kubelet, LogError, LogRequest, LogText};
