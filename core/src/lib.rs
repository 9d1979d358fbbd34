//! Vocabulary, contracts and pure decisions of windlass.
//!
//! This crate decides and never does: it has no I/O, no async runtime, no clock and no clients. Times are arguments, Kubernetes objects are
//! JSON values, and everything that reaches outside is a trait that an edge of the system implements.

pub mod diagnosis;
pub mod document;
pub mod event;
pub mod failure;
pub mod name;
pub mod object;
pub mod policy;
pub mod provider;
pub mod queue;
pub mod readiness;
pub mod release;
pub mod run;
