//! What windlass remembers: inbox, runs, journal, releases, and the embedded queue.
//!
//! One SQLite database in a directory of its own. What holds here:
//!
//! * What a call has answered is on disk: WAL with `synchronous = FULL`, one transaction per call.
//! * A run is written through a [`Claim`] and only while the claim stands; every state passes through `RunState::after`.
//! * Nothing here looks at the clock: times are arguments. (The embedded queue is the exception; its contract has no times.)
//! * No secret is stored in the clear. Rendered objects, which hold what people committed, and the way into a cluster are sealed.
//! * Several processes may open the same directory; one of them leads and claims runs.

mod approval;
mod artefact;
mod audit;
mod cancel;
mod cells;
mod census;
mod changes;
mod claim;
mod cluster;
mod edit;
mod environment;
mod error;
mod inbox;
mod key;
mod kill;
mod leadership;
mod lease;
mod migrate;
mod pause;
mod plan;
mod queue;
mod release;
mod run;
mod seal;
mod stage;
mod store;
#[cfg(test)]
mod testing;

pub use approval::{Approval, Decision, Recorded};
pub use artefact::ARTEFACT_LIMIT;
pub use audit::{AuditCheck, AuditEntry, RUNNER};
pub use cancel::Cancelled;
pub use census::{Census, RunGroup};
pub use changes::Seen;
pub use claim::Claim;
pub use cluster::{ClusterToPublish, PublishedCluster};
pub use environment::{Bar, EnvironmentRow, Freeze};
pub use error::StoreError;
pub use inbox::{DEDUPLICATION, InboxEvent, InboxId, InboxStatus, Incoming, Taken};
pub use kill::{kill_point, kill_points};
pub use leadership::Leadership;
pub use lease::Lease;
pub use plan::NewRun;
pub use queue::{EmbeddedQueue, QueuedEvent};
pub use run::{Hold, Reason, RunFilter, RunRow, Waker, WindowOverride, Woken};
pub use stage::{Change, StageRecord, VALUE_LIMIT};
pub use store::Store;
