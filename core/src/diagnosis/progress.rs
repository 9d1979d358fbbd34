//! How far a rollout is: for the page and the terminal, while it is waited for.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cause;
use super::finding::Finding;
use super::rollout::Rollout;
use super::seen::{Key, SeenObject};
use crate::object::ObjectRef;
use crate::readiness::{Context, Readiness, judge};

/// The state of every object, and the one thing that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The applied objects in the order of apply.
    pub objects: Vec<ObjectProgress>,
    /// What is waited for; nothing when all is ready.
    pub waiting_on: Option<WaitingOn>,
}

/// The state of one applied object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectProgress {
    /// The object.
    pub object: ObjectRef,
    /// Its readiness.
    #[serde(flatten)]
    pub readiness: Readiness,
    /// Its pods of the new revision, by name; those being deleted are left out.
    pub pods: Vec<PodProgress>,
}

/// The state of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PodProgress {
    /// Name of the pod.
    pub name: String,
    /// Its readiness.
    #[serde(flatten)]
    pub readiness: Readiness,
}

/// The one thing that is waited for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingOn {
    /// The applied object.
    pub object: ObjectRef,
    /// The pod, claim or other object in whose place it stands, if there is one.
    pub at_object: Option<ObjectRef>,
    /// The container, where the reason is in one.
    pub container: Option<String>,
    /// Why: `Pulling image "…"`, `1 of 3 replicas are ready`.
    pub reason: String,
    /// The cause, once named.
    pub cause: Option<Cause>,
    /// Since when the cause has been there.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// When the run gives up for this cause, where time alone ends it.
    #[schemars(with = "Option<String>")]
    pub gives_up_at: Option<Timestamp>,
}

impl Rollout {
    /// How far the rollout is.
    pub fn progress(&self) -> Progress {
        let pods = self.new_pods();
        let objects = self.targets.iter().enumerate().map(|(index, target)| ObjectProgress {
            object: target.reference.clone(),
            readiness: target.readiness.clone(),
            pods: pods.iter().filter(|pod| pod.target == index).map(NewPod::progress).collect(),
        });
        Progress { objects: objects.collect(), waiting_on: self.waiting_on(&pods) }
    }

    /// The pods that speak for the applied objects, by name.
    fn new_pods(&self) -> Vec<NewPod<'_>> {
        let pods = self.seen.pods().into_iter().filter(|(_, pod)| !pod.view().is_deleting());
        pods.filter_map(|(key, pod)| Some(NewPod { target: self.concerned(key)?, key, pod })).collect()
    }

    /// A named cause of an object that is not ready; else the first object that is not, down to its first pod that is not.
    fn waiting_on(&self, pods: &[NewPod<'_>]) -> Option<WaitingOn> {
        let unready = |index: usize| !self.targets[index].readiness.is_ready();
        let named =
            self.findings().filter(|finding| unready(finding.target) && !finding.sighting.is_suspicion);
        // The one that would end the wait first is the one to look at.
        let first = named.min_by_key(|finding| self.due_at(finding).unwrap_or(Timestamp::MAX));
        if let Some(finding) = first {
            return Some(self.waiting_on_finding(&finding));
        }
        let target = self.targets.iter().enumerate().find(|(index, _)| unready(*index))?;
        let pod = pods.iter().find(|pod| pod.target == target.0 && !pod.readiness().is_ready());
        Some(WaitingOn {
            object: target.1.reference.clone(),
            at_object: pod.map(|pod| pod.pod.reference.clone()),
            container: None,
            reason: pod
                .and_then(|pod| self.latest_news(pod))
                .or_else(|| target.1.readiness.reason().map(str::to_owned))
                .unwrap_or_default(),
            cause: None,
            since: None,
            gives_up_at: None,
        })
    }

    fn waiting_on_finding(&self, finding: &Finding<'_>) -> WaitingOn {
        let target = &self.targets[finding.target].reference;
        let told_by = self.seen.get(finding.subject).map(|object| object.reference.clone());
        WaitingOn {
            object: target.clone(),
            at_object: told_by.filter(|told_by| told_by != target),
            container: finding.sighting.container.clone(),
            reason: format!("{}: {}", finding.sighting.cause.so_far(), finding.sighting.message),
            cause: Some(finding.sighting.cause),
            since: finding.sighting.since,
            gives_up_at: self.due_at(finding),
        }
    }

    /// A pull is only in events, and is what a pod waits for most; otherwise the pod's own state tells more.
    fn latest_news(&self, pod: &NewPod<'_>) -> Option<String> {
        let events = self.seen.events(pod.key);
        let pulling = events.last().filter(|event| event.reason == "Pulling");
        pulling.map(|event| event.message.clone()).or_else(|| pod.readiness().reason().map(str::to_owned))
    }
}

struct NewPod<'a> {
    target: usize,
    key: &'a Key,
    pod: &'a SeenObject,
}

impl NewPod<'_> {
    fn readiness(&self) -> Readiness {
        judge(&self.pod.value, &Context::default())
    }

    fn progress(&self) -> PodProgress {
        PodProgress { name: self.pod.reference.name.clone(), readiness: self.readiness() }
    }
}
