//! Simulated nodes: what a kubelet does with pods, without running anything.
//!
//! [`PodWorker`] is the model. It is a state machine without clock or network: it is woken at a moment, answers with
//! what the API server is told ([`Effect`]) and says when it wants to be woken next. It follows the kubelet's own
//! algorithm — synchronise, look at what runs, back off — because the order in which events and statuses appear, and
//! the states that never appear, follow from it. `tests/recorded.rs` holds it to what a real kubelet was seen to do.
//!
//! Around the model are the parts that touch a cluster: [`nodes`] registers the nodes, [`pods`] gives every pod bound
//! to one of them a worker, [`logs`] serves what containers wrote and [`volumes`] provisions claims.

mod agenda;
mod backoff;
mod container;
mod facts;
mod fault;
mod image;
pub mod logs;
pub mod nodes;
mod pace;
mod pod;
pub mod pods;
mod probe;
mod recorder;
pub mod recording;
mod start;
mod status;
mod stop;
pub mod volumes;

use std::time::Duration;

pub use facts::{Facts, ObjectKind, references};
pub use pod::{Effect, Occurrence, PodWorker, Severity};

/// Time since a pod was taken up.
pub type Moment = Duration;
