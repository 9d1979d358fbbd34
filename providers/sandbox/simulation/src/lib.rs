//! Simulated nodes: what a kubelet does with pods, without running anything.
//!
//! [`PodWorker`] is the model. It is a state machine without clock or network: it is woken at a moment, answers with
//! what the API server is told ([`Effect`]) and says when it wants to be woken next. It follows the kubelet's own
//! algorithm — synchronise, look at what runs, back off — because the order in which events and statuses appear, and
//! the states that never appear, follow from it. `tests/recorded.rs` holds it to what a real kubelet was seen to do.
//!
//! Around the model, without clock or network either: what a node is ([`node`]), what containers wrote ([`output`]), how occurrences become events
//! ([`Recorder`]), which volumes there are ([`storage`]). With the feature `client`, the parts that touch a cluster: [`nodes`] registers the nodes,
//! [`pods`] gives every pod bound to one of them a worker, [`logs`] serves what containers wrote and [`volumes`] provisions claims.

mod agenda;
mod backoff;
mod container;
mod facts;
mod fault;
mod image;
mod live;
#[cfg(feature = "client")]
pub mod logs;
pub mod node;
#[cfg(feature = "client")]
pub mod nodes;
pub mod output;
mod pace;
mod pod;
#[cfg(feature = "client")]
pub mod pods;
mod probe;
mod recorder;
pub mod recording;
mod start;
mod status;
mod stop;
pub mod storage;
#[cfg(feature = "client")]
pub mod volumes;

use std::time::Duration;

pub use facts::{Facts, ObjectKind, references};
pub use live::{LivePod, Registry, address};
pub use pod::{Effect, Occurrence, PodWorker, Severity};
pub use recorder::{Record, Recorder};

/// Time since a pod was taken up.
pub type Moment = Duration;

/// Whether a pod can ask for a fault of this name.
pub fn is_fault(name: &str) -> bool {
    fault::Fault::named(name).is_some()
}
