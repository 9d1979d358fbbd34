//! The controllers: what brings the objects of a cluster to what they ask for.
//!
//! Each controller is a decision without clock or network: from a [`view::View`] of the objects and one of them to what is to be written
//! ([`decision::Decision`]). One loop ([`work`]) makes these decisions whenever something changes that they read, and carries them out. They
//! follow the controllers of Kubernetes 1.34 step by step, because the order in which counts, conditions and events appear is part of what
//! others rely on; `recorded/` holds what those were seen to write.

#[cfg(test)]
mod bench;
mod carry_out;
mod daemon_set;
mod decision;
mod deployment;
mod disruption;
mod endpoints;
mod events;
mod garbage;
mod job;
mod kinds;
pub(crate) mod merge;
mod namespaces;
mod ownership;
mod pods;
mod provisioner;
mod quantity;
mod replica_set;
mod revisions;
mod scheduler;
mod stateful_set;
mod view;
mod volume_claims;
mod work;

use serde_json::Value;

pub use carry_out::Create;
pub use work::Controllers;

use decision::{Decision, Moment};
use view::{Subject, View};

/// Everybody who looks after something.
static CONTROLLERS: &[&dyn Controller] = &[
    &deployment::Deployments,
    &replica_set::ReplicaSets,
    &stateful_set::StatefulSets,
    &daemon_set::DaemonSets,
    &job::Jobs,
    &scheduler::Scheduler,
    &volume_claims::VolumeClaims,
    &provisioner::Provisioner,
    &endpoints::ServiceEndpoints,
    &disruption::Budgets,
    &namespaces::Namespaces,
    &garbage::Garbage,
    &events::Events,
];

/// What looks after one kind of object.
trait Controller: Send + Sync {
    /// How it signs its events.
    fn name(&self) -> &'static str;

    /// The objects about which there is something to decide when this one has changed or is gone.
    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject>;

    /// What is to be written about an object. Nothing when all is as it should be.
    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision;
}

#[cfg(test)]
mod recorded;
