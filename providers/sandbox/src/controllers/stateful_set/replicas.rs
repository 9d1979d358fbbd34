//! Which pod is made, waited for or taken next.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::{Work, is_created, is_running_and_ready, ordinal};
use crate::controllers::decision::Told;
use crate::controllers::pods;
use crate::controllers::revisions::REVISION;
use crate::controllers::view::{controller_reference, is_deleted, label, name_of, namespace_of};

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// Whether to go on to the next pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Wait,
}

impl Work<'_> {
    /// One step towards the wanted pods. Returns the count of pods at the current revision, one less if one was taken for an update.
    pub(super) fn step(&mut self, current: Option<i32>) -> Option<i32> {
        for index in 0..self.replicas.len() {
            if self.serve(index) == Then::Wait && self.is_ordered() {
                return current;
            }
        }
        let first_unavailable = self.first_unavailable();
        for index in 0..self.condemned.len() {
            let then = self.condemn(index, first_unavailable.as_deref());
            if then == Then::Wait && self.is_ordered() {
                return current;
            }
        }
        if self.strategy() != "OnDelete" && self.update() {
            return current.map(|count| count - 1);
        }
        current
    }

    /// Makes a pod that is missing and replaces one that has ended; waits for one that is not available.
    fn serve(&mut self, index: usize) -> Then {
        let pod = self.replicas[index].clone();
        if pods::has_finished(&pod) {
            if !is_deleted(&pod) {
                self.delete(&pod);
            }
            return Then::Wait;
        }
        if !is_created(&pod) {
            self.create(&pod);
            return Then::Wait;
        }
        if pods::phase(&pod) == "Pending" {
            self.create_claims(&pod);
        }
        if is_deleted(&pod) || !self.is_available(&pod) {
            self.watch_availability(&pod);
            return Then::Wait;
        }
        self.restore_identity(&pod);
        self.keep_claims(&pod, false);
        Then::GoOn
    }

    /// Takes a pod that should not be there, unless another has to be well first.
    fn condemn(&mut self, index: usize, first_unavailable: Option<&str>) -> Then {
        let pod = self.condemned[index].clone();
        self.keep_claims(&pod, true);
        let is_well = is_running_and_ready(&pod) && self.is_available(&pod);
        let blocks_itself = first_unavailable == Some(name_of(&pod));
        if !is_deleted(&pod) && (is_well || blocks_itself || !self.is_ordered()) {
            self.delete(&pod);
        }
        Then::Wait
    }

    /// Takes the pod with the highest number that is not of the update revision, once all above it are available.
    fn update(&mut self) -> bool {
        let lowest = usize::try_from(self.partition().unwrap_or_default()).unwrap_or_default();
        for index in (lowest..self.replicas.len()).rev() {
            let pod = self.replicas[index].clone();
            if label(&pod, REVISION) != Some(self.revisions.update_name()) && !is_deleted(&pod) {
                if is_created(&pod) {
                    self.delete(&pod);
                }
                return true;
            }
            if is_deleted(&pod) || !self.is_available(&pod) {
                return false;
            }
        }
        false
    }

    fn first_unavailable(&self) -> Option<String> {
        let mut all = self.replicas.iter().chain(self.condemned.iter().rev());
        let first = all.find(|pod| is_deleted(*pod) || !self.is_available(pod))?;
        Some(name_of(first).to_owned())
    }

    fn watch_availability(&mut self, pod: &Pod) {
        let minimum = self.spec().min_ready_seconds.unwrap_or_default();
        if let Some(at) = pods::available_at(pod, minimum).filter(|at| *at > self.moment.now) {
            self.decision.look_again(at);
        }
    }

    fn create(&mut self, pod: &Pod) {
        // A claim that is on its way out would be the new pod's, and take its data away.
        if !self.create_claims(pod) {
            return;
        }
        let words = format!("create Pod {} in StatefulSet {}", name_of(pod), name_of(&self.set));
        let told = Told::about(&self.set)
            .done("SuccessfulCreate", format!("{words} successful"))
            .refused("FailedCreate", format!("{words} failed error: {{error}}"));
        self.decision.create(pod, Some(told));
    }

    fn delete(&mut self, pod: &Pod) {
        let words = format!("delete Pod {} in StatefulSet {}", name_of(pod), name_of(&self.set));
        let told = Told::about(&self.set)
            .done("SuccessfulDelete", format!("{words} successful"))
            .refused("FailedDelete", format!("{words} failed error: {{error}}"));
        self.decision.delete(pod, Some(told));
    }

    /// The label that tells a pod's name may have been taken away.
    fn restore_identity(&mut self, pod: &Pod) {
        if label(pod, POD_NAME) != Some(name_of(pod)) {
            self.decision.change(pod, json!({ "metadata": { "labels": { POD_NAME: name_of(pod) } } }));
        }
    }

    /// The pod of a number as it would be made now, at the revision that is due to it.
    pub(super) fn new_pod(&self, number: i32) -> Pod {
        let current = self.status().current_replicas.unwrap_or_default();
        let stays = match self.partition() {
            Some(partition) => number < self.first() + partition,
            None => self.strategy() == "RollingUpdate" && number < self.first() + current,
        };
        let (revision, template) = self.revisions.template(stays);
        let owner = controller_reference(&self.set);
        let mut pod = pods::from_template(&template, namespace_of(&self.set), owner);
        let name = format!("{}-{number}", name_of(&self.set));
        let labels = pod.metadata.labels.get_or_insert_default();
        labels.insert(REVISION.to_owned(), revision.to_owned());
        labels.insert(POD_NAME.to_owned(), name.clone());
        labels.insert(POD_INDEX.to_owned(), number.to_string());
        pod.metadata.name = Some(name.clone());
        let spec = pod.spec.get_or_insert_default();
        spec.hostname = Some(name);
        spec.subdomain = self.spec().service_name.clone().filter(|name| !name.is_empty());
        self.add_volumes(&mut pod);
        debug_assert_eq!(ordinal(&self.set, &pod), Some(number));
        pod
    }
}
