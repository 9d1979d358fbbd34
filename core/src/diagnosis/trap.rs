//! The trap of a StatefulSet that was rolled back.
//!
//! With `podManagementPolicy: OrderedReady` the controller waits for a pod to become ready before it touches the next, also when that
//! pod is of a revision that nobody wants any more. Reverting the template does not help: the broken pod must be deleted by hand
//! (Kubernetes docs, "StatefulSet", forced rollback; kubernetes/kubernetes#67250).

use serde_json::Value;

use crate::object::{ObjectRef, ObjectView};

/// A pod whose deletion lets a StatefulSet go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrappedPod {
    /// The pod.
    pub pod: ObjectRef,
    /// Its UID: the precondition of the deletion, so that a pod made meanwhile is left alone.
    pub uid: String,
    /// The revision it is of.
    pub revision: String,
}

/// The pods that must be deleted after the template of a StatefulSet was reverted: those of this set that are not ready, not being
/// deleted already, and of another revision than the one to roll to. Lowest ordinal first, which is where the controller waits.
///
/// Empty while the controller has not seen the present template, because until then `updateRevision` is the one of the bad release;
/// and for sets that do not wait in order, or whose update strategy leaves the pod to its owner (`OnDelete`, below the partition).
pub fn trapped_pods(stateful_set: &Value, pods: &[Value]) -> Vec<TrappedPod> {
    let set = ObjectView::new(stateful_set);
    let in_order = set.text("/spec/podManagementPolicy").is_none_or(|policy| policy == "OrderedReady");
    let rolls = set.text("/spec/updateStrategy/type").is_none_or(|strategy| strategy == "RollingUpdate");
    let observed = set.observed_generation().is_some() && set.observed_generation() >= set.generation();
    let Some(wanted) = set.text("/status/updateRevision").filter(|_| in_order && rolls && observed) else {
        return Vec::new();
    };
    let partition = set.integer("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let mut trapped: Vec<(i64, TrappedPod)> = pods
        .iter()
        .filter(|pod| is_of(ObjectView::new(pod), set))
        .filter_map(|pod| Some((ordinal(ObjectView::new(pod))?, trapped(pod, wanted)?)))
        .filter(|(ordinal, _)| *ordinal >= partition)
        .collect();
    trapped.sort_by_key(|(ordinal, _)| *ordinal);
    trapped.into_iter().map(|(_, pod)| pod).collect()
}

fn is_of(pod: ObjectView<'_>, set: ObjectView<'_>) -> bool {
    pod.controller().is_some_and(|owner| Some(owner.uid) == set.uid())
}

fn trapped(pod: &Value, wanted: &str) -> Option<TrappedPod> {
    let view = ObjectView::new(pod);
    let revision = view.label("controller-revision-hash").filter(|revision| *revision != wanted)?;
    if view.is_deleting() || view.is("Ready") {
        return None;
    }
    Some(TrappedPod {
        pod: ObjectRef::of(pod).ok()?,
        uid: view.uid()?.to_owned(),
        revision: revision.to_owned(),
    })
}

/// The number at the end of the name.
fn ordinal(pod: ObjectView<'_>) -> Option<i64> {
    pod.name().rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(change: impl FnOnce(&mut Value)) -> Value {
        let mut set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop", "uid": "set", "generation": 3},
            "spec": {"replicas": 3, "podManagementPolicy": "OrderedReady", "updateStrategy": {"type": "RollingUpdate"}},
            "status": {"observedGeneration": 3, "updateRevision": "db-good", "currentRevision": "db-good"}});
        change(&mut set);
        set
    }

    fn pod(name: &str, revision: &str, ready: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": format!("uid of {name}"),
                "labels": {"controller-revision-hash": revision},
                "ownerReferences": [{"kind": "StatefulSet", "name": "db", "uid": "set", "controller": true}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[track_caller]
    fn check(set: &Value, pods: &[Value], expect: &[&str]) {
        let names: Vec<String> =
            trapped_pods(set, pods).into_iter().map(|trapped| trapped.pod.name).collect();
        assert_eq!(names, expect);
    }

    #[test]
    fn only_the_broken_pod_of_the_bad_revision_is_deleted() {
        let pods =
            [pod("db-0", "db-good", "True"), pod("db-1", "db-good", "False"), pod("db-2", "db-bad", "False")];
        check(&set(|_| {}), &pods, &["db-2"]);
        assert_eq!(trapped_pods(&set(|_| {}), &pods)[0].uid, "uid of db-2");
    }

    #[test]
    fn ready_and_deleted_pods_are_left_alone() {
        let mut going = pod("db-2", "db-bad", "False");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        check(&set(|_| {}), &[pod("db-1", "db-bad", "True"), going], &[]);
    }

    #[test]
    fn nothing_is_deleted_before_the_revert_was_seen() {
        let stale = set(|set| set["status"]["observedGeneration"] = json!(2));
        check(&stale, &[pod("db-2", "db-bad", "False")], &[]);
        let not_reverted = set(|set| set["status"]["updateRevision"] = json!("db-bad"));
        check(&not_reverted, &[pod("db-2", "db-bad", "False")], &[]);
    }

    #[test]
    fn sets_that_do_not_wait_in_order_free_themselves() {
        let parallel = set(|set| set["spec"]["podManagementPolicy"] = json!("Parallel"));
        check(&parallel, &[pod("db-2", "db-bad", "False")], &[]);
        let by_hand = set(|set| set["spec"]["updateStrategy"]["type"] = json!("OnDelete"));
        check(&by_hand, &[pod("db-2", "db-bad", "False")], &[]);
    }

    #[test]
    fn pods_below_the_partition_keep_their_revision() {
        let partitioned = set(|set| set["spec"]["updateStrategy"]["rollingUpdate"] = json!({"partition": 2}));
        check(&partitioned, &[pod("db-1", "db-bad", "False"), pod("db-2", "db-bad", "False")], &["db-2"]);
    }

    #[test]
    fn pods_of_others_are_left_alone() {
        let mut foreign = pod("db-2", "db-bad", "False");
        foreign["metadata"]["ownerReferences"][0]["uid"] = json!("another");
        check(&set(|_| {}), &[foreign], &[]);
    }

    #[test]
    fn the_lowest_ordinal_comes_first() {
        let pods = [pod("db-10", "db-bad", "False"), pod("db-9", "db-bad", "False")];
        check(&set(|_| {}), &pods, &["db-9", "db-10"]);
    }
}
