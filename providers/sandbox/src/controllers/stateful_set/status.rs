//! What a stateful set tells of itself.

use k8s_openapi::api::apps::v1::StatefulSetStatus;
use k8s_openapi::api::core::v1::Pod;

use super::{Work, is_created, is_running_and_ready};
use crate::controllers::pods::{count, unless_zero};
use crate::controllers::revisions::REVISION;
use crate::controllers::view::{is_deleted, label};

impl Work<'_> {
    pub(super) fn counted<'p>(&'p self, pods: impl Iterator<Item = &'p Pod> + Clone) -> StatefulSetStatus {
        let created = pods.filter(|pod| is_created(pod));
        let ready = created.clone().filter(|pod| is_running_and_ready(pod));
        let of_revision = |name: &str| {
            let staying = created.clone().filter(|pod| !is_deleted(*pod));
            count(staying.filter(|pod| label(*pod, REVISION) == Some(name)))
        };
        StatefulSetStatus {
            observed_generation: self.set.metadata.generation,
            replicas: count(created.clone()),
            ready_replicas: unless_zero(count(ready.clone())),
            available_replicas: Some(count(ready.filter(|pod| self.is_available(pod)))),
            current_replicas: unless_zero(of_revision(self.revisions.current_name())),
            updated_replicas: unless_zero(of_revision(self.revisions.update_name())),
            current_revision: Some(self.revisions.current_name().to_owned()),
            update_revision: Some(self.revisions.update_name().to_owned()),
            collision_count: Some(0),
            conditions: None,
        }
    }

    /// Writes the status if it is another than before.
    pub(super) fn write_status(&mut self, mut status: StatefulSetStatus) {
        self.complete(&mut status);
        status.current_replicas = status.current_replicas.filter(|count| *count != 0);
        if self.set.status.as_ref() != Some(&status) {
            self.decision.status(&self.set, &status);
        }
    }

    /// An update is over when every replica is of the update revision and ready: that is the current one from then on.
    fn complete(&self, status: &mut StatefulSetStatus) {
        let wanted = self.wanted();
        let counts = [status.updated_replicas, status.ready_replicas, Some(status.replicas)];
        let is_over = counts.iter().all(|count| count.unwrap_or_default() == wanted);
        if self.strategy() == "RollingUpdate" && is_over {
            status.current_replicas = status.updated_replicas;
            status.current_revision.clone_from(&status.update_revision);
        }
    }
}
