//! Access to a Kubernetes cluster: apply, watch, read back, delete.
//!
//! Objects are [`serde_json::Value`]s at this crate's edge, as everywhere in windlass. [`Cluster`] is the connection; each file adds one
//! ability to it. Errors say which request about which object failed and of which [kind](windlass_core::failure::ClusterFailure) the
//! failure is, decided from what the answer says as data.

mod access;
mod adopt;
mod advice;
mod apply;
mod clock;
mod connection;
mod delete;
pub mod diff;
mod error;
mod kinds;
mod kubeconfig;
mod marker;
mod outage;
mod plan;
mod pods;
mod quantity;
mod read;
mod route;
mod scope;
mod status;
mod transport;
mod watch;

pub use access::Right;
pub use apply::{AppliedObject, ApplyHook, ApplyStopped, NoHook, Wrote};
pub use connection::Cluster;
pub use delete::{DataDeletion, Deleted, Deletion, Propagation, holds_data};
pub use diff::{FieldChange, FieldValue};
pub use error::{ClusterError, FieldProblem};
pub use marker::{DigestKey, InventoryItem, Marker};
pub use plan::{ApplyOptions, Change, FIELD_MANAGER, Planned, Refusals, TakenField, Unchecked};
pub use pods::PodsTried;
pub use read::{Listed, Selector};
pub use transport::CALL_TIMEOUT;
pub use watch::Watch;
